"""Photographs that the network never saw, real and fake, shuffled: look before a study with people does.

    python tools/contact_sheet.py --data VAL256.zip --n 60 --out sheets
    python tools/contact_sheet.py --data VAL256.zip --n 48 --single --out sheets

The first writes sheets of ten numbered pairs, real beside fake, and key.csv with the side of each fake; the second
sheets of 48 single pictures, half of them fakes, and which they are.  Look at each for a second, at the size that
participants see, say which is the fake or whether it is one, then open the key.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from colorizer.arguments import whole
from colorizer.defaults import DEFAULT_MODEL
from colorizer.photos import PhotoError
from colorizer.render import from_lab
from colorizer.squares import predictor, read_squares

GAP_PX, LABEL_PX = 12, 18
_PAIRS = (2, 5)  # columns and rows of a sheet
_SINGLE = (8, 6)


def main() -> int:
    """Write the sheets and their key."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", required=True, help="photographs that were not trained on")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--weights")
    parser.add_argument("--n", type=whole(1), default=60)
    parser.add_argument("--single", action="store_true", help="one picture of each photograph: every second one a fake")
    parser.add_argument("--size", type=whole(32), default=256)
    parser.add_argument("--seed", type=whole(0), default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    try:
        squares = read_squares(given.data, size_px=given.size)
    except PhotoError as error:
        parser.error(str(error))
    predict = predictor(given.model, squares, weights={given.model: given.weights} if given.weights else None)
    rng = np.random.default_rng(given.seed)
    chosen = rng.permutation(len(squares))[: given.n]
    is_fake_N = rng.permutation(np.arange(len(chosen)) % 2 == 0)
    (columns, rows), n_shown = (_SINGLE, 1) if given.single else (_PAIRS, 2)
    width, height = n_shown * (given.size + GAP_PX) + (n_shown - 1) * GAP_PX, given.size + LABEL_PX
    given.out.mkdir(parents=True, exist_ok=True)
    with (given.out / "key.csv").open("w", newline="", encoding="utf-8") as file:
        key = csv.writer(file)
        key.writerow(("picture", "photograph", "is_fake") if given.single else ("pair", "photograph", "fake"))
        for first in range(0, len(chosen), columns * rows):
            here = chosen[first : first + columns * rows]
            sheet = Image.new("RGB", (columns * width + GAP_PX, -(-len(here) // columns) * height), (119, 119, 119))
            pen = ImageDraw.Draw(sheet)
            for k, i in enumerate(here):
                lab = squares.lab(int(i))
                is_fake = bool(is_fake_N[first + k])
                shown = [lab[:, 1:], predict(int(i), lab)]
                shown = [shown[is_fake]] if given.single else shown[::-1] if is_fake else shown
                x0, y0 = GAP_PX + k % columns * width, k // columns * height
                pen.text((x0, y0 + 3), f"{first + k + 1}", fill="white")
                for place, ab in enumerate(shown):
                    picture = Image.fromarray(from_lab(lab[:, :1], ab).rgb_HW3)
                    size = (given.size, given.size)
                    sheet.paste(
                        picture.resize(size, Image.Resampling.LANCZOS),
                        (x0 + place * (given.size + GAP_PX), y0 + LABEL_PX),
                    )
                answer = str(is_fake).lower() if given.single else "left" if is_fake else "right"
                key.writerow((first + k + 1, squares.photos[int(i)].name, answer))
            sheet.save(given.out / f"sheet-{first // (columns * rows) + 1:02d}.png")
    print(f"{len(chosen)} {'pictures' if given.single else 'pairs'}: {given.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
