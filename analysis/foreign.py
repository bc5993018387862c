"""Read anyone's long table, one row per judgement: CSV, TSV, JSON lines, JSON records, Parquet.

What is wrong with rows is found, named and counted as rules of the exclusion flow; nothing is dropped in silence.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.exclusions import ExclusionFlow, Step
from analysis.findings import Finding, found_in_rows, lines
from analysis.mapping import Mapping

TRUE = frozenset({"1", "1.0", "true", "t", "yes", "y"})
FALSE = frozenset({"0", "0.0", "false", "f", "no", "n"})
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "unset", "."})
SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet")

# Columns that serve only to find trouble.
CHECKED: tuple[str, ...] = ("arm", "version", "time")


class TableError(ValueError):
    """The table cannot be read as mapped; the message is one line for a person."""


@dataclass(frozen=True)
class LongTable:
    """A foreign table in our words.

    `rows` holds the analysed rows: line, participant, item, condition, `outcome` (0/1 or a rating), and where mapped
    is_fake (bool) and rt_ms.  `entered` holds all rows with the name of the rule that took each ("" if none did).
    """

    source: str
    sha256: str
    mapping: Mapping
    rows: pd.DataFrame
    entered: pd.DataFrame
    flow: ExclusionFlow
    findings: tuple[Finding, ...]


def is_table(path: Path) -> bool:
    """Whether a path looks like a long table rather than an export."""
    return path.is_file() and path.name.removesuffix(".gz").endswith(SUFFIXES)


def read_table(path: str | Path, mapping: Mapping) -> LongTable:
    """Read a table, find what is wrong with it, and return the rows that can be analysed."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TableError(f"{path}: expected a table ({', '.join(SUFFIXES)}), got: {error.strerror}") from error
    sha256 = hashlib.sha256(data).hexdigest()
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError) as error:
            raise TableError(f"{path.name}: expected a gzip file, got: {error}; compress it again") from error
    text = _columns(path, data, mapping.used)
    column = {name: text[source] for name, source in mapping.columns.items()}
    frame = pd.DataFrame(
        {
            "line": np.arange(2, len(text) + 2) if _has_header(path) else np.arange(1, len(text) + 1),
            "participant": column["participant"],
            "item": column["item"],
            "condition": column.get("condition", pd.Series("all", index=text.index, dtype="category")),
        }
    )
    frame["outcome"], impossible = _outcome(column, mapping)
    wrong_truth = pd.Series(False, index=frame.index)
    if "is_fake" in column:
        truth = _boolean(column["is_fake"], mapping)
        frame["is_fake"], wrong_truth = truth == 1, truth.isna()
        if mapping.design == "single" and "condition" not in column:
            frame["condition"] = pd.Series(np.where(frame["is_fake"], "fake", "real"), dtype="category")
    for name, scale in (("rt_ms", 1.0), ("rt_s", 1000.0)):
        if name in column:
            frame["rt_ms"] = _number(column[name]) * scale
    labels = _is_missing(column["participant"]) | _is_missing(column["item"])
    if "condition" in column:
        labels |= _is_missing(column["condition"])
    rules: list[tuple[str, str, pd.Series[bool]]] = [
        (f"only_{name}", f"{name} is not {value}", text[name].astype(str) != value)
        for name, value in mapping.only.items()
    ]
    rules += [
        ("missing_label", "no participant, item or condition", labels),
        ("missing_outcome", "no answer", frame["outcome"].isna() & ~impossible),
        ("impossible_outcome", "an answer that cannot be", impossible),
        ("impossible_truth", "is_fake is neither true nor false", wrong_truth),
    ]
    if not mapping.keep_duplicates:
        rules.append(("duplicate", "the same row a second time", _duplicates(path, data, frame, column)))
    rules += [(name, f"{name} is true", _boolean(text[name], mapping) == 1) for name in mapping.exclude]
    entered, flow, found = _apply(frame, rules)
    rows = entered[entered["left_out_by"] == ""].drop(columns="left_out_by")
    if rows.empty:
        raise TableError(
            f"{path.name}: expected rows to analyse, got none of {len(frame)} "
            f"({'; '.join(f.sentence for f in found) or 'the table is empty'}); check the mapping and [values]"
        )
    for name in ("participant", "item", "condition"):
        rows[name] = rows[name].cat.remove_unused_categories()
    return LongTable(
        path.name,
        sha256,
        mapping,
        rows.reset_index(drop=True),
        entered,
        flow,
        (*found, *found_in_rows(rows, _checked(column, rows), mapping.design)),
    )


def _has_header(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith((".csv", ".tsv", ".txt"))


def _columns(path: Path, data: bytes, wanted: list[str]) -> pd.DataFrame:
    """Read the wanted columns as categories of texts."""
    name = path.name.removesuffix(".gz")
    if name.endswith((".csv", ".tsv", ".txt")):
        return _csv(path, data, wanted)
    try:
        if name.endswith(".parquet"):
            if importlib.util.find_spec("pyarrow") is None:
                raise TableError(f"{path.name}: reading Parquet needs pyarrow; run: pip install pyarrow, or write CSV")
            frame = pd.read_parquet(io.BytesIO(data))
        elif name.endswith((".jsonl", ".ndjson")):
            records = [json.loads(line) for line in data.decode("utf-8-sig").splitlines() if line.strip()]
            frame = pd.DataFrame(records)
        else:
            frame = pd.DataFrame(json.loads(data.decode("utf-8-sig")))
    except TableError:
        raise
    except (ValueError, OSError, TypeError) as error:
        raise TableError(f"{path.name}: expected a readable {path.suffix} table, got: {error}") from error
    _require(path, list(map(str, frame.columns)), wanted)
    return pd.DataFrame({column: _text(frame[column]) for column in wanted})


def _text(values: pd.Series[Any]) -> pd.Series[Any]:
    """Turn typed values into the texts that a CSV would hold: true, 3, 0.5, and "" where missing."""
    if pd.api.types.is_float_dtype(values):
        texts = ["" if np.isnan(value) else f"{value:.12g}" for value in values]
    else:
        texts = ["" if pd.isna(value) else str(value) for value in values]
    return pd.Series(texts, index=values.index, dtype="category")


def _csv(path: Path, data: bytes, wanted: list[str]) -> pd.DataFrame:
    try:
        _require(path, _names(path, data), wanted)
        # Text first: read as categories at once, 007 and 7 would become the same participant.
        text = pd.read_csv(
            io.BytesIO(data),
            sep=_separator(path, data),
            usecols=wanted,
            dtype=str,
            na_filter=False,
            encoding="utf-8-sig",
        )
        return text.astype("category")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise TableError(
            f"{path.name}: expected a table with a header, got: {str(error).strip()}; save it as UTF-8 CSV"
        ) from error


def _separator(path: Path, data: bytes) -> str:
    """Take the extension's separator, or a semicolon or tab where the header has no comma."""
    header = data[: data.find(b"\n")]
    if path.name.removesuffix(".gz").endswith(".tsv") or (b"\t" in header and b"," not in header):
        return "\t"
    return ";" if b";" in header and b"," not in header else ","


def _require(path: Path, columns: list[str], wanted: list[str]) -> None:
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise TableError(
            f"{path.name}: expected the column {missing[0]}, got {', '.join(columns[:12])}"
            f"{' …' if len(columns) > 12 else ''}; name the right one"
        )


def _by_category(values: pd.Series[Any], meaning: dict[str, float]) -> pd.Series[float]:
    """Map a categorical text column through a dictionary of its categories; what is not in it becomes NaN."""
    of_code = np.array([meaning.get(str(text), np.nan) for text in values.cat.categories] + [np.nan])
    return pd.Series(of_code[values.cat.codes.to_numpy()], index=values.index)


def _boolean(values: pd.Series[Any], mapping: Mapping) -> pd.Series[float]:
    true, false = TRUE | set(mapping.true), FALSE | set(mapping.false)
    true, false = true - set(mapping.false), false - set(mapping.true)
    meaning = {}
    for text in map(str, values.cat.categories):
        plain = text.strip().casefold()
        if plain in true or plain in false:
            meaning[text] = float(plain in true)
    return _by_category(values, meaning)


def _number(values: pd.Series[Any]) -> pd.Series[float]:
    meaning = {}
    for text in map(str, values.cat.categories):
        try:
            meaning[text] = float(text)
        except ValueError:
            continue
    return _by_category(values, meaning)


def _is_missing(values: pd.Series[Any]) -> pd.Series[bool]:
    marks = {text: float(str(text).strip().casefold() in MISSING) for text in values.cat.categories}
    return _by_category(values, marks) != 0


def _outcome(column: dict[str, pd.Series[Any]], mapping: Mapping) -> tuple[pd.Series[float], pd.Series[bool]]:
    """Return the outcome (NaN where there is none) and where it is given but cannot be."""
    if mapping.design == "rating":
        values = _number(column["rating"])
        low, high = mapping.rating or (-np.inf, np.inf)
        bad = ~_is_missing(column["rating"]) & ~(np.isfinite(values) & (values >= low) & (values <= high))
        return values.where(~bad), bad
    name = next(name for name in ("fooled", "judged_real", "correct") if name in column)
    values = _boolean(column[name], mapping)
    bad = values.isna() & ~_is_missing(column[name])
    if name == "correct":
        # Right on a fake means judged fake, right on an original means judged real.
        truth = _boolean(column["is_fake"], mapping)
        values = (values != truth).astype(float).where(values.notna() & truth.notna())
    return values, bad


def _duplicates(path: Path, data: bytes, frame: pd.DataFrame, column: dict[str, pd.Series[Any]]) -> pd.Series[bool]:
    """Mark rows that repeat: the same participant and trial, or, without a trial column, the same whole row."""
    keys = frame[["participant", "item", "condition"]].apply(lambda values: values.cat.codes)
    if "trial" in column:
        keys = pd.DataFrame({"participant": keys["participant"], "trial": column["trial"].cat.codes})
        return _marked(keys.duplicated())
    again = _marked(keys.assign(outcome=frame["outcome"]).duplicated(keep=False))
    if not again.any():
        return again
    # Only now is it worth comparing whole rows: another presentation of a photograph differs in time or number.
    everything = _columns(path, data, _names(path, data))
    whole = everything[again].astype(str).duplicated()
    return _marked(whole.reindex(frame.index, fill_value=False))


def _marked(mask: Any) -> pd.Series[bool]:
    return pd.Series(np.asarray(mask, dtype=bool), index=mask.index)


def _names(path: Path, data: bytes) -> list[str]:
    name = path.name.removesuffix(".gz")
    if name.endswith((".csv", ".tsv", ".txt")):
        head = pd.read_csv(io.BytesIO(data), sep=_separator(path, data), nrows=0, encoding="utf-8-sig")
        return list(map(str, head.columns))
    if name.endswith(".parquet"):
        return list(map(str, pd.read_parquet(io.BytesIO(data)).columns))
    if name.endswith(".json"):
        return list(map(str, pd.DataFrame(json.loads(data.decode("utf-8-sig"))).columns))
    return sorted({key for line in data.decode("utf-8-sig").splitlines() if line.strip() for key in json.loads(line)})


def _apply(
    frame: pd.DataFrame, rules: list[tuple[str, str, pd.Series[bool]]]
) -> tuple[pd.DataFrame, ExclusionFlow, tuple[Finding, ...]]:
    """Count every rule in its order; a row counts under the first rule that takes it."""
    taken = pd.Series("", index=frame.index, dtype=object)
    steps, found = [], []
    n_people = frame["participant"].nunique()
    left = pd.Series(True, index=frame.index)
    for name, reads, mask in rules:
        hit = left & mask.to_numpy(dtype=bool)
        left &= ~hit
        taken[hit] = name
        steps.append(
            Step(
                rule=name,
                unit="trial",
                reads=reads,
                excludes=True,
                n_sessions=int(frame.loc[hit, "participant"].nunique()),
                n_trials=int(hit.sum()),
                n_sessions_left=int(frame.loc[left, "participant"].nunique()),
                n_trials_left=int(left.sum()),
            )
        )
        if hit.any() and name.startswith(("missing_", "impossible_", "duplicate")):
            found.append(Finding(name, int(hit.sum()), "row", reads, "left out", lines(hit, frame["line"])))
    n_left = int(frame.loc[left, "participant"].nunique())
    flow = ExclusionFlow(n_people, len(frame), tuple(steps), n_left, int(left.sum()), n_left)
    return frame.assign(left_out_by=taken), flow, tuple(found)


def _checked(column: dict[str, pd.Series[Any]], rows: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """Return the columns that serve only to check the rows; a time as a number, whatever it was."""
    given: dict[str, pd.Series[Any]] = {name: column[name].loc[rows.index] for name in CHECKED if name in column}
    if "time" in given:
        values = _number(given["time"])
        if values.isna().all():
            stamps = pd.to_datetime(given["time"].astype(str), errors="coerce", utc=True, format="mixed")
            values = (stamps - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
        given["time"] = values
    return given
