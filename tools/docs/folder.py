"""The folder in which a page's commands are run: photographs, and an instance of its own."""

import os
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageOps

from tools.docs.blocks import ROOT

PASSWORD = "a password for a test"  # noqa: S105 - of an instance that lives for a minute


def make_photographs(folder: Path) -> None:
    """Make `PHOTOS`, `PHOTOS.zip` and `grey.jpg` from the samples: three different squares of each photograph."""
    photos = folder / "PHOTOS"
    photos.mkdir()
    for path in sorted((ROOT / "samples/photos").glob("*.jpg")):
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        short = min(picture.size)
        side = max(256, round(short * 0.7))
        if side > short:
            continue
        free_x, free_y = picture.width - side, picture.height - side
        for name, (x, y) in {"a": (0, 0), "b": (free_x, 0), "c": (free_x // 2, free_y)}.items():
            square = picture.crop((x, y, x + side, y + side))
            square.save(photos / f"{path.stem}-{name}.jpg", quality=90)
    with zipfile.ZipFile(folder / "PHOTOS.zip", "w") as archive:
        for path in sorted(photos.iterdir()):
            archive.write(path, f"PHOTOS/{path.name}")
    with Image.open(ROOT / "samples/photos/coffee.jpg") as opened:
        ImageOps.grayscale(opened).save(folder / "grey.jpg")


def prepare(folder: Path, photographs: Path) -> None:
    """Put what pages presuppose into an empty folder; `photographs` is what `make_photographs` filled."""
    folder.mkdir(parents=True)
    for name in ("samples", "tools", "deploy"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "demo-stimuli").symlink_to(ROOT / "study/demo/stimuli")
    for path in photographs.iterdir():
        (folder / path.name).symlink_to(path)


def environment(folder: Path, temporary: Path) -> Mapping[str, str]:
    """Give the environment: our programs first, one thread, no bars, no instance but the folder's."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("TRUEHUE_", "DATABASE_URL"))}
    return {
        **inherited,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TRUEHUE_INSTANCE": str(folder / "instance"),
        "OMP_NUM_THREADS": "1",
        "TQDM_DISABLE": "1",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TMPDIR": str(temporary),
    }
