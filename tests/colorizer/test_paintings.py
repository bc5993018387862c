"""Paintings go through the pair design like photographs: a wide canvas with a profile becomes part of a valid set."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageDraw

from colorizer.cli import main
from colorizer.render import to_lab
from study.manifest import read_manifest

SIZE = (300, 100)  # three to one, as a panorama or a predella
PIGMENTS = ("#8c2f1b", "#c8a13a", "#b5562b", "#d88a3a", "#e6d0a0", "#5b3626")  # warm, every one


def paint(seed: int) -> Image.Image:
    """Short strokes over a ground, thick at the bottom, with a canvas's weave."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", SIZE, PIGMENTS[seed % len(PIGMENTS)])
    pen = ImageDraw.Draw(image)
    for _ in range(300):
        x, y = rng.uniform(0, SIZE[0]), rng.uniform(0, SIZE[1])
        dx, dy = rng.normal(0, 14), rng.normal(0, 5)
        pen.line((x, y, x + dx, y + dy), fill=str(rng.choice(PIGMENTS)), width=int(2 + 4 * y / SIZE[1]))
    weave = 6 * (np.indices(SIZE[::-1]).sum(0) % 2)
    return Image.fromarray(np.clip(np.asarray(image).astype(int) - weave[..., None], 0, 255).astype(np.uint8))


def profile_with_red_and_blue_exchanged() -> bytes:
    """sRGB's profile in which the first channel is the blue one: a reader that ignores it sees other colours."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return data.replace(b"rXYZ", b"tmpX", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"tmpX", b"bXYZ", 1)


def test_paintings_become_a_valid_set_of_pairs(tmp_path: Path) -> None:
    """Wide paintings, their profile obeyed, are cut to squares; real and fake share their lightness."""
    folder, rival, out = tmp_path / "paintings", tmp_path / "rival", tmp_path / "set"
    folder.mkdir()
    rival.mkdir()
    profile = profile_with_red_and_blue_exchanged()
    for seed in range(8):
        exchanged = Image.merge("RGB", paint(seed).split()[::-1])
        exchanged.save(folder / f"work-{seed:02}.png", icc_profile=profile)
        paint(seed).convert("L").convert("RGB").save(rival / f"work-{seed:02}.png")
    arguments = ["--fake", f"rival={rival}", "--size", "64", "--seed", "1", "--out", str(out)]
    assert main(["stimuli", "--real", str(folder), *arguments]) == 0

    manifest = read_manifest(out)
    assert len(manifest.photos) == 8
    assert tuple(manifest.models) == ("rival",)
    file_of = {(s.image_id, s.condition): out / s.file for s in manifest.stimuli}
    for photo in manifest.photos:
        with Image.open(file_of[photo.image_id, "real"]) as real, Image.open(file_of[photo.image_id, "rival"]) as fake:
            assert real.size == fake.size == (64, 64)
            real_Lab, fake_Lab = to_lab(np.asarray(real)), to_lab(np.asarray(fake))
        assert float(real_Lab[:, 2].mean()) > 10, "warm pigments are yellow, not blue: the profile was obeyed"
        assert float((real_Lab[:, 0] - fake_Lab[:, 0]).abs().max()) < 1
