"""Winograd's convolution: a loaded network with a quarter of the multiplications in its 3x3 convolutions.

F(4x4, 3x3): 4 x 4 outputs come from a tile of 6 x 6 inputs by 36 products instead of 144; over all tiles and channels
the products are 36 matrix multiplications.  colorizer/winograd_transforms.py has what comes before and after them.

Shape suffixes: N pictures, H, W; C channels in, K out; T tiles, F the 36 products, U the convolutions of a layer.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import accumulate, product
from typing import TypeVar

import torch
from torch import Tensor, nn

from colorizer.winograd_transforms import (
    EDGE,
    N_PRODUCTS,
    TAPS,
    Part,
    Tiling,
    after,
    before,
    kernel_of,
    passes,
    scratch,
)

_Network = TypeVar("_Network", bound=nn.Module)
Room = tuple[Tensor, ...]  # memory of one pass over the kernel: its tiles and, of integers, their scales

_LEAST_CHANNELS = 64  # with fewer the transforms cost what the products save
_CACHED = 32_768  # columns that are transformed at once, so that they stay in the processor's cache
_LEAST_TILES = 256  # that share one pass over the kernel: packing it must not cost more than using it


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
        up, tiling = self.upsampling, Tiling(height, width, self.dilation, self.padding)
        x_NHWC = x_NCHW.permute(0, 2, 3, 1).to(self.dtype).contiguous()
        out_NKHW = torch.empty(
            (N, self.channels_out, tiling.high * up, tiling.wide * up),
            dtype=self.dtype,
            memory_format=torch.channels_last,
        )
        for parts in passes(tiling, N, _CACHED // max(C, self.channels_out), _LEAST_TILES):
            self._run(x_NHWC, tiling, parts, out_NKHW.permute(0, 2, 3, 1))
        return out_NKHW.to(x_NCHW.dtype)

    def _run(self, x_NHWC: Tensor, tiling: Tiling, parts: Sequence[Part], out_NHWK: Tensor) -> None:
        """One pass over the kernel."""
        starts = [0, *accumulate(part.n_tiles(tiling) for part in parts)]
        room = self._room(starts[-1])
        for start, part in zip(starts, parts, strict=False):
            self._transform(x_NHWC, tiling, part, room, start)
        multiplied = self._multiply(room)
        for start, part in zip(starts, parts, strict=False):
            self._collect(multiplied, start, tiling, part, out_NHWK)

    def _room(self, n_tiles: int) -> Room:
        """Where one pass over the kernel has its tiles, FTC."""
        return (scratch.take("transformed", self.dtype, N_PRODUCTS, n_tiles, self.channels_in),)

    def _transform(self, x_NHWC: Tensor, tiling: Tiling, part: Part, room: Room, start: int) -> None:
        before(x_NHWC, tiling, part, room[0], start)

    def _multiply(self, room: Room) -> Room:
        """The products of each convolution (U of them), UFTK."""
        (transformed_FTC,) = room
        n, shape = self.upsampling**2, (N_PRODUCTS, transformed_FTC.shape[1], self.channels_out)
        multiplied_UFTK = scratch.take("multiplied", self.dtype, n, *shape)
        if n > 1:
            multiplied_UFTK.zero_()  # not every product is computed
        for some in self._products:
            chosen = slice(some.first, some.first + len(some.kernel_FCK))
            torch.bmm(transformed_FTC[chosen], some.kernel_FCK, out=multiplied_UFTK[some.convolution, chosen])
        return (multiplied_UFTK,)

    def _collect(self, multiplied: Room, start: int, tiling: Tiling, part: Part, into_NHWK: Tensor) -> None:
        """Each convolution's products into its pixels of the pictures."""
        for products_FTK, pixels in zip(multiplied[0], self._pixels(into_NHWK), strict=True):
            after(products_FTK, start, tiling, part, self._bias, self.has_relu, pixels)

    def _pixels(self, into_NHWK: Tensor) -> list[Tensor]:
        """Those of each convolution."""
        up = self.upsampling
        return [into_NHWK[:, down::up, right::up] for down, right in product(range(up), repeat=2)]


Maker = Callable[..., WinogradConv2d]


def _products(conv: nn.Conv2d | nn.ConvTranspose2d, dtype: torch.dtype) -> list[_Product]:
    """The transformed kernels G g G^T, computed in double precision."""
    K = conv.out_channels
    weight = conv.weight.detach().double()
    if isinstance(conv, nn.Conv2d):
        return [_Product(0, 0, kernel_of(weight).to(dtype))]
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
            kernel = kernel_of(g_KC33).to(dtype).view(EDGE, EDGE, conv.in_channels, K)
            # A kernel without its last tap has no product at infinity, one without its first none at 0.
            products += [
                _Product(2 * y + x, EDGE * row + x, kernel[row, x : x + EDGE - 1].contiguous())
                for row in range(y, y + EDGE - 1)
            ]
    return products


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
    is_plain = type(layer).forward is nn.Conv2d.forward and layer.kernel_size == (3, 3) and layer.stride == (1, 1)
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
            is_relu_next = isinstance(after, nn.ReLU)
            has_relu = is_relu_next or bool(getattr(layer, "has_relu", False))  # winograd_training.ConvReLU
            replaced[id(layer)] = made_by(layer, dtype=dtype, has_relu=has_relu)
            if is_relu_next:
                replaced[id(after)] = nn.Identity()
    return deepcopy(model, replaced)  # what is in its memo, deepcopy takes for copied
