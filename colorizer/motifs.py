"""Which photographs show one motif (bursts, copies, parts of others), and a split that leaves motifs whole."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from colorizer.data import AnyPhoto
from colorizer.distributed import World
from colorizer.excerpts import Excerpt, Sketch, find_excerpts, sketch_of
from colorizer.photos import PhotoError
from colorizer.weights_by_name import cache_folder

NEAR_DUPLICATE_BITS = 6  # pHash distance up to which two photographs count as the same motif
MOST_SEARCHED = 20_000  # photographs among which parts of others are looked for unless it is asked for
_BANDS = NEAR_DUPLICATE_BITS + 1
_LEAST_HELD = 8  # photographs that a run is judged by, where there are enough
_RECORDED_FROM = 500  # photographs: fewer take less time than it is worth to write down

Search = Literal["auto", "yes", "no"]


@dataclass(frozen=True)
class Motifs:
    """A group number for each photograph, (N,); photographs of one motif share one.

    `excerpts` are parts of others that were found; `is_searched` says whether they were looked for at all.
    """

    group_N: npt.NDArray[np.int64]
    excerpts: list[Excerpt]
    is_searched: bool

    def __len__(self) -> int:
        return len(np.unique(self.group_N))


def find_motifs(photos: Sequence[AnyPhoto], *, search: Search = "auto", world: World | None = None) -> Motifs:
    """Group photographs by motif: by their pHashes, then parts of others by what they show.

    `search` for parts is `auto` (among at most 20,000 photographs: its time grows with the square of their number),
    `yes` or `no`.  Several processes of one `world` share the work.  A long search is written down in the cache, goes
    on after an interruption, and is not done again for the same photographs.
    """
    group_N = near_duplicate_groups([p.phash for p in photos])
    is_searched = search == "yes" or (search == "auto" and len(photos) <= MOST_SEARCHED)
    if not is_searched or len(photos) < 2:
        return Motifs(group_N, [], is_searched)
    world = world or World()
    shares = world.gather(_sketches(photos, world))
    sketches = [shares[i % world.size][i // world.size] for i in range(len(photos))]
    records = cache_folder().parent / "excerpts" if len(photos) >= _RECORDED_FROM else None
    mine = find_excerpts(sketches, group_N, records=records, share=(world.rank, world.size))
    found = sorted(itertools.chain(*world.gather(mine)), key=lambda e: (e.part, e.whole))
    return Motifs(_joined(group_N, [(e.whole, e.part) for e in found]), found, is_searched)


def _sketches(photos: Sequence[AnyPhoto], world: World) -> list[Sketch]:
    mine = photos[world.rank :: world.size]
    bar = tqdm(mine, desc="sketching photographs", unit="photo", disable=not world.is_first or len(mine) < 100)
    return [_sketch(photo) for photo in bar]


def _sketch(photo: AnyPhoto) -> Sketch:
    try:
        return sketch_of(photo.rgb_HW3)
    except PhotoError:  # it has become unreadable: it is like no other
        return sketch_of(np.zeros((8, 8, 3), dtype=np.uint8))


def hamming_bits(hash_a: npt.NDArray[np.uint64], hash_b: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Number of differing bits, broadcasting."""
    bits: npt.NDArray[np.uint8] = np.bitwise_count(hash_a ^ hash_b)
    return bits


def near_duplicate_groups(phashes: Sequence[int]) -> npt.NDArray[np.int64]:
    """A group number for each photograph, (N,): bursts and copies share one.

    Two hashes that differ in at most 6 of 64 bits agree wholly in at least one of 7 bands, so only photographs that
    share a band are compared: exact, and fast for millions.
    """
    hashes = np.array(phashes, dtype=np.uint64)
    return _joined(np.arange(len(hashes)), _near(hashes))


def _near(hashes: npt.NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    edges = np.linspace(0, 64, _BANDS + 1).round().astype(int)
    for low, high in itertools.pairwise(edges.tolist()):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.diff(band[order], prepend=band[order][:1] + np.uint64(1)))
        for members in np.split(order, starts[1:]) if len(order) else []:
            for n, i in enumerate(members[:-1].tolist()):
                rest = members[n + 1 :]
                is_near = hamming_bits(hashes[rest], hashes[i : i + 1]) <= NEAR_DUPLICATE_BITS
                yield from ((i, j) for j in rest[is_near].tolist())


def _joined(group_N: npt.NDArray[np.int64], pairs: Iterable[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """The groups after each pair of photographs was joined; a group is called by its first photograph."""
    parent = group_N.copy()

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    for i, j in pairs:
        low, high = sorted((root(i), root(j)))
        parent[high] = low
    return np.array([root(i) for i in range(len(parent))], dtype=np.int64)


def split_holdout(group_N: npt.NDArray[np.int64], *, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Indices for training and for validation; the photographs of a motif fall on one side whole.

    At least eight are held out, or a quarter of them if that is less: fewer say nothing of new photographs.  A group
    that would take more than half of them away is never held out.
    """
    order = np.random.default_rng(seed).permutation(np.unique(group_N))
    wanted = max(round(share * len(group_N)), min(_LEAST_HELD, len(group_N) // 4)) if share > 0 else 0
    held: set[int] = set()
    n = 0
    sizes = Counter(group_N.tolist())
    for g in order.tolist():
        if n >= wanted:
            break
        if n + sizes[g] > max(wanted, len(group_N) // 2):
            continue
        held.add(g)
        n += sizes[g]
    sides: tuple[list[int], list[int]] = ([], [])
    for i, g in enumerate(group_N.tolist()):
        sides[g in held].append(i)
    return sides
