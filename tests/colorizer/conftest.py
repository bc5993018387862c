"""Photographs made on the fly: small, colourful, all different."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

torch.set_num_threads(1)


def make_photo(seed: int, *, size: tuple[int, int] = (72, 64)) -> Image.Image:
    """A smooth colourful picture, (width, height) = `size`, different for every seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, size=(5, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def photo_folder(tmp_path: Path) -> Path:
    """Twelve photographs as PNG files."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(12):
        make_photo(seed).save(folder / f"photo {seed:02d} é.png")
    return folder


@pytest.fixture
def photo_zip(photo_folder: Path, tmp_path: Path) -> Path:
    """The same photographs in a zip."""
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(photo_folder.iterdir()):
            archive.write(file, file.name)
    return path
