"""Colours that are settled a few cells at a time, each in sight of those before.

A network that gives every pixel a distribution of its own and takes its mean paints what several colours are possible
for in a brown between them, or in patches of both.  Here the colours of cells of 8 x 8 pixels are settled in rounds:
first one cell of 16, spread evenly, then 2, 4, 8 and all of 16.  Each round sees what the rounds before settled, so the
same coat, sky or wall gets the same colour, and that colour is one that photographs have.  Training shows the network
true colours of some cells and asks for the others (masked prediction: Chang et al. 2022, "MaskGIT"; colours given at a
few points: Zhang et al. 2017).

The mean chroma of the picture is told as well: by it the network knows a pale photograph from a colourful one, and
grey, the likeliest colour nearly everywhere, does not win for that alone.

Shape suffixes: B batch, h and w the height and width over 8, Q the 313 bins.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorizer.ab_bins import N_BINS, bin_centres

CELL_PX = 8
_AB_UNIT = 50.0  # CIE units of a or b that a hint of 1 stands for
_CHROMA_STEPS = (2.0, 5.0, 9.0, 14.0, 20.0, 28.0, 40.0, 55.0)  # CIE units at which the told chroma is felt
_CHROMA_GAIN = 5.0  # as large as what the convolutions beside it add
# The order in which cells are settled (Bayer's matrix for ordered dithering): those of one round lie far apart.
_ORDER = ((0, 8, 2, 10), (12, 4, 14, 6), (3, 11, 1, 9), (15, 7, 13, 5))
ROUNDS = (1, 2, 4, 8, 16)  # cells of 16 that are settled after each round


class Given(NamedTuple):
    """What is settled already: `ab_B2hw` in CIE units where `mask_B1hw` is 1, and `chroma_B2`.

    `chroma_B2` is the picture's mean chroma in CIE units and 1, or 0 and 0 where it is not told.
    """

    ab_B2hw: Tensor
    mask_B1hw: Tensor
    chroma_B2: Tensor


class Told(NamedTuple):
    """What the hints add to the first convolution of the decoder's blocks at strides 16, 8 and 4."""

    at16: Tensor
    at8: Tensor
    at4: Tensor


def nothing_given(x8_BChw: Tensor) -> Given:
    """No colour and no chroma, at the size of these features of stride 8."""
    empty = x8_BChw.new_zeros((len(x8_BChw), 1, *x8_BChw.shape[-2:]))
    return Given(torch.cat((empty, empty), dim=1), empty, x8_BChw.new_zeros((len(x8_BChw), 2)))


def cells_of(ab_B2HW: Tensor) -> Tensor:
    """Mean colour of each cell of 8 x 8 pixels, (B, 2, H/8, W/8)."""
    return F.avg_pool2d(ab_B2HW, CELL_PX)


def mean_chroma_of(cells_B2hw: Tensor) -> Tensor:
    """What `Given.chroma_B2` says of a picture with these cells, (B, 2)."""
    mean_B = cells_B2hw.float().norm(dim=1).mean((1, 2))
    return torch.stack((mean_B, torch.ones_like(mean_B)), dim=1)


def settled_after(round_: int, x8_BChw: Tensor) -> Tensor:
    """1 where a cell is settled after this round (0 the first), (1, 1, h, w), at the size of these features."""
    height, width = x8_BChw.shape[-2:]
    order = torch.tensor(_ORDER, device=x8_BChw.device)
    rows = torch.arange(height, device=x8_BChw.device) % len(_ORDER)
    columns = torch.arange(width, device=x8_BChw.device) % len(_ORDER)
    return (order[rows][:, columns] < ROUNDS[round_]).to(x8_BChw.dtype)[None, None]


class Commitment(nn.Module):
    """Hints in, what they add to the decoder out; and the head that says the cells' colours.

    `decoder` are the widths of the decoder's blocks at strides 16, 8 and 4.  All that is added begins as nothing, so a
    trained network begins as it was.
    """

    def __init__(self, decoder: tuple[int, int, int], channels: tuple[int, int, int] = (48, 64, 96)) -> None:
        super().__init__()
        d16, d8, d4 = decoder
        c8, c16, c32 = channels
        self.at8 = nn.Sequential(
            nn.Conv2d(3, c8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(c8, c8, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.at16 = nn.Sequential(nn.Conv2d(c8, c16, 3, stride=2, padding=1), nn.ReLU(inplace=True))
        self.at32 = nn.Sequential(nn.Conv2d(c16, c32, 3, stride=2, padding=1), nn.ReLU(inplace=True))
        self.everywhere = nn.Linear(c32, c32)
        self.into16, self.into8 = nn.Conv2d(c16 + c32, d16, 1), nn.Conv2d(c8, d8, 1)
        self.into4 = nn.Conv2d(c8, d4, 1)
        n_steps = len(_CHROMA_STEPS) + 1
        self.chroma16, self.chroma8 = nn.Linear(n_steps, d16), nn.Linear(n_steps, d8)
        self.head = nn.Conv2d(d8, N_BINS, 1)

    def start_from_nothing(self) -> None:
        """Add nothing to the decoder, for now."""
        for layer in (self.into16, self.into8, self.into4, self.chroma16, self.chroma8, self.head):
            nn.init.zeros_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, given: Given) -> Told:
        """What these hints add; sides of the hints are multiples of 4."""
        mask = given.mask_B1hw
        hints = torch.cat((given.ab_B2hw * mask / _AB_UNIT, mask), dim=1)
        at8 = self.at8(hints.contiguous(memory_format=torch.channels_last))
        at16 = self.at16(at8)
        at32 = self.at32(at16)
        at32 = at32 + self.everywhere(at32.mean((2, 3)))[:, :, None, None]
        wide = torch.cat((at16, _doubled(at32)), dim=1)
        chroma = self._felt(given.chroma_B2)
        return Told(
            self.into16(wide) + self.chroma16(chroma)[:, :, None, None],
            self.into8(at8) + self.chroma8(chroma)[:, :, None, None],
            _doubled(self.into4(at8)),
        )

    @staticmethod
    def _felt(chroma_B2: Tensor) -> Tensor:
        """The told chroma as bumps along its range, (B, 9): linear layers can make any curve of them."""
        mean_B1, known_B1 = chroma_B2[:, :1], chroma_B2[:, 1:]
        steps = torch.tensor(_CHROMA_STEPS, device=chroma_B2.device)
        bumps = torch.exp(-(((mean_B1 - steps) / (2.4 + 0.25 * steps)) ** 2))
        return torch.cat((bumps * known_B1, known_B1), dim=1) * _CHROMA_GAIN


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def mean_colour(logits_BQhw: Tensor, *, temperature: float) -> Tensor:
    """The annealed mean in float32, (B, 2, h, w) in CIE units, in operators that every backend reads."""
    share_BQhw = torch.softmax(logits_BQhw.float() / temperature, dim=1)
    return _averaged(share_BQhw, bin_centres().T)


def expected_chroma(logits_BQhw: Tensor) -> Tensor:
    """Mean chroma that a picture with these distributions has on average, (B,) in CIE units.

    The mean of the chroma, not the chroma of the mean colour: red or green is no grey.
    """
    share_BQhw = torch.softmax(logits_BQhw.float(), dim=1)
    return _averaged(share_BQhw, bin_centres().norm(dim=1)[None]).mean((1, 2, 3))


def _averaged(share_BQhw: Tensor, values_NQ: Tensor) -> Tensor:
    with torch.autocast(share_BQhw.device.type, enabled=False):
        return F.conv2d(share_BQhw, values_NQ[:, :, None, None].to(share_BQhw))
