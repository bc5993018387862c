"""The transforms of Winograd's F(4x4, 3x3): pictures to tiles of 36 numbers, and back.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: y = A^T [(G g G^T) * (B^T d B)] A.  The
points 0, 1, -1, 2, -1/2 and infinity keep every entry of A and B exact in bfloat16, also of their Kronecker squares,
and lose the fewest bits of all choices among powers of two.  In bfloat16 the transforms are winograd.c where it can be
compiled, else matrix products.

Shape suffixes: N pictures, H, W; C channels; T tiles, F the 36 products, P the 16 places of a tile's output.
"""

import ctypes
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorizer.native import compiled

TILE, TAPS = 4, 3
EDGE = TILE + TAPS - 1
N_PRODUCTS = EDGE * EDGE
_LANES, _MOST_CHANNELS = 16, 4096  # what winograd.c takes: channels in multiples of, and no more than

_A_MN = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -0.5, 0), (0, 1, 1, 4, 0.25, 0), (0, 1, -1, 8, -0.125, 1))
_B_NN = (
    (2, 3, -4, -3, 2, 0),
    (0, 2, 5, 1, -2, 0),
    (0, 2, 1, -5, 2, 0),
    (0, -1, -2, 1, 2, 0),
    (0, -2, 1, 2, -1, 0),
    (0, 2, 3, -4, -3, 2),
)
_G_NR = (
    (1 / 2, 0, 0),
    (1 / 6, 1 / 6, 1 / 6),
    (1 / 6, -1 / 6, 1 / 6),
    (1 / 30, 1 / 15, 2 / 15),
    (16 / 15, -8 / 15, 4 / 15),
    (0, 0, 1 / 2),
)


@cache
@torch.inference_mode(False)
def transforms(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """B^T (36 x 36), A^T (16 x 36) and G (36 x 9), all for two dimensions at once."""
    B, A, G = (torch.tensor(rows, dtype=torch.float64) for rows in (_B_NN, _A_MN, _G_NR))
    return torch.kron(B, B).to(dtype), torch.kron(A, A).to(dtype), torch.kron(G, G).to(dtype)


def kernel_of(weight_KC33: Tensor) -> Tensor:
    """G g G^T of each kernel, FCK, in the dtype of the weights."""
    K, C = weight_KC33.shape[:2]
    G = transforms(weight_KC33.dtype)[2]
    return (G @ weight_KC33.permute(2, 3, 1, 0).reshape(TAPS * TAPS, C * K)).view(N_PRODUCTS, C, K)


@dataclass(frozen=True)
class Tiling:
    """How pictures of one size are cut into tiles, for a 3x3 convolution with this dilation and padding.

    A dilated convolution is dilation^2 plain ones of interleaved pictures.
    """

    height: int
    width: int
    dilation: int = 1
    padding: tuple[int, int] = (1, 1)

    @property
    def high(self) -> int:
        """Rows of the convolution's output."""
        return self.height + 2 * self.padding[0] - 2 * self.dilation

    @property
    def wide(self) -> int:
        """Columns of the convolution's output."""
        return self.width + 2 * self.padding[1] - 2 * self.dilation

    @property
    def rows(self) -> int:
        """Of tiles, in each of the interleaved pictures."""
        return -(-self.high // (self.dilation * TILE))

    @property
    def columns(self) -> int:
        """Of tiles, in each of the interleaved pictures."""
        return -(-self.wide // (self.dilation * TILE))


@dataclass(frozen=True)
class Part:
    """Rows `top`...`bottom` of tiles of one picture, in its interleaved pictures that begin in row `phase`."""

    picture: int
    phase: int
    top: int
    bottom: int

    def n_tiles(self, tiling: Tiling) -> int:
        """How many tiles these are."""
        return (self.bottom - self.top) * tiling.dilation * tiling.columns


class Scratch(threading.local):
    """Memory that the layers of a thread's networks use one after another: fresh pages cost as much as the work."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, torch.dtype], Tensor] = {}

    @torch.inference_mode(False)
    def take(self, name: str, dtype: torch.dtype, *shape: int) -> Tensor:
        """A tensor of this shape with anything in it."""
        n = math.prod(shape)
        kept = self._kept.get((name, dtype))
        if kept is None or len(kept) < n:
            kept = self._kept[name, dtype] = torch.empty(n, dtype=dtype)
        return kept[:n].view(shape)


scratch = Scratch()


def native(dtype: torch.dtype, channels: int) -> ctypes.CDLL | None:
    """The transforms in C, if they can be had for this."""
    is_fit = dtype == torch.bfloat16 and channels % _LANES == 0 and channels <= _MOST_CHANNELS
    return compiled(Path(str(files("colorizer") / "winograd.c"))) if is_fit else None


def address(tensor: Tensor, offset: int = 0) -> ctypes.c_void_p:
    """Where C finds the tensor's element number `offset`."""
    return ctypes.c_void_p(tensor.data_ptr() + offset * tensor.element_size())


def place(tiling: Tiling, part: Part, picture_HWC: Tensor, *, is_input: bool) -> ctypes.Array[ctypes.c_int64]:
    """`struct part` of winograd.c for a part of this picture, the convolution's input or its output."""
    pad_y, pad_x = tiling.padding if is_input else (0, 0)
    height, width, channels = picture_HWC.shape
    row, column, _ = picture_HWC.stride()
    numbers = (
        height, width, row, column, tiling.dilation, pad_y, pad_x, part.phase, part.top, part.bottom, tiling.columns,
        channels,
    )  # fmt: skip
    return (ctypes.c_int64 * len(numbers))(*numbers)


def before(
    x_HWC: Tensor, tiling: Tiling, part: Part, into_FTC: Tensor, start: int, positive_HWC: Tensor | None = None
) -> None:
    """B^T d B of the part's tiles, into the tiles from `start` on.

    Where `positive_HWC` is given, what lies where it is not positive counts as zero: a ReLU's gradient.
    """
    if library := native(x_HWC.dtype, x_HWC.shape[2]):
        _into_tiles(library.truehue_before, x_HWC, tiling, part, into_FTC, start, positive_HWC, is_input=True)
        return
    tiles = _tiles(_where(x_HWC, positive_HWC), tiling, part, EDGE, tiling.padding)
    torch.mm(transforms(x_HWC.dtype)[0], tiles, out=into_FTC[:, start : start + part.n_tiles(tiling)].flatten(1))


def spread(
    y_HWK: Tensor, tiling: Tiling, part: Part, into_FTK: Tensor, start: int, positive_HWK: Tensor | None = None
) -> None:
    """A d A^T of the 4x4 tiles of the convolution's output, the transpose of what `after` does; else as `before`."""
    if library := native(y_HWK.dtype, y_HWK.shape[2]):
        _into_tiles(library.truehue_spread, y_HWK, tiling, part, into_FTK, start, positive_HWK, is_input=False)
        return
    tiles = _tiles(_where(y_HWK, positive_HWK), tiling, part, TILE, (0, 0))
    torch.mm(transforms(y_HWK.dtype)[1].T, tiles, out=into_FTK[:, start : start + part.n_tiles(tiling)].flatten(1))


def _into_tiles(
    function: Any, picture_HWC: Tensor, tiling: Tiling, part: Part, into_FTC: Tensor, start: int,
    positive_HWC: Tensor | None, *, is_input: bool,
) -> None:  # fmt: skip
    assert positive_HWC is None or positive_HWC.stride() == picture_HWC.stride()
    function(
        place(tiling, part, picture_HWC, is_input=is_input),
        address(picture_HWC),
        None if positive_HWC is None else address(positive_HWC),
        address(into_FTC, start * into_FTC.stride(1)),
        ctypes.c_int64(into_FTC.stride(0)),
    )


def _where(picture_HWC: Tensor, positive_HWC: Tensor | None) -> Tensor:
    return picture_HWC if positive_HWC is None else picture_HWC * (positive_HWC > 0)


def after(
    products_FTK: Tensor, start: int, tiling: Tiling, part: Part, bias_K: Tensor, has_relu: bool, into_HWK: Tensor
) -> None:
    """A^T m A plus bias, and the ReLU, of the tiles from `start` on, into their places in the picture."""
    if library := native(products_FTK.dtype, products_FTK.shape[2]):
        library.truehue_after(
            place(tiling, part, into_HWK, is_input=False),
            address(products_FTK, start * products_FTK.stride(1)),
            ctypes.c_int64(products_FTK.stride(0)),
            address(bias_K),
            int(has_relu),
            address(into_HWK),
        )
        return
    d, n, K = tiling.dilation, part.bottom - part.top, into_HWK.shape[2]
    chosen = products_FTK[:, start : start + part.n_tiles(tiling)].reshape(N_PRODUCTS, -1)
    y_PN = torch.mm(transforms(chosen.dtype)[1], chosen)
    y = y_PN.view(TILE, TILE, n, d, tiling.columns, K).permute(2, 0, 4, 1, 3, 5).reshape(n * TILE, -1, K)
    y = y.add_(bias_K.to(y.dtype))
    rows = into_HWK[part.phase :: d][part.top * TILE : part.bottom * TILE]
    rows.copy_((y.clamp_min_(0) if has_relu else y)[: len(rows), : into_HWK.shape[1]])


def _tiles(picture_HWC: Tensor, tiling: Tiling, part: Part, edge: int, padding: tuple[int, int]) -> Tensor:
    """The part's tiles of `edge` x `edge`, (edge * edge, tiles * C); zero outside the picture."""
    d, n, columns = tiling.dilation, part.bottom - part.top, tiling.columns
    height, width, C = picture_HWC.shape
    beyond = (edge - TILE) * d
    slab = picture_HWC.new_zeros(n * TILE * d + beyond, columns * TILE * d + beyond, C)
    top = part.top * TILE * d + part.phase - padding[0]  # the slab's first row in the picture
    first, last = max(0, top), min(height, top + len(slab))
    wide = min(width, slab.shape[1] - padding[1])
    if first < last:
        slab[first - top : last - top, padding[1] : padding[1] + wide] = picture_HWC[first:last, :wide]
    row = slab.stride(0)
    shape, strides = (edge, edge, n, d, columns, C), (d * row, d * C, TILE * d * row, C, TILE * d * C, 1)
    return slab.as_strided(shape, strides).reshape(edge * edge, -1)


def passes(tiling: Tiling, n_pictures: int, cached: int, least_tiles: int) -> Sequence[list[Part]]:
    """All parts, in groups that share one pass over the kernel.

    A part has about `cached` tiles, a group at least `least_tiles` if there are as many.
    """
    d = tiling.dilation
    step = max(1, cached // (d * tiling.columns))
    parts = [
        Part(n, p, top, min(tiling.rows, top + step))
        for n in range(n_pictures)
        for p in range(d)
        for top in range(0, tiling.rows, step)
    ]
    per_pass = max(1, least_tiles * 2 // (min(step, tiling.rows) * d * tiling.columns))
    per_pass = -(-len(parts) // -(-len(parts) // per_pass))  # as even as can be
    return [parts[first : first + per_pass] for first in range(0, len(parts), per_pass)]
