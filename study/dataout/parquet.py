"""The three tables as Parquet with their types, in constant memory."""

import csv
import importlib.util
import shutil
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from study.dataout.errors import DatasetError
from study.export import TABLES, Column

GROUP_ROWS = 20_000
READERS: dict[str, Any] = {"integer": int, "number": float, "boolean": lambda text: text == "true", "string": str}


def write_parquet(export: Path, out: Path) -> None:
    """Write an export's tables as Parquet; all else stays as it is. An empty cell is null, but in text columns."""
    if importlib.util.find_spec("pyarrow") is None:
        raise DatasetError("--format parquet needs pyarrow; run: pip install 'truehue[parquet]'")
    out.mkdir()
    for path in sorted(export.iterdir()):
        if path.stem in TABLES and path.suffix == ".csv":
            _convert(path, TABLES[path.stem], out / f"{path.stem}.parquet")
        elif path.is_dir():
            shutil.copytree(path, out / path.name)
        else:
            shutil.copyfile(path, out / path.name)


def _convert(path: Path, columns: Sequence[Column], out: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    types = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(), "string": pa.string()}
    fields = [
        pa.field(c.name, types[c.type], metadata={"description": c.description, **({"unit": c.unit} if c.unit else {})})
        for c in columns
    ]
    schema = pa.schema(fields)
    with path.open(encoding="utf-8", newline="") as file, parquet.ParquetWriter(out, schema, compression="zstd") as to:
        rows = csv.reader(file)
        if next(rows) != [column.name for column in columns]:
            raise DatasetError(f"{path.name}: its columns are not the documented ones")
        for group in _groups(rows):
            arrays = [
                pa.array([_value(cell, column.type) for cell in cells], field.type)
                for column, field, cells in zip(columns, fields, zip(*group, strict=True), strict=True)
            ]
            to.write_batch(pa.record_batch(arrays, schema=schema))


def _groups(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    while group := list(islice(rows, GROUP_ROWS)):
        yield group


def _value(cell: str, kind: str) -> Any:
    return READERS[kind](cell) if cell or kind == "string" else None
