"""Training data: usable photographs, split so that near-duplicates stay together, and seeded augmentation."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from tqdm import tqdm

from colorizer.photos import (
    PhotoError,
    PhotoFile,
    is_grey,
    iterate_zip_friendly,
    list_photos,
    open_photo,
    perceptual_hash,
)

NEAR_DUPLICATE_BITS = 6  # pHash distance up to which two photographs count as the same motif


@dataclass(frozen=True)
class Photo:
    """A decoded training photograph: uint8 (H, W, 3), its pHash and its name."""

    name: str
    rgb_HW3: npt.NDArray[np.uint8]
    phash: int


def read_photos(paths: list[Path], *, longest_px: int, shortest_px: int) -> tuple[list[Photo], Counter[str]]:
    """Decode every usable photograph, shrunk so that its short side is at most `longest_px`.

    Grey, unreadable and too small ones are counted by reason, never fatal.
    """
    files: list[PhotoFile] = list_photos(*paths)
    photos: list[Photo] = []
    refused: Counter[str] = Counter()
    for file, data in tqdm(iterate_zip_friendly(files), total=len(files), desc="reading photographs", unit="photo"):
        try:
            image = open_photo(data, file.name)
            if min(image.size) < shortest_px:
                raise PhotoError("too_small", f"{file.name}: {image.width} x {image.height}")
            if min(image.size) > longest_px:
                scale = longest_px / min(image.size)
                image = image.resize(
                    (max(1, round(image.width * scale)), max(1, round(image.height * scale))),
                    Image.Resampling.LANCZOS,
                )
            rgb = np.asarray(image)
            if is_grey(rgb):
                raise PhotoError("grey", f"{file.name}: grey")
        except PhotoError as error:
            refused[error.reason] += 1
            continue
        photos.append(Photo(file.name, rgb, perceptual_hash(image)))
    return photos, refused


def hamming_bits(hash_a: npt.NDArray[np.uint64], hash_b: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Number of differing bits, broadcasting."""
    bits: npt.NDArray[np.uint8] = np.bitwise_count(hash_a ^ hash_b)
    return bits


def split_holdout(photos: list[Photo], *, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Indices for training and for validation; groups of near-duplicates fall on one side whole."""
    hashes = np.array([p.phash for p in photos], dtype=np.uint64)
    group = np.arange(len(photos))
    for i in range(len(photos)):
        near = np.flatnonzero(hamming_bits(hashes[i + 1 :], hashes[i : i + 1]) <= NEAR_DUPLICATE_BITS) + i + 1
        for j in near:
            group[group == group[j]] = group[i]
    order = np.random.default_rng(seed).permutation(np.unique(group))
    wanted, held = round(share * len(photos)), set()
    n = 0
    sizes = Counter(group.tolist())
    for g in order.tolist():
        if n >= wanted:
            break
        held.add(g)
        n += sizes[g]
    return [i for i in range(len(photos)) if group[i] not in held], [i for i in range(len(photos)) if group[i] in held]


def _to_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


class Crops(Dataset[Tensor]):
    """Random crops for training, (3, crop, crop) uint8: each is a pure function of (seed, position in the run).

    `scale` is the range of the crop's side over the photograph's short side; the crop is resized to `crop_px`.
    """

    def __init__(
        self, photos: list[Photo], *, crop_px: int, scale: tuple[float, float], mirror: bool, seed: int
    ) -> None:
        self.photos, self.crop_px, self.scale, self.mirror, self.seed = photos, crop_px, scale, mirror, seed

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, key: tuple[int, int]) -> Tensor:
        index, position = key
        rng = np.random.default_rng((self.seed, position))
        image = Image.fromarray(self.photos[index].rgb_HW3)
        side = min(image.size) * rng.uniform(*self.scale)
        left, top = rng.uniform(0, image.width - side), rng.uniform(0, image.height - side)
        image = image.resize(
            (self.crop_px, self.crop_px), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side)
        )
        tensor = _to_tensor(image)
        return tensor.flip(-1) if self.mirror and rng.random() < 0.5 else tensor


class ResumableBatches(Sampler[list[tuple[int, int]]]):
    """Batches of (index, position) from a seeded shuffle per epoch, starting at any step of the run."""

    def __init__(self, n: int, *, batch: int, steps: int, first_step: int, seed: int) -> None:
        self.n, self.batch, self.steps, self.first_step, self.seed = n, batch, steps, first_step, seed

    def __len__(self) -> int:
        return self.steps - self.first_step

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, order = -1, np.empty(0, dtype=np.int64)
        for step in range(self.first_step, self.steps):
            keys = []
            for position in range(step * self.batch, (step + 1) * self.batch):
                if position // self.n != epoch:
                    epoch = position // self.n
                    order = np.random.default_rng((self.seed, epoch)).permutation(self.n)
                keys.append((int(order[position % self.n]), position))
            yield keys


def centre_square(rgb_HW3: npt.NDArray[np.uint8], side_px: int) -> Tensor:
    """The largest centred square, resized, (3, side, side) uint8: what validation sees."""
    height, width = rgb_HW3.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    image = Image.fromarray(rgb_HW3).resize(
        (side_px, side_px), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side)
    )
    return _to_tensor(image)
