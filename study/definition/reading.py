"""From TOML to a definition: files, presets that build on one another, and where in the text a mistake stands."""

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from study.definition.errors import DefinitionError
from study.definition.meaning import contradictions
from study.definition.places import Path_, explain_toml, line_of
from study.definition.schema import FORMAT, StudyDefinition

DEFAULT_PRESET = "zhang2016"
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
        text = path.read_text(encoding="utf-8-sig")  # some editors on Windows put a mark before the first character
    except OSError as error:
        raise DefinitionError(f"{path}: {error.strerror}; name a study definition (TOML)") from None
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{path}:{_line_at(path, error.start)}: not UTF-8; save it as UTF-8") from None
    return parse_definition(text, where=str(path))


def _line_at(path: Path, position: int) -> int:
    """Count the lines up to a byte, which no decoder has seen."""
    return path.read_bytes()[:position].count(b"\n") + 1


def parse_definition(text: str, *, where: str = "definition") -> StudyDefinition:
    """Read a definition from its text, on top of the preset that it names."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(explain_toml(where, text, error)) from None
    check = _Check(where, text)
    preset = data.pop("preset", None)
    if preset is None:
        if data.pop("format", None) != FORMAT:
            wanted = f'expected format = "{FORMAT}", or preset = "{DEFAULT_PRESET}" to build on one'
            raise DefinitionError(check.line(("format",), f"{wanted}; it stands above the first [table]"))
        return check.definition(data)
    if preset not in presets():
        raise DefinitionError(
            check.line(("preset",), f"no preset is called {preset!r}; there are: {', '.join(presets())}")
        )
    if data.pop("format", FORMAT) != FORMAT:
        raise DefinitionError(check.line(("format",), f"expected {FORMAT}"))
    return check.definition({**_merge(_preset_data(preset), data), "preset": preset})


@cache
def load_preset(name: str = DEFAULT_PRESET) -> StudyDefinition:
    """Load a shipped protocol as it is; a form of the console asks for all of them."""
    return parse_definition(f'preset = "{name}"', where=name)


def from_canonical(text: str) -> StudyDefinition:
    """Read the canonical form back."""
    data = json.loads(text)
    if data.pop("format") != FORMAT:
        raise DefinitionError(f"stored definition: expected {FORMAT}; run: flask --app study upgrade")
    return _Check("stored definition", "", is_new=False).definition(data)


@cache
def _preset_data(name: str) -> dict[str, Any]:
    """Give a preset's data on top of the one that it builds on; callers change nothing in it."""
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
    is_new: bool = True
    """Whether its keys must fit one another; what was stored did when it was made, by the rules of its day."""
    problems: list[str] = field(default_factory=list)

    def line(self, path: Path_, message: str) -> str:
        """Put file, line and key before a message.

        What the text does not set comes from its preset; then that line is named, or the first.
        """
        name = ".".join(f"{part}" for part in path)
        if line := line_of(self.text, path):
            return f"{self.where}:{line}: {name}: {message}"
        if not self.text:
            return f"{self.where}: {name}: {message}"
        if from_preset := line_of(self.text, ("preset",)):
            return f"{self.where}:{from_preset}: {name} (set by the preset): {message}"
        return f"{self.where}:1: {name}: {message}"

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
        for path, message in contradictions(result) if self.is_new else ():
            self.wrong(path, message)
        if self.problems:
            raise DefinitionError(*self.problems)
        return result

    def table(self, cls: type[T], data: object, path: Path_) -> T:
        """Build one dataclass from one table."""
        if not isinstance(data, dict):
            if isinstance(data, list):
                name = ".".join(map(str, path))
                raise self.wrong(path, f"expected one table, got a list; write [{name}] with single brackets")
            names = ", ".join(f"{f.name} = …" for f in dataclasses.fields(cls)[:2])  # type: ignore[arg-type]
            raise self.wrong(path, f"expected a table such as {{ {names} }}, got {data!r}")
        hints = _types_of(cls)  # type: ignore[arg-type]  # classes are hashable
        fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        n_before = len(self.problems)
        for key in data:
            if key not in fields:
                near = difflib.get_close_matches(key, fields, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(fields)}"
                if path and key in ("preset", "format"):
                    hint = f"{key} stands above the first [table]"
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
                of_a_list = any(isinstance(part, int) for part in path)
                or_build = "" if of_a_list else f', or build on a preset with preset = "{DEFAULT_PRESET}"'
                self.wrong(here, f"missing; add it{or_build}")
        if len(self.problems) > n_before:
            raise _WrongError
        return cls(**values)

    def value(self, kind: Any, value: Any, path: Path_) -> Any:
        """Check one value against its annotation; whole numbers are welcome where any number is."""
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            return self.table(kind, value, path)
        if get_origin(kind) is tuple:
            (item, _) = get_args(kind)
            if not isinstance(value, list):
                name = ".".join(map(str, path))
                how = f"write [[{name}]] with double brackets" if dataclasses.is_dataclass(item) else "write [ … ]"
                raise self.wrong(path, f"expected a list, got {value!r}; {how}")
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
            how = "; take the quotes away" if isinstance(value, str) and names[kind] != names[str] else ""
            raise self.wrong(path, f"expected {names[kind]}, got {value!r}{how}")
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
                raise self.wrong(path, f"expected {low} to {high}, got {value}")


@cache
def _types_of(cls: Any) -> dict[str, Any]:
    """Give the types of a dataclass's fields, which Python works out anew at each question."""
    return get_type_hints(cls)
