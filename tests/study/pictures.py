"""A small stimulus set, drawn on the fly."""

import hashlib
import json
import random
from pathlib import Path

from PIL import Image, ImageDraw

from study.manifest import pixels_sha256

SIZE_PX = 32


def draw(seed: str) -> Image.Image:
    dice = random.Random(seed)
    image = Image.new("RGB", (SIZE_PX, SIZE_PX), tuple(dice.randrange(256) for _ in range(3)))
    pen = ImageDraw.Draw(image)
    for _ in range(dice.randrange(2, 40)):
        x, y = dice.randrange(SIZE_PX), dice.randrange(SIZE_PX)
        pen.ellipse((x, y, x + dice.randrange(1, 20), y + 8), fill=tuple(dice.randrange(256) for _ in range(3)))
    return image


def make_set(
    folder: Path,
    *,
    n: int = 12,
    models: tuple[str, ...] = ("lite",),
    n_random: int = 4,
    controls: tuple[str, ...] = (),
    groups: dict[int, str] | None = None,
    name: str = "test-set",
    images: str = "png",
) -> Path:
    """Draw `n` photographs as real and in each model's colours, the first `n_random` also as low anchors."""
    (folder / "images").mkdir(parents=True)
    conditions = {"real": _provenance("real", "real")}
    conditions |= {model: _provenance("model", model) for model in models}
    if n_random:
        conditions["random"] = _provenance("control", "random")
    conditions |= {control: _provenance("control", control) for control in controls}
    stimuli, photos = [], []
    for number in range(n):
        image_id = f"p{number:03d}"
        photos.append(
            {
                "image_id": image_id,
                "source": f"{image_id}.jpg",
                "source_sha256": "0" * 64,
                "group": (groups or {}).get(number, image_id),
                "perceptual_hash": "0" * 16,
                "author": "",
                "licence": "",
                "credit": "",
                "mean_chroma": 20.0,
            }
        )
        for condition in conditions:
            if condition == "random" and number >= n_random:
                continue
            stimulus_id = hashlib.sha256(f"{name}{image_id}{condition}".encode()).hexdigest()[:12]
            image = draw(stimulus_id)
            file = f"images/{stimulus_id}.{images}"
            image.save(folder / file, **({"lossless": True} if images == "webp" else {}))
            stimuli.append(
                {
                    "stimulus_id": stimulus_id,
                    "image_id": image_id,
                    "condition": condition,
                    "file": file,
                    "pixels_sha256": pixels_sha256(image),
                    "width_px": SIZE_PX,
                    "height_px": SIZE_PX,
                    "delta_e00_mean": None if condition == "real" else 9.5,
                    "gamut_clipped_share": 0.0,
                }
            )
    manifest = {
        "format": "truehue-stimulus-set/1",
        "name": name,
        "settings": {"size_px": SIZE_PX, "fit": "crop", "image_format": images, "seed": 1, "n_requested": n},
        "commit": "",
        "conditions": conditions,
        "images": photos,
        "stimuli": stimuli,
        "refused": [],
        "seen_in_training": [],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return folder


def _provenance(kind: str, model: str) -> dict[str, object]:
    return {"kind": kind, "model": model, "checkpoint_sha256": "", "settings": {}, "description": model}
