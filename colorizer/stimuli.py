"""Render a stimulus set: real and fake through one path, so that nothing but the colours differs.

The format is `truehue-stimulus-set/1` of docs/formats.md.
"""

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageCms, PngImagePlugin
from torch import Tensor
from tqdm import tqdm

from colorizer.baselines import CONTROLS, gray_ab, random_partners
from colorizer.checkpoints import current_commit, load_checkpoint
from colorizer.data import NEAR_DUPLICATE_BITS, hamming_bits
from colorizer.metrics import delta_e00_mean, mean_chroma
from colorizer.photos import PhotoError, is_grey, open_photo, perceptual_hash
from colorizer.render import Rendered, from_lab, predict_ab, to_lab
from colorizer.sources import PhotoFile, each_with_bytes, list_photos

FORMAT = "truehue-stimulus-set/1"
LOW_CHROMA = 4.0  # mean chroma below which real and fake are nearly the same grey picture


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


@dataclass
class _Drawn:
    """A photograph that is in."""

    file: PhotoFile
    rgb_HW3: npt.NDArray[np.uint8]
    phash: int
    source_sha256: str
    chroma: float
    is_seen: bool = False
    image_id: str = ""
    group: str = ""
    credit: dict[str, str] = field(default_factory=dict)


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
    real: Path, settings: Settings, *, seen_phashes: npt.NDArray[np.uint64], allow_seen: bool
) -> tuple[list[_Drawn], list[dict[str, str]]]:
    """Choose photographs in a seeded order until `n_requested` are in; every other one with its reason.

    `seen_phashes` are those of every model's training photographs.
    """
    files = list_photos(real)
    if not files:
        raise StimuliError(f"{real}: expected a folder or .zip with photographs, found none")
    order = np.random.default_rng(settings.seed).permutation(len(files))
    drawn: list[_Drawn] = []
    refused: list[dict[str, str]] = []
    wanted = settings.n_requested or len(files)

    def refuse(file: PhotoFile, reason: str, detail: str) -> None:
        refused.append({"source": file.name, "reason": reason, "detail": detail})

    shuffled = each_with_bytes([files[i] for i in order])
    for file, data in tqdm(shuffled, total=len(files), desc="choosing photographs", unit="photo"):
        if len(drawn) >= wanted:
            refuse(file, "not_drawn", f"{wanted} photographs were asked for")
            continue
        try:
            photo = _accept(file, data, settings, drawn, seen_phashes, allow_seen=allow_seen)
        except PhotoError as error:
            refuse(file, error.reason, str(error).removeprefix(f"{file.name}: "))
        else:
            drawn.append(photo)
    # Ids in the order of names: nothing about the draw shows, and adding a photograph shifts little.
    drawn.sort(key=lambda d: d.file.name)
    credits_by_name = read_credits(real)
    for i, photo in enumerate(drawn, start=1):
        photo.image_id = f"p{i:03d}"
        photo.credit = credits_by_name.get(Path(photo.file.name).name, {})
        photo.group = photo.credit.get("group") or photo.image_id
    return drawn, sorted(refused, key=lambda r: r["source"])


def _accept(
    file: PhotoFile,
    data: bytes,
    settings: Settings,
    drawn: list[_Drawn],
    seen_phashes: npt.NDArray[np.uint64],
    *,
    allow_seen: bool,
) -> _Drawn:
    image = open_photo(data, file.name)
    if min(image.size) < settings.size_px:
        raise PhotoError(
            "too_small",
            f"{image.width} x {image.height}, needs {settings.size_px} on the short side (see --size)",
        )
    rgb = np.asarray(_square(image, settings.size_px))
    if is_grey(rgb):
        raise PhotoError("grey", "has no colour; archive photographs have no real partner")
    chroma = float(mean_chroma(to_lab(rgb)[:, 1:]))
    if chroma < LOW_CHROMA:
        raise PhotoError("low_chroma", f"mean chroma {chroma:.1f}, below {LOW_CHROMA:g}: 50 % by construction")
    phash = perceptual_hash(image)
    # The square is what the participant sees, the whole is what a training set holds: look for both.
    both = np.array([phash, perceptual_hash(Image.fromarray(rgb))], dtype=np.uint64)
    is_seen = bool(seen_phashes.size) and bool(
        (hamming_bits(seen_phashes[None], both[:, None]) <= NEAR_DUPLICATE_BITS).any()
    )
    if is_seen and not allow_seen:
        raise PhotoError("seen_in_training", "a model was trained on it (--allow-seen lets it in, marked)")
    for other in drawn:
        if (other.phash ^ phash).bit_count() <= NEAR_DUPLICATE_BITS:
            raise PhotoError("duplicate", f"nearly the same as {other.file.name}")
    return _Drawn(file, rgb, phash, hashlib.sha256(data).hexdigest(), chroma, is_seen)


def pixels_sha256(rgb_HW3: npt.NDArray[np.uint8]) -> str:
    """SHA-256 over `b"{width}x{height}:RGB:"` and the rows, as docs/formats.md says."""
    height, width = rgb_HW3.shape[:2]
    return hashlib.sha256(f"{width}x{height}:RGB:".encode() + np.ascontiguousarray(rgb_HW3).tobytes()).hexdigest()


def save_lossless(rgb_HW3: npt.NDArray[np.uint8], path: Path, image_format: str) -> None:
    """One encoder for every picture: lossless, tagged sRGB, no other metadata."""
    image = Image.fromarray(rgb_HW3)
    if image_format == "png":
        info = PngImagePlugin.PngInfo()
        info.add(b"sRGB", b"\x00")  # rendering intent: perceptual
        image.save(path, "PNG", pnginfo=info, compress_level=9)
    else:
        # WebP has no sRGB chunk: its tag is the profile itself.
        tag = _srgb_profile()
        image.save(path, "WEBP", lossless=True, quality=75, method=4, exact=True, icc_profile=tag)


@cache
def _srgb_profile() -> bytes:
    """The sRGB ICC profile (under 1 KB), with its creation date blanked so that the same set has the same bytes."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes.fromhex("07e0000100010000 00000000".replace(" ", ""))  # 2016-01-01, ICC.1 section 7.2.8
    profile[84:100] = bytes(16)  # the profile's id would be a hash over the date
    return bytes(profile)


def _stimulus_id(seed: int, image_id: str, condition: str) -> str:
    return "s" + hashlib.sha256(f"{seed}:{image_id}:{condition}".encode()).hexdigest()[:12]


Predict = Callable[[_Drawn, Tensor], Tensor]


def _condition(
    name: str, weights: str | None, settings: Settings, drawn: list[_Drawn]
) -> tuple[Predict, dict[str, Any]]:
    """How a condition gets its ab from (photograph, L), and its provenance."""
    if name == "gray":
        return lambda _photo, L: gray_ab(L), _control("gray", "No colour: ab = 0.", {})
    if name == "random":
        by_name = {d.file.name: d for d in drawn}
        try:
            partners = random_partners([d.file.name for d in drawn], [d.group for d in drawn], seed=settings.seed)
        except ValueError as error:
            raise StimuliError(f"{error}; add photographs or leave out --model random") from None
        told = "The colours (ab) of another photograph of the set, the low anchor of Zhang et al. 2016."
        return (
            lambda photo, _L: to_lab(by_name[partners[photo.file.name]].rgb_HW3)[:, 1:],
            _control("random", told, {"seed": settings.seed}),
        )
    model, checkpoint = load_checkpoint(name, weights)
    working_px = min(model.working_px, settings.size_px)
    provenance = {
        "kind": "model",
        "model": name,
        "checkpoint_sha256": checkpoint.sha256,
        "settings": {"temperature": model.temperature, "working_px": working_px},
        "description": f"{name}, retrained by Truehue ({checkpoint.results.get('photos_seen', '?')} photographs seen)",
    }
    # fp32 here: a stimulus set is rendered once and must be the same everywhere, speed comes second.
    return lambda _photo, L: predict_ab(model, L, working_px=working_px), provenance


def _control(name: str, description: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "control",
        "model": name,
        "checkpoint_sha256": "",
        "settings": settings,
        "description": description,
    }


def render_stimuli(
    real: Path,
    models: list[str],
    out: Path,
    settings: Settings,
    *,
    weights: dict[str, str] | None = None,
    allow_seen: bool = False,
    name: str = "",
    n_random: int | None = None,
) -> dict[str, Any]:
    """Write a stimulus set to `out` and return its manifest.  `out` appears whole or not at all.

    `models` are registry names or controls; `real` is always there.  `n_random` renders the *random* control for
    that many photographs only (they serve as catch trials; the rest of the set stays small).
    """
    if out.exists() and any(out.iterdir()):
        raise StimuliError(f"{out}: is not empty; choose another --out or remove it")
    name = name or re.sub(r"[^a-z0-9]+", "-", out.name.lower()).strip("-") or "stimuli"
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise StimuliError(f"--name: expected lower-case letters, digits and hyphens, got {name!r}")
    if "real" in models:
        raise StimuliError("--model real: the original is always in the set; name colorizers or controls")
    seen = [load_checkpoint(m, (weights or {}).get(m))[1].seen_phashes for m in models if m not in CONTROLS]
    seen_phashes = torch.cat(seen).numpy().astype(np.uint64) if seen else np.empty(0, dtype=np.uint64)
    drawn, refused = draw_photos(real, settings, seen_phashes=seen_phashes, allow_seen=allow_seen)
    if not drawn:
        reasons = ", ".join(sorted({r["reason"] for r in refused}))
        raise StimuliError(f"{real}: no usable photograph among {len(refused)} ({reasons})")
    conditions = {m: _condition(m, (weights or {}).get(m), settings, drawn) for m in models}
    wearers = {d.image_id for d in drawn}
    if n_random is not None:
        chosen = np.random.default_rng((settings.seed, 1)).permutation(sorted(wearers))[:n_random]
        wearers = set(chosen.tolist())
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "images").mkdir(parents=True)
    stimuli = []
    try:
        for photo in tqdm(drawn, desc="rendering pairs", unit="photo"):
            lab = to_lab(photo.rgb_HW3)
            L, ab_real = lab[:, :1], lab[:, 1:]
            original = from_lab(L, ab_real)
            pictures: dict[str, Rendered] = {"real": original}
            for condition, (predict, _) in conditions.items():
                if condition != "random" or photo.image_id in wearers:
                    pictures[condition] = from_lab(L, predict(photo, L))
            for condition, picture in pictures.items():
                stimuli.append(_write(photo, condition, picture, original, part, settings))
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    real_told = {
        "kind": "real",
        "model": "",
        "checkpoint_sha256": "",
        "settings": {},
        "description": "The photograph's own colours.",
    }
    manifest = {
        "format": FORMAT,
        "name": name,
        "settings": asdict(settings),
        "commit": current_commit(),
        "conditions": {"real": real_told} | {c: told for c, (_, told) in conditions.items()},
        "images": [_image_entry(d) for d in drawn],
        # Sorted by their random-looking ids: the order of the list tells nothing either.
        "stimuli": sorted(stimuli, key=lambda s: s["stimulus_id"]),
        "refused": refused,
        "seen_in_training": [d.image_id for d in drawn if d.is_seen],
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True)
    (part / "manifest.json").write_text(text + "\n", encoding="utf-8")
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.exists():
        out.rmdir()
    part.rename(out)
    return manifest


def _image_entry(photo: _Drawn) -> dict[str, Any]:
    return {
        "image_id": photo.image_id,
        "source": photo.file.name,
        "source_sha256": photo.source_sha256,
        "group": photo.group,
        "perceptual_hash": f"{photo.phash:016x}",
        "author": photo.credit.get("author", ""),
        "licence": photo.credit.get("licence", ""),
        "credit": photo.credit.get("source", ""),
        "mean_chroma": round(photo.chroma, 2),
    }


def _write(
    photo: _Drawn, condition: str, picture: Rendered, original: Rendered, folder: Path, settings: Settings
) -> dict[str, Any]:
    stimulus_id = _stimulus_id(settings.seed, photo.image_id, condition)
    file = f"images/{stimulus_id}.{settings.image_format}"
    save_lossless(picture.rgb_HW3, folder / file, settings.image_format)
    difference = None
    if condition != "real":
        pair = [torch.from_numpy(p.rgb_HW3).permute(2, 0, 1)[None] / 255.0 for p in (picture, original)]
        difference = round(float(delta_e00_mean(*pair)), 3)
    return {
        "stimulus_id": stimulus_id,
        "image_id": photo.image_id,
        "condition": condition,
        "file": file,
        "pixels_sha256": pixels_sha256(picture.rgb_HW3),
        "width_px": picture.rgb_HW3.shape[1],
        "height_px": picture.rgb_HW3.shape[0],
        "delta_e00_mean": difference,
        "gamut_clipped_share": round(picture.clipped_share, 5),
    }
