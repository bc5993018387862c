"""What rendering equalises (the intended L) and what it leaves to the colorizer (clipping, the detail of colour).

Shape suffixes: H height, W width, N patches, P pixels of a patch.
"""

from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from colorizer import pictures, stimuli
from colorizer.render import Rendered, from_lab, to_lab
from tools.proof.leaks.adversary import auc

Map = npt.NDArray[np.float64]
PATCH_PX = 32
STRIDE_PX = 4  # of the probe's view inside a patch
ENERGY = 0.95


@dataclass(frozen=True)
class Condition:
    """What tells a condition from real by lightness, and how fine its colours are; means over pictures."""

    condition: str
    n_pictures: int
    intended_L_max_difference: float
    """Largest |ΔL| between the L that went into the fake and into the real picture; 0 by design."""
    intended_L_probe_auc: float
    rendered_L_probe_auc: float
    """A linear probe on L after 8-bit rounding and gamut clipping; what it finds belongs to the colorizer."""
    rendered_L_mean_difference: float
    """Mean |ΔL| to the intended L after rendering."""
    rendered_L_mean_difference_unclipped: float
    """The same over pixels whose colour fits sRGB: rounding alone."""
    gamut_clipped_share: float
    chroma_bandwidth_cycles: float
    """Cycles per picture below which 95 % of the energy of a and b lies, the mean left out."""


def audit(real: Path, models: list[str], *, n: int | None = None, size_px: int = 256) -> list[Condition]:
    """Render photographs as `python -m colorizer stimuli` does, and look at what went in and what came out."""
    taken: list[tuple[Map, Rendered]] = []

    def listening(L_B1HW: Tensor, ab_B2HW: Tensor) -> Rendered:
        rendered = from_lab(L_B1HW, ab_B2HW)
        taken.append((L_B1HW[0, 0].double().numpy().copy(), rendered))
        return rendered

    with TemporaryDirectory() as scratch, mock.patch.object(pictures, "from_lab", listening):
        settings = stimuli.Settings(size_px=size_px, n_requested=n)
        stimuli.render_stimuli(real, models, Path(scratch) / "set", settings, allow_seen=True)
    conditions = ["real", *models]
    assert len(taken) % len(conditions) == 0
    by_condition: dict[str, list[tuple[Map, Rendered]]] = defaultdict(list)
    for index, each in enumerate(taken):  # for every photograph: the original, then each condition
        by_condition[conditions[index % len(conditions)]].append(each)
    return [_describe(name, by_condition[name], by_condition["real"]) for name in conditions]


def _describe(name: str, pictures: list[tuple[Map, Rendered]], real: list[tuple[Map, Rendered]]) -> Condition:
    intended = [L for L, _ in pictures]
    intended_real = [L for L, _ in real]
    shown = [_lab(r) for _, r in pictures]
    shown_real = [_lab(r) for _, r in real]
    differences = [np.abs(lab[0] - L) for lab, L in zip(shown, intended, strict=True)]
    fits = [~_outside(r) for _, r in pictures]
    return Condition(
        condition=name,
        n_pictures=len(pictures),
        intended_L_max_difference=max(float(np.abs(a - b).max()) for a, b in zip(intended, intended_real, strict=True)),
        intended_L_probe_auc=probe(intended, intended_real),
        rendered_L_probe_auc=probe([lab[0] for lab in shown], [lab[0] for lab in shown_real]),
        rendered_L_mean_difference=float(np.mean([d.mean() for d in differences])),
        rendered_L_mean_difference_unclipped=float(
            np.mean([d[fit].mean() for d, fit in zip(differences, fits, strict=True) if fit.any()])
        ),
        gamut_clipped_share=float(np.mean([r.clipped_share for _, r in pictures])),
        chroma_bandwidth_cycles=float(np.mean([bandwidth(lab[1:]) for lab in shown])),
    )


def _lab(rendered: Rendered) -> Map:
    lab: Map = to_lab(rendered.rgb_HW3)[0].double().numpy()
    return lab


def _outside(rendered: Rendered) -> npt.NDArray[np.bool_]:
    """Say which pixels may have been clipped: one channel at either end of its range."""
    edge: npt.NDArray[np.bool_] = ((rendered.rgb_HW3 == 0) | (rendered.rgb_HW3 == 255)).any(axis=2)
    return edge


def probe(fakes: list[Map], reals: list[Map]) -> float:
    """Cross-validate a linear probe on patches of L, photographs kept whole; 0.5 if it finds nothing."""
    rows, labels, groups = [], [], []
    for group, (fake, real) in enumerate(zip(fakes, reals, strict=True)):
        for label, picture in ((True, fake), (False, real)):
            patches_NP = _patches(picture)
            rows.append(patches_NP)
            labels += [label] * len(patches_NP)
            groups += [group] * len(patches_NP)
    x, y, g = np.concatenate(rows), np.array(labels), np.array(groups)
    scores = np.empty(y.size)
    for fit, judge in GroupKFold(min(5, len(fakes))).split(x, y, g):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(x[fit], y[fit])
        scores[judge] = model.predict_proba(x[judge])[:, 1]
    # Equal inputs give equal scores: rounding keeps the last bit of a sum from looking like a rank.
    return auc(scores.round(9), y)


def _patches(picture: Map) -> Map:
    """Cut a picture into squares and describe each by its thinned pixels, its moments and its finest differences."""
    rows = []
    for top in range(0, picture.shape[0] - PATCH_PX + 1, PATCH_PX):
        for left in range(0, picture.shape[1] - PATCH_PX + 1, PATCH_PX):
            patch = picture[top : top + PATCH_PX, left : left + PATCH_PX]
            across, down = np.abs(np.diff(patch, axis=1)).mean(), np.abs(np.diff(patch, axis=0)).mean()
            moments = [patch.mean(), patch.std(), patch.min(), patch.max(), across, down]
            rows.append(np.concatenate((patch[::STRIDE_PX, ::STRIDE_PX].ravel(), moments)))
    return np.array(rows)


def bandwidth(ab_2HW: Map) -> float:
    """Give the radial frequency, in cycles per picture, below which 95 % of the energy of a and b lies."""
    height, width = ab_2HW.shape[-2:]
    centred = ab_2HW - ab_2HW.mean(axis=(1, 2), keepdims=True)
    energy = (np.abs(np.fft.fft2(centred)) ** 2).sum(axis=0)
    cycles = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.fftfreq(width)[None] * width).ravel()
    order = np.argsort(cycles)
    cumulative = np.cumsum(energy.ravel()[order])
    if cumulative[-1] <= 0:
        return 0.0
    return float(cycles[order][np.searchsorted(cumulative, ENERGY * cumulative[-1])])


def as_json(conditions: list[Condition]) -> list[dict[str, Any]]:
    """Round for the results file."""
    return [{k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(c).items()} for c in conditions]
