"""Which photographs go into a stimulus set, and why others do not."""

import csv
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from colorizer.archive import clean_lightness
from colorizer.metrics import mean_chroma
from colorizer.motifs import NEAR_DUPLICATE_BITS, hamming_bits
from colorizer.photos import PhotoError, is_grey, open_photo, perceptual_hash
from colorizer.render import from_lab, to_lab
from colorizer.sources import PhotoFile, each_with_bytes, list_photos

LOW_CHROMA = 4.0  # mean chroma below which real and fake are nearly the same grey picture
_CLEANED_AT_PX = 2048  # short side at which scans are cleaned: more is grain


class StimuliError(ValueError):
    """A stimulus set that cannot be rendered; the message says what to do."""


@dataclass(frozen=True)
class Settings:
    """How the pictures are made."""

    size_px: int = 256
    fit: Literal["crop"] = "crop"  # the largest centred square, as in Zhang et al. 2016
    image_format: Literal["png", "webp"] = "png"
    seed: int = 0
    n_requested: int | None = None
    retouch: bool = True  # of photographs without an original: fill scratches and specks


@dataclass
class Drawn:
    """A photograph that is in: its square as Lab (ab = 0 if it has no original) and its size as a file."""

    file: PhotoFile
    lab_13HW: Tensor
    width_px: int
    height_px: int
    phash: int
    source_sha256: str
    chroma: float
    has_original: bool
    is_seen: bool = False
    image_id: str = ""
    group: str = ""
    credit: dict[str, str] = field(default_factory=dict)
    cleaning: dict[str, Any] | None = None

    @property
    def L_B1HW(self) -> Tensor:
        """Its lightness, (1, 1, H, W) in [0, 100]."""
        return self.lab_13HW[:, :1]


def read_credits(real: Path) -> dict[str, dict[str, str]]:
    """CREDITS.csv beside the photographs or one folder up: `file, author, licence, source` and, if wanted, `group`.

    Keys are file names without folders.
    """
    for folder in (real, real.parent):
        path = folder / "CREDITS.csv"
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                if "file" not in (reader.fieldnames or []):
                    raise StimuliError(f"{path}: expected a column `file`, got {reader.fieldnames}")
                return {Path(row["file"]).name: row for row in reader}
    return {}


def _square(image: Image.Image, size_px: int) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.resize((size_px, size_px), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side))


def draw_photos(
    folder: Path,
    settings: Settings,
    *,
    seen_phashes: npt.NDArray[np.uint64],
    allow_seen: bool,
    has_original: bool = True,
    id_prefix: str = "p",
    one_of_a_group: bool = False,
) -> tuple[list[Drawn], list[dict[str, str]]]:
    """Choose photographs in a seeded order until `n_requested` are in; every other one with its reason.

    `seen_phashes` are those of every model's training photographs.  Without originals, toned and grey photographs
    are cleaned (colorizer/archive.py) and those with colours of their own are refused.  `one_of_a_group` takes no
    second photograph of a motif.
    """
    files = list_photos(folder)
    if not files:
        raise StimuliError(f"{folder}: expected a folder or .zip with photographs, found none")
    order = np.random.default_rng(settings.seed).permutation(len(files))
    drawn: list[Drawn] = []
    refused: list[dict[str, str]] = []
    wanted = settings.n_requested or len(files)
    credits_by_name = read_credits(folder)
    groups: set[str] = set()

    def refuse(file: PhotoFile, reason: str, detail: str) -> None:
        refused.append({"source": file.name, "reason": reason, "detail": detail})

    shuffled = each_with_bytes([files[i] for i in order])
    for file, data in tqdm(shuffled, total=len(files), desc="choosing photographs", unit="photo"):
        if len(drawn) >= wanted:
            refuse(file, "not_drawn", f"{wanted} photographs were asked for")
            continue
        group = credits_by_name.get(Path(file.name).name, {}).get("group", "")
        if one_of_a_group and group in groups:
            refuse(file, "not_drawn", f"one photograph of {group} is enough")
            continue
        try:
            photo = _accept(file, data, settings, drawn, seen_phashes, allow_seen=allow_seen, has_original=has_original)
        except PhotoError as error:
            refuse(file, error.reason, str(error).removeprefix(f"{file.name}: "))
        else:
            drawn.append(photo)
            groups |= {group} - {""}
    # Ids in the order of names: nothing about the draw shows, and adding a photograph shifts little.
    drawn.sort(key=lambda d: d.file.name)
    for i, photo in enumerate(drawn, start=1):
        photo.image_id = f"{id_prefix}{i:03d}"
        photo.credit = credits_by_name.get(Path(photo.file.name).name, {})
        photo.group = photo.credit.get("group") or photo.image_id
    return drawn, sorted(refused, key=lambda r: r["source"])


def _accept(
    file: PhotoFile,
    data: bytes,
    settings: Settings,
    drawn: list[Drawn],
    seen_phashes: npt.NDArray[np.uint64],
    *,
    allow_seen: bool,
    has_original: bool,
) -> Drawn:
    image = open_photo(data, file.name)
    if min(image.size) < settings.size_px:
        raise PhotoError(
            "too_small",
            f"{image.width} x {image.height}, needs {settings.size_px} on the short side (see --size)",
        )
    if has_original:
        lab, cleaning = _with_original(image, settings), None
    else:
        lab, cleaning = _without_original(image, settings)
    chroma = float(mean_chroma(lab[:, 1:]))
    square = from_lab(lab[:, :1], lab[:, 1:]).rgb_HW3
    phash = perceptual_hash(image)
    # The square is what the participant sees, the whole is what a training set holds: look for both.
    both = np.array([phash, perceptual_hash(Image.fromarray(square))], dtype=np.uint64)
    is_seen = bool(seen_phashes.size) and bool(
        (hamming_bits(seen_phashes[None], both[:, None]) <= NEAR_DUPLICATE_BITS).any()
    )
    if is_seen and not allow_seen:
        raise PhotoError("seen_in_training", "a model was trained on it (--allow-seen lets it in, marked)")
    for other in drawn:
        if (other.phash ^ phash).bit_count() <= NEAR_DUPLICATE_BITS:
            raise PhotoError("duplicate", f"nearly the same as {other.file.name}")
    digest = hashlib.sha256(data).hexdigest()
    return Drawn(file, lab, image.width, image.height, phash, digest, chroma, has_original, is_seen, cleaning=cleaning)


def _with_original(image: Image.Image, settings: Settings) -> Tensor:
    rgb = np.asarray(_square(image, settings.size_px))
    if is_grey(rgb):
        raise PhotoError("grey", "has no colour of its own: give it to --archive, without --real")
    lab = to_lab(rgb)
    chroma = float(mean_chroma(lab[:, 1:]))
    if chroma < LOW_CHROMA:
        raise PhotoError("low_chroma", f"mean chroma {chroma:.1f}, below {LOW_CHROMA:g}: 50 % by construction")
    return lab


def _without_original(image: Image.Image, settings: Settings) -> tuple[Tensor, dict[str, Any]]:
    """Clean L of the square with ab = 0, and what was done."""
    if min(image.size) > _CLEANED_AT_PX:
        scale = _CLEANED_AT_PX / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    cleaned = clean_lightness(np.asarray(image), retouch=settings.retouch)
    if cleaned.tone == "colour":
        raise PhotoError("has_colour", "has colours of its own: give it to --real")
    L_HW = np.asarray(_square(Image.fromarray(cleaned.L_HW), settings.size_px))
    L = torch.from_numpy(L_HW.clip(0.0, 100.0))[None, None]
    told = {
        "tone": cleaned.tone,
        "black_L": round(cleaned.black_L, 2),
        "white_L": round(cleaned.white_L, 2),
        "retouched_share": round(cleaned.retouched_share, 6),
    }
    return torch.cat((L, torch.zeros_like(L), torch.zeros_like(L)), dim=1), told
