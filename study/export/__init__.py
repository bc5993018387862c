"""A study's data as files: docs/formats.md, `truehue-export/1`."""

from study.export.cells import cell, utc_text
from study.export.columns import TABLES, Column
from study.export.targets import ZIP_TIME
from study.export.writing import ExportError, write_export

__all__ = ["write_export", "ExportError", "TABLES", "Column", "cell", "utc_text", "ZIP_TIME"]
