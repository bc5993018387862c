"""Old photographs: from a toned, faded, scratched scan to a clean lightness.

The method is ours and small on purpose: it must not invent.  Tone goes because only L is kept; fading is undone by a
bounded linear stretch; bright straight scratches and specks are filled from around them.  Dark lines are left
alone, for nothing tells a scratch in the negative from a rope or a wire.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from colorizer.lab import rgb_to_lab

Floats = npt.NDArray[np.float32]

_TONE_BINS = 24
_TONE_RESIDUAL = 5.0  # CIE units: a toned picture's ab is a function of its L up to about this
_GREY_CHROMA = 2.0
_BLACK_L, _WHITE_L = 3.0, 97.0  # where the darkest and lightest half per cent go
_MAX_GAIN = 1.8  # a flatter picture than this is meant to be flat
_OPENING_PX = 7  # nothing wider than this counts as a scratch or a speck
_SCRATCH_STEP = 7.0  # L above both sides
_SCRATCH_LENGTH = 0.2  # of the short side: masts and spars are shorter
_SCRATCH_WIDTH_PX = 5.0
_SPECK_STEP = 14.0
_SPECK_PIXELS = 16
_CALM = 2.5  # mean top-hat around a speck; busier ground may be the picture itself
_LONELY_PX = 28.0


@dataclass(frozen=True)
class Cleaned:
    """A clean lightness (H, W) in [0, 100] and what was done to get it."""

    L_HW: Floats
    tone: str  # "grey", "toned" or "colour"
    black_L: float
    white_L: float
    retouched_share: float


def tone_of(lab_HW3: Floats) -> str:
    """`grey`, `toned` (sepia, cyanotype: ab follows L) or `colour` (it does not)."""
    L, ab = lab_HW3[..., 0].ravel(), lab_HW3[..., 1:].reshape(-1, 2)
    if float(np.hypot(ab[:, 0], ab[:, 1]).mean()) < _GREY_CHROMA:
        return "grey"
    place = np.clip((L / 100.0 * _TONE_BINS).astype(int), 0, _TONE_BINS - 1)
    n = np.maximum(np.bincount(place, minlength=_TONE_BINS), 1)
    means = np.stack([np.bincount(place, ab[:, c], minlength=_TONE_BINS) / n for c in (0, 1)], axis=1)
    residual = float(np.sqrt(((ab - means[place]) ** 2).sum(1).mean()))
    return "toned" if residual < _TONE_RESIDUAL else "colour"


def damage_mask(L_HW: Floats) -> npt.NDArray[np.bool_]:
    """Pixels of bright scratches (long, straight, thin) and of lone bright specks on calm ground."""
    # White top-hat: what is brighter than all around it within a few pixels; the edge of a bright area is not.
    step = L_HW - ndimage.grey_opening(L_HW, size=(_OPENING_PX, _OPENING_PX), mode="nearest")
    spread = 1.25 * ndimage.uniform_filter(step, size=31, mode="nearest")
    mask = np.zeros(L_HW.shape, dtype=bool)
    labels, n = ndimage.label(step > np.maximum(_SCRATCH_STEP, 3.0 * spread), structure=np.ones((3, 3)))
    if n == 0:
        return mask
    places = ndimage.find_objects(labels)
    areas = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    highest = np.asarray(ndimage.maximum(step, labels, np.arange(1, n + 1)))
    spread_at = np.asarray(ndimage.maximum(spread, labels, np.arange(1, n + 1)))
    middles = np.array([[(p.start + p.stop) / 2 for p in place] for place in places])
    is_speck = (areas <= _SPECK_PIXELS) & (highest > _SPECK_STEP) & (spread_at < _CALM)
    speck_tree = cKDTree(middles)
    for i in np.flatnonzero(is_speck):
        # Flecks in company are foliage, foam or gravel.
        if len(speck_tree.query_ball_point(middles[i], _LONELY_PX)) == 1:
            mask[places[i]] |= labels[places[i]] == i + 1
    shortest = max(40.0, _SCRATCH_LENGTH * min(L_HW.shape))
    for i in np.flatnonzero(areas >= shortest):
        part = labels[places[i]] == i + 1
        rows, columns = np.nonzero(part)
        # A straight bar of uniform pixels has sqrt(12) standard deviations per side.
        sides = np.sqrt(12.0 * np.maximum(np.linalg.eigvalsh(np.cov(np.stack((rows, columns)))), 0.0))
        thick, long = float(sides[0]), float(sides[1])
        if long >= shortest and max(thick, areas[i] / long) <= _SCRATCH_WIDTH_PX:
            mask[places[i]] |= part
    return np.asarray(ndimage.binary_dilation(mask, iterations=1)) if mask.any() else mask


def fill(L_HW: Floats, mask_HW: npt.NDArray[np.bool_]) -> Floats:
    """Masked pixels become the weighted mean of the unmasked ones around them."""
    if not mask_HW.any():
        return L_HW
    keep = (~mask_HW).astype(np.float32)
    sigma = 2.0
    weight = ndimage.gaussian_filter(keep, sigma, mode="nearest")
    while float(weight[mask_HW].min()) < 1e-3 and sigma < 64:
        sigma *= 2
        weight = ndimage.gaussian_filter(keep, sigma, mode="nearest")
    smooth = ndimage.gaussian_filter(L_HW * keep, sigma, mode="nearest") / np.maximum(weight, 1e-6)
    return np.where(mask_HW, smooth, L_HW).astype(np.float32)


def clean_lightness(rgb_HW3: npt.NDArray[np.uint8], *, retouch: bool = True) -> Cleaned:
    """8-bit sRGB scan to clean L.  `retouch` fills scratches and specks."""
    import torch

    rgb = torch.from_numpy(np.array(rgb_HW3)).permute(2, 0, 1)[None].float() / 255.0
    lab = rgb_to_lab(rgb)[0].permute(1, 2, 0).numpy()
    tone = tone_of(lab)
    L = lab[..., 0].astype(np.float32)
    mask = damage_mask(L) if retouch else np.zeros(L.shape, dtype=bool)
    L = fill(L, mask)
    black, white = (float(v) for v in np.quantile(L, (0.005, 0.995)))
    gain = min(_MAX_GAIN, max(1.0, (_WHITE_L - _BLACK_L) / max(white - black, 1e-3)))
    if gain > 1.0:
        # Bounded gain: what is left over of the range is shared between both ends.
        middle = (black + white) / 2.0
        target = min(max(middle, _BLACK_L + gain * (white - black) / 2.0), _WHITE_L - gain * (white - black) / 2.0)
        L = np.clip((L - middle) * gain + target, 0.0, 100.0).astype(np.float32)
    return Cleaned(L, tone, black, white, float(mask.mean()))
