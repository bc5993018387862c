"""The machine judge: how often a classifier takes a colorizer's pictures for originals.

It answers "real or fake?" for one picture at a time, after it learnt from other photographs.  It screens colorizers
before a study with people and replaces none: what it notices and what a person notices in a second need not agree.

Two things are kept from it that would make every network fail alike, whatever its colours.  Both pictures reach it with
their chroma blurred alike, for networks paint colour at a quarter of the size.  And it sees what a network that knows
ImageNet makes of the pictures, not their colour statistics: with these, or given the two pictures of a pair at once,
a linear classifier is right about 96 to 100 of 100 pairs of the shipped network (docs/log.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from scipy.special import expit
from torch import Tensor
from tqdm import tqdm

from colorizer.judges import EfficientNetLite
from colorizer.motifs import find_motifs
from colorizer.render import from_lab
from colorizer.squares import EvaluationError, Squares, predictor, read_squares

FORMAT = "truehue-machine-judge/1"
NOTE = (
    "A classifier's choices, for screening before a study with people; not an estimate of a fool rate. Figures of "
    "different photographs or settings are not comparable."
)
_CHROMA_SHARE = 8  # ab is averaged over blocks of this share of the side's 256ths: 8 px of 256
_STRENGTHS = (1.0, 10.0, 100.0, 1000.0)  # of the L2 penalty, chosen within the training photographs
_N_BOOTSTRAP = 4000
_LEAST_PHOTOS = 20

Floats = npt.NDArray[np.float64]


def blur_chroma(lab_13HW: Tensor) -> Tensor:
    """L as it is; ab as block means of a 32nd of the short side, upsampled again."""
    height, width = lab_13HW.shape[-2:]
    block = max(1, round(min(height, width) * _CHROMA_SHARE / 256))
    small = (max(1, height // block), max(1, width // block))
    ab = F.interpolate(F.adaptive_avg_pool2d(lab_13HW[:, 1:], small), size=(height, width), mode="bilinear")
    return torch.cat((lab_13HW[:, :1], ab), dim=1)


class Features:
    """What the judge sees of a picture, (F,) float64.

    Means over the picture of EfficientNet-lite0's channels (ImageNet) at strides 8, 16 and 32, and of its last 1,280.
    """

    def __init__(self) -> None:
        self._network = EfficientNetLite()

    @torch.inference_mode()
    def of(self, lab_13HW: Tensor) -> Floats:
        """Features of one picture."""
        lab = blur_chroma(lab_13HW)
        rgb = torch.from_numpy(from_lab(lab[:, :1], lab[:, 1:]).rgb_HW3).permute(2, 0, 1)[None].float() / 255.0
        taps = [tap.mean((2, 3)) for tap in self._network.taps(rgb)[1:]]
        return np.asarray(torch.cat([*taps, self._network.features(rgb)], dim=1)[0].double().numpy())


def fit_judge(real_NF: Floats, fake_NF: Floats, strength: float) -> Floats:
    """Weights (F + 1,) of a score that is above 0 for originals: logistic regression, the last weight for a constant.

    `strength` is of the L2 penalty.
    """
    # An original counts as itself, a fake as its mirror image.
    signed = np.concatenate([_with_constant(real_NF), -_with_constant(fake_NF)])

    def loss(w: Floats) -> tuple[float, Floats]:
        margin = signed @ w
        value = np.logaddexp(0.0, -margin).sum() + 0.5 * strength * (w @ w)
        return float(value), -signed.T @ expit(-margin) + strength * w

    found = minimize(loss, np.zeros(signed.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return np.asarray(found.x)


def _with_constant(features_NF: Floats) -> Floats:
    return np.concatenate([features_NF, np.ones((len(features_NF), 1))], axis=1)


@dataclass(frozen=True)
class Judged:
    """Scores of each photograph's original and fake, (N,), by a judge that saw neither; above 0 is "real"."""

    real_N: Floats
    fake_N: Floats


def judge(real_NF: Floats, fake_NF: Floats, group_N: npt.NDArray[np.int64], *, folds: int, seed: int) -> Judged:
    """Cross-validate: each fold's pictures are judged by what the others' taught.

    Groups (near-duplicates) are never divided, nor are the two pictures of a photograph.  The penalty is chosen by
    three folds within the training photographs.
    """
    rng = np.random.default_rng(seed)
    fold_N = _deal(group_N, folds, rng)
    scores = Judged(np.empty(len(real_NF)), np.empty(len(real_NF)))
    for fold in range(folds):
        test, train = fold_N == fold, fold_N != fold
        both = np.concatenate([real_NF[train], fake_NF[train]])
        scale = both.std(0)
        real, fake = ((x - both.mean(0)) / np.where(scale > 0, scale, 1.0) for x in (real_NF, fake_NF))
        strength = _choose(real[train], fake[train], _deal(group_N[train], 3, rng))
        weights = fit_judge(real[train], fake[train], strength)
        scores.real_N[test] = _with_constant(real[test]) @ weights
        scores.fake_N[test] = _with_constant(fake[test]) @ weights
    return scores


def _choose(real_NF: Floats, fake_NF: Floats, fold_N: npt.NDArray[np.int64]) -> float:
    """The penalty with the fewest wrong answers; the strongest of those that are as good."""
    wrong = dict.fromkeys(_STRENGTHS, 0)
    for strength in _STRENGTHS:
        for fold in range(int(fold_N.max()) + 1):
            test, train = fold_N == fold, fold_N != fold
            weights = fit_judge(real_NF[train], fake_NF[train], strength)
            wrong[strength] += int((_with_constant(real_NF[test]) @ weights <= 0).sum())
            wrong[strength] += int((_with_constant(fake_NF[test]) @ weights > 0).sum())
    return min(_STRENGTHS, key=lambda s: (wrong[s], -s))


def _said_real(score_N: Floats) -> Floats:
    """1 for "real", ½ where the judge knows nothing."""
    return np.where(score_N == 0, 0.5, (score_N > 0).astype(float))


def _deal(group_N: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A fold for each photograph; whole groups, dealt in random order."""
    names, place_N = np.unique(group_N, return_inverse=True)
    fold_of = np.empty(len(names), dtype=np.int64)
    fold_of[rng.permutation(len(names))] = np.arange(len(names)) % n
    return np.asarray(fold_of[place_N])


def machine_fool_rates(
    data: Sequence[Path | str],
    models: Sequence[str],
    *,
    weights: dict[str, str] | None = None,
    size_px: int = 256,
    limit: int | None = None,
    temperature: float | None = None,
    working_px: int | None = None,
    folds: int = 10,
    repeats: int = 5,
    seed: int = 0,
) -> dict[str, Any]:
    """The machine fool rate of each model over the photographs, JSON-ready.

    Each model has a judge of its own, trained and tested by cross-validation (`folds`, dealt anew `repeats` times) on
    these photographs in both versions.  It is the share of fakes that are judged real; a judge that cannot tell has
    ½.  The interval is a 95 % percentile bootstrap over photographs and holds for judges
    trained on as many.  Raises EvaluationError for fewer than 20 photographs and
    for fewer than 2 folds or more than there are groups of near-duplicates.
    """
    squares = read_squares(data, size_px=size_px, limit=limit)
    if len(squares) < _LEAST_PHOTOS:
        raise EvaluationError(
            f"machine-judge: expected at least {_LEAST_PHOTOS} photographs to learn from, got {len(squares)}; add more"
        )
    group_N = find_motifs(squares.photos).group_N
    n_groups = len(set(group_N.tolist()))
    if not 2 <= folds <= n_groups:
        raise EvaluationError(
            f"machine-judge: expected 2 to {n_groups} folds, as many as there are different photographs, got {folds}"
        )
    features = Features()
    original_NF = _features_of("real", squares, features, {}, temperature, working_px, seed)
    rows = {}
    for name in dict.fromkeys(models):
        fake_NF = (
            original_NF
            if name == "real"
            else _features_of(name, squares, features, weights or {}, temperature, working_px, seed)
        )
        judged = [judge(original_NF, fake_NF, group_N, folds=folds, seed=seed + r) for r in range(repeats)]
        rows[name] = {
            "machine_fool_rate": _estimate(np.mean([_said_real(j.fake_N) for j in judged], axis=0), group_N, seed),
            "originals_judged_real": _estimate(np.mean([_said_real(j.real_N) for j in judged], axis=0), group_N, seed),
        }
    return {
        "format": FORMAT,
        "note": NOTE,
        "data": [Path(p).name for p in data],
        "n_images": len(squares),
        "n_groups": n_groups,
        "n_refused": dict(squares.refused),
        "size_px": size_px,
        "temperature": temperature,
        "working_px": working_px,
        "folds": folds,
        "repeats": repeats,
        "seed": seed,
        "chance": 0.5,
        "models": rows,
    }


def _features_of(
    name: str,
    squares: Squares,
    features: Features,
    weights: dict[str, str],
    temperature: float | None,
    working_px: int | None,
    seed: int,
) -> Floats:
    predict = predictor(name, squares, weights=weights, temperature=temperature, working_px=working_px, seed=seed)
    rows = []
    for i in tqdm(range(len(squares)), desc=f"looking at {name}", unit="photo"):
        lab = squares.lab(i)
        rows.append(features.of(torch.cat((lab[:, :1], predict(i, lab)), dim=1)))
    return np.stack(rows)


def _estimate(per_photo_N: Floats, group_N: npt.NDArray[np.int64], seed: int) -> dict[str, float]:
    """Mean with a 95 % percentile bootstrap over groups of photographs."""
    _, place_N = np.unique(group_N, return_inverse=True)
    n = int(place_N.max()) + 1
    total, size = np.bincount(place_N, per_photo_N, n), np.bincount(place_N, minlength=n)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=_N_BOOTSTRAP)
    low, high = np.quantile((draws @ total) / (draws @ size), (0.025, 0.975))
    return {"mean": float(per_photo_N.mean()), "ci_low": float(low), "ci_high": float(high)}


def as_text(result: dict[str, Any]) -> str:
    """The table for a terminal."""
    width = max(len(name) for name in result["models"])
    lines = [f"{'':{width}}  {'machine fool rate [95 % interval over photographs]':50} originals judged real"]
    for name, row in result["models"].items():
        rate, hits = row["machine_fool_rate"], row["originals_judged_real"]
        told = f"{rate['mean']:.3f} [{rate['ci_low']:.3f}, {rate['ci_high']:.3f}]"
        lines.append(f"{name:{width}}  {told:50} {hits['mean']:.3f}")
    lines.append(f"{result['n_images']} photographs of {', '.join(result['data'])}; {result['folds']} folds. {NOTE}")
    return "\n".join(lines)
