"""From TOML to a definition: files, presets that build on one another, and where in the text a mistake stands."""

import dataclasses
import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from study.definition.errors import DefinitionError
from study.definition.meaning import contradictions
from study.definition.schema import FORMAT, StudyDefinition

DEFAULT_PRESET = "zhang2016"
Path_ = tuple[str | int, ...]
T = TypeVar("T")


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
            raise DefinitionError(
                check.line(("format",), f'expected format = "{FORMAT}", or preset = "{DEFAULT_PRESET}" to build on one')
            )
        return check.definition(data)
    if preset not in presets():
        raise DefinitionError(
            check.line(("preset",), f"no preset is called {preset!r}; there are: {', '.join(presets())}")
        )
    if data.pop("format", FORMAT) != FORMAT:
        raise DefinitionError(check.line(("format",), f"expected {FORMAT}"))
    return check.definition({**_merge(_preset_data(preset), data), "preset": preset})


def load_preset(name: str = DEFAULT_PRESET) -> StudyDefinition:
    """Load a shipped protocol as it is."""
    return parse_definition(f'preset = "{name}"', where=name)


def from_canonical(text: str) -> StudyDefinition:
    """Read the canonical form back."""
    data = json.loads(text)
    if data.pop("format") != FORMAT:
        raise DefinitionError(f"stored definition: expected {FORMAT}; run: flask --app study upgrade")
    return _Check("stored definition", "").definition(data)


def _preset_data(name: str) -> dict[str, Any]:
    """Give a preset's data on top of the one that it builds on."""
    data = tomllib.loads(files("study").joinpath("protocols", f"{name}.toml").read_text(encoding="utf-8"))
    del data["format"]
    base = data.pop("preset", None)
    return _merge(_preset_data(base), data) if base else data


def _merge(base: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for section, value in data.items():
        # Unknown sections pass through to table(), which names them.
        if isinstance(value, dict) and isinstance(base.get(section), dict):
            merged[section] = {**base[section], **value}
        else:
            merged[section] = value
    return merged


class _WrongError(Exception):
    """A value that is noted already."""


@dataclass
class _Check:
    """Builds the dataclasses from TOML's tables and notes where something is wrong."""

    where: str
    text: str
    problems: list[str] = field(default_factory=list)

    def line(self, path: Path_, message: str) -> str:
        """Put file, line and key before a message."""
        line = _line_of(self.text, path)
        name = ".".join(f"{part}" for part in path)
        return f"{self.where}:{line}: {name}: {message}" if line else f"{self.where}: {name}: {message}"

    def wrong(self, path: Path_, message: str) -> _WrongError:
        """Note a problem; raise what it returns to give the value up."""
        self.problems.append(self.line(path, message))
        return _WrongError()

    def definition(self, data: dict[str, Any]) -> StudyDefinition:
        """Build the whole; every problem that can be found at once is found."""
        data.setdefault("questionnaire", {})
        try:
            result = self.table(StudyDefinition, data, ())
        except _WrongError:
            raise DefinitionError(*self.problems) from None
        for path, message in contradictions(result):
            self.wrong(path, message)
        if self.problems:
            raise DefinitionError(*self.problems)
        return result

    def table(self, cls: type[T], data: object, path: Path_) -> T:
        """Build one dataclass from one table."""
        if not isinstance(data, dict):
            raise self.wrong(path, f"expected a table, got {data!r}")
        hints = get_type_hints(cls)
        fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        n_before = len(self.problems)
        for key in data:
            if key not in fields:
                near = difflib.get_close_matches(key, fields, n=1, cutoff=0.4)
                hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(fields)}"
                self.wrong((*path, key), f"unknown key; {hint}")
        values = {}
        for name, f in fields.items():
            here = (*path, name)
            if name in data:
                try:
                    values[name] = self.value(hints[name], data[name], here)
                    self.limits(f.metadata, values[name], here)
                except _WrongError:
                    continue
            elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
                self.wrong(here, 'missing; add it, or build on a preset with preset = "zhang2016"')
        if len(self.problems) > n_before:
            raise _WrongError
        return cls(**values)

    def value(self, kind: Any, value: Any, path: Path_) -> Any:
        """Check one value against its annotation; whole numbers are welcome where any number is."""
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            return self.table(kind, value, path)
        if get_origin(kind) is tuple:
            if not isinstance(value, list):
                raise self.wrong(path, f"expected a list, got {value!r}")
            (item, _) = get_args(kind)
            return tuple(self.value(item, one, (*path, number)) for number, one in enumerate(value))
        if get_origin(kind) is dict:
            if not isinstance(value, dict):
                raise self.wrong(path, f"expected a table, got {value!r}")
            return {key: self.value(str, one, (*path, key)) for key, one in value.items()}
        if get_origin(kind) is UnionType:
            if value is None:
                return None
            (kind,) = (option for option in get_args(kind) if option is not NoneType)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            names = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
            raise self.wrong(path, f"expected {names[kind]}, got {value!r}")
        return value

    def limits(self, metadata: Mapping[str, Any], value: Any, path: Path_) -> None:
        """Check what the dataclass says beside the type."""
        if "one_of" in metadata and value not in metadata["one_of"]:
            raise self.wrong(path, f"expected {' or '.join(metadata['one_of'])}, got {value!r}")
        if "some_of" in metadata:
            for number, one in enumerate(value):
                if one not in metadata["some_of"] or one in value[:number]:
                    known = ", ".join(metadata["some_of"])
                    raise self.wrong(path, f"expected some of {known}, each once, got {one!r}")
        if "within" in metadata and value is not None:
            low, high = metadata["within"]
            if not low <= value <= high:
                raise self.wrong(path, f"expected {low} to {high}, got {value:g}")


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
