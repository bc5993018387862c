"""From a photograph to coloured pixels: the one path that real and fake both go through.

Shape suffixes: B batch (here 1), H height, W width.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from colorizer.lab import lab_to_rgb_unclipped, rgb_to_lab
from colorizer.models.base import Colorizer
from colorizer.photos import open_photo

_BAND_PIXELS = 4_000_000  # rows are converted in bands of about this many pixels, so memory stays bounded
_GAMUT_SLACK = 0.5 / 255  # less than half a level outside is rounding, not clipping


class Rendered(NamedTuple):
    """8-bit sRGB pixels (H, W, 3) and the share of them whose colour had to be clipped into the gamut."""

    rgb_HW3: npt.NDArray[np.uint8]
    clipped_share: float


def to_lab(rgb_HW3: npt.NDArray[np.uint8]) -> Tensor:
    """8-bit sRGB to Lab, (1, 3, H, W) float32."""
    rgb = torch.from_numpy(np.array(rgb_HW3)).permute(2, 0, 1)[None]
    return rgb_to_lab(rgb.float() / 255.0)


def from_lab(L_B1HW: Tensor, ab_B2HW: Tensor) -> Rendered:
    """L and ab of one image to 8-bit sRGB, rounded (not truncated) and clipped channel by channel."""
    unclipped = lab_to_rgb_unclipped(torch.cat((L_B1HW, ab_B2HW), dim=1))
    outside = ((unclipped < -_GAMUT_SLACK) | (unclipped > 1 + _GAMUT_SLACK)).any(dim=1)
    levels = (unclipped.clamp(0, 1) * 255.0).round().to(torch.uint8)
    return Rendered(levels[0].permute(1, 2, 0).contiguous().numpy(), float(outside.float().mean()))


@torch.inference_mode()
def predict_ab(
    model: Colorizer, L_B1HW: Tensor, *, working_px: int, temperature: float | None = None, bf16: bool = False
) -> Tensor:
    """ab for L at its own size; the network sees L with its short side at `working_px`.

    A network trained on small pictures colours best at the size it knows, and colour needs far less detail than
    lightness, so ab is upsampled (bilinear) to the full size.
    """
    height, width = L_B1HW.shape[-2:]
    scale = working_px / min(height, width)
    # A panorama is not allowed to blow the long side up beyond eight squares.
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = (min(small[0], 8 * working_px), min(small[1], 8 * working_px))
    L_small = F.interpolate(L_B1HW, size=small, mode="bilinear", align_corners=False, antialias=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        ab = model.predict_ab(L_small.contiguous(memory_format=torch.channels_last), temperature=temperature)
    ab = ab.float()
    return ab if small == (height, width) else F.interpolate(ab, size=(height, width), mode="bilinear")


@torch.inference_mode()
def colorize(
    image: Image.Image | Path | str | bytes,
    model: Colorizer | str = "truehue-lite",
    *,
    temperature: float | None = None,
    working_px: int | None = None,
    bf16: bool = True,
) -> Image.Image:
    """Colour a photograph at its own size; its lightness is kept, any colour it had is ignored.

    `image` is a PIL image, a path or a file's bytes; `model` a loaded one or a name.  Raises PhotoError for what
    cannot be read.
    """
    if isinstance(model, str):
        from colorizer.checkpoints import load_model

        model = load_model(model)
    if isinstance(image, bytes):
        image = open_photo(image)
    elif isinstance(image, str | Path):
        image = open_photo(Path(image), str(image))
    rgb_HW3 = np.asarray(image.convert("RGB"))
    height, width = rgb_HW3.shape[:2]
    side = working_px or model.working_px
    scale = min(1.0, side / min(height, width))
    # Pillow shrinks before the Lab conversion, so a 24-megapixel photograph costs the network nothing extra.
    small = Image.fromarray(rgb_HW3).resize(
        (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BOX
    )
    ab = predict_ab(model, to_lab(np.asarray(small))[:, :1], working_px=side, temperature=temperature, bf16=bf16)
    out = np.empty_like(rgb_HW3)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        L_band = to_lab(rgb_HW3[top:bottom])[:, :1]
        out[top:bottom] = from_lab(L_band, _rows_of(ab, top, bottom, height, width)).rgb_HW3
    return Image.fromarray(out)


def _rows_of(ab_B2hw: Tensor, top: int, bottom: int, height: int, width: int) -> Tensor:
    """Rows `top`…`bottom` of ab upsampled to (height, width), as F.interpolate would give them, without the rest."""
    small_h = ab_B2hw.shape[-2]
    place = ((torch.arange(top, bottom) + 0.5) * (small_h / height) - 0.5).clamp(0, small_h - 1)
    low = place.floor().long()
    high = (low + 1).clamp_max(small_h - 1)
    part = (place - low).view(1, 1, -1, 1)
    rows = ab_B2hw[:, :, low] * (1 - part) + ab_B2hw[:, :, high] * part
    return F.interpolate(rows, size=(bottom - top, width), mode="bilinear", align_corners=False)
