"""Winograd's convolution with products of 8-bit integers, which processors with VNNI multiply twice as fast as bf16.

No calibration: each tile of each of the 36 products has a scale of its own, taken from its numbers as they come, and
each of the products a scale for every channel out.  The transforms and all between the layers stay as they are.
"""

import ctypes

import torch
from torch import Tensor, nn

from colorizer.winograd import EDGE, WinogradConv2d, _address, _native, _Network, _scratch, with_winograd

_LEAST_CHANNELS = 256  # with fewer the integers cost more to make and to read than their products save
_MOST = 127


class Int8WinogradConv2d(WinogradConv2d):
    """`WinogradConv2d` in bf16 whose products are of 8-bit integers."""

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, *, dtype: torch.dtype, has_relu: bool = False) -> None:
        super().__init__(conv, dtype=dtype, has_relu=has_relu)
        self._scales_UFK = torch.zeros(self.upsampling**2, EDGE * EDGE, self.channels_out)
        self._kernels: list[tuple[int, int, Tensor]] = []  # convolution, product, CK
        for some in self._products:
            scales_FK = some.kernel_FCK.float().abs().amax(1) / _MOST
            self._scales_UFK[some.convolution, some.first : some.first + len(scales_FK)] = scales_FK
            whole_FCK = (some.kernel_FCK.float() / scales_FK.clamp_min(1e-30)[:, None]).round().to(torch.int8)
            self._kernels += [(some.convolution, some.first + i, kernel) for i, kernel in enumerate(whole_FCK)]
        self._products = []

    def _room(self, n_tiles: int) -> Tensor:
        return _scratch.take("whole", torch.int8, EDGE * EDGE, n_tiles, self.channels_in)

    def _scales(self, n_tiles: int) -> Tensor:
        return _scratch.take("scales", torch.float32, EDGE * EDGE, n_tiles)

    def _transform(self, padded_HWC: Tensor, p: int, top: int, bottom: int, into_FTC: Tensor, start: int) -> None:
        n_tiles, C = into_FTC.shape[1:]
        native = _native(self.dtype, C)
        assert native is not None  # with_int8 has looked
        native.truehue_before8(
            *self._tiles(padded_HWC, p, top, bottom),
            _address(into_FTC, start * C),
            ctypes.c_int64(n_tiles * C),
            _address(self._scales(n_tiles), start),
            ctypes.c_int64(n_tiles),
            _address(_scratch.take("one tile", torch.float32, EDGE * EDGE, C)),
        )

    def _multiply(self, transformed_FTC: Tensor) -> Tensor:
        shape = (self.upsampling**2, EDGE * EDGE, transformed_FTC.shape[1], self.channels_out)
        multiplied_UFTK = _scratch.take("multiplied", torch.int32, *shape)
        if self.upsampling > 1:
            multiplied_UFTK.zero_()  # not every product is computed
        for convolution, place, kernel_CK in self._kernels:
            torch._int_mm(transformed_FTC[place], kernel_CK, out=multiplied_UFTK[convolution, place])
        return multiplied_UFTK

    def _collect(self, multiplied_UFTK: Tensor, start: int, into: Tensor) -> None:
        t, _, _, columns, _, _, K = into.shape
        native = _native(self.dtype, K)
        assert native is not None
        _, plane, tile, _ = multiplied_UFTK.stride()
        tops, rows, ups, tile_columns, inner_columns, acrosses, _ = into.stride()
        for part, part_FTK in enumerate(multiplied_UFTK):
            down, right = divmod(part, self.upsampling)
            native.truehue_after8(
                _address(part_FTK),
                ctypes.c_int64(plane),
                ctypes.c_int64(tile),
                _address(self._scales(plane // tile), start),
                ctypes.c_int64(plane // tile),
                _address(self._scales_UFK[part]),
                (ctypes.c_int64 * 4)(t, self.dilation, columns, K),
                _address(self._bias),
                int(self.has_relu),
                _address(into, down * ups + right * acrosses),
                (ctypes.c_int64 * 5)(tops, rows, tile_columns, inner_columns, acrosses),
            )


def _layer(conv: nn.Conv2d | nn.ConvTranspose2d, *, dtype: torch.dtype, has_relu: bool) -> WinogradConv2d:
    channels = (conv.in_channels, conv.out_channels)
    is_fit = min(channels) >= _LEAST_CHANNELS and all(_native(dtype, c) for c in channels)
    return (Int8WinogradConv2d if is_fit else WinogradConv2d)(conv, dtype=dtype, has_relu=has_relu)


def with_winograd_int8(model: _Network) -> _Network:
    """`with_winograd` in bf16, the products of wide layers in integers.  Raises ValueError without a C compiler."""
    if _native(torch.bfloat16, _LEAST_CHANNELS) is None:
        raise ValueError("winograd-int8 needs a C compiler: apt-get install gcc libc6-dev, or leave it out")
    return with_winograd(model, made_by=_layer)
