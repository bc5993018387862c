"""Where photographs come from: files, folders, zips, tar shards here or on the network, torchvision's data sets.

Every source gives the same thing: a list of `PhotoFile`s that can be read one by one in any order, so that a run can
be split over workers and hosts and continued anywhere.
"""

import hashlib
import io
import os
import tarfile
import urllib.parse
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from colorizer.photos import SUFFIXES, PhotoError
from colorizer.weights_by_name import PublishedWeights, WeightsError, cache_folder, fetch_to

T = TypeVar("T")
_TAR_SUFFIXES = (".tar",)
TORCHVISION = "torchvision:"
_TORCHVISION_SETS = ("CIFAR10", "CIFAR100", "STL10", "Food101", "Flowers102", "OxfordIIITPet", "FakeData")


@dataclass(frozen=True)
class PhotoFile:
    """One photograph of a source: `name` is its path inside, for people and for logs.

    `place` is the offset and length in a tar, or the index in a torchvision data set.
    """

    source: Path
    name: str
    place: tuple[int, ...] = ()

    def read_bytes(self) -> bytes:
        """The file's bytes, wherever they lie.  Raises OSError or what zipfile raises for damaged archives."""
        text = str(self.source)
        if text.startswith(TORCHVISION):
            return _torchvision_bytes(text, self.place[0])
        if self.place:
            with self.source.open("rb") as file:
                file.seek(self.place[0])
                return file.read(self.place[1])
        if self.source.suffix.lower() == ".zip":
            return _open_zip(self.source, os.getpid()).read(self.name)
        return (self.source / self.name).read_bytes()


@lru_cache(maxsize=32)
def _open_zip(path: Path, _process: int) -> zipfile.ZipFile:
    """An archive stays open, once per process: a forked worker must not share its file position."""
    return zipfile.ZipFile(path)


def is_photo_name(name: str) -> bool:
    """A name with the suffix of an image, and no leftover of a file system (`._x.jpg`, `__MACOSX/`)."""
    path = Path(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._") and "__MACOSX" not in path.parts


def list_photos(*paths: Path | str) -> list[PhotoFile]:
    """Every image in these sources, in the order of their names within each.

    A source is a folder (searched deep), a .zip, a .tar (also `{00..07}` in its name; WebDataset's shards), an
    http(s) address of a .tar or .zip (fetched once into the cache), a single file, or
    `torchvision:NAME[:SPLIT]:FOLDER`.  Raises PhotoError for a source that cannot be read.
    """
    found: list[PhotoFile] = []
    for given in paths:
        for source in _expand(str(given)):
            found += _list(source)
    return found


def _expand(text: str) -> Iterator[str]:
    """`shard-{000..003}.tar` to its four names (WebDataset's notation)."""
    before, brace, rest = text.partition("{")
    middle, closing, after = rest.partition("}")
    first, dots, last = middle.partition("..")
    if not (brace and closing and dots and first.isdigit() and last.isdigit()):
        yield text
        return
    for number in range(int(first), int(last) + 1):
        yield from _expand(f"{before}{number:0{len(first)}d}{after}")


def _list(text: str) -> list[PhotoFile]:
    if text.startswith(TORCHVISION):
        return [PhotoFile(Path(text), f"{i:06d}.png", (i,)) for i in range(len(_torchvision(text)))]
    path = _fetched(text) if text.startswith(("http://", "https://")) else Path(text)
    try:
        if path.is_dir():
            return [PhotoFile(path, n) for n in sorted(_names_below(path)) if is_photo_name(n)]
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                return [PhotoFile(path, n) for n in sorted(archive.namelist()) if is_photo_name(n)]
        if path.suffix.lower() in _TAR_SUFFIXES:
            with tarfile.open(path, "r:") as shard:
                members = [m for m in shard if m.isfile() and is_photo_name(m.name)]
            return [PhotoFile(path, m.name, (m.offset_data, m.size)) for m in sorted(members, key=lambda m: m.name)]
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise PhotoError("unreadable", f"{path}: expected a folder, .zip or .tar of images, got: {error}") from None
    if path.is_file():
        return [PhotoFile(path.parent, path.name)]
    raise PhotoError("unreadable", f"{path}: no such file or folder")


def _names_below(folder: Path) -> Iterator[str]:
    """Files, links to files and links to nothing; a folder that may not be read is an error, not an empty one."""

    def refuse(error: OSError) -> None:
        raise error

    for place, _, names in os.walk(folder, onerror=refuse):
        for path in (Path(place, name) for name in names):
            if path.is_file() or not path.exists():  # no pipes and sockets: reading one may never end
                yield path.relative_to(folder).as_posix()


def _fetched(url: str) -> Path:
    """A shard from the network, in the cache: an interrupted download goes on, a finished one is not repeated."""
    name = Path(urllib.parse.urlparse(url).path).name
    if Path(name).suffix.lower() not in (".tar", ".zip"):
        raise PhotoError("unreadable", f"{url}: expected the address of a .tar or .zip")
    folder = cache_folder().parent / "shards" / hashlib.sha256(url.encode()).hexdigest()[:16]
    try:
        return fetch_to(PublishedWeights(name, "", name, url, ""), folder)
    except WeightsError as error:
        raise PhotoError("unreadable", str(error)) from None


@lru_cache(maxsize=4)
def _torchvision(text: str) -> Any:
    """The data set behind `torchvision:NAME[:SPLIT]:FOLDER`; it must have been downloaded before."""
    import torchvision.datasets

    name, _, rest = text.removeprefix(TORCHVISION).partition(":")
    split, has_split, folder = rest.partition(":")
    folder, split = (folder, split) if has_split else (rest, "")
    if name not in _TORCHVISION_SETS:
        raise PhotoError(
            "unreadable",
            f"{text}: expected torchvision:NAME[:SPLIT]:FOLDER with a NAME of {', '.join(_TORCHVISION_SETS)} "
            "(ImageNet is a plain folder)",
        )
    options: dict[str, Any] = {"root": folder}
    if name.startswith("CIFAR"):
        options["train"] = split != "test"
    elif name == "FakeData":
        options = {"size": int(folder or 8), "image_size": (3, 48, 48)}
    elif split:
        options["split"] = split
    try:
        return getattr(torchvision.datasets, name)(**options)
    except (RuntimeError, OSError, ValueError) as error:
        raise PhotoError(
            "unreadable", f"{text}: {error}; download it first: torchvision.datasets.{name}({folder!r}, download=True)"
        ) from None


def _torchvision_bytes(text: str, index: int) -> bytes:
    image = _torchvision(text)[index][0]
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "PNG", compress_level=0)
    return stream.getvalue()


def each_with_bytes(photos: Iterable[PhotoFile]) -> Iterator[tuple[PhotoFile, bytes]]:
    """Each file with its bytes; one that cannot be read comes as empty bytes."""
    for photo in photos:
        yield photo, bytes_or_nothing(photo)


def bytes_or_nothing(photo: PhotoFile) -> bytes:
    """The file's bytes, or none if the archive or disk does not give them."""
    try:
        return photo.read_bytes()
    except (OSError, zipfile.BadZipFile, RuntimeError, EOFError, ValueError, KeyError, NotImplementedError):
        return b""


def shard_of(items: list[T], index: int, count: int) -> list[T]:
    """Every `count`-th item from `index` on: one host's or process's share of a list that all of them know."""
    if not (count >= 1 and 0 <= index < count):
        raise ValueError(f"shard: expected i/n with 0 <= i < n, got {index}/{count}")
    return items[index::count]
