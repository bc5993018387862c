"""Which column of somebody's table is what: from flags, or from a mapping file (TOML).

[table]
title = "A study of ours"
design = "pair"                    # or single, rating; what the columns imply if absent

[columns]
participant = "subject"
item = "photo"
condition = "system"
fooled = "took_fake_for_real"      # pair: 1 where the fake was taken for the real picture
# judged_real, or correct          # single pictures, with is_fake
# rating                           # a number per picture
# trial, arm, time, version, rt_ms or rt_s: used to check the table, where there are such columns

[rows]
only = { kind = "test" }           # keep these rows, count the others
exclude = ["failed_check"]         # leave out rows where this column is true, count them

[values]
true = ["fake"]                    # further spellings of true and false
false = ["photo"]

[analysis]
targets = [0.1]
margin = 0.05
confidence = 0.95
rating = [1, 7]                    # the ends of the rating scale
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DESIGNS = ("pair", "single", "rating")
COLUMNS = (
    "participant", "item", "condition", "fooled", "judged_real", "correct", "rating", "is_fake",
    "trial", "arm", "time", "version", "rt_ms", "rt_s",
)  # fmt: skip
SECTIONS: dict[str, tuple[str, ...]] = {
    "table": ("title", "design"),
    "columns": COLUMNS,
    "rows": ("only", "exclude", "keep_duplicates"),
    "values": ("true", "false"),
    "analysis": ("targets", "margin", "confidence", "rating"),
}


class MappingError(ValueError):
    """The mapping cannot be used; the message is one line for a person."""


@dataclass(frozen=True)
class Mapping:
    """What a table's columns mean.  `columns` maps our names (COLUMNS) to the table's."""

    columns: dict[str, str]
    design: str
    title: str = ""
    only: dict[str, str] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    keep_duplicates: bool = False
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    analysis: dict[str, Any] = field(default_factory=dict)
    rating: tuple[float, float] | None = None

    @property
    def used(self) -> list[str]:
        """Return the table's columns that are read, each once."""
        return list(dict.fromkeys([*self.columns.values(), *self.only, *self.exclude]))

    def described(self) -> dict[str, Any]:
        """Return what was mapped, for the provenance; empty entries left out."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value}


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a mapping file into its sections, refusing what is not known."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MappingError(f"{path}: expected a mapping file (TOML), got: {error.strerror}; name another") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MappingError(f"{path}: expected TOML, got: {error}; correct that line") from error
    for section, values in data.items():
        _known(f"{path}: [{section}]", section, tuple(SECTIONS))
        if not isinstance(values, dict):
            raise MappingError(f"{path}: {section}: expected a table [{section}], got {values!r}")
        for key in values:
            _known(f"{path}: {section}.{key}", key, SECTIONS[section])
    return data


def _known(where: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
        raise MappingError(f"{where}: unknown name; {hint}")


def make_mapping(sections: dict[str, Any]) -> Mapping:
    """Check the sections of a mapping against one another and build it."""
    columns = {name: str(column) for name, column in sections.get("columns", {}).items() if column}
    table, rows = sections.get("table", {}), sections.get("rows", {})
    values, analysis = sections.get("values", {}), dict(sections.get("analysis", {}))
    for name in ("participant", "item"):
        if name not in columns:
            raise MappingError(
                f"mapping: expected the column of the {name}, got none; name it with --{name} COL "
                "(both are samples, and an interval without either would be too short)"
            )
    scale = analysis.pop("rating", None)
    if scale is not None and not (isinstance(scale, list | tuple) and len(scale) == 2 and scale[0] < scale[1]):
        raise MappingError(f"mapping: analysis.rating: expected the two ends of the scale like [1, 7], got {scale!r}")
    design = table.get("design") or _implied(columns)
    if design not in DESIGNS:
        raise MappingError(f"mapping: table.design: expected {', '.join(DESIGNS)}, got {design!r}")
    _check_design(design, columns)
    return Mapping(
        columns=columns,
        design=design,
        title=str(table.get("title", "")),
        only={str(key): str(value) for key, value in rows.get("only", {}).items()},
        exclude=tuple(map(str, rows.get("exclude", ()))),
        keep_duplicates=bool(rows.get("keep_duplicates", False)),
        true=tuple(str(value).casefold() for value in values.get("true", ())),
        false=tuple(str(value).casefold() for value in values.get("false", ())),
        analysis=analysis,
        rating=None if scale is None else (float(scale[0]), float(scale[1])),
    )


def _implied(columns: dict[str, str]) -> str:
    for outcome, design in (("fooled", "pair"), ("rating", "rating"), ("judged_real", "single"), ("correct", "single")):
        if outcome in columns:
            return design
    raise MappingError(
        "mapping: expected the column of the outcome, got none; name it with --fooled COL (pairs), "
        "--judged-real COL or --correct COL with --is-fake COL (single pictures), or --rating COL"
    )


def _check_design(design: str, columns: dict[str, str]) -> None:
    """Refuse an outcome of another design: 50 % is chance for pairs only, and ratings are no shares."""
    needs = {"pair": ("fooled",), "single": ("is_fake",), "rating": ("rating",)}[design]
    for name in needs:
        if name not in columns:
            raise MappingError(
                f"mapping: design {design}: expected the column {name}, got {', '.join(columns)}; "
                f"name it with --{name.replace('_', '-')} COL, or declare another design"
            )
    if design == "single" and not ({"judged_real", "correct"} & columns.keys()):
        raise MappingError(
            "mapping: design single: expected judged_real or correct, got neither; a fool rate exists for pairs only, "
            "name what was said of each picture with --judged-real COL"
        )
    outcomes = {"fooled", "judged_real", "correct", "rating"} & columns.keys()
    allowed = {"pair": {"fooled"}, "single": {"judged_real", "correct"}, "rating": {"rating"}}[design]
    if outcomes - allowed:
        raise MappingError(
            f"mapping: design {design}: expected {' or '.join(sorted(allowed))}, got also "
            f"{', '.join(sorted(outcomes - allowed))}; one report has one outcome"
        )
