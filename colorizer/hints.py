"""Hints: points of a photograph whose colour a person gives (Zhang et al. 2017), and simulated ones for training."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorizer.lab import rgb_to_lab
from colorizer.models.base import Colorizer

PATCH_PX = 7  # side of the patch that a point colours, in the network's own pixels: the middle of training's 1 to 9
GEOMETRIC_P = 1 / 8  # of the number of simulated hints (Zhang et al. 2017, section 3.2)
_LARGEST_PATCH_PX = 9
_POINT = re.compile(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*#?([0-9a-fA-F]{6})\s*")


class HintError(ValueError):
    """A hint that cannot be used; the message says what was expected."""


@dataclass(frozen=True)
class Hint:
    """The colour of one point: `x_px`, `y_px` from the photograph's upper left, sRGB levels 0…255."""

    x_px: int
    y_px: int
    rgb: tuple[int, int, int]


def parse_hint(text: str) -> Hint:
    """`x,y,#rrggbb`.  Raises HintError."""
    match = _POINT.fullmatch(text)
    if match is None:
        raise HintError(f"hint: expected x,y,#rrggbb with pixels from the upper left, got {text!r}")
    x, y, colour = match.groups()
    red, green, blue = bytes.fromhex(colour)
    return Hint(int(x), int(y), (red, green, blue))


def read_hints(path: Path) -> list[Hint]:
    """One hint per line, as on the command line; empty lines and lines that begin with `;` are skipped."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HintError(f"{path}: expected a text file of hints, one x,y,#rrggbb per line, got: {error}") from None
    hints = []
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.lstrip().startswith(";"):
            try:
                hints.append(parse_hint(line))
            except HintError as error:
                raise HintError(f"{path}, line {number}: {error}") from None
    return hints


def hint_maps(
    hints: Sequence[Hint], photo_size: tuple[int, int], size: tuple[int, int], *, patch_px: int = PATCH_PX
) -> tuple[Tensor, Tensor]:
    """Hints as what the network takes: ab (1, 2, H, W) in CIE units and mask (1, 1, H, W).

    `photo_size` and `size` are (width, height) of the photograph that the hints count pixels of, and of the maps.  A
    later hint covers an earlier one.  Only a hint's ab is used: lightness is the photograph's.
    """
    photo_width, photo_height = photo_size
    width, height = size
    ab, mask = torch.zeros(1, 2, height, width), torch.zeros(1, 1, height, width)
    for hint in hints:
        if not (0 <= hint.x_px < photo_width and 0 <= hint.y_px < photo_height):
            raise HintError(
                f"hint: ({hint.x_px}, {hint.y_px}) lies outside the photograph of {photo_width} x {photo_height} pixels"
            )
        x, y = (hint.x_px * width) // photo_width, (hint.y_px * height) // photo_height
        top, left = max(0, y - patch_px // 2), max(0, x - patch_px // 2)
        bottom, right = y + patch_px - patch_px // 2, x + patch_px - patch_px // 2
        rgb = torch.tensor(hint.rgb, dtype=torch.float32).view(1, 3, 1, 1) / 255.0
        ab[:, :, top:bottom, left:right] = rgb_to_lab(rgb)[:, 1:]
        mask[:, :, top:bottom, left:right] = 1.0
    return ab, mask


class HintedColorizer(Colorizer):
    """A network that takes hints, together with the hints of one photograph: a colorizer like any other.

    `photo_size` is (width, height) of the upright photograph that the hints count pixels of.
    """

    def __init__(self, model: Colorizer, hints: Sequence[Hint], photo_size: tuple[int, int]) -> None:
        super().__init__()
        if not model.takes_hints:
            raise HintError(f"{model.name} takes no hints; use --model siggraph17")
        hint_maps(hints, photo_size, (8, 8))  # refuses a hint outside before any work
        self.model, self.hints, self.photo_size = model, tuple(hints), photo_size
        self.name, self.multiple, self.working_px = model.name, model.multiple, model.working_px

    def predict_ab(self, L_B1HW: Tensor, *, temperature: float | None = None) -> Tensor:
        """Colours of the photograph whose lightness this is, at any size."""
        height, width = L_B1HW.shape[-2:]
        ab, mask = hint_maps(self.hints, self.photo_size, (width, height))
        steering: dict[str, Any] = {"hint_ab": ab.to(L_B1HW.device), "hint_mask": mask.to(L_B1HW.device)}
        return self.model.predict_ab(L_B1HW, temperature=temperature, **steering)


def simulate_hints(ab_B2HW: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Hints as people may give them, from the true colours: ab (B, 2, H, W) and mask (B, 1, H, W).

    Their number is geometric with p = 1/8 (none at all in one of eight), their place normal round the centre with a
    quarter of the size as standard deviation, their patch 1 to 9 pixels wide with its mean colour (ibid.).
    """
    batch, _, height, width = ab_B2HW.shape
    hints, mask = torch.zeros_like(ab_B2HW), torch.zeros_like(ab_B2HW[:, :1])
    for i in range(batch):
        while float(torch.rand((), generator=draw)) < 1 - GEOMETRIC_P:
            largest = min(_LARGEST_PATCH_PX, height, width)
            side = int(torch.randint(1, largest + 1, (), generator=draw))
            place = []
            for length in (height, width):
                room = length - side
                at = torch.randn((), generator=draw) * (room + 1) / 4 + (room + 1) / 2
                place.append(int(at.clamp(0, room)))
            rows, columns = slice(place[0], place[0] + side), slice(place[1], place[1] + side)
            hints[i, :, rows, columns] = ab_B2HW[i, :, rows, columns].mean((1, 2), keepdim=True)
            mask[i, :, rows, columns] = 1.0
    return hints, mask
