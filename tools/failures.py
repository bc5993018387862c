"""The failure gallery of the model card: by a rule, the photographs on which the default model is worst.

    python tools/failures.py --photos samples/photos --n 6 --out docs/figures/failures.webp

The rule: photographs in the order of their mean CIEDE2000 to the original, worst first, one of those whose names differ
in a final number only (the samples hold several crops of a scene).  Above what the network made, below the photograph.
The numbers are printed; nobody chooses.
"""

import argparse
import re
from pathlib import Path

import torch
from PIL import Image

from colorizer.arguments import whole
from colorizer.defaults import DEFAULT_MODEL
from colorizer.metrics import colourfulness, delta_e00_mean
from colorizer.photos import PhotoError
from colorizer.render import from_lab
from colorizer.squares import Squares, predictor, read_squares

GAP_PX = 4


def worst_first(squares: Squares, model: str, weights: str | None) -> list[tuple[float, float, int]]:
    """(mean CIEDE2000, colourfulness over the original's, position) of each scene's worst photograph, worst first."""
    predict = predictor(model, squares, weights={model: weights} if weights else None)
    found = []
    for i in range(len(squares)):
        lab = squares.lab(i)
        fake, true = (
            torch.from_numpy(from_lab(lab[:, :1], ab).rgb_HW3).permute(2, 0, 1)[None].float() / 255.0
            for ab in (predict(i, lab), lab[:, 1:])
        )
        ratio = float(colourfulness(fake)[0] / colourfulness(true)[0].clamp_min(1e-6))
        found.append((float(delta_e00_mean(fake, true)[0]), ratio, i))
    found.sort(reverse=True)
    scenes: dict[str, tuple[float, float, int]] = {}
    for one in found:
        scenes.setdefault(re.sub(r"-\d+$", "", Path(squares.photos[one[2]].name).stem), one)
    return list(scenes.values())


def main() -> int:
    """Colour, order, draw, and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", nargs="+", default=["samples/photos"], help="photographs that were not trained on")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--weights")
    parser.add_argument("--n", type=whole(1), default=6)
    parser.add_argument("--size", type=whole(32), default=128, help="pixels of a picture in the gallery")
    parser.add_argument("--out", type=Path, default=Path("docs/figures/failures.webp"))
    given = parser.parse_args()
    try:
        squares = read_squares(given.photos, size_px=256)
    except PhotoError as error:
        parser.error(str(error))
    ordered = worst_first(squares, given.model, given.weights)
    shown = ordered[: given.n]
    predict = predictor(given.model, squares, weights={given.model: given.weights} if given.weights else None)
    step = given.size + GAP_PX
    sheet = Image.new("RGB", (len(shown) * step - GAP_PX, 2 * step - GAP_PX), "white")
    for column, (_, _, i) in enumerate(shown):
        lab = squares.lab(i)
        for row, ab in enumerate((predict(i, lab), lab[:, 1:])):
            picture = Image.fromarray(from_lab(lab[:, :1], ab).rgb_HW3)
            sheet.paste(picture.resize((given.size, given.size), Image.Resampling.LANCZOS), (column * step, row * step))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(given.out, quality=72, method=6)
    print("| photograph | mean ΔE00 | colourfulness / original's |\n|---|---|---|")
    for distance, ratio, i in shown:
        print(f"| {squares.photos[i].name} | {distance:.1f} | {ratio:.2f} |")
    middle = ordered[len(ordered) // 2]
    print(f"{given.out}: {len(shown)} of {len(ordered)} scenes; the middle one has {middle[0]:.1f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
