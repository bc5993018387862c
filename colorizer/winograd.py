"""Winograd's convolution: a loaded network with a quarter of the multiplications in its 3x3 convolutions.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, F(4x4, 3x3): 4 x 4 outputs come from a
tile of 6 x 6 inputs by 36 products instead of 144, y = A^T [(G g G^T) * (B^T d B)] A; over all tiles and channels the
products are 36 matrix multiplications.  Both transforms are winograd.c where it can be compiled, else matrix
products, too.  The points 0, 1, -1, 2, -1/2 and infinity keep every entry of both transforms
exact in bfloat16, also of their Kronecker squares, and lose the fewest bits of all choices among powers of two.

Shape suffixes: N pictures, H, W; C channels in, K out; T tiles, F the 36 products, P the 16 places of a tile's output.
"""

import ctypes
import math
import threading
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from colorizer.native import compiled

_Network = TypeVar("_Network", bound=nn.Module)

TILE, TAPS = 4, 3
EDGE = TILE + TAPS - 1
_LEAST_CHANNELS = 64  # with fewer the transforms cost what the products save
_CACHED = 32_768  # columns that are transformed at once, so that they stay in the processor's cache
_LANES = 16  # channels that winograd.c takes at a time
_LEAST_TILES = 256  # that share one pass over the kernel: packing it must not cost more than using it

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
def _transforms(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """B^T (36 x 36) and A^T (16 x 36), both for two dimensions at once."""
    B, A = (torch.tensor(rows, dtype=torch.float64) for rows in (_B_NN, _A_MN))
    return torch.kron(B, B).to(dtype), torch.kron(A, A).to(dtype)


class _Scratch(threading.local):
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


_scratch = _Scratch()


def _native(dtype: torch.dtype, channels: int) -> ctypes.CDLL | None:
    """The transforms in C, if they can be had for this."""
    is_fit = dtype == torch.bfloat16 and channels % _LANES == 0
    return compiled(Path(str(files("colorizer") / "winograd.c"))) if is_fit else None


def _numbers(values: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * len(values))(*values)


def _address(tensor: Tensor, offset: int = 0) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr() + offset * tensor.element_size())


@dataclass(frozen=True)
class _Product:
    """Some consecutive ones of the 36 products, of one of the convolutions that the layer is made of."""

    convolution: int
    first: int
    kernel_FCK: Tensor


class WinogradConv2d(nn.Module):
    """A 3x3 convolution of stride 1, or a transposed 4x4 one of stride 2 and padding 1, and the ReLU after it.

    The transposed one is four convolutions, one for each parity of the output's row and column, whose 3x3 kernels have
    zeros in a row and a column: 25 of the 36 products are left of each.  Memory beside input and output is bounded,
    whatever the picture's size.  Computes in `dtype` and returns the input's.
    """

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, *, dtype: torch.dtype, has_relu: bool = False) -> None:
        super().__init__()
        self.dtype, self.has_relu = dtype, has_relu
        self.channels_in, self.channels_out = conv.in_channels, conv.out_channels
        if isinstance(conv, nn.ConvTranspose2d):
            self.upsampling, self.dilation, self.padding = 2, 1, (1, 1)
        else:
            assert isinstance(conv.padding, tuple)
            self.upsampling, self.dilation, self.padding = 1, conv.dilation[0], (conv.padding[0], conv.padding[1])
        self._products = _products(conv, dtype)
        bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach()
        self._bias = bias.float() if dtype == torch.bfloat16 else bias.to(dtype)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """What the layer gives, in channels-last memory."""
        N, C, height, width = x_NCHW.shape
        d, (pad_y, pad_x) = self.dilation, self.padding
        high, wide = (s + 2 * p - 2 * d for s, p in ((height, pad_y), (width, pad_x)))
        rows, columns = (
            -(-s // (d * TILE)) for s in (high, wide)
        )  # of tiles, in each of the d * d interleaved pictures
        up = self.upsampling * d
        out = x_NCHW.new_empty(N, rows, TILE, up, columns, TILE, up, self.channels_out, dtype=self.dtype)
        # The parts of the output that one pass over the kernel makes: picture, interleaved picture, rows of tiles.
        step = max(1, _CACHED // (d * columns * max(C, self.channels_out)))
        parts = [(n, p, top, min(rows, top + step)) for n in range(N) for p in range(d) for top in range(0, rows, step)]
        per_pass = max(1, _LEAST_TILES * 2 // (min(step, rows) * d * columns))
        per_pass = -(-len(parts) // -(-len(parts) // per_pass))  # as even as can be
        padded = _scratch.take("padded", self.dtype, d * (rows * TILE + 2), d * (columns * TILE + 2), C).zero_()
        inner = padded[pad_y : pad_y + height, pad_x : pad_x + width]
        loaded = -1
        for first in range(0, len(parts), per_pass):
            places, n_done, these = [], 0, parts[first : first + per_pass]
            n_tiles = sum(bottom - top for _, _, top, bottom in these) * d * columns
            transformed = self._room(n_tiles)
            for n, p, top, bottom in these:
                if n != loaded:
                    inner.copy_(x_NCHW[n].permute(1, 2, 0))
                    loaded = n
                count = (bottom - top) * d * columns
                self._transform(padded, p, top, bottom, transformed, n_done)
                places.append((out[n, top:bottom, :, p * self.upsampling : (p + 1) * self.upsampling], n_done, count))
                n_done += count
            multiplied = self._multiply(transformed)
            for place, start, count in places:
                self._collect(multiplied[:, :, start : start + count], start, place)
        up = self.upsampling
        y_NHWK = out.view(N, rows * TILE * d * up, columns * TILE * d * up, self.channels_out)
        y_NKHW = y_NHWK[:, : high * up, : wide * up].permute(0, 3, 1, 2)
        return y_NKHW.to(x_NCHW.dtype).contiguous(memory_format=torch.channels_last)

    def _room(self, n_tiles: int) -> Tensor:
        """Where one pass over the kernel has its tiles, FTC."""
        return _scratch.take("transformed", self.dtype, EDGE * EDGE, n_tiles, self.channels_in)

    def _tiles(self, padded_HWC: Tensor, p: int, top: int, bottom: int) -> tuple[object, object, object]:
        """The tiles in rows `top`...`bottom` of the interleaved pictures that begin in row `p`, as C wants it."""
        d, C, row = self.dilation, self.channels_in, padded_HWC.stride(0)
        columns = (padded_HWC.shape[1] // d - 2) // TILE
        return (
            _address(padded_HWC, (p + top * TILE * d) * row),
            _numbers((d * row, d * C, TILE * d * row, C, TILE * d * C)),
            _numbers((bottom - top, d, columns, C)),
        )

    def _transform(self, padded_HWC: Tensor, p: int, top: int, bottom: int, into_FTC: Tensor, start: int) -> None:
        """B^T d B of the tiles in rows `top`...`bottom` of the interleaved pictures that begin in row `p`."""
        d, C = self.dilation, self.channels_in
        row = padded_HWC.stride(0)
        columns = (padded_HWC.shape[1] // d - 2) // TILE
        if native := _native(self.dtype, C):
            place = _address(into_FTC, start * C)
            native.truehue_before(*self._tiles(padded_HWC, p, top, bottom), place, ctypes.c_int64(into_FTC.stride(0)))
            return
        into_FN = into_FTC[:, start : start + (bottom - top) * d * columns].flatten(1)
        tiles = padded_HWC[p + top * TILE * d :].as_strided(
            (EDGE, EDGE, bottom - top, d, columns, C),
            (d * row, d * C, TILE * d * row, C, TILE * d * C, 1),
            padded_HWC.storage_offset() + (p + top * TILE * d) * row,
        )
        torch.mm(_transforms(self.dtype)[0], tiles.reshape(EDGE * EDGE, -1), out=into_FN)

    def _multiply(self, transformed_FTC: Tensor) -> Tensor:
        """The products of each convolution (U of them), UFTK."""
        n, shape = self.upsampling**2, (EDGE * EDGE, transformed_FTC.shape[1], self.channels_out)
        multiplied_UFTK = _scratch.take("multiplied", self.dtype, n, *shape)
        if n > 1:
            multiplied_UFTK.zero_()  # not every product is computed
        for some in self._products:
            chosen = slice(some.first, some.first + len(some.kernel_FCK))
            torch.bmm(transformed_FTC[chosen], some.kernel_FCK, out=multiplied_UFTK[some.convolution, chosen])
        return multiplied_UFTK

    def _collect(self, multiplied_UFTK: Tensor, start: int, into: Tensor) -> None:
        """A^T m A plus bias, and the ReLU, into rows of the output; `start` is the first tile's place in the pass."""
        t, _, up, columns, _, across, K = into.shape
        if native := _native(self.dtype, K):
            _, plane, tile, _ = multiplied_UFTK.stride()
            tops, rows, ups, tile_columns, inner_columns, acrosses, _ = into.stride()
            for part_FTK, (down, right) in zip(multiplied_UFTK, product(range(self.upsampling), repeat=2), strict=True):
                native.truehue_after(
                    _address(part_FTK),
                    ctypes.c_int64(plane),
                    ctypes.c_int64(tile),
                    _numbers((t, self.dilation, columns, K)),
                    _address(self._bias),
                    int(self.has_relu),
                    _address(into, down * ups + right * acrosses),
                    _numbers((tops, rows, tile_columns, inner_columns, acrosses)),
                )
            return
        y_PN = torch.mm(_transforms(self.dtype)[1], multiplied_UFTK.permute(1, 2, 0, 3).reshape(EDGE * EDGE, -1))
        # across = dilation (columns of tiles come after it) or upsampling (beside the channels).
        if self.upsampling == 1:
            y = y_PN.view(TILE, TILE, t, across, columns, K).permute(2, 0, 4, 1, 3, 5)[:, :, None]
        else:
            y = y_PN.view(TILE, TILE, t, columns, up, across, K).permute(2, 0, 4, 3, 1, 5, 6)
        torch.add(y, self._bias.to(self.dtype), out=into)
        if self.has_relu:
            into.clamp_min_(0)


Maker = Callable[..., WinogradConv2d]


def _products(conv: nn.Conv2d | nn.ConvTranspose2d, dtype: torch.dtype) -> list[_Product]:
    """The transformed kernels G g G^T, computed in double precision."""
    K = conv.out_channels
    weight = conv.weight.detach().double()
    if isinstance(conv, nn.Conv2d):
        return [_Product(0, 0, _kernel(weight).to(dtype))]
    # Output 2t + parity sees inputs t - 1, t, t + 1 by these taps of four; None is no tap.
    taps = ((3, 1, None), (None, 2, 0))
    products = []
    for y in (0, 1):
        for x in (0, 1):
            g_KC33 = weight.new_zeros(K, conv.in_channels, TAPS, TAPS)
            for i, tap_y in enumerate(taps[y]):
                for j, tap_x in enumerate(taps[x]):
                    if tap_y is not None and tap_x is not None:
                        g_KC33[:, :, i, j] = weight[:, :, tap_y, tap_x].T
            kernel = _kernel(g_KC33).to(dtype).view(EDGE, EDGE, conv.in_channels, K)
            # A kernel without its last tap has no product at infinity, one without its first none at 0.
            products += [
                _Product(2 * y + x, EDGE * row + x, kernel[row, x : x + EDGE - 1].contiguous())
                for row in range(y, y + EDGE - 1)
            ]
    return products


def _kernel(g_KCRR: Tensor) -> Tensor:
    G = torch.tensor(_G_NR, dtype=torch.float64, device=g_KCRR.device)
    return torch.einsum("ir,kcrs,js->ijck", G, g_KCRR, G).reshape(EDGE * EDGE, *g_KCRR.shape[1::-1]).contiguous()


def pays() -> bool:
    """Whether this processor gains by it: one with matrix units (AMX) multiplies faster than it transforms."""
    return not torch.cpu._is_amx_tile_supported()


def fits(layer: nn.Module) -> bool:
    """Whether WinogradConv2d computes this layer, and faster."""
    if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return False
    if (
        layer.groups != 1
        or layer.padding_mode != "zeros"
        or min(layer.in_channels, layer.out_channels) < _LEAST_CHANNELS
    ):
        return False
    if isinstance(layer, nn.ConvTranspose2d):
        shape = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.output_padding)
        return shape == ((4, 4), (2, 2), (1, 1), (1, 1), (0, 0))
    is_plain = type(layer) is nn.Conv2d and layer.kernel_size == (3, 3) and layer.stride == (1, 1)
    return is_plain and layer.dilation[0] == layer.dilation[1] and not isinstance(layer.padding, str)


def with_winograd(model: _Network, *, dtype: torch.dtype = torch.bfloat16, made_by: Maker = WinogradConv2d) -> _Network:
    """A copy of the network for use on a CPU, its fitting convolutions computed by Winograd's algorithm in `dtype`.

    Its shapes, names and other layers stay.  In fp32 the colours are the same to 1e-3; in bf16 they differ from fp32's
    by up to twice as much as those of direct convolutions in bf16.
    `made_by` makes the layers from (convolution, dtype=, has_relu=).
    """
    replaced: dict[int, nn.Module] = {}
    for parent in model.modules():
        children = list(parent.children())
        for i, layer in enumerate(children):
            if not fits(layer):
                continue
            assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
            after = children[i + 1] if isinstance(parent, nn.Sequential) and i + 1 < len(children) else None
            has_relu = isinstance(after, nn.ReLU)
            replaced[id(layer)] = made_by(layer, dtype=dtype, has_relu=has_relu)
            if has_relu:
                replaced[id(after)] = nn.Identity()
    return deepcopy(model, replaced)  # what is in its memo, deepcopy takes for copied
