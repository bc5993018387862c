"""Pseudoisochromatic plates, drawn anew for every session: a digit of dots that differ along one confusion line.

Two colours that lie on a line through a dichromat's copunctal point in the chromaticity diagram look the same to that
dichromat. Figure and ground are such colours on either side of grey, and every dot's luminance is multiplied by a
number of its own, so that brightness tells nothing. On unknown displays that is a screen, never a diagnosis.

Colours here are linear sRGB in [0, 1] and CIE 1931 XYZ with Y = 1 for the display's white (IEC 61966-2-1).
"""

import io
import math
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from study.dice import Dice

# Copunctal points (x, y) of the Smith-Pokorny fundamentals: Wyszecki and Stiles (1982), Color Science, section 8.2.
COPUNCTAL = {"protan": (0.7465, 0.2535), "deutan": (1.4, -0.4), "tritan": (0.1748, 0.0)}
LINES = tuple(COPUNCTAL)
CONTROL = "control"
DIGITS = "2347"  # a few missing dots make 5, 6, 8, 9 another digit, and a 1 is a stroke that chance draws
SIZE_PX = 360
OVERSAMPLING = 2
PAPER = (243, 243, 243)
WHITE_XYZ = (0.9505, 1.0, 1.089)
LUMINANCE = 0.3
NOISE = 0.35
"""Each dot's luminance is multiplied by a number in 1 ± this."""
STRENGTH = 0.95
"""Share of the largest difference that sRGB can show along the line."""
RADII_PX = (8.5, 7.5, 6.5, 5.5, 4.5, 3.8, 3.2)
TRIES = 900
_TO_RGB = (
    (3.2404542, -1.5371385, -0.4985314),
    (-0.969266, 1.8760108, 0.041556),
    (0.0556434, -0.2040259, 1.0572252),
)
Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Plate:
    """One plate: its digit, and which dichromat cannot read it (or `control`: everybody can)."""

    number: int
    line: str
    digit: str


def deal(key: bytes, session_id: str, n_plates: int) -> tuple[Plate, ...]:
    """Give a session's plates: `n_plates` in equal parts of the three lines and one control, in random order.

    A pure function of its arguments; nobody without the key can tell the digits.
    """
    dice = Dice("plates", key.hex(), session_id)
    lines = [LINES[i % len(LINES)] for i in range(n_plates)] + [CONTROL]
    dice.shuffle(lines)
    return tuple(Plate(number, line, dice.choice(DIGITS)) for number, line in enumerate(lines, start=1))


def linear_rgb(xyz: Triple) -> Triple:
    """Convert XYZ to linear sRGB, not clipped."""
    r, g, b = (sum(m * v for m, v in zip(row, xyz, strict=True)) for row in _TO_RGB)
    return r, g, b


def colours(line: str) -> tuple[Triple, Triple]:
    """Give a line's two colours, as XYZ: grey, moved as far as sRGB allows to the copunctal point and away."""
    base = tuple(LUMINANCE * v for v in WHITE_XYZ)
    if line == CONTROL:  # the same hue, of luminances that the noise cannot mix up
        return tuple(0.25 * v for v in base), tuple(1.9 * v for v in base)  # type: ignore[return-value]
    x, y = COPUNCTAL[line]
    direction = (x, y, 1 - x - y)

    def moved(step: float) -> Triple:
        a, b, c = (v + step * d for v, d in zip(base, direction, strict=True))
        return a, b, c

    def fits(step: float) -> bool:
        ends = (channel for sign in (1, -1) for channel in linear_rgb(moved(sign * step)))
        return all(0.0 <= channel <= 1 / (1 + NOISE) for channel in ends)

    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return moved(STRENGTH * low), moved(-STRENGTH * low)


def draw(key: bytes, session_id: str, plate: Plate) -> bytes:
    """Draw a plate as PNG, tagged with nothing: its pixels are sRGB, as a page's are."""
    dice = Dice("plate", key.hex(), session_id, plate.number)
    figure, ground = colours(plate.line)
    if plate.line != CONTROL and dice.random() < 0.5:
        figure, ground = ground, figure
    noise = 0.2 if plate.line == CONTROL else NOISE
    inside = _digit(plate.digit, dice)
    size = SIZE_PX * OVERSAMPLING
    picture = Image.new("RGB", (size, size), PAPER)
    pen = ImageDraw.Draw(picture)
    for x, y, radius in _dots(dice):
        xyz = figure if inside.getpixel((int(x), int(y))) else ground
        gain = 1 + noise * (2 * dice.random() - 1)
        rgb = tuple(_code(gain * channel) for channel in linear_rgb(xyz))
        box = [OVERSAMPLING * v for v in (x - radius, y - radius, x + radius, y + radius)]
        pen.ellipse(box, fill=rgb)
    out = io.BytesIO()
    picture.reduce(OVERSAMPLING).save(out, "PNG")
    return out.getvalue()


def _digit(digit: str, dice: Dice) -> Image.Image:
    """Give the digit's shape, large and a little turned; 1 inside."""
    mask = Image.new("1", (SIZE_PX, SIZE_PX), 0)
    font = ImageFont.load_default(size=0.8 * SIZE_PX)
    shift = [SIZE_PX / 2 + 12 * (2 * dice.random() - 1) for _ in range(2)]
    ImageDraw.Draw(mask).text((shift[0], shift[1]), digit, fill=1, font=font, anchor="mm", stroke_width=6)
    return mask.rotate(12 * (2 * dice.random() - 1))


def _dots(dice: Dice) -> list[tuple[float, float, float]]:
    """Throw dots into the disc, large ones first, none upon another: x, y, radius in pixels.

    They know nothing of the digit, so that no gap traces it.
    """
    cell = 2 * RADII_PX[0] + 2
    grid: dict[tuple[int, int], list[tuple[float, float, float]]] = {}
    dots: list[tuple[float, float, float]] = []
    middle, disc = SIZE_PX / 2, SIZE_PX / 2 - 4
    for radius in RADII_PX:
        for _ in range(TRIES):
            angle, away = 2 * math.pi * dice.random(), (disc - radius) * math.sqrt(dice.random())
            x, y = middle + away * math.cos(angle), middle + away * math.sin(angle)
            column, row = int(x // cell), int(y // cell)
            near = (d for i in (-1, 0, 1) for j in (-1, 0, 1) for d in grid.get((column + i, row + j), ()))
            if all((x - a) ** 2 + (y - b) ** 2 > (radius + r + 1) ** 2 for a, b, r in near):
                dots.append((x, y, radius))
                grid.setdefault((column, row), []).append(dots[-1])
    return dots


def _code(channel: float) -> int:
    """Encode one linear channel as eight bits."""
    value = min(1.0, max(0.0, channel))
    return round(255 * (12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055))
