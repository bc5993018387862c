"""The files of an export, in a directory or in a zip."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path, PurePosixPath

AGAIN = "export the study again (`flask --app study export`)"


class ExportError(ValueError):
    """The export cannot be read as docs/formats.md says; the message is one line for a person."""


class Files:
    """The files of an export by their path inside it; a zip may hold them in one folder."""

    def __init__(self, path: Path) -> None:
        """Open a directory or a zip and look for study.json."""
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        self._prefix = ""
        if not path.exists():
            raise ExportError(f"{path}: expected an export (directory or .zip), found nothing there; {AGAIN}")
        if path.is_file():
            try:
                self._zip = zipfile.ZipFile(path)
            except (zipfile.BadZipFile, OSError) as error:
                raise ExportError(
                    f"{path}: expected a complete zip, got one that cannot be opened ({error}); copy it or {AGAIN}"
                ) from error
            inside = [name for name in self._zip.namelist() if PurePosixPath(name).name == "study.json"]
            if len(inside) == 1 and inside[0].count("/") <= 1:
                self._prefix = inside[0].removesuffix("study.json")

    def names(self) -> set[str]:
        """Return the paths of all files inside the export."""
        if self._zip is not None:
            return {name.removeprefix(self._prefix) for name in self._zip.namelist()}
        found: set[str] = set()
        for folder, _, names in os.walk(self.path):
            inside = Path(folder).relative_to(self.path).as_posix()
            found.update(name if inside == "." else f"{inside}/{name}" for name in names)
        return found

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise ExportError(f"{self.path}: expected paths inside the export, got {name!r}; {AGAIN}")
        try:
            if self._zip is None:
                return (self.path / name).read_bytes()
            return self._zip.read(self._prefix + name)
        except (FileNotFoundError, KeyError, NotADirectoryError) as error:
            raise ExportError(f"{self.path}: expected the file {name}, found none; {AGAIN}") from error
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ExportError(f"{self.path}: expected {name} to be readable, got {error}; {AGAIN}") from error
