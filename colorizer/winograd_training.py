"""Winograd's convolution in training: the output and both gradients, each from 36 products a tile.

The gradient of the input is the same convolution with turned kernels.  That of the weights is the algorithm's
transpose: where y = A^T [(G g G^T) * (B^T d B)] A, dg = G^T [(B^T d B) * (A dy A^T)] G, summed over all tiles.
What autograd keeps is what it keeps for torch's convolution and ReLU: input, weights and output.

Shape suffixes: N pictures, H, W; C channels in, K out; T tiles, F the 36 products.
"""

import ctypes
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from colorizer.winograd import Room, WinogradConv2d, fits, pays
from colorizer.winograd_transforms import (
    EDGE,
    N_PRODUCTS,
    TAPS,
    Part,
    Tiling,
    address,
    before,
    native,
    passes,
    scratch,
    spread,
)

_LEAST_CHANNELS = 128  # with fewer the transforms cost what the products save
_LEAST_TILES, _CACHED = 256, 32_768
_SUM = EDGE + 1  # at the point (1, 1) a spread tile has its sum


class Conv2d(nn.Conv2d):
    """torch's convolution, by Winograd's algorithm where that is the faster one: in bf16 on a CPU without AMX.

    Its parameters, and so a network's state dict, are torch's.  `is_direct` leaves it to torch for good.
    """

    is_direct: bool = False
    has_relu: bool = False

    def _conv_forward(self, x_NCHW: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.is_direct or not _is_faster(self, x_NCHW):
            y: Tensor = super()._conv_forward(x_NCHW, weight, bias)
            return y.relu_() if self.has_relu else y
        assert isinstance(self.padding, tuple)
        padding = (self.padding[0], self.padding[1])
        return torch.as_tensor(_Winograd.apply(x_NCHW, weight, bias, self.dilation[0], padding, self.has_relu))


class ConvReLU(Conv2d):
    """A convolution and the ReLU after it."""

    has_relu = True


def _is_faster(layer: nn.Conv2d, x_NCHW: Tensor) -> bool:
    if x_NCHW.device.type != "cpu" or not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    if not torch.is_autocast_enabled("cpu") or torch.get_autocast_dtype("cpu") != torch.bfloat16:
        return False
    channels = (layer.in_channels, layer.out_channels)
    return (
        min(channels) >= _LEAST_CHANNELS
        and fits(layer)
        and pays()
        and all(native(torch.bfloat16, c) is not None for c in channels)
    )


class _Pass(WinogradConv2d):
    """One use of one convolution, or of the one that carries its output's gradient back to its input."""

    def __init__(
        self,
        weight_KC33: Tensor,
        bias_K: Tensor | None,
        dilation: int,
        padding: tuple[int, int],
        *,
        has_relu: bool = False,
        is_back: bool = False,
        positive_NHWC: Tensor | None = None,
    ) -> None:
        nn.Module.__init__(self)
        self.dtype, self.has_relu, self.is_back = torch.bfloat16, has_relu, is_back
        self._positive_NHWC = positive_NHWC
        self.channels_out, self.channels_in = weight_KC33.shape[1::-1] if is_back else weight_KC33.shape[:2]
        self.upsampling, self.dilation, self.padding = 1, dilation, padding
        if is_back:
            self.padding = (2 * dilation - padding[0], 2 * dilation - padding[1])
        self._kernel_FKC = _kernel(weight_KC33, is_turned=is_back)
        self._bias = torch.zeros(self.channels_out) if bias_K is None else bias_K.float()

    def _transform(self, x_NHWC: Tensor, tiling: Tiling, part: Part, room: Room, start: int) -> None:
        before(x_NHWC, tiling, part, room[0], start, self._positive_NHWC)

    def _multiply(self, room: Room) -> Room:
        (transformed_FTC,) = room
        shape = (N_PRODUCTS, transformed_FTC.shape[1], self.channels_out)
        multiplied_FTK = scratch.take("multiplied", self.dtype, *shape)
        kernel = self._kernel_FKC if self.is_back else self._kernel_FKC.transpose(1, 2)
        torch.bmm(transformed_FTC, kernel, out=multiplied_FTK)
        return (multiplied_FTK[None],)


def _kernel(weight_KC33: Tensor, *, is_turned: bool) -> Tensor:
    """G g G^T of each kernel or, turned, of each kernel read from its end; FKC in bfloat16, in memory used again."""
    K, C = weight_KC33.shape[:2]
    weight_KC33 = weight_KC33.float().contiguous(memory_format=torch.channels_last)
    kernel_FKC = scratch.take("kernel", torch.bfloat16, N_PRODUCTS, K, C)
    sizes = (ctypes.c_int64(K), ctypes.c_int64(C))
    _library(C).truehue_kernel(address(weight_KC33), *sizes, int(is_turned), address(kernel_FKC))
    return kernel_FKC


def _add_weight(kernel_FKC: Tensor, into_KC33: Tensor) -> None:
    """Add the transpose of `_kernel`, G^T u G: it carries gradients from kernels to weights."""
    _, K, C = kernel_FKC.shape
    _library(C).truehue_kernel_back(address(kernel_FKC), ctypes.c_int64(K), ctypes.c_int64(C), address(into_KC33))


def _library(channels: int) -> ctypes.CDLL:
    library = native(torch.bfloat16, channels)
    assert library is not None  # _is_faster has looked
    return library


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x_NCHW: Tensor,
        weight_KC33: Tensor,
        bias_K: Tensor | None,
        dilation: int,
        padding: tuple[int, int],
        has_relu: bool,
    ) -> Tensor:
        x_NCHW = x_NCHW.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        y_NKHW = _Pass(weight_KC33.detach(), bias_K, dilation, padding, has_relu=has_relu).forward(x_NCHW)
        ctx.save_for_backward(x_NCHW, weight_KC33, y_NKHW if has_relu else None)
        ctx.dilation, ctx.padding, ctx.has_bias = dilation, padding, bias_K is not None
        return torch.as_tensor(y_NKHW)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (dy_NKHW,) = gradients
        x_NCHW, weight_KC33, y_NKHW = ctx.saved_tensors
        dy_NKHW = dy_NKHW.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        y_NHWK = None if y_NKHW is None else y_NKHW.permute(0, 2, 3, 1)
        dx = dw = db = None
        if ctx.needs_input_grad[0]:
            back = _Pass(weight_KC33.detach(), None, ctx.dilation, ctx.padding, is_back=True, positive_NHWC=y_NHWK)
            dx = back.forward(dy_NKHW)
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            tiling = Tiling(x_NCHW.shape[2], x_NCHW.shape[3], ctx.dilation, ctx.padding)
            dw, db = _gradients_of_parameters(x_NCHW.permute(0, 2, 3, 1), dy_NKHW.permute(0, 2, 3, 1), y_NHWK, tiling)
        return dx, dw, db if ctx.has_bias else None, None, None, None


def _gradients_of_parameters(
    x_NHWC: Tensor, dy_NHWK: Tensor, positive_NHWK: Tensor | None, tiling: Tiling
) -> tuple[Tensor, Tensor]:
    """Those of the weights, KC33, and of the bias, K; float32."""
    C, K, dtype = x_NHWC.shape[3], dy_NHWK.shape[3], x_NHWC.dtype
    dw_KC33 = torch.zeros(K, TAPS, TAPS, C).permute(0, 3, 1, 2)
    db_K = torch.zeros(K)
    for parts in passes(tiling, len(x_NHWC), _CACHED // max(C, K), max(_LEAST_TILES, C * K // (C + K))):
        starts = [0, *accumulate(part.n_tiles(tiling) for part in parts)]
        inputs_FTC = scratch.take("transformed", dtype, N_PRODUCTS, starts[-1], C)
        outputs_FTK = scratch.take("multiplied", dtype, N_PRODUCTS, starts[-1], K)
        for start, part in zip(starts, parts, strict=False):
            before(x_NHWC, tiling, part, inputs_FTC, start)
            spread(dy_NHWK, tiling, part, outputs_FTK, start, positive_NHWK)
        products_FKC = scratch.take("kernel", dtype, N_PRODUCTS, K, C)
        torch.bmm(outputs_FTK.transpose(1, 2), inputs_FTC, out=products_FKC)
        _add_weight(products_FKC, dw_KC33)
        db_K += outputs_FTK[_SUM].sum(0, dtype=torch.float32)
    return dw_KC33, db_K
