"""Folders into zips and back; the same files give the same bytes."""

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from study.dataout.errors import DatasetError
from study.export import ZIP_TIME

PACKED = (".png", ".webp", ".parquet")
MAX_UNPACKED_BYTES = 64 << 30


def zip_folder(folder: Path, out: Path) -> None:
    """Write every file below `folder` in the order of names, without times or owners."""
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), ZIP_TIME)
            info.compress_type = zipfile.ZIP_STORED if path.suffix in PACKED else zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Give a folder: the one at `path`, or a zip's content until the end of the block."""
    if path.is_dir():
        yield path
        return
    with TemporaryDirectory(prefix="truehue-bundle-") as scratch:
        try:
            with zipfile.ZipFile(path) as archive:
                _check(path, archive)
                archive.extractall(scratch)
        except (OSError, zipfile.BadZipFile) as error:
            raise DatasetError(f"{path}: expected a folder or a whole zip, got none ({error}); copy it again") from None
        tops = list(Path(scratch).iterdir())
        # A zip may hold everything in one folder.
        yield tops[0] if len(tops) == 1 and tops[0].is_dir() else Path(scratch)


def _check(path: Path, archive: zipfile.ZipFile) -> None:
    for info in archive.infolist():
        name = PurePosixPath(info.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in info.filename:
            raise DatasetError(f"{path}: {info.filename} leads out of the zip; get it again from where it came")
    if sum(info.file_size for info in archive.infolist()) > MAX_UNPACKED_BYTES:
        raise DatasetError(f"{path}: unpacks to more than {MAX_UNPACKED_BYTES >> 30} GB; unpack it and name the folder")
