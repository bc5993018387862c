"""The rules of Psych-DS 1.5, checked: no registry that we use carries the official validator.

Written from the schema model of the project (version 1.5.1: rules/files/common/core, rules/files/tabular_data/data,
rules/errors, meta/context); each issue bears the code that the schema gives it.
"""

import csv
import fnmatch
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.dataout.archives import unpacked

FILE_NAME = re.compile(r"([a-z]+-[a-zA-Z0-9]+)(_[a-z]+-[a-zA-Z0-9]+)*_data\.(csv|tsv)")
KEYWORDS = ("study", "site", "subject", "session", "task", "condition", "trial", "stimulus", "description")
REQUIRED = ("name", "description", "variableMeasured")
RECOMMENDED = ("author", "citation", "license", "funder", "url", "identifier", "privacyPolicy", "keywords")
FOLDERS = ("analysis", "results", "materials", "documentation")
CONTEXTS = ("http://schema.org", "https://schema.org")


@dataclass(frozen=True, slots=True)
class Issue:
    """A rule that a dataset does not keep; an `error` makes it no Psych-DS dataset."""

    level: str
    code: str
    file: str
    message: str


def check_dataset(path: Path) -> list[Issue]:
    """Check a dataset (a folder or a zip); errors first."""
    with unpacked(path) as root:
        return sorted(_issues(root), key=lambda issue: (issue.level, issue.code, issue.file))


def _issues(root: Path) -> Iterator[Issue]:
    yield from _core(root)
    metadata = _metadata(root / "dataset_description.json")
    if isinstance(metadata, Issue):
        yield metadata
    known: set[str] | None = None
    if isinstance(metadata, dict):
        yield from _keys(metadata)
        names = [v if isinstance(v, str) else v.get("name", "") for v in metadata.get("variableMeasured", [])]
        known = set(names)
    used: set[str] = set()
    n_valid = 0
    for file in sorted((root / "data").rglob("*")) if (root / "data").is_dir() else ():
        if file.suffix not in {".csv", ".tsv"}:
            continue
        name = file.relative_to(root).as_posix()
        if not FILE_NAME.fullmatch(file.name):
            yield Issue("error", "FILENAME_KEYWORD_FORMATTING_ERROR", name, "expected key-value pairs and _data.csv")
            continue
        for pair in file.stem.removesuffix("_data").split("_"):
            if pair.split("-")[0] not in KEYWORDS:
                yield Issue("warning", "FILENAME_UNOFFICIAL_KEYWORD_WARNING", name, pair)
        header, problems = _table(file, name)
        yield from problems
        n_valid += not problems
        used.update(header)
        if known is not None and (missing := sorted(set(header) - known)):
            yield Issue("error", "CSV_COLUMN_MISSING_FROM_METADATA", name, ", ".join(missing))
    if (root / "data").is_dir() and not n_valid:
        yield Issue("error", "MISSING_DATAFILE", "data", "expected at least one valid data file")
    if known is not None and (idle := sorted(known - used)):
        yield Issue("error", "VARIABLE_MISSING_FROM_CSV_COLUMNS", "dataset_description.json", ", ".join(idle))


def _core(root: Path) -> Iterator[Issue]:
    if not (root / "dataset_description.json").is_file():
        yield Issue("error", "MISSING_DATASET_DESCRIPTION", "", "expected dataset_description.json at the top")
    if not (root / "data").is_dir():
        yield Issue("error", "MISSING_DATA_DIRECTORY", "", "expected the folder data at the top")
    for stem in ("README", "CHANGES"):
        if not any((root / f"{stem}{end}").is_file() for end in (".md", ".txt")):
            yield Issue("warning", f"MISSING_{stem}_DOC", "", f"{stem}.md is recommended")
    for name in FOLDERS:
        if not (root / name).is_dir():
            yield Issue("warning", f"MISSING_{name.upper()}_DIRECTORY", "", f"a folder {name} is recommended")
    if not (root / ".psychds-ignore").is_file():
        yield Issue("warning", "MISSING_PSYCHDSIGNORE", "", "a file .psychds-ignore is recommended")
    ignored = _ignored(root)
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name = path.relative_to(root).as_posix()
        if path.name == "dataset_description.json" and "/" in name:
            yield Issue("warning", "WRONG_METADATA_LOCATION", name, "expected at the top alone")
        if any(name.startswith(pattern) or fnmatch.fnmatch(name, pattern) for pattern in ignored):
            continue
        if path.stat().st_size == 0:
            yield Issue("warning", "FILE_EMPTY", name, "empty files are not allowed")


def _ignored(root: Path) -> list[str]:
    path = root / ".psychds-ignore"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _metadata(path: Path) -> dict[str, Any] | Issue | None:
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_bytes().decode("utf-8"))
    except UnicodeDecodeError:
        return Issue("error", "JSON_ENCODING_ERROR", path.name, "expected UTF-8")
    except ValueError as error:
        return Issue("error", "INVALID_JSON_FORMATTING", path.name, str(error))
    if not isinstance(data, dict):
        return Issue("error", "INVALID_JSONLD_FORMATTING", path.name, "expected an object")
    return _expanded(data)


def _expanded(data: dict[str, Any]) -> dict[str, Any]:
    """Give the keys of schema.org's namespace under their short names; others stay under long ones."""
    context = str(data.get("@context", "")).rstrip("/")
    plain: dict[str, Any] = {}
    for key, value in data.items():
        short = next((key[len(c) + 1 :] for c in CONTEXTS if key.startswith(f"{c}/")), "")
        if short:
            plain[short] = value
        elif key.startswith("@") or key == "type" or context in CONTEXTS:
            plain[key] = value
        else:
            plain[f"?{key}"] = value
    return plain


def _keys(metadata: dict[str, Any]) -> Iterator[Issue]:
    where = "dataset_description.json"
    for key in REQUIRED:
        if not metadata.get(key):
            yield Issue("error", "JSON_KEY_REQUIRED", where, key)
    for key in RECOMMENDED:
        if key not in metadata:
            yield Issue("warning", "JSON_KEY_RECOMMENDED", where, key)
    kind = metadata.get("@type", metadata.get("type"))
    if kind is None:
        yield Issue("error", "MISSING_DATASET_TYPE", where, "@type")
    elif str(kind).rsplit("/", 1)[-1] != "Dataset":
        yield Issue("error", "INCORRECT_DATASET_TYPE", where, str(kind))
    measured = metadata.get("variableMeasured", [])
    for one in measured if isinstance(measured, list) else ():
        if isinstance(one, dict) and one.get("@type", one.get("type")) != "PropertyValue":
            yield Issue("warning", "OBJECT_TYPE_MISSING", where, str(one.get("name", one)))


def _table(path: Path, name: str) -> tuple[list[str], list[Issue]]:
    """Read a table's header and what is wrong with the table."""
    problems: list[Issue] = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
            header = next(rows, [])
            if not any(header):
                return [], [Issue("error", "CSV_HEADER_MISSING", name, "expected a header with at least one column")]
            if len(set(header)) < len(header):
                problems.append(Issue("error", "CSV_FORMATTING_ERROR", name, "a column's name occurs twice"))
            at = header.index("row_id") if "row_id" in header else None
            seen: set[str] = set()
            for number, row in enumerate(rows, 2):
                if len(row) != len(header):
                    text = f"row {number} has {len(row)} cells, the header {len(header)}"
                    return header, [*problems, Issue("error", "CSV_HEADER_LENGTH_MISMATCH", name, text)]
                if at is not None and row[at] in seen:
                    return header, [*problems, Issue("error", "ROWID_VALUES_NOT_UNIQUE", name, row[at])]
                if at is not None:
                    seen.add(row[at])
    except (csv.Error, UnicodeDecodeError) as error:
        return [], [*problems, Issue("error", "CSV_FORMATTING_ERROR", name, str(error))]
    return header, problems
