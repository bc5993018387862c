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
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
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
    """Rows `top`...`bottom` of tiles of some pictures, in their interleaved pictures that begin in some rows."""

    pictures: range
    phases: range
    top: int
    bottom: int

    def n_tiles(self, tiling: Tiling) -> int:
        """How many tiles these are: by picture, phase, row, interleaved column and column, the last one fastest."""
        rows = len(self.pictures) * len(self.phases) * (self.bottom - self.top)
        return rows * tiling.dilation * tiling.columns


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


def place(tiling: Tiling, part: Part, pictures_NHWC: Tensor, *, is_input: bool) -> ctypes.Array[ctypes.c_int64]:
    """`struct part` of winograd.c for a part of these pictures, the convolution's input or its output."""
    pad_y, pad_x = tiling.padding if is_input else (0, 0)
    _, height, width, channels = pictures_NHWC.shape
    picture, row, column, _ = pictures_NHWC.stride()
    numbers = (
        len(part.pictures), picture, height, width, row, column, tiling.dilation, pad_y, pad_x, part.phases.start,
        len(part.phases), part.top, part.bottom, tiling.columns, channels,
    )  # fmt: skip
    return (ctypes.c_int64 * len(numbers))(*numbers)


def first_of(part: Part, pictures_NHWC: Tensor) -> ctypes.c_void_p:
    """Where C finds the part's first picture."""
    return address(pictures_NHWC, part.pictures.start * pictures_NHWC.stride(0))


def before(
    x_NHWC: Tensor, tiling: Tiling, part: Part, into_FTC: Tensor, start: int, positive_NHWC: Tensor | None = None
) -> None:
    """B^T d B of the part's tiles, into the tiles from `start` on.

    Where `positive_NHWC` is given, what lies where it is not positive counts as zero: a ReLU's gradient.
    """
    if library := native(x_NHWC.dtype, x_NHWC.shape[3]):
        _into_tiles(library.truehue_before, x_NHWC, tiling, part, into_FTC, start, positive_NHWC, is_input=True)
        return
    assert positive_NHWC is None  # only training has one, and training without C is torch's
    n_tiles = (part.bottom - part.top) * tiling.dilation * tiling.columns
    for n, (picture, phase) in enumerate(product(part.pictures, part.phases)):
        into = into_FTC[:, start + n * n_tiles :][:, :n_tiles].flatten(1)
        torch.mm(transforms(x_NHWC.dtype)[0], _tiles(x_NHWC[picture], tiling, part, phase), out=into)


def spread(
    y_NHWK: Tensor, tiling: Tiling, part: Part, into_FTK: Tensor, start: int, positive_NHWK: Tensor | None = None
) -> None:
    """A d A^T of the 4x4 tiles of the convolution's output, the transpose of what `after` does; only in C."""
    library = native(y_NHWK.dtype, y_NHWK.shape[3])
    assert library is not None  # training takes torch's convolution otherwise
    _into_tiles(library.truehue_spread, y_NHWK, tiling, part, into_FTK, start, positive_NHWK, is_input=False)


def _into_tiles(
    function: Any, pictures_NHWC: Tensor, tiling: Tiling, part: Part, into_FTC: Tensor, start: int,
    positive_NHWC: Tensor | None, *, is_input: bool,
) -> None:  # fmt: skip
    if positive_NHWC is not None:  # steps along a side of one are never taken
        sides = zip(pictures_NHWC.shape, pictures_NHWC.stride(), positive_NHWC.stride(), strict=True)
        assert all(n == 1 or ours == theirs for n, ours, theirs in sides)
    function(
        place(tiling, part, pictures_NHWC, is_input=is_input),
        first_of(part, pictures_NHWC),
        None if positive_NHWC is None else first_of(part, positive_NHWC),
        address(into_FTC, start * into_FTC.stride(1)),
        ctypes.c_int64(into_FTC.stride(0)),
    )


def after(
    products_FTK: Tensor, start: int, tiling: Tiling, part: Part, bias_K: Tensor, has_relu: bool, into_NHWK: Tensor
) -> None:
    """A^T m A plus bias, and the ReLU, of the tiles from `start` on, into their places in the pictures."""
    if library := native(products_FTK.dtype, products_FTK.shape[2]):
        library.truehue_after(
            place(tiling, part, into_NHWK, is_input=False),
            address(products_FTK, start * products_FTK.stride(1)),
            ctypes.c_int64(products_FTK.stride(0)),
            address(bias_K),
            int(has_relu),
            first_of(part, into_NHWK),
        )
        return
    d, n_rows, K = tiling.dilation, part.bottom - part.top, into_NHWK.shape[3]
    n_tiles = n_rows * d * tiling.columns
    for n, (picture, phase) in enumerate(product(part.pictures, part.phases)):
        chosen = products_FTK[:, start + n * n_tiles :][:, :n_tiles].reshape(N_PRODUCTS, -1)
        y_PN = torch.mm(transforms(chosen.dtype)[1], chosen)
        y = y_PN.view(TILE, TILE, n_rows, d, tiling.columns, K).permute(2, 0, 4, 1, 3, 5).reshape(n_rows * TILE, -1, K)
        y = y.add_(bias_K.to(y.dtype))
        rows = into_NHWK[picture, phase::d][part.top * TILE : part.bottom * TILE]
        rows.copy_((y.clamp_min_(0) if has_relu else y)[: len(rows), : into_NHWK.shape[2]])


def _tiles(picture_HWC: Tensor, tiling: Tiling, part: Part, phase: int) -> Tensor:
    """The part's 6x6 tiles of one interleaved picture, (36, tiles * C); zero outside."""
    d, n, columns, padding = tiling.dilation, part.bottom - part.top, tiling.columns, tiling.padding
    height, width, C = picture_HWC.shape
    slab = picture_HWC.new_zeros((n * TILE + EDGE - TILE) * d, (columns * TILE + EDGE - TILE) * d, C)
    top = part.top * TILE * d + phase - padding[0]  # the slab's first row in the picture
    first, last = max(0, top), min(height, top + len(slab))
    wide = min(width, slab.shape[1] - padding[1])
    if first < last:
        slab[first - top : last - top, padding[1] : padding[1] + wide] = picture_HWC[first:last, :wide]
    row = slab.stride(0)
    shape, strides = (EDGE, EDGE, n, d, columns, C), (d * row, d * C, TILE * d * row, C, TILE * d * C, 1)
    return slab.as_strided(shape, strides).reshape(N_PRODUCTS, -1)


def passes(tiling: Tiling, n_pictures: int, cached: int, least_tiles: int) -> list[list[Part]]:
    """All parts, in groups that share one pass over the kernel.

    A part has about `cached` tiles, unless whole pictures have fewer; a group at least `least_tiles` if there are
    as many.
    """
    d = tiling.dilation
    step = max(1, cached // (d * tiling.columns))
    if step >= tiling.rows:
        each = tiling.rows * tiling.columns * d * d
        n = min(n_pictures, max(1, least_tiles * 2 // each))
        n = -(-n_pictures // -(-n_pictures // n))  # as even as can be
        firsts = range(0, n_pictures, n)
        return [[Part(range(i, min(n_pictures, i + n)), range(d), 0, tiling.rows)] for i in firsts]
    parts = [
        Part(range(n, n + 1), range(p, p + 1), top, min(tiling.rows, top + step))
        for n in range(n_pictures)
        for p in range(d)
        for top in range(0, tiling.rows, step)
    ]
    per_pass = max(1, least_tiles * 2 // (step * d * tiling.columns))
    per_pass = -(-len(parts) // -(-len(parts) // per_pass))
    return [parts[first : first + per_pass] for first in range(0, len(parts), per_pass)]
