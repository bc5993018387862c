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
    try:
        text = pd.read_csv(io.BytesIO(data), dtype=str, na_filter=False, encoding="utf-8")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ExportError(f"{name}: expected a CSV table with a header, got {str(error).strip()}; {AGAIN}") from error
    missing = [column.name for column in columns if column.name not in text.columns]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise ExportError(
            f"{name}: expected the column {missing[0]}{more}, got a table without it; {AGAIN}, "
            "or see docs/formats.md for the columns"
        )
    return pd.DataFrame({column.name: _typed(name, text[column.name], column) for column in columns})


def refuse(name: str, column: str, bad: pd.Series[bool], text: pd.Series[Any], expected: str) -> NoReturn:
    """Raise the error of the first bad row: file, line, column, what was expected and what stands there."""
    rows = np.flatnonzero(bad.to_numpy())
    more = f" (and in {len(rows) - 1} more lines)" if len(rows) > 1 else ""
    # The header is line 1, so row 0 is line 2.
    raise ExportError(
        f"{name}: line {rows[0] + 2}: {column}: expected {expected}, got {text.iloc[rows[0]]!r}{more}; {AGAIN}"
    )


def _typed(name: str, text: pd.Series[str], column: Column) -> pd.Series[Any]:
    empty = text == ""
    if not column.may_be_empty and empty.any():
        refuse(name, column.name, empty, text, "a value")
    if column.kind == "text":
        return text
    if column.kind == "choice":
        bad = ~text.isin(("", *column.values))
        if bad.any():
            refuse(name, column.name, bad, text, f"one of {', '.join(column.values)}")
        return text
    if column.kind == "boolean":
        bad = ~text.isin(("true", "false", ""))
        if bad.any():
            refuse(name, column.name, bad, text, "true or false")
        return text.map({"true": True, "false": False}).astype("boolean")
    if column.kind == "time":
        times = pd.to_datetime(text.where(~empty), format="ISO8601", utc=True, errors="coerce")
        bad = times.isna() & ~empty
        if bad.any():
            refuse(name, column.name, bad, text, "a UTC time like 2026-11-22T10:39:00.123Z")
        return times
    numbers = pd.to_numeric(text.where(~empty), errors="coerce").astype(np.float64)
    bad = (numbers.isna() | np.isinf(numbers)) & ~empty
    if bad.any():
        refuse(name, column.name, bad, text, "a number")
    if column.kind == "integer":
        bad = numbers.notna() & (numbers != numbers.round())
        if bad.any():
            refuse(name, column.name, bad, text, "a whole number")
    if column.low is not None:
        bad = (numbers <= column.low) if column.above_low else (numbers < column.low)
        if bad.any():
            limit = f"{'more than' if column.above_low else 'at least'} {column.low:g}"
            refuse(name, column.name, bad, text, limit)
    return numbers.astype(np.int64) if column.kind == "integer" and not column.may_be_empty else numbers
