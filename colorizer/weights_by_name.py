"""Weights that others published, by name: where they are, their hash, and how they get into the cache.

Nothing is downloaded at import or without being asked for by name.
"""

import fcntl
import hashlib
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tqdm import tqdm

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 30.0


class WeightsError(ValueError):
    """Published weights that are not here and cannot be fetched; the message says what to put where."""


@dataclass(frozen=True)
class PublishedWeights:
    """One published file.  `sha256` is the hash in hexadecimal or its beginning (as it stands in the file's name)."""

    name: str
    model: str  # key of MODELS; empty for networks that only judge
    file: str
    url: str  # empty: no place on the network is known to serve it
    sha256: str
    flavour: str = "pytorch"
    told: str = ""


_PYTORCH = "https://download.pytorch.org/models"
PUBLISHED = {
    w.name: w
    for w in (
        PublishedWeights(
            "zhang2016-pytorch-v2",
            "zhang2016",
            "colorization_release_v2-9b330a0b.pth",
            "https://colorizers.s3.us-east-2.amazonaws.com/colorization_release_v2-9b330a0b.pth",
            "9b330a0b",
            told="the authors' PyTorch release, T as released (1 in its own scaling)",
        ),
        PublishedWeights(
            "zhang2016-caffe",
            "zhang2016",
            "colorization_release_v2.caffemodel",
            "",
            "f5af1e602646328c792e1094f9876fe9cd4c09ac46fa886e5708a1abc89137b1",
            flavour="caffe",
            told="the authors' Caffe release, logits times 2.606; the old Berkeley links are dead",
        ),
        PublishedWeights(
            "siggraph17-pytorch",
            "siggraph17",
            "siggraph17-df00044c.pth",
            "https://colorizers.s3.us-east-2.amazonaws.com/siggraph17-df00044c.pth",
            "df00044c",
            told="the authors' PyTorch release of the interactive network",
        ),
        PublishedWeights(
            "vgg16-imagenet",
            "",
            "vgg16-397923af.pth",
            f"{_PYTORCH}/vgg16-397923af.pth",
            "397923af",
            told="torchvision's VGG-16, for semantic interpretability",
        ),
        PublishedWeights(
            "alexnet-imagenet",
            "",
            "alexnet-owt-7be5be79.pth",
            f"{_PYTORCH}/alexnet-owt-7be5be79.pth",
            "7be5be79",
            told="torchvision's AlexNet, under LPIPS",
        ),
        PublishedWeights(
            "inception-fid",
            "",
            "weights-inception-2015-12-05-6726825d.pth",
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
            "weights-inception-2015-12-05-6726825d.pth",
            "6726825d",
            told="torch-fidelity's port of the Inception network that FID and KID are defined on",
        ),
    )
}


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/truehue/weights`, by default below `~/.cache` (XDG base directory specification)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return root / "truehue" / "weights"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached(weights: PublishedWeights) -> Path | None:
    """The file in the cache, or None.  Its hash is checked when it is put there and by `fetch`."""
    path = cache_folder() / weights.file
    return path if path.is_file() else None


def fetch(weights: PublishedWeights) -> Path:
    """The checked file in the cache, downloaded first if it is not there; an interrupted download goes on.

    Raises WeightsError that names file, address, hash and folder.
    """
    return fetch_to(weights, cache_folder())


def fetch_to(weights: PublishedWeights, folder: Path) -> Path:
    """`fetch` into another folder."""
    path = folder / weights.file
    digest = f" (SHA-256 {weights.sha256}{'…' if len(weights.sha256) < 64 else ''})" if weights.sha256 else ""
    by_hand = f"put {weights.file}{digest} into {folder} by hand"
    if not path.is_file():
        if not weights.url:
            raise WeightsError(f"{weights.name}: no address is known to serve it any more; {by_hand}")
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / (weights.file + ".part")
        try:
            with part.open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # two processes asking at once: the second finds it done
                if not path.is_file():
                    _download(weights, part)
                    _check(weights, part)
                    part.replace(path)
        except (urllib.error.URLError, OSError, ValueError) as error:
            if isinstance(error, WeightsError):
                raise
            raise WeightsError(f"{weights.name}: cannot fetch {weights.url} ({error}); {by_hand}") from None
        return path
    _check(weights, path)
    return path


def _check(weights: PublishedWeights, path: Path) -> None:
    found = file_sha256(path)
    if not found.startswith(weights.sha256):
        path.unlink()
        raise WeightsError(
            f"{weights.name}: {path.name} has SHA-256 {found}, expected {weights.sha256}; the file was removed, so "
            f"that the next call fetches it again ({weights.url or 'no address known'}) into {path.parent}"
        )


def _download(weights: PublishedWeights, part: Path) -> None:
    """Append what is missing to `part`; a server that cannot continue sends the whole file again."""
    if not weights.url.startswith(("https://", "http://")):
        raise WeightsError(f"{weights.name}: expected an http(s) address, got {weights.url}")
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(weights.url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - checked above
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)  # noqa: S310 - checked above
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # everything is here already; the hash decides
        raise
    with response, part.open("r+b" if part.is_file() else "wb") as file:
        continues = response.status == HTTPStatus.PARTIAL_CONTENT
        file.seek(have if continues else 0)
        file.truncate()
        length = int(response.headers.get("Content-Length") or 0)
        total = length + (have if continues else 0)
        with tqdm(
            desc=weights.file, total=total or None, initial=file.tell(), unit="B", unit_scale=True, leave=False
        ) as bar:
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
        if length and file.tell() != total:
            raise OSError(
                f"the connection ended after {file.tell()} of {total} bytes; the next call goes on from there"
            )
