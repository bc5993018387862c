"""From a distribution over ab bins to one colour: the annealed mean."""

import torch
import torch.nn.functional as F
from torch import Tensor

from colorizer.ab_bins import bin_centres

PAPER_TEMPERATURE = 0.38  # Zhang et al. 2016, section 2.3


def annealed_mean(
    logits_BQHW: Tensor, *, temperature: float = PAPER_TEMPERATURE, colours_Q2: Tensor | None = None
) -> Tensor:
    """The mean of the bin centres under softmax(logits / T), (B, 2, H, W) in CIE units.

    `colours_Q2` are decoded to instead of the centres, if given.  T = 1 is the plain mean (calm, greyish), T -> 0 the
    mode (vivid, patchy); T = 0 gives the mode itself.
    """
    if temperature < 0:
        raise ValueError(f"annealed_mean: expected a temperature >= 0, got {temperature}")
    centres_Q2 = (bin_centres() if colours_Q2 is None else colours_Q2).to(logits_BQHW.device)
    if temperature == 0:
        return centres_Q2[logits_BQHW.argmax(1)].permute(0, 3, 1, 2)
    colours_2Q = centres_Q2.T.contiguous()  # the layout in which a product with two columns is fast
    # Picture by picture, and bins innermost, as networks in channels-last leave them: all of it stays in the cache.
    pictures = [
        F.linear(torch.softmax(logits_QHW.permute(1, 2, 0).float() / temperature, dim=-1), colours_2Q).permute(2, 0, 1)
        for logits_QHW in logits_BQHW
    ]
    return torch.stack(pictures)
