"""How often each colour occurs, and the weights that make rare colours count (Zhang et al. 2016, section 2.2)."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colorizer.ab_bins import N_BINS, bin_centres, nearest_bin

PAPER_LAMBDA = 0.5  # Zhang et al. 2016, section 2.2
PAPER_SIGMA = 5.0  # of the smoothing kernel, CIE units (ibid.)


class PriorError(ValueError):
    """A prior that cannot be right; the message says what is wrong with it."""


def check_prior(prior_Q: Tensor, name: str = "prior") -> None:
    """Refuse what is no distribution of colours of photographs.

    Photographs are mostly near grey, so the likeliest bin is within 20 units of (0, 0).  A corrupt prior that
    circulates in other repositories has its peak at (-90, 90), a green at the gamut's edge.
    """
    if tuple(prior_Q.shape) != (N_BINS,):
        raise PriorError(f"{name}: expected {N_BINS} probabilities, got shape {tuple(prior_Q.shape)}")
    if not torch.isfinite(prior_Q).all() or bool((prior_Q < 0).any()):
        raise PriorError(f"{name}: expected finite probabilities >= 0; compute it anew from photographs")
    total = float(prior_Q.sum())
    if abs(total - 1.0) > 1e-4:
        raise PriorError(f"{name}: expected probabilities that sum to 1, got {total:.6f}")
    a, b = bin_centres()[int(prior_Q.argmax())].tolist()
    if max(abs(a), abs(b)) > 20:
        raise PriorError(
            f"{name}: the likeliest colour is ab = ({a:.0f}, {b:.0f}), far from grey, so this is not a prior of "
            "photographs (a corrupt copy of the published one circulates); use the shipped prior_probs.npy"
        )


def load_prior(path: Path | None = None) -> Tensor:
    """The prior over the 313 bins, (Q,) float64; the paper's own (ImageNet, smoothed) if no `path` is given."""
    if path is None:
        with (files("colorizer") / "data" / "prior_probs.npy").open("rb") as file:
            prior = torch.from_numpy(np.load(file, allow_pickle=False))
        name = "prior_probs.npy"
    else:
        try:
            prior = torch.from_numpy(np.asarray(np.load(path, allow_pickle=False), dtype=np.float64))
        except (OSError, ValueError) as error:
            raise PriorError(f"{path}: expected a .npy file of {N_BINS} probabilities, got: {error}") from None
        name = str(path)
    check_prior(prior, name)
    return prior.double()


def count_colours(ab_B2HW: Tensor) -> Tensor:
    """How many of these pixels (ab in CIE units) fall to each bin, (Q,) float64."""
    return torch.bincount(nearest_bin(ab_B2HW).flatten(), minlength=N_BINS).double()


def smoothed_prior(counts_Q: Tensor, *, sigma: float = PAPER_SIGMA) -> Tensor:
    """The prior from pixel counts, (Q,) float64: their distribution, spread by a Gaussian over the bins' distances.

    Zhang et al. 2016, section 2.2.  Each bin gives its whole mass away over the bins that sRGB has, so nothing is
    lost at the gamut's edge.  `sigma` is in CIE units; 0 leaves the counts as they are.
    """
    if tuple(counts_Q.shape) != (N_BINS,) or bool((counts_Q < 0).any()) or float(counts_Q.sum()) <= 0:
        raise PriorError(f"expected {N_BINS} pixel counts >= 0 with a sum above 0, got {tuple(counts_Q.shape)}")
    prior_Q = counts_Q.double() / counts_Q.sum()
    if sigma > 0:
        distance_QQ = torch.cdist(bin_centres().double(), bin_centres().double())
        kernel_QQ = torch.exp(-(distance_QQ**2) / (2.0 * sigma**2))
        prior_Q = (kernel_QQ / kernel_QQ.sum(0, keepdim=True)) @ prior_Q
    return prior_Q


def rebalancing_weights(prior_Q: Tensor, *, lam: float = PAPER_LAMBDA) -> Tensor:
    """Weight of each bin, (Q,) float32: 1 / ((1 - lam) p + lam u), scaled so that the prior-weighted mean is 1.

    `u` is uniform over the bins that occur; `lam` = 1 is no rebalancing, 0 the full inverse of the prior.
    """
    if not 0.0 <= lam <= 1.0:
        raise ValueError(f"rebalancing_weights: expected lambda in [0, 1], got {lam}")
    occurs = prior_Q > 0
    uniform = occurs.double() / occurs.sum()
    mixed = (1.0 - lam) * prior_Q + lam * uniform
    weights = torch.where(mixed > 0, 1.0 / mixed.clamp_min(1e-300), torch.zeros_like(mixed))
    return (weights / (prior_Q * weights).sum()).float()


def weights_of(recipe: Mapping[str, Any]) -> Tensor:
    """The weights, (Q,) float32, that a network was trained with whose recipe this is."""
    prior = recipe.get("prior")
    return rebalancing_weights(load_prior(Path(prior) if prior else None), lam=recipe.get("lam", PAPER_LAMBDA))


def unweighting(weights_Q: Tensor, *, share: float) -> Tensor:
    """What to add to each logit, (Q,), to take `share` (0 to 1) of a rebalanced training back.

    Trained with weights w, a network predicts w times the distribution, up to a constant; a share of 1 gives the
    distribution itself (the adjustment of Menon et al. 2021, "Long-tail learning via logit adjustment", the other way
    round).  Rare colours still count as much while it learns, and what is likely to be grey is grey when it colours.
    Bins that never occur (weight 0) are left as they are.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"unweighting: expected a share in [0, 1], got {share}")
    return torch.where(weights_Q > 0, -share * weights_Q.clamp_min(1e-30).log(), torch.zeros_like(weights_Q))
