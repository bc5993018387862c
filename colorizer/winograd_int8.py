"""Winograd's convolution with products of 8-bit integers, which processors with VNNI multiply twice as fast as bf16.

No calibration: each tile of each of the 36 products has a scale of its own, taken from its numbers as they come, and
each of the products a scale for every channel out.  The transforms and all between the layers stay as they are.
"""

import ctypes

import torch
from torch import Tensor, nn

from colorizer.winograd import Room, WinogradConv2d, _Network, with_winograd
from colorizer.winograd_transforms import N_PRODUCTS, Part, Tiling, address, first_of, native, place, scratch

_LEAST_CHANNELS = 256  # with fewer the integers cost more to make and to read than their products save
_MOST = 127


class Int8WinogradConv2d(WinogradConv2d):
    """`WinogradConv2d` in bf16 whose products are of 8-bit integers."""

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, *, dtype: torch.dtype, has_relu: bool = False) -> None:
        super().__init__(conv, dtype=dtype, has_relu=has_relu)
        self._scales_UFK = torch.zeros(self.upsampling**2, N_PRODUCTS, self.channels_out)
        self._kernels: list[tuple[int, int, Tensor]] = []  # convolution, product, CK
        for some in self._products:
            scales_FK = some.kernel_FCK.float().abs().amax(1) / _MOST
            self._scales_UFK[some.convolution, some.first : some.first + len(scales_FK)] = scales_FK
            whole_FCK = (some.kernel_FCK.float() / scales_FK.clamp_min(1e-30)[:, None]).round().to(torch.int8)
            self._kernels += [(some.convolution, some.first + i, kernel) for i, kernel in enumerate(whole_FCK)]
        self._products = []

    def _room(self, n_tiles: int) -> Room:
        whole_FTC = scratch.take("whole", torch.int8, N_PRODUCTS, n_tiles, self.channels_in)
        return whole_FTC, scratch.take("scales", torch.float32, N_PRODUCTS, n_tiles)

    def _transform(self, x_NHWC: Tensor, tiling: Tiling, part: Part, room: Room, start: int) -> None:
        (whole_FTC, scales_FT), C = room, self.channels_in
        library = native(self.dtype, C)
        assert library is not None  # with_winograd_int8 has looked
        library.truehue_before8(
            place(tiling, part, x_NHWC, is_input=True),
            first_of(part, x_NHWC),
            address(whole_FTC, start * C),
            ctypes.c_int64(whole_FTC.stride(0)),
            address(scales_FT, start),
            ctypes.c_int64(scales_FT.stride(0)),
            address(scratch.take("one tile", torch.float32, torch.get_num_threads(), N_PRODUCTS, C)),
        )

    def _multiply(self, room: Room) -> Room:
        whole_FTC, scales_FT = room
        shape = (self.upsampling**2, N_PRODUCTS, whole_FTC.shape[1], self.channels_out)
        multiplied_UFTK = scratch.take("multiplied", torch.int32, *shape)
        if self.upsampling > 1:
            multiplied_UFTK.zero_()  # not every product is computed
        for convolution, number, kernel_CK in self._kernels:
            torch._int_mm(whole_FTC[number], kernel_CK, out=multiplied_UFTK[convolution, number])
        return multiplied_UFTK, scales_FT

    def _collect(self, multiplied: Room, start: int, tiling: Tiling, part: Part, into_NHWK: Tensor) -> None:
        (sums_UFTK, scales_FT), library = multiplied, native(self.dtype, self.channels_out)
        assert library is not None
        for sums_FTK, scales_FK, pixels in zip(sums_UFTK, self._scales_UFK, self._pixels(into_NHWK), strict=True):
            library.truehue_after8(
                place(tiling, part, pixels, is_input=False),
                address(sums_FTK, start * self.channels_out),
                ctypes.c_int64(sums_FTK.stride(0)),
                address(scales_FT, start),
                ctypes.c_int64(scales_FT.stride(0)),
                address(scales_FK),
                address(self._bias),
                int(self.has_relu),
                first_of(part, pixels),
            )


def _layer(conv: nn.Conv2d | nn.ConvTranspose2d, *, dtype: torch.dtype, has_relu: bool) -> WinogradConv2d:
    channels = (conv.in_channels, conv.out_channels)
    is_fit = min(channels) >= _LEAST_CHANNELS and all(native(dtype, c) for c in channels)
    return (Int8WinogradConv2d if is_fit else WinogradConv2d)(conv, dtype=dtype, has_relu=has_relu)


def with_winograd_int8(model: _Network) -> _Network:
    """`with_winograd` in bf16, the products of wide layers in integers.  Raises ValueError without a C compiler."""
    if native(torch.bfloat16, _LEAST_CHANNELS) is None:
        raise ValueError("winograd-int8 needs a C compiler: apt-get install gcc libc6-dev, or leave it out")
    return with_winograd(model, made_by=_layer)
