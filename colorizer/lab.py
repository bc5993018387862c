"""CIE L*a*b* under D65, with scikit-image's constants, on torch tensors.

Shape suffixes: B batch, H height, W width, 3 or 2 or 1 channels, so `rgb_B3HW`, `ab_B2HW`, `L_B1HW`.
Source of the constants: IEC 61966-2-1 (sRGB) and CIE 15, as scikit-image has them; the parity is
tested to 1e-3 on every corner of sRGB.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_RGB_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_WHITE_D65 = (0.95047, 1.0, 1.08883)
_TO_XYZ = torch.tensor(_RGB_TO_XYZ, dtype=torch.float64) / torch.tensor(_WHITE_D65, dtype=torch.float64)[:, None]
_XYZ_TO_RGB = torch.linalg.inv(_TO_XYZ)
_EPSILON, _KAPPA = 0.008856, 7.787  # the two pieces of f meet here
_OFFSET = 16.0 / 116.0


def _matrix(like: Tensor, *, inverse: bool) -> Tensor:
    return (_XYZ_TO_RGB if inverse else _TO_XYZ).to(dtype=like.dtype, device=like.device)


def _linear(rgb: Tensor) -> Tensor:
    """sRGB's values in [0, 1] to linear light."""
    return torch.where(rgb > 0.04045, ((rgb.clamp_min(0.0) + 0.055) / 1.055) ** 2.4, rgb / 12.92)


def rgb_to_lab(rgb_B3HW: Tensor) -> Tensor:
    """sRGB in [0, 1] to Lab: L in [0, 100], a and b in CIE units (about [-87, 99] and [-108, 95])."""
    xyz = torch.einsum("ij,bjhw->bihw", _matrix(rgb_B3HW, inverse=False), _linear(rgb_B3HW))
    f = torch.where(xyz > _EPSILON, xyz.clamp_min(1e-12) ** (1.0 / 3.0), _KAPPA * xyz + _OFFSET)
    fx, fy, fz = f.unbind(1)
    return torch.stack((116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)), dim=1)


def lightness_of_levels(rgb_HW3: npt.NDArray[np.uint8]) -> Tensor:
    """L of 8-bit sRGB, (1, 1, H, W) float32 in [0, 100]: `rgb_to_lab`'s, looked up where that one computes powers."""
    red, green, blue = _LUMINANCE_OF_LEVEL_3N
    luminance = red.take(rgb_HW3[..., 0])
    luminance += green.take(rgb_HW3[..., 1])
    luminance += blue.take(rgb_HW3[..., 2])
    Y = torch.from_numpy(luminance)[None, None]
    f = torch.where(Y > _EPSILON, Y.clamp_min(1e-12).pow_(1.0 / 3.0), _KAPPA * Y + _OFFSET)
    return f.mul_(116.0).sub_(16.0)


def lab_to_rgb_unclipped(lab_B3HW: Tensor) -> Tensor:
    """Lab to sRGB without clipping: values outside [0, 1] say that the colour is out of gamut."""
    lightness, a, b = lab_B3HW.unbind(1)
    fy = (lightness + 16.0) / 116.0
    # A blue beyond what XYZ can hold gets Z = 0, as in scikit-image.
    f = torch.stack((fy + a / 500.0, fy, (fy - b / 200.0).clamp_min(0.0)), dim=1)
    xyz = torch.where(f > 0.2068966, f**3, (f - _OFFSET) / _KAPPA)
    linear = torch.einsum("ij,bjhw->bihw", _matrix(lab_B3HW, inverse=True), xyz)
    return torch.where(linear > 0.0031308, 1.055 * linear.clamp_min(1e-12) ** (1.0 / 2.4) - 0.055, 12.92 * linear)


def lab_to_rgb(lab_B3HW: Tensor) -> Tensor:
    """Lab to sRGB in [0, 1], clipped channel by channel (as scikit-image and the published code do)."""
    return lab_to_rgb_unclipped(lab_B3HW).clamp(0.0, 1.0)


def lightness_to_grey(L_B1HW: Tensor) -> Tensor:
    """L in [0, 100] to the sRGB grey value in [0, 1] of that lightness (what a photo network expects).

    `lab_to_rgb` at ab = 0 in fewer steps, so that exported networks stay simple.
    """
    f = (L_B1HW + 16.0) / 116.0
    luminance = torch.where(f > 0.2068966, f**3, (f - _OFFSET) / _KAPPA)
    linear = luminance * _GREY_TO_RED
    grey = torch.where(linear > 0.0031308, 1.055 * linear.clamp_min(1e-12) ** (1.0 / 2.4) - 0.055, 12.92 * linear)
    return grey.clamp(0.0, 1.0)


# What red is at grey of luminance 1: 1 but for the rounding of the published constants.
_GREY_TO_RED = float(_XYZ_TO_RGB[0].sum())

# What each of the 256 levels of red, green and blue adds to the luminance Y.
_LUMINANCE_OF_LEVEL_3N = (
    (_TO_XYZ[1, :, None] * _linear(torch.arange(256, dtype=torch.float64) / 255.0)).to(torch.float32).numpy()
)
