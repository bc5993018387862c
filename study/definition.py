"""What a study is: a TOML file, a preset it builds on, and a canonical form with a SHA-256.

The keys and their sources stand in `protocols/zhang2016.toml`. Every key of a definition exists in the dataclasses
below; an unknown one is an error that names its line and the nearest key that exists.
"""

import dataclasses
import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

FORMAT = "truehue-study/1"
DEFAULT_PRESET = "zhang2016"
PLACEHOLDERS = ("contact", "title", "minutes", "n_practice", "n_trials", "exposure_s")
T = TypeVar("T")
ITEM_TYPES = ("choice", "scale", "number", "text")


class DefinitionError(ValueError):
    """A definition that cannot be used; the message is one line: file, line, what, what to do."""


def _one_of(*values: str) -> Any:
    return field(metadata={"one_of": values})


def _within(low: float, high: float) -> Any:
    return field(metadata={"within": (low, high)})


@dataclass(frozen=True, slots=True)
class Protocol:
    """Which published protocol this is."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class About:
    """What participants are told of the study itself."""

    title: str
    language: str
    contact: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is measured."""

    measure: str = _one_of("fool_rate")
    chance: float = _within(0, 1)


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """What a trial is."""

    prompt: str
    design: str = _one_of("sequential_pair")
    question: str = _one_of("fake", "real")
    size_unit: str = _one_of("css_px")


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of a trial, in ms."""

    first_blank_ms: float = _within(0, 60_000)
    blank_before_ms: float = _within(0, 60_000)
    exposure_ms: float = _within(10, 60_000)
    blank_between_ms: float = _within(0, 60_000)
    buttons_after_ms: float = _within(0, 60_000)
    feedback_ms: float = _within(0, 60_000)


@dataclass(frozen=True, slots=True)
class Practice:
    """The trials before the test."""

    feedback: bool
    n_trials: int = _within(0, 1000)
    n_spare: int = _within(0, 1000)


@dataclass(frozen=True, slots=True)
class Scored:
    """The scored trials."""

    n_trials: int = _within(1, 5000)
    photos: str = _one_of("fresh", "fixed")


@dataclass(frozen=True, slots=True)
class Catch:
    """The control trials among the test trials."""

    low_anchor_condition: str
    n_low_anchor: int = _within(0, 1000)
    n_instructed: int = _within(0, 1000)
    n_spare: int = _within(0, 1000)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is under test."""

    models: tuple[str, ...]
    assignment: str = _one_of("between")


@dataclass(frozen=True, slots=True)
class Device:
    """On what the study may be taken."""

    phones: str = _one_of("allowed", "refused")
    min_viewport_width_px: int = _within(0, 10_000)
    min_viewport_height_px: int = _within(0, 10_000)


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is declared beforehand for the report; what has a default may be absent from an older definition."""

    targets: tuple[float, ...]
    margin: float | None = field(default=None, metadata={"within": (0.001, 0.499)})
    confidence: float = field(default=0.95, metadata={"within": (0.5, 0.999)})
    max_instructed_failed: int | None = field(default=None, metadata={"within": (0, 1000)})
    exclude_badly_timed: bool = False
    max_exposure_error_frames: float = field(default=1.5, metadata={"within": (0.5, 100)})


@dataclass(frozen=True, slots=True)
class Words:
    """The texts; the first three are Markdown."""

    consent: str
    instructions: str
    debrief: str
    instructed_left: str
    instructed_right: str
    left: str
    right: str
    correct: str
    wrong: str
    practice_done: str
    closed: str


@dataclass(frozen=True, slots=True)
class Option:
    """One answer of a choice."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Item:
    """One question of the questionnaire."""

    item_id: str
    question: str
    type: str = field(metadata={"one_of": ITEM_TYPES})
    required: bool = True
    options: tuple[Option, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    low_label: str = ""
    high_label: str = ""
    max_length: int = field(default=2000, metadata={"within": (1, 20_000)})


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """The questions after the trials; none is fine."""

    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class StudyDefinition:
    """All that decides how a study runs, but for its pictures."""

    protocol: Protocol
    study: About
    outcome: Outcome
    trial: TrialSpec
    timing: Timing
    practice: Practice
    test: Scored
    catch: Catch
    conditions: Conditions
    device: Device
    analysis: Analysis
    words: Words
    questionnaire: Questionnaire

    @property
    def n_main(self) -> int:
        """Trials after practice: test and catch."""
        return self.test.n_trials + self.catch.n_low_anchor + self.catch.n_instructed

    @property
    def minutes(self) -> int:
        """How long a session takes, rounded up: the timing, 1.5 s to answer, 3 minutes to read and fill in."""
        t = self.timing
        trial_ms = t.blank_before_ms + 2 * t.exposure_ms + t.blank_between_ms + t.buttons_after_ms + 1500
        practice_ms = trial_ms + (t.feedback_ms if self.practice.feedback else 0)
        return int(-(-(self.n_main * trial_ms + self.practice.n_trials * practice_ms) // 60_000)) + 3

    def fill(self, text: str) -> str:
        """Put the study's own numbers into one of its texts."""
        seconds = self.timing.exposure_ms / 1000
        values = {
            "contact": self.study.contact,
            "title": self.study.title,
            "minutes": str(self.minutes),
            "n_practice": str(self.practice.n_trials),
            "n_trials": str(self.n_main),
            "exposure_s": "1 second" if seconds == 1 else f"{seconds:g} seconds",
        }
        return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), text)

    @property
    def canonical(self) -> str:
        """All keys, sorted, as JSON without spaces; whole numbers without a point."""
        data = {"format": FORMAT, **dataclasses.asdict(self)}
        return json.dumps(_plain(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def sha256(self) -> str:
        """Names this definition."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def consent_sha256(self) -> str:
        """Names the consent text as it is shown."""
        return hashlib.sha256(self.fill(self.words.consent).encode()).hexdigest()


def presets() -> list[str]:
    """Name the presets that are shipped."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in files("study").joinpath("protocols").iterdir()
        if entry.name.endswith(".toml")
    )


def read_definition(path: Path) -> StudyDefinition:
    """Read a definition file."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DefinitionError(f"{path}: {error.strerror}; name a study definition (TOML)") from None
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    return parse_definition(text, where=str(path))


def parse_definition(text: str, *, where: str = "definition") -> StudyDefinition:
    """Read a definition from its text, on top of the preset that it names."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"{where}: not valid TOML: {error}") from None
    check = _Check(where, text)
    preset = data.pop("preset", None)
    if preset is None:
        if data.pop("format", None) != FORMAT:
            raise check.error(
                ("format",), f'expected format = "{FORMAT}", or preset = "{DEFAULT_PRESET}" to build on one'
            )
        return check.definition(data, base={})
    if preset not in presets():
        raise check.error(("preset",), f"no preset is called {preset!r}; there are: {', '.join(presets())}")
    if data.pop("format", FORMAT) != FORMAT:
        raise check.error(("format",), f"expected {FORMAT}")
    return check.definition(data, base=_preset_data(preset))


def load_preset(name: str = DEFAULT_PRESET) -> StudyDefinition:
    """Load a shipped protocol as it is."""
    return parse_definition(f'preset = "{name}"', where=name)


def from_canonical(text: str) -> StudyDefinition:
    """Read the canonical form back."""
    data = json.loads(text)
    if data.pop("format") != FORMAT:
        raise DefinitionError(f"stored definition: expected {FORMAT}; run: flask --app study upgrade")
    return _Check("stored definition", "").definition(data, base={})


def _preset_data(name: str) -> dict[str, Any]:
    data = tomllib.loads(files("study").joinpath("protocols", f"{name}.toml").read_text(encoding="utf-8"))
    del data["format"]
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class _Check:
    """Builds the dataclasses from TOML's tables and says where something is wrong."""

    where: str
    text: str

    def error(self, path: tuple[str | int, ...], message: str) -> DefinitionError:
        line = _line_of(self.text, path)
        name = ".".join(f"{part}" for part in path)
        return DefinitionError(
            f"{self.where}:{line}: {name}: {message}" if line else f"{self.where}: {name}: {message}"
        )

    def definition(self, data: dict[str, Any], *, base: dict[str, Any]) -> StudyDefinition:
        merged = dict(base)
        for section, value in data.items():
            # Unknown sections pass through to table(), which names them.
            if isinstance(value, dict) and isinstance(base.get(section), dict):
                merged[section] = {**base[section], **value}
            else:
                merged[section] = value
        merged.setdefault("questionnaire", {})
        result = self.table(StudyDefinition, merged, ())
        self.meaning(result)
        return result

    def table(self, cls: type[T], data: object, path: tuple[str | int, ...]) -> T:
        """Build one dataclass from one table."""
        if not isinstance(data, dict):
            raise self.error(path, f"expected a table, got {data!r}")
        hints = get_type_hints(cls)
        fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        for key in data:
            if key not in fields:
                near = difflib.get_close_matches(key, fields, n=1, cutoff=0.4)
                hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(fields)}"
                raise self.error((*path, key), f"unknown key; {hint}")
        values = {}
        for name, f in fields.items():
            here = (*path, name)
            if name in data:
                values[name] = self.value(hints[name], data[name], here)
                self.limits(f.metadata, values[name], here)
            elif f.default is dataclasses.MISSING:
                raise self.error(here, 'missing; add it, or build on a preset with preset = "zhang2016"')
        return cls(**values)

    def value(self, kind: Any, value: Any, path: tuple[str | int, ...]) -> Any:
        """Check one value against its annotation; whole numbers are welcome where any number is."""
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            return self.table(kind, value, path)
        if get_origin(kind) is tuple:
            if not isinstance(value, list):
                raise self.error(path, f"expected a list, got {value!r}")
            (item, _) = get_args(kind)
            return tuple(self.value(item, one, (*path, number)) for number, one in enumerate(value))
        if get_origin(kind) is UnionType:
            if value is None:
                return None
            (kind,) = (option for option in get_args(kind) if option is not NoneType)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            names = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
            raise self.error(path, f"expected {names[kind]}, got {value!r}")
        return value

    def limits(self, metadata: Mapping[str, Any], value: Any, path: tuple[str | int, ...]) -> None:
        """Check what the dataclass says beside the type."""
        if "one_of" in metadata and value not in metadata["one_of"]:
            raise self.error(path, f"expected {' or '.join(metadata['one_of'])}, got {value!r}")
        if "within" in metadata and value is not None:
            low, high = metadata["within"]
            if not low <= value <= high:
                raise self.error(path, f"expected {low} to {high}, got {value:g}")

    def meaning(self, d: StudyDefinition) -> None:
        """Check what one key alone cannot tell."""
        if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", d.study.language):
            raise self.error(("study", "language"), f'expected a language tag like "en", got {d.study.language!r}')
        for number, target in enumerate(d.analysis.targets):
            if not 0 < target < 1:
                raise self.error(("analysis", "targets", number), f"expected a rate between 0 and 1, got {target:g}")
        for name in ("consent", "instructions", "debrief"):
            for found in re.findall(r"\{(\w+)\}", getattr(d.words, name)):
                if found not in PLACEHOLDERS:
                    raise self.error(
                        ("words", name),
                        f"{{{found}}} cannot be filled in; there are: {', '.join(PLACEHOLDERS)}",
                    )
        if len(set(d.conditions.models)) < len(d.conditions.models):
            raise self.error(("conditions", "models"), "a condition occurs twice")
        seen: set[str] = set()
        for number, item in enumerate(d.questionnaire.items):
            path = ("questionnaire", "items", number)
            if not re.fullmatch(r"[a-z][a-z0-9_]*", item.item_id):
                raise self.error((*path, "item_id"), f"expected small letters, digits and _, got {item.item_id!r}")
            if item.item_id in seen:
                raise self.error((*path, "item_id"), f"{item.item_id} occurs twice")
            seen.add(item.item_id)
            self.item(item, path)

    def item(self, item: Item, path: tuple[str | int, ...]) -> None:
        """Check that an item has what its type needs."""
        low, high = item.minimum, item.maximum
        if item.type == "choice":
            values = [option.value for option in item.options]
            if len(values) < 2 or len(set(values)) < len(values):
                raise self.error(
                    (*path, "options"),
                    f"a choice needs two or more options with values of their own, got {values}",
                )
        elif item.type == "scale":
            if low is None or high is None or not (low.is_integer() and high.is_integer() and 1 <= high - low <= 20):
                raise self.error(
                    (*path, "maximum"),
                    f"a scale needs whole minimum and maximum, 1 to 20 apart, got {low} and {high}",
                )
        elif low is not None and high is not None and low > high:
            raise self.error((*path, "maximum"), f"expected at least the minimum, {low:g}, got {high:g}")


def _line_of(text: str, path: tuple[str | int, ...]) -> int | None:
    """Find the line of a key by reading the text as TOML's tables; None if the text does not set it."""
    best: int | None = None
    table: list[str | int] = []
    n_of: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if header := re.match(r"\[(\[?)\s*([\w.\- \"']+?)\s*\]", stripped):
            name = header[2].replace('"', "").replace("'", "")
            table = list(name.split("."))
            if header[1]:
                n_of[name] = n_of.get(name, -1) + 1
                table.append(n_of[name])
            here = tuple(table)
        elif key := re.match(r"([\w.\-\"']+)\s*=", stripped):
            here = (*table, *key[1].replace('"', "").replace("'", "").split("."))
        else:
            continue
        if here == path:
            return number
        if here and here == path[: len(here)]:
            best = number  # the line of the nearest table around it
    return best
