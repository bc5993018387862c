"""The figures of docs/explanation: coverage out of docs/results, a photograph at several temperatures."""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from colorizer import colorize, load_model
from colorizer.models.truehue_lite import TruehueLite, Unsettled

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "figures"
DESIGNS = (
    ("100 × 100, p = .32", "100 people × 100 photos"),
    ("40 × 40, p = .50", "40 × 40, true rate 50 %"),
    ("40 × 40, p = .32", "40 × 40, true rate 32 %"),
    ("40 people × 40 of 1,000 photos, p = .32", "40 people × 40 of 1,000 photos"),
    ("40 × 40, p = .32, no clustering", "40 × 40, nobody and nothing differs"),
)
TEMPERATURES = (0.05, 0.38, 0.6, 1.0, 2.0)
TILE_PX = 176


def draw_coverage(path: Path) -> None:
    """Two dots a design: how often each interval covered the truth, beside the promised 95 %."""
    rows = {row["name"]: row for row in json.loads((ROOT / "docs/results/coverage.json").read_text())["rows"]}
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0.95, color="0.6", linewidth=1)
    for y, (name, _) in enumerate(reversed(DESIGNS)):
        axes.plot([rows[name]["wilson"], rows[name]["coverage"]], [y, y], color="0.85", linewidth=3, zorder=1)
        axes.plot(rows[name]["wilson"], y, "o", color="#b2452b", label="Wilson over all trials" if y == 0 else None)
        axes.plot(rows[name]["coverage"], y, "s", color="#1f4e79", label="Truehue's interval" if y == 0 else None)
    axes.set_yticks(range(len(DESIGNS)), [label for _, label in reversed(DESIGNS)])
    axes.set_xlim(0.3, 1.0)
    axes.set_xlabel("share of studies whose 95 % interval holds the true rate")
    axes.legend(frameon=False, loc="lower left")
    axes.spines[["top", "right"]].set_visible(False)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "truehue"}):
        figure.savefig(path, metadata={"Date": None})


def draw_temperatures(path: Path) -> None:
    """One sample photograph, grey, at five temperatures with nothing settled, and as it was."""
    photo = Image.open(ROOT / "samples/photos/bridge-1.jpg").convert("RGB")
    side = min(photo.size)
    photo = photo.crop((0, 0, side, side)).resize((256, 256), Image.Resampling.LANCZOS)
    settling = load_model("truehue-lite")
    assert isinstance(settling, TruehueLite)
    model = Unsettled(settling)  # T is seen best where no neighbour has a say
    tiles = [("grey", photo.convert("L").convert("RGB"))]
    tiles += [(f"T = {t:g}", colorize(photo, model=model, temperature=t)) for t in TEMPERATURES]
    tiles.append(("its own colours", photo))
    sheet = Image.new("RGB", ((TILE_PX + 4) * len(tiles) - 4, TILE_PX + 20), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (label, tile) in enumerate(tiles):
        sheet.paste(tile.resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS), (i * (TILE_PX + 4), 20))
        pen.text((i * (TILE_PX + 4) + 2, 3), label, fill="black", font_size=13)
    sheet.save(path, quality=80, method=6)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    draw_coverage(OUT / "coverage.svg")
    draw_temperatures(OUT / "temperatures.webp")
    print(OUT)
