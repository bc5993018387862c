"""Training losses.  Shape suffixes: B batch, Q bins, K nearest bins, H, W."""

from typing import Any

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
    likeliest_BHW = code.bins_BKHW.gather(1, code.weights_BKHW.argmax(1, keepdim=True))[:, 0]
    weight_BHW = weights_Q.to(logits_BQHW.device)[likeliest_BHW]
    if mask_B11 is not None:
        weight_BHW = weight_BHW * mask_B11
    return torch.as_tensor(_Sum.apply(logits_BQHW, code.bins_BKHW, code.weights_BKHW, weight_BHW)) / len(logits_BQHW)


class _Sum(torch.autograd.Function):
    """sum w (logsumexp(s) - sum_k z_k s[i_k]) in float32, and its gradient w (softmax(s) - z).

    On a CPU picture by picture: whole batches of 313 logits in float32 were the peak of a training step's memory.
    """

    @staticmethod
    def forward(ctx: Any, logits_BQHW: Tensor, bins_BKHW: Tensor, weights_BKHW: Tensor, weight_BHW: Tensor) -> Tensor:
        total = torch.zeros((), device=logits_BQHW.device)
        norms = []
        for some in _slices(logits_BQHW):
            logits = logits_BQHW[some].float()
            norms.append(torch.logsumexp(logits, dim=1))
            agreement = (logits.gather(1, bins_BKHW[some]) * weights_BKHW[some]).sum(1)
            total += (weight_BHW[some] * (norms[-1] - agreement)).sum()
        ctx.save_for_backward(logits_BQHW, torch.cat(norms), bins_BKHW, weights_BKHW, weight_BHW)
        return total

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor | None, ...]:
        logits_BQHW, norm_BHW, bins_BKHW, weights_BKHW, weight_BHW = ctx.saved_tensors
        gradient = torch.empty_like(logits_BQHW)
        for some in _slices(logits_BQHW):
            part = (logits_BQHW[some].float() - norm_BHW[some][:, None]).exp_()
            part.scatter_add_(1, bins_BKHW[some], -weights_BKHW[some])
            gradient[some] = part.mul_(weight_BHW[some][:, None] * above[0])
        return gradient, None, None, None


def _slices(logits_BQHW: Tensor) -> list[slice]:
    step = 1 if logits_BQHW.device.type == "cpu" else len(logits_BQHW)
    return [slice(first, first + step) for first in range(0, len(logits_BQHW), step)]
