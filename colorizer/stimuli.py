"""Render a stimulus set: real and fake through one path, so that nothing but the colours differs.

The format is `truehue-stimulus-set/1` of docs/formats.md.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageCms, PngImagePlugin
from tqdm import tqdm

from colorizer.baselines import CONTROLS
from colorizer.checkpoints import current_commit, load_checkpoint
from colorizer.conditions import condition, external_condition, wanted_of
from colorizer.drawing import Drawn, Settings, StimuliError, draw_photos
from colorizer.externals import TIMEOUT_S, External, collect
from colorizer.metrics import delta_e00_mean
from colorizer.render import Rendered, from_lab

__all__ = ["Settings", "StimuliError", "render_stimuli"]

FORMAT = "truehue-stimulus-set/1"


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


def render_stimuli(
    folder: Path,
    models: list[str],
    out: Path,
    settings: Settings,
    *,
    weights: dict[str, str] | None = None,
    allow_seen: bool = False,
    name: str = "",
    n_random: int | None = None,
    has_original: bool = True,
    originals: Path | None = None,
    fakes: Sequence[External] = (),
    fake_timeout_s: float = TIMEOUT_S,
    fake_jobs: int = 0,
    backend: str = "torch",
) -> dict[str, Any]:
    """Write a stimulus set to `out` and return its manifest.  `out` appears whole or not at all.

    `models` are registry names or controls; `real` is always there, unless the photographs in `folder` have no
    colour original (`has_original`): then the set is for designs that need none, or for single pictures beside the
    photographs in `originals`, which appear in their own colours only, as many as the others.  `n_random` renders
    the *random* control for that many photographs only (they serve as catch trials; the rest of the set stays
    small).  `fakes` are conditions that other programs colour; a photograph that one of them lacks is left out and
    listed.
    """
    if out.exists() and any(out.iterdir()):
        raise StimuliError(f"{out}: is not empty; choose another --out or remove it")
    name = name or re.sub(r"[^a-z0-9]+", "-", out.name.lower()).strip("-") or "stimuli"
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise StimuliError(f"--name: expected lower-case letters, digits and hyphens, got {name!r}")
    _check_conditions(models, [f.name for f in fakes], has_original=has_original)
    weights = weights or {}
    seen = [load_checkpoint(m, weights.get(m))[1].seen_phashes for m in models if m not in CONTROLS]
    seen_phashes = torch.cat(seen).numpy().astype(np.uint64) if seen else np.empty(0, dtype=np.uint64)
    drawn, refused = draw_photos(
        folder, settings, seen_phashes=seen_phashes, allow_seen=allow_seen, has_original=has_original
    )
    collected = {}
    for fake in fakes if drawn else ():
        collected[fake.name] = collect(fake, [wanted_of(d) for d in drawn], timeout_s=fake_timeout_s, jobs=fake_jobs)
        failures = collected[fake.name].failures
        refused += [{"source": f, "reason": "fake_missing", "detail": f"{fake.name}: {t}"} for f, t in failures.items()]
        drawn = [d for d in drawn if d.file.name not in failures]
    others = list[Drawn]()
    if originals is not None and drawn:
        others, refused_others = draw_photos(
            originals,
            replace(settings, n_requested=len(drawn)),
            seen_phashes=seen_phashes,
            allow_seen=allow_seen,
            id_prefix="o",
            one_of_a_group=True,
        )
        refused += refused_others
        if not others:
            first = f": {refused_others[0]['source']}: {refused_others[0]['detail']}" if refused_others else ""
            raise StimuliError(f"{originals}: no usable colour photograph for --originals{first}")
    refused.sort(key=lambda r: r["source"])
    if not drawn:
        reasons = ", ".join(sorted({r["reason"] for r in refused}))
        first = f"; the first: {refused[0]['source']}: {refused[0]['detail']}" if refused else ""
        raise StimuliError(f"{folder}: no usable photograph among {len(refused)} ({reasons}){first}")
    conditions = {m: condition(m, weights.get(m), settings, drawn, backend=backend) for m in models}
    conditions |= {f.name: external_condition(f, collected[f.name], drawn) for f in fakes}
    wearers = {d.image_id for d in drawn}
    if n_random is not None:
        chosen = np.random.default_rng((settings.seed, 1)).permutation(sorted(wearers))[:n_random]
        wearers = set(chosen.tolist())
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "images").mkdir(parents=True)
    stimuli = []
    try:
        for photo in tqdm(drawn, desc="rendering pairs" if has_original else "rendering", unit="photo"):
            L = photo.L_B1HW
            original = from_lab(L, photo.lab_13HW[:, 1:]) if has_original else None
            pictures = {"real": original} if original else {}
            for told, (predict, _) in conditions.items():
                if told != "random" or photo.image_id in wearers:
                    pictures[told] = from_lab(L, predict(photo, L))
            for told, picture in pictures.items():
                stimuli.append(_write(photo, told, picture, original, part, settings))
        for photo in others:
            picture = from_lab(photo.L_B1HW, photo.lab_13HW[:, 1:])
            stimuli.append(_write(photo, "real", picture, None, part, settings))
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
        "conditions": ({"real": real_told} if has_original or others else {})
        | {c: told for c, (_, told) in conditions.items()},
        "images": [_image_entry(d) for d in (*drawn, *others)],
        # Sorted by their random-looking ids: the order of the list tells nothing either.
        "stimuli": sorted(stimuli, key=lambda s: s["stimulus_id"]),
        "refused": refused,
        "seen_in_training": [d.image_id for d in (*drawn, *others) if d.is_seen],
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True)
    (part / "manifest.json").write_text(text + "\n", encoding="utf-8")
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.exists():
        out.rmdir()
    part.rename(out)
    return manifest


def _check_conditions(models: list[str], fakes: list[str], *, has_original: bool) -> None:
    if "real" in models:
        raise StimuliError("--model real: the original is always in the set; name colorizers or controls")
    for control in ("random", "obvious"):
        if not has_original and control in models:
            raise StimuliError(
                f"--model {control}: photographs without an original have no colours to lend; leave it out"
            )
    names = [*models, *fakes, "real"]
    for told in (n for n in names if names.count(n) > 1):
        raise StimuliError(f"{told}: two conditions have this name; give one of them another")
    if len(names) == 1:
        raise StimuliError("expected at least one condition: --model or --fake")


def _image_entry(photo: Drawn) -> dict[str, Any]:
    entry = {
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
    return entry if photo.has_original else entry | {"has_original": False, "cleaning": photo.cleaning}


def _write(
    photo: Drawn, condition: str, picture: Rendered, original: Rendered | None, folder: Path, settings: Settings
) -> dict[str, Any]:
    stimulus_id = _stimulus_id(settings.seed, photo.image_id, condition)
    file = f"images/{stimulus_id}.{settings.image_format}"
    save_lossless(picture.rgb_HW3, folder / file, settings.image_format)
    difference = None
    if original is not None and condition != "real":
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
