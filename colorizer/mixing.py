"""Several sources of photographs in stated shares, whatever their sizes."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


class Mixture:
    """The order in which a run draws photographs: each epoch a pure function of (seed, epoch).

    An epoch is as many draws as there are photographs.  Each source has its share of them, spread at random, and goes
    through all its own photographs, in a new order each time, before one comes again.
    """

    def __init__(self, source_N: Sequence[int], shares: Sequence[float], *, seed: int) -> None:
        sources = np.asarray(source_N, dtype=np.int64)
        if not shares:  # every photograph as often as any other
            sources, shares = np.zeros_like(sources), (1.0,)
        self._members = [np.flatnonzero(sources == s) for s in range(len(shares))]
        for s, members in enumerate(self._members):
            if not len(members):
                raise ValueError(f"mix: source {s + 1} has no usable photograph to train on")
        ends = np.cumsum(shares) / np.sum(shares) * len(sources)
        self._draws = np.diff(ends.round().astype(np.int64), prepend=0)
        self._seed = seed

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Indices of the photographs of this epoch, (N,)."""
        if len(self._members) == 1:
            return np.random.default_rng((self._seed, epoch)).permutation(self._members[0])
        drawn = np.concatenate([self._of_source(s, epoch) for s in range(len(self._members))])
        return np.random.default_rng((self._seed, epoch)).permutation(drawn)

    def _of_source(self, s: int, epoch: int) -> npt.NDArray[np.int64]:
        """What one source gives to an epoch: a part of the endless row of its permutations."""
        members, first, n = self._members[s], epoch * int(self._draws[s]), int(self._draws[s])
        size = len(members)
        rounds = range(first // size, -(-(first + n) // size))
        row = [np.random.default_rng((self._seed, s, r, 1)).permutation(members) for r in rounds]
        skipped = first - first // size * size
        return np.concatenate([*row, members[:0]])[skipped : skipped + n]
