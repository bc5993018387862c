"""The pictures of the replication: enough photographs out of a few, and a stand-in for each of the paper's systems."""

import csv
import random
import shutil
from pathlib import Path

from PIL import Image, ImageEnhance

from tools.replication.design import SATURATION, SIZE_PX, ReplicationError

KINDS = {".jpg", ".jpeg", ".png", ".webp"}
N_DRAWN = 160
SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "photos"


def collect(source: Path, out: Path, *, seed: int) -> int:
    """Fill `out` with photographs: five parts of each sample, or a seeded draw of `N_DRAWN` of another folder.

    The parts are the corners and the centre; they share the photograph's group, so that they get one role.
    """
    if not source.is_dir():
        raise ReplicationError(f"--photos: expected a folder of photographs, got {source}; unpack it first")
    files = sorted(file for file in source.iterdir() if file.suffix.lower() in KINDS)
    if not files:
        raise ReplicationError(f"--photos: expected photographs in {source}, found none; name another folder")
    out.mkdir(parents=True)
    if source.resolve() == SAMPLES:
        return _parts(files, out)
    if len(files) > N_DRAWN:
        files = sorted(random.Random(seed).sample(files, N_DRAWN))
    for file in files:
        shutil.copyfile(file, out / file.name)
    return len(files)


def _parts(files: list[Path], out: Path) -> int:
    with (SAMPLES.parent / "CREDITS.csv").open(encoding="utf-8", newline="") as table:
        credit_of = {Path(row["file"]).name: row for row in csv.DictReader(table)}
    rows = []
    for file in files:
        credit = credit_of.get(file.name, {})
        with Image.open(file) as image:
            rgb = image.convert("RGB")
        right, bottom = rgb.width - SIZE_PX, rgb.height - SIZE_PX
        places = ((0, 0), (right, 0), (0, bottom), (right, bottom), (right // 2, bottom // 2))
        for number, (x, y) in enumerate(places, start=1):
            name = f"{file.stem}-part{number}.png"
            rgb.crop((x, y, x + SIZE_PX, y + SIZE_PX)).save(out / name, compress_level=1)
            group = credit.get("group") or file.stem
            rows.append({**credit, "file": name, "group": group})
    with (out / "CREDITS.csv").open("w", encoding="utf-8", newline="") as table:
        writer = csv.DictWriter(table, ["file", "author", "licence", "source", "group"], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def stand_ins(coloured: Path, out: Path) -> list[str]:
    """Write one folder per arm, our colours more or less saturated, and give the `--fake` arguments."""
    arguments = []
    for arm, factor in SATURATION.items():
        (out / arm).mkdir(parents=True, exist_ok=True)
        for file in sorted(coloured.iterdir()):
            if file.suffix.lower() in KINDS:
                with Image.open(file) as image:
                    saturated = ImageEnhance.Color(image.convert("RGB")).enhance(factor)
                saturated.save((out / arm / file.name).with_suffix(".png"), compress_level=1)
        arguments += ["--fake", f"{arm}={out / arm}"]
    return arguments
