"""Training data: usable photographs, and seeded augmentation."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from tqdm import tqdm

from colorizer.distributed import World
from colorizer.mixing import Mixture
from colorizer.photos import PhotoError, Reason, is_grey, open_photo, perceptual_hash
from colorizer.sources import PhotoFile, bytes_or_nothing, list_photos, shard_of

MEMORY_BYTES = 4 << 30  # decoded photographs beyond this are read again from their source when their turn comes


@dataclass(frozen=True)
class Photo:
    """A decoded training photograph: uint8 (H, W, 3), its pHash and its name."""

    name: str
    rgb_HW3: npt.NDArray[np.uint8]
    phash: int


@dataclass(frozen=True)
class PhotoOnDisk:
    """A training photograph that was found usable and is decoded whenever it is asked for."""

    name: str
    file: PhotoFile
    longest_px: int
    phash: int

    @property
    def rgb_HW3(self) -> npt.NDArray[np.uint8]:
        """uint8 (H, W, 3).  Raises PhotoError if the file has become unreadable since."""
        return np.asarray(_shrunk(open_photo(bytes_or_nothing(self.file), self.name), self.longest_px))


AnyPhoto = Photo | PhotoOnDisk


@dataclass(frozen=True)
class Refusal:
    """A photograph that is not used, and why."""

    name: str
    reason: Reason
    detail: str


def _shrunk(image: Image.Image, longest_px: int) -> Image.Image:
    if min(image.size) <= longest_px:
        return image
    scale = longest_px / min(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


class _Scan(Dataset[Photo | Refusal]):
    """Decodes files one by one; a photograph or the reason why it is none."""

    def __init__(self, files: list[PhotoFile], longest_px: int, shortest_px: int) -> None:
        self.files, self.longest_px, self.shortest_px = files, longest_px, shortest_px

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Photo | Refusal:
        file = self.files[index]
        try:
            image = open_photo(bytes_or_nothing(file), file.name)
            if min(image.size) < self.shortest_px:
                raise PhotoError("too_small", f"{file.name}: {image.width} x {image.height}, needs {self.shortest_px}")
            image = _shrunk(image, self.longest_px)
            rgb = np.asarray(image)
            if is_grey(rgb):
                raise PhotoError("grey", f"{file.name}: grey")
        except PhotoError as error:
            return Refusal(file.name, error.reason, str(error).removeprefix(f"{file.name}: "))
        return Photo(file.name, rgb, perceptual_hash(image))


def scan_photos(
    paths: Sequence[Path | str],
    *,
    longest_px: int,
    shortest_px: int,
    workers: int = 0,
    memory_bytes: int = MEMORY_BYTES,
    world: World | None = None,
    only: Callable[[str], bool] | None = None,
    limit: int | None = None,
) -> tuple[list[AnyPhoto], list[Refusal]]:
    """Decode every photograph once; returns the usable ones, and why the others are not.

    The short side is shrunk to at most `longest_px`.  Broken, grey and small ones are never fatal.  Up to
    `memory_bytes` stay decoded in memory.  Several processes of one `world` each look at their share and tell each
    other; then all are read from their source when needed.  Names that `only` refuses are not read, and nothing is
    after `limit` usable photographs.
    """
    files = [file for file in list_photos(*paths) if only is None or only(file.name)]
    world = world or World()
    mine = shard_of(files, world.rank, world.size)
    loader = DataLoader(_Scan(mine, longest_px, shortest_px), batch_size=None, num_workers=workers)
    photos: list[AnyPhoto] = []
    refused: list[Refusal] = []
    used = 0
    progress = tqdm(
        zip(mine, loader, strict=True), total=len(mine), desc="reading photographs", unit="photo",
        disable=not world.is_first,
    )  # fmt: skip
    for file, found in progress:
        if len(photos) == limit:
            break
        if isinstance(found, Refusal):
            refused.append(found)
            continue
        used += found.rgb_HW3.nbytes
        stays = world.size == 1 and used <= memory_bytes
        photos.append(found if stays else PhotoOnDisk(found.name, file, longest_px, found.phash))
    shares = world.gather((photos, refused))
    order = {file: i for i, file in enumerate(files)} if world.size > 1 else {}
    photos = [p for share, _ in shares for p in share]
    if order:
        photos.sort(key=lambda p: order[p.file] if isinstance(p, PhotoOnDisk) else 0)
    return photos, [r for _, share in shares for r in share]


def read_photos(
    paths: Sequence[Path | str], *, longest_px: int, shortest_px: int
) -> tuple[list[AnyPhoto], Counter[str]]:
    """`scan_photos` in this process, with the refusals counted by reason."""
    photos, refused = scan_photos(paths, longest_px=longest_px, shortest_px=shortest_px)
    return photos, Counter(r.reason for r in refused)


def _to_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


class Crops(Dataset[Tensor]):
    """Random crops for training, (3, crop, crop) uint8: each is a pure function of (seed, position in the run).

    `scale` is the range of the crop's side over the photograph's short side; the crop is resized to `crop_px`.  With
    `squash` it is that share of width and height instead, as if the photograph had been squashed to a square first.
    """

    def __init__(
        self,
        photos: Sequence[AnyPhoto],
        *,
        crop_px: int,
        scale: tuple[float, float],
        mirror: bool,
        seed: int,
        squash: bool = False,
    ) -> None:
        self.photos, self.crop_px, self.scale, self.mirror, self.seed = photos, crop_px, scale, mirror, seed
        self.squash = squash

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, key: tuple[int, int]) -> Tensor:
        index, position = key
        rng = np.random.default_rng((self.seed, position))
        image = self._photo(index)
        scale = rng.uniform(*self.scale)
        wide, high = image.size if self.squash else (min(image.size), min(image.size))
        width, height = wide * scale, high * scale
        left, top = rng.uniform(0, image.width - width), rng.uniform(0, image.height - height)
        image = image.resize(
            (self.crop_px, self.crop_px), Image.Resampling.BICUBIC, box=(left, top, left + width, top + height)
        )
        tensor = _to_tensor(image)
        return tensor.flip(-1) if self.mirror and rng.random() < 0.5 else tensor

    def _photo(self, index: int) -> Image.Image:
        for attempt in range(min(8, len(self.photos))):
            try:
                return Image.fromarray(self.photos[(index + attempt) % len(self.photos)].rgb_HW3)
            except PhotoError:
                continue  # it was readable when the run began; its neighbour stands in
        raise PhotoError("unreadable", f"{self.photos[index].name}: eight photographs in a row became unreadable")


class ResumableBatches(Sampler[list[tuple[int, int]]]):
    """Micro-batches of (index, position) from a seeded shuffle per epoch, starting at any step of the run.

    `mixture` says how the photographs are drawn; without it each comes once an epoch.  A step's batch is cut into
    `parts` micro-batches; this process gets `parts // world` neighbouring ones of them, so that two processes see
    what one process sees that accumulates twice.
    """

    def __init__(
        self, n: int, *, batch: int, steps: int, first_step: int, seed: int, parts: int = 1, rank: int = 0,
        world: int = 1, mixture: Mixture | None = None,
    ) -> None:  # fmt: skip
        if batch % parts or parts % world:
            raise ValueError(
                f"expected batch to be a multiple of {parts} micro-batches, and those of {world} processes"
            )
        self.n, self.batch, self.steps, self.first_step, self.seed = n, batch, steps, first_step, seed
        self.parts, self.rank, self.world = parts, rank, world
        self._mixture = mixture or Mixture([0] * n, (), seed=seed)

    def __len__(self) -> int:
        return (self.steps - self.first_step) * (self.parts // self.world)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, order = -1, np.empty(0, dtype=np.int64)
        size, mine = self.batch // self.parts, self.parts // self.world
        for step in range(self.first_step, self.steps):
            for part in range(self.rank * mine, (self.rank + 1) * mine):
                keys = []
                for position in range(step * self.batch + part * size, step * self.batch + (part + 1) * size):
                    if position // self.n != epoch:
                        epoch = position // self.n
                        order = self._mixture.order(epoch)
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
