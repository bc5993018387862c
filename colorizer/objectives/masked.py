"""Masked prediction: true colours of some cells are shown, those of the others are asked for.

What a network needs that settles colours in rounds (colorizer/models/commitment.py).  The cross-entropy is the plain
one of Zhang et al. 2016, equation 1: colours that are settled one after the other come as often as they are likely, so
nothing is rebalanced.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorizer.ab_bins import N_BINS, soft_encode
from colorizer.decoding import annealed_mean
from colorizer.losses import rebalanced_cross_entropy
from colorizer.metrics import auc_raw
from colorizer.models import Colorizer
from colorizer.models.commitment import ROUNDS, Given, cells_of, mean_chroma_of, nothing_given, settled_after
from colorizer.models.truehue_lite import TruehueLite
from colorizer.objectives.base import MODEL, Loss, Objective, lab_of, subsampled
from colorizer.recipe import Recipe

_NOISE = 5.0  # CIE units: the largest standard deviation of shown colours; those settled in use are off, too
_CHROMA_NOISE = 0.1  # of the told chroma, as a share
_CHROMA_SHARE = 0.7  # of the pictures whose chroma is told
_NONE_SHARE, _ALL_SHARE, _ROUND_SHARE = 0.15, 0.15, 0.4  # of pictures: no cell shown, every one, as after a round
_VALIDATION_ROUND = 1


class MaskedPrediction(Objective):
    """Nats per cell that is asked for, plus nats per pixel."""

    metrics = ("loss", "cross_entropy", "auc_raw")
    shown_unit = "nats per cell + nats per pixel"

    @classmethod
    def refuse(cls, recipe: Recipe) -> None:
        """Only a network that settles can learn so."""
        super().refuse(recipe)
        if recipe.model != TruehueLite.name or not recipe.arguments.get("settles"):
            raise ValueError("objective: masked: expected the model truehue-lite with arguments = { settles = true }")

    def loss(self, phase: str, networks: Mapping[str, nn.Module], rgb_B3HW: Tensor, draw: torch.Generator) -> Loss:
        """Both heads learn from the same shown cells."""
        L, ab = lab_of(rgb_B3HW)
        cells = cells_of(ab)
        given = shown_cells(cells, draw)
        of_cells, of_pixels = networks[MODEL](L, given)
        asked = 1.0 - given.mask_B1hw
        total = cell_cross_entropy(of_cells, cells, asked, k=self.recipe.k) + self._of_pixels(of_pixels, ab)
        return Loss(total, float(total.detach()))

    def _of_pixels(self, logits_BQHW: Tensor, ab_B2HW: Tensor) -> Tensor:
        small = subsampled(ab_B2HW, 4)
        equal_Q = torch.ones(N_BINS, device=small.device)
        total = rebalanced_cross_entropy(logits_BQHW, soft_encode(small, k=self.recipe.k), equal_Q)
        return total / (small.shape[-1] * small.shape[-2])

    def validate(self, model: Colorizer, rgb_B3HW: Tensor) -> dict[str, float]:
        """The loss with 2 of 16 cells shown; nats per pixel with nothing shown; raw AuC of what it settles itself."""
        assert isinstance(model, TruehueLite)
        L, ab = lab_of(rgb_B3HW)
        cells = cells_of(ab)
        mask = settled_after(_VALIDATION_ROUND, cells).expand(len(cells), -1, -1, -1)
        of_cells, of_pixels = model(L, Given(cells * mask, mask, mean_chroma_of(cells)))
        hinted = cell_cross_entropy(of_cells, cells, 1.0 - mask, k=self.recipe.k) + self._of_pixels(of_pixels, ab)
        unhinted = model(L, nothing_given(cells))[1]
        decoded = annealed_mean(model(L).float(), temperature=self.recipe.temperature)
        return {
            "loss": float(hinted) * len(L),
            "cross_entropy": float(self._of_pixels(unhinted, ab)) * len(L),
            "auc_raw": float(auc_raw(decoded, subsampled(ab, 4)).sum()),
        }


def cell_cross_entropy(logits_BQhw: Tensor, cells_B2hw: Tensor, asked_B1hw: Tensor, *, k: int) -> Tensor:
    """Mean over the cells that are asked for, nats; 0 if there are none."""
    code = soft_encode(cells_B2hw, k=k)
    logits = logits_BQhw.float()
    agreement = (logits.gather(1, code.bins_BKHW) * code.weights_BKHW).sum(1)
    nats = (torch.logsumexp(logits, dim=1) - agreement) * asked_B1hw[:, 0]
    return nats.sum() / asked_B1hw.sum().clamp_min(1.0)


def shown_cells(cells_B2hw: Tensor, draw: torch.Generator) -> Given:
    """Which cells a training step shows, and how wrongly: none, all, those of a round, any, or whole regions.

    Drawn for each picture on its own, on the CPU.  The pattern of a round begins anywhere.
    """
    batch, _, height, width = cells_B2hw.shape
    cells = cells_B2hw.cpu()
    masks = []
    for _ in range(batch):
        kind = float(torch.rand((), generator=draw))
        if kind < _NONE_SHARE:
            masks.append(torch.zeros(1, height, width))
        elif kind < _NONE_SHARE + _ALL_SHARE:
            masks.append(torch.ones(1, height, width))
        elif kind < _NONE_SHARE + _ALL_SHARE + _ROUND_SHARE:
            round_ = int(torch.randint(len(ROUNDS) - 1, (), generator=draw))
            down, right = torch.randint(4, (2,), generator=draw).tolist()
            masks.append(settled_after(round_, cells)[0].roll((down, right), (1, 2)))
        else:
            masks.append(_anywhere(height, width, draw))
    mask = torch.stack(masks)
    off = torch.randn(cells.shape, generator=draw) * torch.rand((batch, 1, 1, 1), generator=draw) * _NOISE
    factor = torch.exp(torch.randn((batch, 1), generator=draw) * _CHROMA_NOISE)
    known = (torch.rand((batch, 1), generator=draw) < _CHROMA_SHARE).float()
    chroma = mean_chroma_of(cells) * known
    chroma = torch.cat((chroma[:, :1] * factor, chroma[:, 1:]), dim=1)
    given = Given((cells + off) * mask, mask, chroma)
    return Given(*(t.to(cells_B2hw.device) for t in given))


def _anywhere(height: int, width: int, draw: torch.Generator) -> Tensor:
    """A share of the cells, seldom a large one: each by itself or, every second time, in regions."""
    share = float(torch.rand((), generator=draw)) ** 1.5
    score = torch.rand((1, 1, height, width), generator=draw)
    if float(torch.rand((), generator=draw)) < 0.5:
        coarse = torch.rand((1, 1, max(2, height // 4), max(2, width // 4)), generator=draw)
        score = 0.3 * score + 0.7 * F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    n = round(share * height * width)
    mask = torch.zeros(height * width)
    mask[score.flatten().argsort()[:n]] = 1.0
    return mask.view(1, height, width)
