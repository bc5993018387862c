"""From a photograph to coloured pixels: the one path that real and fake both go through.

Shape suffixes: B batch (mostly 1), H height, W width; h, w the working size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image, PngImagePlugin
from torch import Tensor

from colorizer.hints import Hint, HintedColorizer
from colorizer.lab import lab_to_rgb_unclipped, lightness_of_levels, rgb_to_lab
from colorizer.models.base import MAX_SATURATION, Colorizer
from colorizer.photos import open_photo

PUBLISHED_PX = 256  # the released PyTorch pipeline squashes every photograph to this square
_BAND_PIXELS = 1_000_000  # rows are converted in bands of about this many pixels, so memory stays bounded
_GAMUT_SLACK = 0.5 / 255  # less than half a level outside is rounding, not clipping
_LONGEST_SQUARES = 8  # a panorama is not allowed to blow the long side up beyond so many squares


class Rendered(NamedTuple):
    """8-bit sRGB pixels (H, W, 3) and the share of them whose colour had to be clipped into the gamut."""

    rgb_HW3: npt.NDArray[np.uint8]
    clipped_share: float


@dataclass(frozen=True)
class Look:
    """How a network is used: None means its own default.

    `pipeline` is `ours` (aspect ratio kept, short side at `working_px`) or `published` (squashed to 256 x 256, as the
    released PyTorch code does).  `bf16` computes in bfloat16: twice as fast where the processor has it.  `saturation`
    multiplies the colours that the network means: 1 leaves them.
    """

    temperature: float | None = None
    working_px: int | None = None
    pipeline: Literal["ours", "published"] = "ours"
    bf16: bool = True
    saturation: float | None = None

    def __post_init__(self) -> None:
        if self.saturation is not None and not 0.0 <= self.saturation <= MAX_SATURATION:
            raise ValueError(f"saturation: expected 0 to {MAX_SATURATION:g}, got {self.saturation:g}")


def to_lab(rgb_HW3: npt.NDArray[np.uint8]) -> Tensor:
    """8-bit sRGB to Lab, (1, 3, H, W) float32."""
    rgb = torch.from_numpy(np.array(rgb_HW3)).permute(2, 0, 1)[None]
    return rgb_to_lab(rgb.float() / 255.0)


def from_lab(L_B1HW: Tensor, ab_B2HW: Tensor) -> Rendered:
    """L and ab of one image to 8-bit sRGB, rounded (not truncated) and clipped channel by channel."""
    unclipped = lab_to_rgb_unclipped(torch.cat((L_B1HW, ab_B2HW), dim=1))
    outside = ((unclipped < -_GAMUT_SLACK) | (unclipped > 1 + _GAMUT_SLACK)).any(dim=1)
    return Rendered(_levels(unclipped), float(outside.float().mean()))


def _levels(rgb_13HW: Tensor) -> npt.NDArray[np.uint8]:
    levels = rgb_13HW.clamp(0, 1).mul_(255.0).round_().to(torch.uint8)
    return levels[0].permute(1, 2, 0).contiguous().numpy()


def working_size(height: int, width: int, working_px: int) -> tuple[int, int]:
    """Height and width with the short side at `working_px`, the long one at most eight times that."""
    scale = working_px / min(height, width)
    longest = _LONGEST_SQUARES * working_px
    return min(longest, max(1, round(height * scale))), min(longest, max(1, round(width * scale)))


@torch.inference_mode()
def predict_ab(
    model: Colorizer, L_B1HW: Tensor, *, working_px: int, temperature: float | None = None, bf16: bool = False
) -> Tensor:
    """ab for L at its own size; the network sees L with its short side at `working_px`.

    A network trained on small pictures colours best at the size it knows, and colour needs far less detail than
    lightness, so ab is upsampled (bilinear) to the full size.
    """
    height, width = L_B1HW.shape[-2:]
    small = working_size(height, width, working_px)
    L_small = F.interpolate(L_B1HW, size=small, mode="bilinear", align_corners=False, antialias=True)
    ab = predict_batch(model, L_small, Look(temperature=temperature, bf16=bf16))
    return ab if small == (height, width) else F.interpolate(ab, size=(height, width), mode="bilinear")


@torch.inference_mode()
def predict_batch(model: Colorizer, L_B1hw: Tensor, look: Look) -> Tensor:
    """ab of a batch at its own size, (B, 2, h, w) float32 on the CPU, computed where the network is."""
    device = next(model.parameters(), torch.empty(0)).device  # another backend's network has no parameters here
    with torch.autocast(device.type, torch.bfloat16, enabled=look.bf16):
        L = L_B1hw.to(device).contiguous(memory_format=torch.channels_last)
        ab = model.predict_ab(L, temperature=look.temperature)
    # The network has multiplied by its own saturation already.
    factor = 1.0 if look.saturation is None else look.saturation / model.saturation
    return ab.float().cpu() * factor


def srgb_tag() -> PngImagePlugin.PngInfo:
    """What tells every viewer that a PNG is sRGB."""
    tag = PngImagePlugin.PngInfo()
    tag.add(b"sRGB", b"\x00")  # rendering intent: perceptual
    return tag


def lightness_for(rgb_HW3: npt.NDArray[np.uint8], look: Look, model: Colorizer) -> Tensor:
    """The L that the network is to see of a photograph, (1, 1, h, w)."""
    height, width = rgb_HW3.shape[:2]
    if look.pipeline == "published":
        squashed = Image.fromarray(rgb_HW3).resize((PUBLISHED_PX, PUBLISHED_PX), Image.Resampling.BICUBIC)
        return lightness_of_levels(np.asarray(squashed))
    side = look.working_px or model.working_px
    small_h, small_w = working_size(height, width, side)
    # Pillow shrinks before the Lab conversion, so a 24-megapixel photograph costs the network nothing extra.
    image = Image.fromarray(rgb_HW3)
    if small_h < height or small_w < width:
        image = image.resize((min(small_w, width), min(small_h, height)), Image.Resampling.BOX)
    L = lightness_of_levels(np.asarray(image))
    if L.shape[-2:] == (small_h, small_w):
        return L
    return F.interpolate(L, size=(small_h, small_w), mode="bilinear", align_corners=False, antialias=True)


def paint(rgb_HW3: npt.NDArray[np.uint8], ab_12hw: Tensor) -> Image.Image:
    """The photograph in its own lightness and these colours, upsampled to its size; band by band."""
    height, width = rgb_HW3.shape[:2]
    out = np.empty_like(rgb_HW3)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        L_band = lightness_of_levels(rgb_HW3[top:bottom])
        lab = torch.cat((L_band, _rows_of(ab_12hw, top, bottom, height, width)), dim=1)
        out[top:bottom] = _levels(lab_to_rgb_unclipped(lab))
    return Image.fromarray(out)


@torch.inference_mode()
def colorize(
    image: Image.Image | Path | str | bytes,
    model: Colorizer | str = "truehue-lite",
    *,
    temperature: float | None = None,
    working_px: int | None = None,
    pipeline: Literal["ours", "published"] = "ours",
    bf16: bool = True,
    saturation: float | None = None,
    hints: Sequence[Hint] = (),
) -> Image.Image:
    """Colour a photograph at its own size; its lightness is kept, any colour it had is ignored.

    `image` is a PIL image, a path or a file's bytes; `model` a loaded one or a name; `hints` are colours at points of
    the upright photograph, for a model that takes them; the rest is explained at `Look`.  Raises PhotoError for what
    cannot be read, HintError for hints that do not fit.
    """
    if isinstance(model, str):
        from colorizer.checkpoints import load_model

        model = load_model(model)
    if isinstance(image, bytes):
        image = open_photo(image)
    elif isinstance(image, str | Path):
        image = open_photo(Path(image), str(image))
    rgb_HW3 = np.asarray(image.convert("RGB"))
    if hints:
        model = HintedColorizer(model, hints, image.size)
    look = Look(temperature, working_px, pipeline, bf16, saturation)
    return paint(rgb_HW3, predict_batch(model, lightness_for(rgb_HW3, look, model), look))


def _rows_of(ab_B2hw: Tensor, top: int, bottom: int, height: int, width: int) -> Tensor:
    """Rows `top`…`bottom` of ab upsampled to (height, width), as F.interpolate would give them, without the rest."""
    if ab_B2hw.shape[-2:] == (height, width):
        return ab_B2hw[:, :, top:bottom]
    small_h = ab_B2hw.shape[-2]
    place = ((torch.arange(top, bottom) + 0.5) * (small_h / height) - 0.5).clamp(0, small_h - 1)
    low = place.floor().long()
    high = (low + 1).clamp_max(small_h - 1)
    part = (place - low).view(1, 1, -1, 1)
    rows = ab_B2hw[:, :, low] * (1 - part) + ab_B2hw[:, :, high] * part
    return F.interpolate(rows, size=(bottom - top, width), mode="bilinear", align_corners=False)
