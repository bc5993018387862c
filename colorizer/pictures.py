"""The pictures of a stimulus set as files: one encoder for all, each written once, by any number of processes.

A set grows in `NAME.part`.  Every process that works on it appends what it wrote to a record of its own; what any
record holds is not rendered again, so an interrupted rendering goes on and several hosts can share one folder.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageCms
from tqdm import tqdm

from colorizer.conditions import Predict
from colorizer.drawing import Drawn, Settings, StimuliError
from colorizer.metrics import delta_e00_mean
from colorizer.render import Rendered, from_lab, srgb_tag
from colorizer.sources import shard_of

REAL = "real"
_RECORD = "written-{}-of-{}.jsonl"
_FINGERPRINT = "fingerprint"
_AHEAD = 8  # photographs whose pictures wait for the encoder


def pixels_sha256(rgb_HW3: npt.NDArray[np.uint8]) -> str:
    """SHA-256 over `b"{width}x{height}:RGB:"` and the rows, as docs/formats.md says."""
    height, width = rgb_HW3.shape[:2]
    return hashlib.sha256(f"{width}x{height}:RGB:".encode() + np.ascontiguousarray(rgb_HW3).tobytes()).hexdigest()


def save_lossless(rgb_HW3: npt.NDArray[np.uint8], path: Path, image_format: str) -> None:
    """One encoder for every picture: lossless, tagged sRGB, no other metadata."""
    image = Image.fromarray(rgb_HW3)
    if image_format == "png":
        image.save(path, "PNG", pnginfo=srgb_tag(), compress_level=9)
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


def stimulus_id_of(seed: int, image_id: str, condition: str) -> str:
    """A name that says nothing about its picture."""
    return "s" + hashlib.sha256(f"{seed}:{image_id}:{condition}".encode()).hexdigest()[:12]


def open_part(part: Path, fingerprint: str, *, is_shared: bool) -> None:
    """Make the folder in which a set grows, or go on in it; one of another set is replaced, or refused if shared."""
    told = part / _FINGERPRINT
    if part.exists() and not is_shared and (not told.is_file() or told.read_text(encoding="utf-8") != fingerprint):
        shutil.rmtree(part)
    # It appears with its fingerprint in it: another host may look at any moment.
    own = part.with_name(f"{part.name}.{os.getpid()}")
    (own / "images").mkdir(parents=True)
    (own / _FINGERPRINT).write_text(fingerprint, encoding="utf-8")
    try:
        own.rename(part)
    except OSError:
        shutil.rmtree(own)
        if not told.is_file() or told.read_text(encoding="utf-8") != fingerprint:
            raise StimuliError(
                f"{part}: was begun with other photographs, weights or options; give every share the same ones, or "
                "remove it"
            ) from None


def read_records(part: Path) -> dict[str, dict[str, Any]]:
    """What all processes wrote so far, by stimulus_id; a line that a crash cut short does not count."""
    records: dict[str, dict[str, Any]] = {}
    for path in sorted(part.glob("written-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if (part / entry["file"]).is_file():
                records[entry["stimulus_id"]] = entry
    return records


def forget_records(part: Path) -> None:
    """Leave nothing in the finished folder but the set."""
    for path in (*part.glob("written-*.jsonl"), part / _FINGERPRINT):
        path.unlink(missing_ok=True)


def write_pictures(
    wanted: Sequence[tuple[Drawn, Sequence[str]]],
    conditions: Mapping[str, Predict],
    part: Path,
    settings: Settings,
    *,
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
) -> None:
    """Render this share of the photographs in the conditions named with them, but for what is there already.

    The network works in this thread, `workers` others encode.
    """
    there = read_records(part)
    todo = [
        (photo, [told for told in names if stimulus_id_of(settings.seed, photo.image_id, told) not in there])
        for photo, names in shard_of(list(wanted), *shard)
    ]
    todo = [(photo, names) for photo, names in todo if names]
    record = part / _RECORD.format(shard[0] + 1, shard[1])
    with record.open("a", encoding="utf-8") as file, ThreadPoolExecutor(workers) as encoders:
        file.write("\n" if file.tell() else "")  # after a line that was cut short
        jobs = (
            encoders.submit(_write, *job, part, settings)
            for photo, names in tqdm(todo, desc="rendering", unit="photo")
            for job in _rendered(photo, names, conditions)
        )
        for done in _a_few_ahead(jobs, _AHEAD * (len(conditions) + 1)):
            _note(file, done.result())


def _a_few_ahead(jobs: Iterator[Future[dict[str, Any]]], n: int) -> Iterator[Future[dict[str, Any]]]:
    waiting = list(islice(jobs, n))
    while waiting:
        yield waiting.pop(0)
        waiting += islice(jobs, 1)


def _note(file: TextIO, entry: dict[str, Any]) -> None:
    file.write(json.dumps(entry) + "\n")
    file.flush()


def _rendered(
    photo: Drawn, names: Sequence[str], conditions: Mapping[str, Predict]
) -> Iterator[tuple[Drawn, str, Rendered, Rendered | None]]:
    L = photo.L_B1HW
    original = from_lab(L, photo.lab_13HW[:, 1:]) if photo.has_original else None
    for name in names:
        picture = original if name == REAL else from_lab(L, conditions[name](photo, L))
        assert picture is not None  # nobody asks for an original that there is not
        yield photo, name, picture, original


def _write(
    photo: Drawn, condition: str, picture: Rendered, original: Rendered | None, folder: Path, settings: Settings
) -> dict[str, Any]:
    stimulus_id = stimulus_id_of(settings.seed, photo.image_id, condition)
    file = f"images/{stimulus_id}.{settings.image_format}"
    save_lossless(picture.rgb_HW3, folder / f"{file}.new", settings.image_format)
    (folder / f"{file}.new").replace(folder / file)
    difference = None
    if original is not None and condition != REAL:
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
