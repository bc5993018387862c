"""Stimulus sets made from the shipped one, smaller or with more photographs, and a display to show them on."""

import hashlib
import json
from pathlib import Path
from typing import Any

from PIL import Image

from study.manifest import open_pixels, pixels_sha256, read_manifest
from tools.proof.instance import SHIPPED

TURNS = (None, *(turn for turn in Image.Transpose if turn in {0, 1, 3}))  # as it is, mirrored, upside down, turned
MODEL, SECOND = "truehue-lite", "second"


def display_profile(*, measured_on: str, viewing_distance_mm: float) -> str:
    """Give the profile of a lab's display (`truehue-display/1`): sRGB's primaries, 4 px to the mm."""
    return f"""
format = "truehue-display/1"
name = "seat-1"
measured_on = {measured_on}
instrument = "a colorimeter"
red_xy = [0.64, 0.33]
green_xy = [0.30, 0.60]
blue_xy = [0.15, 0.06]
white_xy = [0.3127, 0.3290]
gamma = 2.2
white_cd_m2 = 120
black_cd_m2 = 0.2
width_mm = 600
width_px = 2400
viewing_distance_mm = {viewing_distance_mm}
"""


def derive(out: Path, *, size_px: int = 256, n_copies: int = 1, n_models: int = 1, source: Path = SHIPPED) -> Path:
    """Write `n_copies` (at most 4, mirrored and turned) of every photograph of `source` at `size_px`.

    With `n_models` = 2 the model's pictures are there twice, so that a study has two arms.
    """
    manifest = read_manifest(source)
    raw = json.loads((source / "manifest.json").read_text(encoding="utf-8"))
    (out / "images").mkdir(parents=True)
    images, stimuli = [], []
    by_id = {stimulus.stimulus_id: stimulus for stimulus in manifest.stimuli}
    for copy, turn in enumerate(TURNS[:n_copies]):
        for photo in raw["images"]:
            images.append(photo | {"image_id": f"{photo['image_id']}-{copy}", "group": f"{photo['group']}-{copy}"})
        for told in _with_models(raw["stimuli"], n_models):
            picture = open_pixels(source, by_id[told["stimulus_id"]], where="manifest.json")
            picture = picture.resize((size_px, size_px), Image.Resampling.BOX)
            if turn is not None:
                picture = picture.transpose(turn)
            name = "s" + hashlib.sha256(f"{told['stimulus_id']}:{told['condition']}:{copy}".encode()).hexdigest()[:12]
            picture.save(out / "images" / f"{name}.png", compress_level=1)
            stimuli.append(
                told
                | {
                    "stimulus_id": name,
                    "image_id": f"{told['image_id']}-{copy}",
                    "file": f"images/{name}.png",
                    "pixels_sha256": pixels_sha256(picture),
                    "width_px": size_px,
                    "height_px": size_px,
                }
            )
    conditions = dict(raw["conditions"])
    if n_models == 2:
        conditions[SECOND] = conditions[MODEL]
    raw |= {"conditions": conditions}
    text = json.dumps(raw | {"name": "derived", "images": images, "stimuli": stimuli, "refused": []}, indent=1)
    (out / "manifest.json").write_text(text, encoding="utf-8")
    return out


def _with_models(stimuli: list[dict[str, Any]], n_models: int) -> list[dict[str, Any]]:
    if n_models == 1:
        return stimuli
    return stimuli + [told | {"condition": SECOND} for told in stimuli if told["condition"] == MODEL]
