"""The shipped weights and the demo's stimulus set belong together, and the weights really colour."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorizer import colorize, load_model
from colorizer.checkpoints import load_checkpoint, shipped_path
from colorizer.models.base import Colorizer
from colorizer.render import to_lab
from colorizer.stimuli import Settings, render_stimuli

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "study" / "demo" / "stimuli"
PHOTOS = ROOT / "samples" / "photos"


def test_shipped_weights_are_small_and_tell_their_story() -> None:
    """At most 8 MB, with recipe, results, commit and the hashes of the training photographs; a model card beside."""
    path = shipped_path("truehue-lite")
    assert path is not None
    assert path.stat().st_size <= 8e6
    checkpoint = load_checkpoint("truehue-lite")[1]
    assert len(checkpoint.seen_phashes) >= 8000
    assert checkpoint.recipe["model"] == "truehue-lite"
    assert {"auc_raw", "photos_seen"} <= set(checkpoint.results)
    assert checkpoint.sha256 in (path.parent / "README.md").read_text(encoding="utf-8")


def test_the_demo_set_is_what_the_shipped_network_renders(tmp_path: Path) -> None:
    """Rendered again: the same manifest; originals and controls bit for bit, fakes to rounding of another CPU."""
    shipped = json.loads((DEMO / "manifest.json").read_text(encoding="utf-8"))
    settings = Settings(image_format="webp", seed=2016)
    again = render_stimuli(
        PHOTOS, ["truehue-lite", "random"], tmp_path / "set", settings, name="truehue-demo", n_random=6
    )
    for manifest in (shipped, again):
        manifest.pop("commit")
    assert again["images"] == shipped["images"]
    assert again["conditions"] == shipped["conditions"]
    assert again["refused"] == shipped["refused"]
    by_id = {s["stimulus_id"]: s for s in shipped["stimuli"]}
    assert by_id.keys() == {s["stimulus_id"] for s in again["stimuli"]}
    for stimulus in again["stimuli"]:
        old, new = (
            np.asarray(Image.open(folder / stimulus["file"]).convert("RGB")).astype(int)
            for folder in (DEMO, tmp_path / "set")
        )
        difference = np.abs(old - new)
        if stimulus["condition"] == "truehue-lite":
            assert difference.max() <= 3
            assert difference.mean() < 0.1
        else:
            assert stimulus["pixels_sha256"] == by_id[stimulus["stimulus_id"]]["pixels_sha256"]


def test_the_demo_set_is_small_and_credited() -> None:
    """Under 5 MB, at least 24 photographs, each with author and licence, none of them seen in training."""
    manifest = json.loads((DEMO / "manifest.json").read_text(encoding="utf-8"))
    assert sum(p.stat().st_size for p in DEMO.rglob("*") if p.is_file()) < 5e6
    assert len(manifest["images"]) >= 24
    assert all(i["author"] and i["licence"] and i["credit"] for i in manifest["images"])
    assert manifest["seen_in_training"] == []


@pytest.fixture(scope="module")
def model() -> Colorizer:
    torch.set_num_threads(1)
    return load_model()


def mean_ab(model: Colorizer, name: str, box: tuple[float, float, float, float]) -> tuple[float, float]:
    """Mean predicted (a, b) inside a box given in shares of width and height."""
    image = Image.open(PHOTOS / name).convert("L").convert("RGB")
    width, height = image.size
    left, top, right, bottom = (round(v * s) for v, s in zip(box, (width, height) * 2, strict=True))
    ab = to_lab(np.asarray(colorize(image, model=model)))[0, 1:, top:bottom, left:right]
    return float(ab[0].mean()), float(ab[1].mean())


def test_skies_are_blue(model: Colorizer) -> None:
    """The clear sky of a photograph it never saw, given as grey, comes out blue (b well below zero)."""
    assert mean_ab(model, "bridge-1.jpg", (0.1, 0.2, 0.9, 0.6))[1] < -5


def test_meadows_and_leaves_are_green(model: Colorizer) -> None:
    """The meadow comes out green to yellow-green: a below zero, b above."""
    a, b = mean_ab(model, "aitzgorri-1.jpg", (0.1, 0.75, 0.9, 0.98))
    assert a < 0
    assert b > 8


def test_fur_is_warm(model: Colorizer) -> None:
    """A cat's face comes out warm (b above zero) and not green."""
    a, b = mean_ab(model, "chelsea.jpg", (0.3, 0.3, 0.7, 0.7))
    assert b > 4
    assert a > -4


def test_colours_are_neither_grey_nor_garish(model: Colorizer) -> None:
    """Over the samples, mean chroma lies between a third and one and a half times that of the originals."""
    ratios = []
    for path in sorted(PHOTOS.glob("*.jpg"))[::4]:
        image = Image.open(path).convert("RGB").resize((192, 192))
        chroma = [to_lab(np.asarray(p))[:, 1:].norm(dim=1).mean() for p in (colorize(image, model=model), image)]
        ratios.append(float(chroma[0] / chroma[1]))
    assert 0.33 < float(np.median(ratios)) < 1.5
