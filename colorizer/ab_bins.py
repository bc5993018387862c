"""The 313 ab bins of Zhang, Isola and Efros 2016 and the soft encoding of a colour over them.

Shape suffixes: B batch, K nearest bins, H height, W width, Q the 313 bins.
"""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

N_BINS = 313
GRID_STEP = 10.0  # CIE units between neighbouring centres (Zhang et al. 2016, section 2.1)
SIGMA = 5.0  # of the Gaussian weights of the soft encoding (ibid.)
_CELL_LOW, _CELL_HIGH = -128, 128  # every ab of sRGB lies inside


class SoftCode(NamedTuple):
    """A colour as weights over its K nearest bins: `bins_BKHW` (int64) and `weights_BKHW`, summing to 1 over K."""

    bins_BKHW: Tensor
    weights_BKHW: Tensor


# Tensors that stay must not be inference tensors, whoever asks first: training could not differentiate past them.


@cache
@torch.inference_mode(False)
def bin_centres() -> Tensor:
    """Centres of the bins, (Q, 2) float32 in CIE units: the cells of a grid of 10 that sRGB can show."""
    with (files("colorizer") / "data" / "pts_in_hull.npy").open("rb") as file:
        centres = np.load(file)
    return torch.from_numpy(centres.astype(np.float32))


@cache
@torch.inference_mode(False)
def _candidates(k: int) -> Tensor:
    """For each integer ab cell, the bins that can be among the k nearest of a colour inside it.

    (256, 256, C) int64, padded by repeating the first.  A bin is a candidate when its least distance to the
    cell is no more than the k-th least of the bins' greatest distances, so the search below is exact.
    """
    centres = bin_centres().double()
    low = torch.arange(_CELL_LOW, _CELL_HIGH, dtype=torch.float64)
    gap = torch.maximum(low[None] - centres.T[:, :, None], centres.T[:, :, None] - (low[None] + 1.0)).clamp_min(0.0)
    far = torch.maximum((low[None] - centres.T[:, :, None]).abs(), (low[None] + 1.0 - centres.T[:, :, None]).abs())
    rows = []
    for row in range(low.numel()):  # one row of cells at a time keeps the memory at a few MB
        nearest_QC = gap[0, :, row, None] ** 2 + gap[1] ** 2
        farthest_QC = far[0, :, row, None] ** 2 + far[1] ** 2
        bound_C = farthest_QC.kthvalue(k, dim=0).values
        rows.append((nearest_QC <= bound_C).T)
    possible = torch.stack(rows)  # (256, 256, Q)
    width = int(possible.sum(-1).max())
    order = possible.to(torch.int8).argsort(dim=-1, descending=True, stable=True)[..., :width]
    is_real = possible.gather(-1, order)
    return torch.where(is_real, order, -1)


def soft_encode(ab_B2HW: Tensor, *, k: int = 5, sigma: float = SIGMA) -> SoftCode:
    """Encode colours over their `k` nearest bins with weights exp(-d^2 / 2 sigma^2), normalised.

    `ab_B2HW` is in CIE units.  The paper has k = 5, its released code k = 10 (Zhang et al. 2016, section 2.1).
    """
    if ab_B2HW.dim() != 4 or ab_B2HW.shape[1] != 2:
        raise ValueError(f"soft_encode: expected ab of shape (B, 2, H, W), got {tuple(ab_B2HW.shape)}")
    if not 1 <= k <= N_BINS:
        raise ValueError(f"soft_encode: expected 1 <= k <= {N_BINS}, got {k}")
    ab_N2 = ab_B2HW.float().permute(0, 2, 3, 1).reshape(-1, 2)
    centres = bin_centres().to(ab_N2.device)
    cell_N2 = ab_N2.floor().long().clamp(_CELL_LOW, _CELL_HIGH - 1) - _CELL_LOW
    candidates_NC = _candidates(k).to(ab_N2.device)[cell_N2[:, 0], cell_N2[:, 1]]
    distance_NC = ((ab_N2[:, None] - centres[candidates_NC.clamp_min(0)]) ** 2).sum(-1)
    distance_NC = distance_NC.masked_fill(candidates_NC < 0, float("inf"))
    nearest_NK, place_NK = distance_NC.topk(k, dim=-1, largest=False)
    bins_NK = candidates_NC.gather(-1, place_NK)
    # Subtracting the least distance keeps far-out colours from underflowing to 0 / 0.
    weights_NK = torch.exp(-(nearest_NK - nearest_NK[:, :1]) / (2.0 * sigma**2))
    weights_NK = weights_NK / weights_NK.sum(-1, keepdim=True)
    batch, _, height, width = ab_B2HW.shape
    shape = (batch, height, width, k)
    return SoftCode(bins_NK.view(shape).permute(0, 3, 1, 2), weights_NK.view(shape).permute(0, 3, 1, 2))


def nearest_bin(ab_B2HW: Tensor) -> Tensor:
    """Index of the bin nearest to each colour, (B, H, W) int64."""
    return soft_encode(ab_B2HW, k=1).bins_BKHW[:, 0]
