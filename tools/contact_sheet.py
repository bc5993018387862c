"""Pairs of photographs that the network never saw, real beside fake, shuffled: look before a study with people does.

    python tools/contact_sheet.py --data VAL256.zip --n 60 --out sheets

writes sheets of ten numbered pairs at the size that participants see, and key.csv with the side of each fake.  Look
at a pair for a second, say which is the fake, then open the key.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from colorizer.defaults import DEFAULT_MODEL
from colorizer.photos import PhotoError
from colorizer.render import from_lab
from colorizer.squares import predictor, read_squares

PER_SHEET, GAP_PX, LABEL_PX = 10, 12, 18


def main() -> int:
    """Write the sheets and their key."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", required=True, help="photographs that were not trained on")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--weights")
    parser.add_argument("--n", type=int, default=60)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    try:
        squares = read_squares(given.data, size_px=given.size)
    except PhotoError as error:
        parser.error(str(error))
    predict = predictor(given.model, squares, weights={given.model: given.weights} if given.weights else None)
    rng = np.random.default_rng(given.seed)
    chosen = rng.permutation(len(squares))[: given.n]
    given.out.mkdir(parents=True, exist_ok=True)
    with (given.out / "key.csv").open("w", newline="", encoding="utf-8") as file:
        key = csv.writer(file)
        key.writerow(("pair", "photograph", "fake"))
        for first in range(0, len(chosen), PER_SHEET):
            width, height = 2 * (2 * given.size + GAP_PX) + 3 * GAP_PX, given.size + LABEL_PX
            sheet = Image.new("RGB", (width, PER_SHEET // 2 * height), (119, 119, 119))
            pen = ImageDraw.Draw(sheet)
            for k, i in enumerate(chosen[first : first + PER_SHEET]):
                lab = squares.lab(int(i))
                pictures = [from_lab(lab[:, :1], ab).rgb_HW3 for ab in (lab[:, 1:], predict(int(i), lab))]
                fake_is_left = bool(rng.integers(2))
                x0, y0 = GAP_PX + (k % 2) * (2 * given.size + 2 * GAP_PX), (k // 2) * height
                pen.text((x0, y0 + 3), f"{first + k + 1}", fill="white")
                for place, picture in enumerate(reversed(pictures) if fake_is_left else pictures):
                    shown = Image.fromarray(picture).resize((given.size, given.size), Image.Resampling.LANCZOS)
                    sheet.paste(shown, (x0 + place * (given.size + GAP_PX), y0 + LABEL_PX))
                key.writerow((first + k + 1, squares.photos[int(i)].name, "left" if fake_is_left else "right"))
            sheet.save(given.out / f"sheet-{first // PER_SHEET + 1:02d}.png")
    print(f"{len(chosen)} pairs: {given.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
