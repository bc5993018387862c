"""Where an export's files go: a folder or a zip, with the same bytes for the same data."""

import io
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # zip files carry times; a fixed one keeps the bytes the same


class Target(Protocol):
    """Where files go: a folder or a zip."""

    def text(self, name: str) -> Any:
        """Open a text file to be written."""

    def copy(self, name: str, source: Path) -> None:
        """Take a file as it is."""

    def content(self, name: str, data: bytes) -> None:
        """Write a file whole."""


@dataclass(frozen=True)
class Folder:
    """A folder that exists."""

    root: Path

    def text(self, name: str) -> TextIO:
        """Open a text file to be written."""
        return (self.root / name).open("w", encoding="utf-8", newline="")

    def copy(self, name: str, source: Path) -> None:
        """Take a file as it is."""
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)

    def content(self, name: str, data: bytes) -> None:
        """Write a file whole."""
        (self.root / name).write_bytes(data)


@dataclass(frozen=True)
class Zip:
    """An archive, whose files lie in one folder `root`."""

    archive: zipfile.ZipFile
    root: str

    def _info(self, name: str, *, is_packed: bool = False) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, ZIP_TIME)
        info.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        return info

    def text(self, name: str) -> TextIO:
        """Open a text file to be written."""
        return io.TextIOWrapper(
            self.archive.open(self._info(name), "w", force_zip64=True), encoding="utf-8", newline=""
        )

    def copy(self, name: str, source: Path) -> None:
        """Take a file as it is."""
        self.archive.writestr(self._info(name, is_packed=True), source.read_bytes())

    def content(self, name: str, data: bytes) -> None:
        """Write a file whole."""
        self.archive.writestr(self._info(name), data)
