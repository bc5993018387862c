"""The README's strip: what the network is given, what it makes of it, and the photograph; a seed draws them.

    python tools/strip.py --photos samples/photos --n 10 --seed 2016 --out docs/screenshots/strip.webp

Nobody chooses the photographs: the seed draws them, one of those whose names differ in a final number only (the samples
hold several crops of a scene).
"""

import argparse
import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from colorizer.arguments import whole
from colorizer.defaults import DEFAULT_MODEL
from colorizer.photos import PhotoError
from colorizer.render import from_lab
from colorizer.squares import predictor, read_squares

GAP_PX = 6


def main() -> int:
    """Draw the photographs, colour them, and write the strip."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", nargs="+", default=["samples/photos"])
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--n", type=whole(1), default=10)
    parser.add_argument("--size", type=whole(32), default=130, help="pixels of a picture in the strip")
    parser.add_argument("--seed", type=whole(0), default=2016)
    parser.add_argument("--out", type=Path, default=Path("docs/screenshots/strip.webp"))
    given = parser.parse_args()
    try:
        squares = read_squares(given.photos, size_px=256)
    except PhotoError as error:
        parser.error(str(error))
    scenes: dict[str, int] = {}
    rng = np.random.default_rng(given.seed)
    for i in rng.permutation(len(squares)):
        scenes.setdefault(re.sub(r"-\d+$", "", Path(squares.photos[int(i)].name).stem), int(i))
    chosen = list(scenes.values())[: given.n]
    predict = predictor(given.model, squares)
    step = given.size + GAP_PX
    strip = Image.new("RGB", (len(chosen) * step - GAP_PX, 3 * step - GAP_PX), "white")
    for column, i in enumerate(chosen):
        lab = squares.lab(i)
        versions = (torch.zeros_like(lab[:, 1:]), predict(i, lab), lab[:, 1:])
        for row, ab in enumerate(versions):
            picture = Image.fromarray(from_lab(lab[:, :1], ab).rgb_HW3)
            small = picture.resize((given.size, given.size), Image.Resampling.LANCZOS)
            strip.paste(small, (column * step, row * step))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    strip.save(given.out, quality=72, method=6)
    print(f"{given.out}: {', '.join(squares.photos[i].name for i in chosen)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
