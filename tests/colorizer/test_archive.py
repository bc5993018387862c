"""Old photographs become clean lightness, and stimulus sets without an original."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from colorizer.archive import clean_lightness, damage_mask, tone_of
from colorizer.cli import main
from colorizer.lab import lab_to_rgb
from colorizer.render import to_lab

from .conftest import make_photo

ARCHIVE = Path(__file__).resolve().parents[2] / "samples" / "archive"


def smooth_lightness(seed: int, size: tuple[int, int] = (200, 160)) -> np.ndarray:
    """A calm picture's L (H, W), between 20 and 80."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.uniform(20, 80, (5, 6)).astype(np.float32))
    return np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)).clip(20, 80) + rng.normal(0, 0.5, size[::-1])


def as_sepia(L_HW: np.ndarray) -> np.ndarray:
    """The picture on toned paper: ab follow L."""
    L = torch.from_numpy(L_HW).float()[None, None]
    lab = torch.cat((L, 3 + L * 0.05, 8 + L * 0.12), dim=1)
    return (lab_to_rgb(lab)[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


def test_sepia_leaves_the_lightness_it_was_printed_with() -> None:
    """Toned at full contrast: L comes back to within rounding, and the tone is named."""
    L = smooth_lightness(1)
    black, white = np.quantile(L, (0.005, 0.995))
    L = np.clip((L - black) / (white - black) * 94 + 3, 0, 100)
    cleaned = clean_lightness(as_sepia(L))
    assert cleaned.tone == "toned"
    assert np.abs(cleaned.L_HW - L).mean() < 1.0  # toned paper has no L of 97 in sRGB


def test_faded_pictures_are_stretched_but_not_without_bound() -> None:
    """From 35…65 to nearly all of the range; a picture that is meant to be flat stays flat."""
    L = smooth_lightness(2)
    faded = clean_lightness(as_sepia((L - 20) / 60 * 55 + 20)).L_HW
    assert np.quantile(faded, 0.99) - np.quantile(faded, 0.01) > 85
    flat = clean_lightness(as_sepia((L - 20) / 60 * 10 + 45)).L_HW
    assert np.quantile(flat, 0.99) - np.quantile(flat, 0.01) < 20


def test_bright_scratches_and_lone_specks_are_found_and_filled() -> None:
    """Drawn damage: nearly all of it is in the mask, little else; the filled picture is near the undamaged one."""
    L = smooth_lightness(3, (300, 240)).astype(np.float32)
    drawing = Image.fromarray(np.zeros(L.shape, np.uint8))
    pen = ImageDraw.Draw(drawing)
    pen.line((40, 10, 75, 220), fill=255, width=2)
    pen.line((150, 60, 290, 80), fill=255, width=1)
    for x, y in ((200, 150), (120, 200), (250, 30)):
        pen.ellipse((x, y, x + 2, y + 2), fill=255)
    damage = np.asarray(drawing) > 0
    scratched = np.where(damage, np.minimum(L + 30, 98), L).astype(np.float32)
    mask = damage_mask(scratched)
    assert mask[damage].mean() > 0.9
    assert mask[~damage].mean() < 0.02
    L8 = as_sepia(scratched)
    error = np.abs(to_lab(L8)[0, 0].numpy() - L)[damage].mean()
    rgb = clean_lightness(L8).L_HW
    whole = clean_lightness(as_sepia(L)).L_HW
    assert np.abs(rgb - whole)[damage].mean() < 0.15 * error
    assert not damage_mask(L).any()  # nothing is retouched where nothing is wrong


def test_masts_and_flecks_of_real_photographs_stay() -> None:
    """On the eight archive photographs at most 2 % is retouched (a mounted sheet's white edges), mostly nothing."""
    shares = {}
    for path in sorted(ARCHIVE.glob("*.jpg")):
        with Image.open(path) as image:
            cleaned = clean_lightness(np.asarray(image.convert("RGB")))
        assert cleaned.tone == "toned", path.name
        shares[path.name] = cleaned.retouched_share
    assert len(shares) == 8
    assert sorted(shares.values())[-2] < 0.001
    assert max(shares.values()) < 0.02


@pytest.mark.parametrize(("grey", "expected"), [(True, "grey"), (False, "colour")])
def test_grey_and_coloured_pictures_are_told_apart(grey: bool, expected: str) -> None:
    """No tone at all, and colours that do not follow lightness."""
    image = make_photo(1)
    lab = to_lab(np.asarray(image.convert("L").convert("RGB") if grey else image))[0].permute(1, 2, 0).numpy()
    assert tone_of(lab) == expected


def test_a_set_without_originals_has_no_real_condition(
    tmp_path: Path, photo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Toned photographs are cleaned and say how; a colour photograph among them is refused by name."""
    folder = tmp_path / "old"
    folder.mkdir()
    for seed in range(3):
        Image.fromarray(as_sepia(smooth_lightness(seed))).save(folder / f"old {seed}.png")
    make_photo(9, size=(200, 160)).save(folder / "new.png")
    out = tmp_path / "set"
    assert main(["stimuli", "--archive", str(folder), "--model", "gray", "--size", "96", "--out", str(out)]) == 0
    assert "refused: new.png: has_colour: has colours of its own: give it to --real" in capsys.readouterr().err
    manifest = json.loads((out / "manifest.json").read_text())
    assert set(manifest["conditions"]) == {"gray"}
    assert [i["cleaning"]["tone"] for i in manifest["images"]] == ["toned"] * 3
    assert all(s["delta_e00_mean"] is None and s["width_px"] == 96 for s in manifest["stimuli"])
    with Image.open(out / manifest["stimuli"][0]["file"]) as picture:
        assert np.ptp(np.asarray(picture), axis=2).max() <= 1  # the published matrix rounds
    assert main(["stimuli", "--archive", str(folder), "--model", "random", "--out", str(tmp_path / "no")]) == 2
    assert "random: photographs without an original have no colours to lend" in capsys.readouterr().err


def test_archive_photographs_are_judged_beside_the_originals_of_others(
    tmp_path: Path, photo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As many originals as archive photographs, in their own colours only, and each kind says what it is."""
    folder = tmp_path / "old"
    folder.mkdir()
    for seed in range(2):
        Image.fromarray(as_sepia(smooth_lightness(seed))).save(folder / f"old {seed}.png")
    out = tmp_path / "set"
    given = ["stimuli", "--archive", str(folder), "--originals", str(photo_folder), "--model", "gray", "--size", "64"]
    assert main([*given, "--out", str(out)]) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    kinds = {image["image_id"]: image.get("has_original", True) for image in manifest["images"]}
    assert kinds == {"p001": False, "p002": False, "o001": True, "o002": True}
    assert {(s["image_id"][0], s["condition"]) for s in manifest["stimuli"]} == {("p", "gray"), ("o", "real")}
    assert main(["stimuli", "--real", str(photo_folder), "--originals", str(photo_folder), "--out", str(out)]) == 2
    assert "--originals goes with --archive" in capsys.readouterr().err
