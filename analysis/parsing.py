"""CSV tables of an export, turned into typed columns; every field is checked against `columns`."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from analysis.archive import AGAIN, ExportError
from analysis.columns import Column


def read_table(name: str, data: bytes, columns: Iterable[Column]) -> pd.DataFrame:
    """Parse a CSV into checked, typed columns; further columns are kept out."""
    columns = tuple(columns)
    try:
        return _read(name, data, columns, {column.name: _READ_AS.get(column.kind, "str") for column in columns})
    except ValueError:
        # Something is wrong with it: read it again as text, so that the refusal can show what stands there.
        return _read(name, data, columns, {column.name: "str" for column in columns})


# What the reader turns into another type itself, much faster than by way of a text per row.
_READ_AS = {"number": "float64", "integer": "float64", "repeated": "category"}


def _read(name: str, data: bytes, columns: tuple[Column, ...], types: dict[str, str]) -> pd.DataFrame:
    numbers = [column for column, kind in types.items() if kind == "float64"]
    try:
        table = pd.read_csv(
            io.BytesIO(data),
            dtype=types,
            usecols=lambda column: column in types,
            encoding="utf-8",
            keep_default_na=False,
            na_values={column: [""] for column in numbers},
            na_filter=bool(numbers),
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ExportError(f"{name}: expected a CSV table with a header, got {str(error).strip()}; {AGAIN}") from error
    missing = [column.name for column in columns if not column.may_be_absent and column.name not in table.columns]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise ExportError(
            f"{name}: expected the column {missing[0]}{more}, got a table without it; {AGAIN}, "
            "or see docs/formats.md for the columns"
        )
    nothing = pd.Series("", index=table.index, dtype=str)
    return pd.DataFrame({c.name: _typed(name, table.get(c.name, nothing), c) for c in columns})


def refuse(name: str, column: str, bad: pd.Series[bool], text: pd.Series[Any], expected: str) -> NoReturn:
    """Raise the error of the first bad row: file, line, column, what was expected and what stands there."""
    rows = np.flatnonzero(bad.to_numpy())
    more = f" (and in {len(rows) - 1} more lines)" if len(rows) > 1 else ""
    # The header is line 1, so row 0 is line 2.
    raise ExportError(
        f"{name}: line {rows[0] + 2}: {column}: expected {expected}, got {text.iloc[rows[0]]!r}{more}; {AGAIN}"
    )


def _typed(name: str, given: pd.Series[Any], column: Column) -> pd.Series[Any]:
    """Check and convert a column of text; one of numbers was converted by the reader and is only checked."""
    is_number = given.dtype == np.float64
    empty = given.isna() if is_number else given == ""
    if not column.may_be_empty and empty.any():
        refuse(name, column.name, empty, given, "a value")
    if column.kind in {"text", "repeated"}:
        return given
    if column.kind == "choice":
        bad = ~given.isin(("", *column.values))
        if bad.any():
            refuse(name, column.name, bad, given, f"one of {', '.join(column.values)}")
        return given
    if column.kind == "boolean":
        bad = ~given.isin(("true", "false", ""))
        if bad.any():
            refuse(name, column.name, bad, given, "true or false")
        return pd.Series(pd.arrays.BooleanArray((given == "true").to_numpy(dtype=bool), empty.to_numpy(dtype=bool)))
    if column.kind == "time":
        times = pd.to_datetime(given.where(~empty), format="ISO8601", utc=True, errors="coerce")
        bad = times.isna() & ~empty
        if bad.any():
            refuse(name, column.name, bad, given, "a UTC time like 2026-11-22T10:39:00.123Z")
        return times
    numbers = given if is_number else pd.to_numeric(given.where(~empty), errors="coerce").astype(np.float64)
    bad = (numbers.isna() | np.isinf(numbers)) & ~empty
    if bad.any():
        refuse(name, column.name, bad, given, "a number")
    if column.kind == "integer":
        bad = numbers.notna() & (numbers != numbers.round())
        if bad.any():
            refuse(name, column.name, bad, given, "a whole number")
    if column.low is not None:
        bad = (numbers <= column.low) if column.above_low else (numbers < column.low)
        if bad.any():
            limit = f"{'more than' if column.above_low else 'at least'} {column.low:g}"
            refuse(name, column.name, bad, given, limit)
    return numbers.astype(np.int64) if column.kind == "integer" and not column.may_be_empty else numbers
