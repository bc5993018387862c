"""Training losses.  Shape suffixes: B batch, Q bins, K nearest bins, H, W."""

import torch
from torch import Tensor

from colorizer.ab_bins import SoftCode

GREY_BOUND = 5.0  # an image with no |ab| above this is grey and gets no weight (released Caffe layer)


def non_grey_mask(ab_B2HW: Tensor) -> Tensor:
    """1 for images with colour, 0 for grey ones, (B, 1, 1) float32."""
    return (ab_B2HW.abs().amax(dim=(1, 2, 3)) > GREY_BOUND).float()[:, None, None]


def rebalanced_cross_entropy(
    logits_BQHW: Tensor, code: SoftCode, weights_Q: Tensor, mask_B11: Tensor | None = None
) -> Tensor:
    """Multinomial cross-entropy with soft targets, weighted by colour rarity (Zhang et al. 2016, equation 2).

    A pixel's weight is that of its likeliest bin.  The result is summed over pixels and divided by the batch
    size, as in the released solver, whose weight decay depends on that scale.  Only the K nonzeros of the target
    are touched: sum w (logsumexp(s) - sum_k z_k s[i_k]) / B is the dense loss, and so is its gradient.
    """
    logits = logits_BQHW.float()
    likeliest_BHW = code.bins_BKHW.gather(1, code.weights_BKHW.argmax(1, keepdim=True))[:, 0]
    weight_BHW = weights_Q.to(logits.device)[likeliest_BHW]
    if mask_B11 is not None:
        weight_BHW = weight_BHW * mask_B11
    agreement_BHW = (logits.gather(1, code.bins_BKHW) * code.weights_BKHW).sum(1)
    return (weight_BHW * (torch.logsumexp(logits, dim=1) - agreement_BHW)).sum() / logits.shape[0]
