"""Colour thousands of damaged photographs: none may crash, hang or vanish.

    python tools/fuzz.py --n 10000 --seed 0

Each file is a small photograph in one of many formats and modes with bytes changed, cut, doubled or swapped.  Every one
must be in the summary, coloured at its own size or refused by name, each within the time limit.
"""

import argparse
import io
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colorizer.colouring import Options, colour_files, targets_of
from colorizer.models.base import Colorizer
from colorizer.photos import PhotoError, open_photo
from colorizer.render import Look
from colorizer.sources import list_photos

LIMIT_S = 20.0  # for one file, on a crowded machine
FORMATS = (
    ("JPEG", "RGB", ".jpg"), ("JPEG", "L", ".jpg"), ("JPEG", "CMYK", ".jpg"), ("PNG", "RGB", ".png"),
    ("PNG", "RGBA", ".png"), ("PNG", "LA", ".png"), ("PNG", "P", ".png"), ("PNG", "1", ".png"),
    ("PNG", "I;16", ".png"), ("GIF", "P", ".gif"), ("TIFF", "RGB", ".tif"), ("TIFF", "CMYK", ".tif"),
    ("TIFF", "F", ".tif"), ("TIFF", "LAB", ".tif"), ("WEBP", "RGB", ".webp"), ("WEBP", "RGBA", ".webp"),
    ("AVIF", "RGB", ".avif"), ("BMP", "RGB", ".bmp"), ("PPM", "RGB", ".ppm"),
)  # fmt: skip


class Flat(Colorizer):
    """Colours everything alike at once: the files are what is tried here, not a network."""

    name, working_px = "flat", 16

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def predict_ab(self, L_B1HW: Tensor, *, temperature: float | None = None) -> Tensor:
        """A constant colour, (B, 2, H, W)."""
        return torch.full((len(L_B1HW), 2, *L_B1HW.shape[-2:]), 20.0)


def wholes(rng: np.random.Generator) -> list[tuple[bytes, str]]:
    """One undamaged file of each format."""
    coarse = rng.integers(0, 256, size=(5, 7, 3), dtype=np.uint8)
    rgb = Image.fromarray(coarse).resize((44, 31), Image.Resampling.BICUBIC)
    files = []
    for kind, mode, suffix in FORMATS:
        if mode == "I;16":
            image = Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
        elif mode == "LAB":
            image = Image.merge("LAB", rgb.split())
        else:
            image = rgb.convert(mode)
        stream = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = int(rng.integers(1, 9))
        options = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}
        image.save(stream, kind, **options)
        files.append((stream.getvalue(), suffix))
    return files


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The file with one to three sorts of damage."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        kind, place = int(rng.integers(6)), int(rng.integers(max(1, len(data))))
        if kind == 0:
            for p in rng.integers(0, len(data), size=int(rng.integers(1, 9))) if data else []:
                data[p] = int(rng.integers(256))
        elif kind == 1:
            data = data[:place]
        elif kind == 2:
            data[place:place] = rng.bytes(int(rng.integers(1, 65)))
        elif kind == 3:
            del data[place : place + int(rng.integers(1, 65))]
        elif kind == 4:  # huge or tiny numbers where sizes may stand
            data[place : place + 4] = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0")[int(rng.integers(3))]
        else:
            data += data[place:]
    return bytes(data)


def batches(n: int, seed: int, size: int = 250) -> Iterator[list[tuple[str, bytes]]]:
    """`n` named damaged files, in batches."""
    rng = np.random.default_rng(seed)
    originals = wholes(rng)
    for start in range(0, n, size):
        batch = []
        for i in range(start, min(n, start + size)):
            content, suffix = originals[int(rng.integers(len(originals)))]
            batch.append((f"{i:06d}{suffix}", damaged(content, rng)))
        yield batch


def fuzz(n: int, seed: int) -> Counter[str]:
    """Colour `n` damaged files; raises AssertionError naming the first that was lost, mis-sized or slow."""
    model, counts = Flat(), Counter[str]()
    for batch in batches(n, seed):
        with tempfile.TemporaryDirectory(prefix="truehue-fuzz-") as place:
            folder, out = Path(place) / "in", Path(place) / "out"
            folder.mkdir()
            for name, content in batch:
                (folder / name).write_bytes(content)
            photos = list_photos(folder)
            targets = targets_of(photos, out)
            started = time.monotonic()
            summary = colour_files(photos, targets, model, Options(Look(bf16=False), workers=2))
            seconds = time.monotonic() - started
            assert seconds < LIMIT_S * len(batch) / 10, f"seed {seed}: {len(batch)} files took {seconds:.0f} s"
            refused = {line.partition(":")[0] for line in summary.refused}
            for photo, target in zip(photos, targets, strict=True):
                is_there = target.is_file()
                assert is_there != (photo.name in refused), f"seed {seed}: {photo.name} was lost"
                if is_there:
                    try:
                        expected = open_photo(folder / photo.name, photo.name).size
                    except PhotoError as error:
                        raise AssertionError(f"seed {seed}: {error}, but it was coloured") from None
                    with Image.open(target) as picture:
                        assert picture.size == expected, f"seed {seed}: {photo.name}: {picture.size}, not {expected}"
            assert not list(out.rglob("*.part")), f"seed {seed}: an unfinished file was left"
            counts["coloured"] += len(summary.coloured)
            counts["refused"] += len(summary.refused)
    return counts


def main() -> int:
    """Run and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = time.monotonic()
    counts = fuzz(arguments.n, arguments.seed)
    print(
        f"{arguments.n} damaged files, seed {arguments.seed}: {counts['coloured']} coloured, {counts['refused']} "
        f"refused by name, none lost, {time.monotonic() - started:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
