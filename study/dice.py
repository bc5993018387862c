"""Randomness that is reproducible from a seed and cannot be continued by who has seen a part of it.

Python's own generator gives its state away after 624 outputs; practice trials are fair coins, and a participant who is
told the outcome of each must learn nothing of the next.
"""

import hashlib
import random
from typing import Any


class Dice(random.Random):
    """`random.Random` over SHA-256 in counter mode, keyed by `parts`."""

    def __init__(self, *parts: object) -> None:
        self._key = hashlib.sha256("\x1f".join(map(str, parts)).encode())
        self._n = 0
        super().__init__()

    def seed(self, *_: Any, **__: Any) -> None:
        """Do nothing: the key is the seed, set once."""

    def getrandbits(self, k: int, /) -> int:
        """Give `k` bits, at most 256."""
        digest = self._key.copy()
        digest.update(self._n.to_bytes(8, "big"))
        self._n += 1
        return int.from_bytes(digest.digest(), "big") >> (256 - k)

    def random(self) -> float:
        """Give a float in [0, 1)."""
        return self.getrandbits(53) / (1 << 53)
