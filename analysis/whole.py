"""A directory that is written whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ReportError(ValueError):
    """The report cannot be written there; the message is one line for a person."""


@contextmanager
def whole_directory(out: Path) -> Iterator[Path]:
    """Give a temporary sibling that becomes `out` at the end; after an error nothing is left of it.

    An earlier report in `out` is replaced as a whole; any other directory with something in it is refused.
    """
    if out.exists() and not out.is_dir():
        raise ReportError(f"{out}: expected a directory for the report, got a file; name another with --out")
    if out.is_dir() and any(out.iterdir()) and not _is_report(out):
        raise ReportError(
            f"{out}: expected an empty directory or an earlier report, got other files; name another with --out"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise ReportError(f"{out}: expected to be able to write there, got: {error.strerror}; name another") from error
    try:
        temporary.chmod(0o755)
        yield temporary
        if out.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
            out.rename(old / "report")
            temporary.rename(out)
            shutil.rmtree(old)
        else:
            temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_report(directory: Path) -> bool:
    try:
        content = json.loads((directory / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and str(content.get("format", "")).startswith("truehue-report/")
