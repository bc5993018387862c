"""Controls: colourings that nobody learned.

`gray` has none, `random` wears another photograph's, `obvious` has the photograph's own turned to their complements.
"""

import hashlib

import numpy as np
import torch
from torch import Tensor

CONTROLS = ("gray", "random", "obvious")
OBVIOUS_CHROMA = 1.5


def gray_ab(L_B1HW: Tensor) -> Tensor:
    """No colour at all: ab = 0, (B, 2, H, W)."""
    return torch.zeros_like(L_B1HW).expand(-1, 2, -1, -1)


def obvious_ab(ab_B2HW: Tensor) -> Tensor:
    """Hue turned by 180 degrees and chroma times 1.5: fakes that nobody attentive takes for real, (B, 2, H, W).

    A turn by 180 degrees in the ab plane is a change of sign.  What leaves the gamut is clipped when it is rendered.
    """
    return -OBVIOUS_CHROMA * ab_B2HW


def random_partners(names: list[str], groups: list[str], *, seed: int) -> dict[str, str]:
    """For each photograph, another one of another group whose colours it wears (the *random* of Zhang et al. 2016).

    Depends on the names and the seed only, not on their order.  Raises ValueError if all share one group.
    """
    if len(set(groups)) < 2:
        raise ValueError(f"the random control needs photographs of at least two motifs, got {len(set(groups))}")
    order = sorted(range(len(names)), key=lambda i: names[i])
    partners = {}
    for i in order:
        others = [names[j] for j in order if groups[j] != groups[i]]
        digest = hashlib.sha256(f"{seed}:{names[i]}".encode()).digest()
        rng = np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))
        partners[names[i]] = others[int(rng.integers(len(others)))]
    return partners
