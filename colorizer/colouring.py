"""Colouring many files: decoding, network and encoding overlap, and nothing is lost on the way.

Threads decode and encode while the network works on a few photographs of one shape together.  On a CPU each core runs
the network on photographs of its own: cores that share one batch wait for each other after every operation.
"""

import errno
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from colorizer.models.base import Colorizer
from colorizer.photos import PhotoError, open_photo
from colorizer.render import Look, lightness_for, paint, predict_batch, srgb_tag
from colorizer.sources import PhotoFile, bytes_or_nothing

_IN_FLIGHT_PIXELS = 64_000_000  # decoded photographs that wait at one time: bounds the memory
_PNG_STRATEGY = zlib.Z_RLE  # of level 1: filtered photographs repeat themselves so little that looking for more
_PNG_LEVEL = 1  # takes twice the time and makes no smaller files


@dataclass(frozen=True)
class Options:
    """How to colour: the look, and how the work is cut."""

    look: Look = field(default_factory=Look)
    batch: int = 4
    workers: int = 2
    skip_existing: bool = False


@dataclass
class Summary:
    """What happened to every file that was asked for: each is in exactly one of the three."""

    coloured: list[Path] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class _Waiting:
    target: Path
    rgb_HW3: npt.NDArray[np.uint8]
    L_11hw: Tensor


def targets_of(photos: Sequence[PhotoFile], out: Path) -> list[Path]:
    """Where each photograph's picture goes: below `out`, under its own name as .png, and never two to one place.

    Of two photographs that differ in their suffix only, the one that is a .png keeps the name.
    """
    taken: set[str] = set()
    targets = [out] * len(photos)
    for i in sorted(range(len(photos)), key=lambda i: not photos[i].name.lower().endswith(".png")):
        photo = photos[i]
        parts = [p for p in PurePosixPath(photo.name).parts if p not in ("/", "..", ".")]
        name = PurePosixPath(*parts) if parts else PurePosixPath("image")
        stem = str(name.with_suffix(""))
        candidates = [f"{stem}.png", f"{name}.png"]  # same.jpg and same.tif: keep both
        candidates += [f"{name}-{n}.png" for n in range(2, len(photos) + 2)]
        # Compared without case: some file systems do not tell A.png from a.png.
        chosen = next(c for c in candidates if c.casefold() not in taken)
        taken.add(chosen.casefold())
        targets[i] = out / chosen
    return targets


def _decode(photo: PhotoFile, target: Path, look: Look, model: Colorizer) -> _Waiting | PhotoError:
    try:
        rgb = np.asarray(open_photo(bytes_or_nothing(photo), photo.name))
        return _Waiting(target, rgb, lightness_for(rgb, look, model))
    except PhotoError as error:
        return error


def _encode(waiting: _Waiting, ab_12hw: Tensor) -> Path:
    picture = paint(waiting.rgb_HW3, ab_12hw)
    waiting.target.parent.mkdir(parents=True, exist_ok=True)
    part = waiting.target.with_name(f".{waiting.target.name}.part")
    try:
        picture.save(part, "PNG", compress_level=_PNG_LEVEL, compress_type=_PNG_STRATEGY, pnginfo=srgb_tag())
        part.replace(waiting.target)
    finally:
        part.unlink(missing_ok=True)
    return waiting.target


def colour_files(photos: Sequence[PhotoFile], targets: Sequence[Path], model: Colorizer, options: Options) -> Summary:
    """Colour every photograph into its target.  Unreadable ones are named in the summary; the rest goes on.

    Raises OSError if the disk refuses to take pictures (full, read-only): going on would lose the rest, too.
    """
    summary = Summary()
    todo = []
    for photo, target in zip(photos, targets, strict=True):
        if options.skip_existing and target.is_file():
            summary.skipped.append(target)
        else:
            todo.append((photo, target))
    waiting: dict[tuple[int, ...], list[_Waiting]] = {}
    bar = tqdm(total=len(todo), desc="colouring", unit="photo", disable=len(todo) < 2)
    n_cores = _cores_for(model, len(todo))
    batch_size = max(1, min(options.batch, -(-len(todo) // n_cores)))
    with (
        ThreadPoolExecutor(options.workers) as readers,
        ThreadPoolExecutor(options.workers) as writers,
        _networks(n_cores) as networks,
        bar,
    ):
        running: list[Future[list[Future[Path]]]] = []

        def work(batch: list[_Waiting]) -> list[Future[Path]]:
            ab = predict_batch(model, torch.cat([w.L_11hw for w in batch]), options.look)
            return [writers.submit(_encode, w, ab[i : i + 1]) for i, w in enumerate(batch)]

        def flush(shape: tuple[int, ...]) -> None:
            running.append(networks.submit(work, waiting.pop(shape)))
            settle(n_cores)

        def settle(n_left: int) -> None:
            while len(running) > n_left:
                for written in running.pop(0).result():
                    summary.coloured.append(written.result())
                    bar.update()

        held = 0
        decoded = _ahead(readers, todo, options, model)
        for (photo, _), found in decoded:
            if isinstance(found, PhotoError):
                summary.refused.append(_named(photo.name, str(found)))
                bar.update()
                continue
            shape = tuple(found.L_11hw.shape)
            waiting.setdefault(shape, []).append(found)
            held += found.rgb_HW3.shape[0] * found.rgb_HW3.shape[1]
            if len(waiting[shape]) == batch_size:
                held -= sum(w.rgb_HW3.shape[0] * w.rgb_HW3.shape[1] for w in waiting[shape])
                flush(shape)
            elif held > _IN_FLIGHT_PIXELS:
                for shape in list(waiting):
                    flush(shape)
                settle(0)
                held = 0
        for shape in list(waiting):
            flush(shape)
        settle(0)
    return summary


def _cores_for(model: Colorizer, n_photos: int) -> int:
    """How many cores run the network side by side, each alone: all there are, if it is PyTorch's and on the CPU."""
    weights = next(model.parameters(), None)  # another backend's network has none here, and threads of its own
    return min(torch.get_num_threads(), n_photos) if weights is not None and weights.device.type == "cpu" else 1


@contextmanager
def _networks(n_cores: int) -> Iterator[ThreadPoolExecutor]:
    """`n_cores` threads that run the network, each with its share of the cores."""
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(n_cores, initializer=lambda: torch.set_num_threads(before // n_cores)) as networks:
            yield networks
    finally:
        torch.set_num_threads(before)  # it is each thread's own for OpenMP, but everybody's for MKL


def _named(name: str, text: str) -> str:
    return text if text.startswith(name) else f"{name}: {text}"


def _ahead(
    readers: ThreadPoolExecutor, todo: list[tuple[PhotoFile, Path]], options: Options, model: Colorizer
) -> Iterator[tuple[tuple[PhotoFile, Path], _Waiting | PhotoError]]:
    """Decoded photographs in order, a few decoded ahead; large ones one at a time."""
    pending: list[tuple[tuple[PhotoFile, Path], Future[_Waiting | PhotoError]]] = []
    place, depth = 0, 2 * options.workers
    while place < len(todo) or pending:
        while place < len(todo) and len(pending) < depth:
            pending.append((todo[place], readers.submit(_decode, *todo[place], options.look, model)))
            place += 1
        item, future = pending.pop(0)
        found = future.result()
        if isinstance(found, _Waiting):
            pixels = found.rgb_HW3.shape[0] * found.rgb_HW3.shape[1]
            depth = max(1, min(2 * options.workers, _IN_FLIGHT_PIXELS // (4 * pixels)))
        yield item, found


def refuse_full_disk(error: OSError) -> str:
    """One line for an OSError while writing pictures."""
    if error.errno == errno.ENOSPC:
        return f"{error.filename or 'the disk'}: is full; make room and run the same command with --skip-existing"
    return str(error)
