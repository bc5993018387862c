"""Files that researchers send: kept under random names, looked into before anything else is done with them."""

import secrets
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from study.config import Settings
from study.jobs.errors import JobError

MAX_UPLOAD_BYTES = 2 * 1024**3
MAX_UNPACKED_BYTES = 8 * 1024**3
MAX_FILES = 200_000
CHUNK = 1 << 20
PICTURES = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG\r\n\x1a\n": ".png",
    b"II*\x00": ".tif",
    b"MM\x00*": ".tif",
    b"GIF8": ".gif",
    b"BM": ".bmp",
}


def keep(settings: Settings, streams: list[tuple[str, IO[bytes]]]) -> str:
    """Keep an upload as one zip and give its name: a zip as it came, or single pictures put into one.

    What a file is, its first bytes say and not its name. Raises JobError.
    """
    settings.uploads.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"{secrets.token_hex(16)}.zip"
    path = settings.uploads / name
    try:
        if len(streams) == 1 and _head(streams[0][1]).startswith(b"PK\x03\x04"):
            with path.open("wb") as file:
                while chunk := streams[0][1].read(CHUNK):
                    file.write(chunk)
            check_zip(path)
        else:
            _pack(path, streams)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return name


def _head(stream: IO[bytes]) -> bytes:
    head = stream.read(16)
    stream.seek(0)
    return head


def suffix_of(head: bytes) -> str | None:
    """Tell the sort of a picture by its first bytes; None for anything else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    if head[4:12] in (b"ftypavif", b"ftypheic", b"ftypmif1"):
        return ".heic" if head[8:12] != b"avif" else ".avif"
    return next((suffix for magic, suffix in PICTURES.items() if head.startswith(magic)), None)


def _pack(path: Path, streams: list[tuple[str, IO[bytes]]]) -> None:
    used: set[str] = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for given, stream in streams:
            suffix = suffix_of(_head(stream))
            if suffix is None:
                raise JobError(
                    f"{_plain(given)} is no picture and no zip; send JPEG, PNG, WebP or TIFF files, or one zip"
                )
            stem = PurePosixPath(_plain(given)).stem or "photo"
            name, n = f"{stem}{suffix}", 1
            while name in used:
                n += 1
                name = f"{stem}-{n}{suffix}"
            used.add(name)
            with archive.open(name, "w") as file:
                while chunk := stream.read(CHUNK):
                    file.write(chunk)
    if not used:
        raise JobError("no file came; choose photographs or a zip")


def _plain(name: str) -> str:
    """The last part of a file's name, printable."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in last if c.isprintable())[:120] or "photo"


def check_zip(path: Path) -> list[zipfile.ZipInfo]:
    """Read a zip's directory; refuse what is none, or what would fill the disk."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise JobError(f"this zip cannot be read ({error}); pack it again") from None
    if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise JobError(f"this zip unpacks to more than {MAX_UNPACKED_BYTES >> 30} GB or {MAX_FILES} files")
    return entries


def unpack_set(archive: Path, scratch: Path) -> Path:
    """Unpack a stimulus set: manifest.json and images/, at the top or in one folder; no name may lead out."""
    entries = check_zip(archive)
    manifests = [PurePosixPath(e.filename) for e in entries if PurePosixPath(e.filename).name == "manifest.json"]
    if len(manifests) != 1:
        raise JobError(f"expected one manifest.json in the zip, found {len(manifests)}; zip a stimulus set's folder")
    top = manifests[0].parent
    with zipfile.ZipFile(archive) as source:
        for entry in entries:
            name = PurePosixPath(entry.filename)
            if not name.is_relative_to(top):
                continue
            inner = name.relative_to(top)
            if name.is_absolute() or ".." in name.parts or len(inner.parts) > 2:
                raise JobError(f"{entry.filename}: leads out of the set; zip a stimulus set's folder as it is")
            target = scratch / inner
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with source.open(entry) as read, target.open("wb") as write:
                    shutil.copyfileobj(read, write)  # gives no more than the zip's directory says
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
                raise JobError(f"{entry.filename} cannot be unpacked ({error}); pack the zip again") from None
    return scratch
