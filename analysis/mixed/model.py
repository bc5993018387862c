"""The logistic mixed model y ~ 0 + condition + (1 | participant) + (1 | image) [+ (1 | image:condition)].

Its estimates are those of glmmTMB: Laplace's likelihood, standard errors from the Hessian over fixed effects and
standard deviations together.  With one grouping factor only, adaptive Gauss–Hermite quadrature replaces Laplace.
What to report is the marginal rate E[expit(b + N(0, Σσ²))]; expit(b) alone is nobody's fool rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special
from threadpoolctl import threadpool_limits

from analysis.clustered import Labels
from analysis.designs import PAIR, SHARES, refuse_other
from analysis.mixed.cells import Cells, count_cells
from analysis.mixed.design import Design, read_design
from analysis.mixed.laplace import Laplace
from analysis.mixed.marginal import marginal_rate, marginal_slopes
from analysis.mixed.minimise import Minimum, minimise
from analysis.mixed.quadrature import OneFactor
from analysis.proportions import z_quantile

Floats = npt.NDArray[np.float64]

SMALLEST_SD = 1e-4
# A spread of ten on the logit takes a rate from .007 to .993: clusters are then all or none.
LARGEST_SD = 10.0
LARGEST_KEPT = 12_000
DEFAULT_NODES = 25
FIRST_GUESS = {"sd_participant": 0.5, "sd_image": 0.8, "sd_image:condition": 0.4}


@dataclass(frozen=True)
class MarginalRate:
    """The model's fool rate of one condition for new participants and new images, rates in [0, 1].

    The interval is the delta method's on the logit of the rate, over fixed effect and standard deviations together.
    """

    condition: str
    estimate: float
    se: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class MixedModel:
    """A fitted model.  `terms` names `estimates`, `se` and both sides of `covariance`, conditions first.

    Conditions' estimates are logits for an average participant and image; terms `sd_…` are standard deviations on
    the logit.  A standard deviation of 0 is at the boundary and has no standard error (NaN); so has a condition with
    none or all fooled (estimate ∓infinity).  `log_likelihood` is Laplace's or the quadrature's.
    """

    formula: str
    terms: tuple[str, ...]
    estimates: Floats
    se: Floats
    covariance: Floats
    log_likelihood: float
    marginal: tuple[MarginalRate, ...]
    n_trials: int
    n_participants: int
    n_images: int
    method: str
    is_converged: bool
    warnings: tuple[str, ...] = ()
    confidence: float = 0.95

    def __getitem__(self, term: str) -> float:
        """Return the estimate of a term."""
        if term not in self.terms:
            raise KeyError(f"mixed model: expected one of {', '.join(self.terms)}, got {term!r}")
        return float(self.estimates[self.terms.index(term)])


def mixed_model(
    fooled: Labels,
    participant: Labels | None,
    image: Labels | None,
    condition: Labels | None = None,
    *,
    has_interaction: bool = False,
    confidence: float = 0.95,
    n_nodes: int = DEFAULT_NODES,
    start: MixedModel | None = None,
    design: str = PAIR,
) -> MixedModel:
    """Fit the model to n trials: outcomes 0/1 and one label each per trial.

    `has_interaction` adds (1 | image:condition).  `participant` or `image` may be None (or have one level): one
    grouping factor is left, and `n_nodes` points of adaptive quadrature are used (1 is Laplace).  `start` is an
    earlier fit with the same conditions, to begin from.  Raises ValueError for trials that carry no such model, and for
    a `design` whose outcome is not a share (staircases, ratings).
    """
    refuse_other("mixed model", design, *SHARES)
    z = z_quantile(confidence)
    layout = read_design(fooled, participant, image, condition)
    if has_interaction:
        _check_interaction(layout)
    known = {term: start[term] for term in start.terms} if start else {}
    minimum, sd_names, method = _fit(layout, has_interaction, n_nodes, known)
    K = len(layout.conditions)
    place = minimum.place
    at_bound = np.concatenate([np.zeros(K, bool), place[K:] <= 2 * SMALLEST_SD])
    free = minimum.is_free & ~at_bound & ~np.isnan(np.diag(minimum.hessian))
    covariance = _covariance(minimum.hessian, free)
    is_converged = minimum.is_converged and bool(np.isfinite(covariance[np.ix_(free, free)]).all())
    estimates = np.where(at_bound, 0.0, place)
    warnings = list(layout.warnings)
    for name, sd in zip(sd_names, estimates[K:], strict=True):
        if sd == 0:
            warnings.append(f"{name} is at its boundary, 0: the trials show no spread there beyond chance")
        if sd > LARGEST_SD:
            warnings.append(f"{name} is {sd:.1f}: clusters are nearly all or none fooled (separation); do not use it")
    if not is_converged:
        warnings.append(
            f"not converged: the gradient is {np.abs(minimum.gradient).max():.2g} after {minimum.n_iterations} steps; "
            "do not use it"
        )
    model = MixedModel(
        formula="y ~ 0 + condition"
        + "".join(f" + (1 | {name})" for name in layout.factors)
        + (" + (1 | image:condition)" if has_interaction else ""),
        terms=(*layout.conditions, *sd_names),
        estimates=estimates,
        se=np.sqrt(np.diag(covariance)),
        covariance=covariance,
        log_likelihood=-minimum.value,
        marginal=_marginal(layout.conditions, estimates, covariance, free, z),
        n_trials=layout.n_trials,
        n_participants=layout.n_participants,
        n_images=layout.n_images,
        method=method,
        is_converged=is_converged,
        warnings=tuple(warnings),
        confidence=confidence,
    )
    return _with_infinite(model, layout)


def _covariance(hessian: Floats, free: npt.NDArray[np.bool_]) -> Floats:
    """Inverse Hessian of the free parameters, NaN elsewhere and everywhere if it is not positive definite."""
    covariance = np.full_like(hessian, np.nan)
    inner = hessian[np.ix_(free, free)]
    if np.isfinite(inner).all() and np.linalg.eigvalsh(inner).min() > 0:
        covariance[np.ix_(free, free)] = np.linalg.inv(inner)
    return covariance


def _check_interaction(design: Design) -> None:
    if set(design.factors) != {"participant", "image"}:
        raise ValueError(
            "mixed model: expected several participants and images for (1 | image:condition), got one factor"
        )
    image_n = design.factors["image"]
    pairs = np.unique(image_n * len(design.conditions) + design.condition_n)
    if len(pairs) == len(np.unique(image_n)):
        raise ValueError(
            "mixed model: expected images in more than one condition for (1 | image:condition), got each in one; "
            "fit the model without it"
        )


def _fit(
    design: Design, has_interaction: bool, n_nodes: int, known: dict[str, float]
) -> tuple[Minimum, tuple[str, ...], str]:
    y, condition_n, factors, K = design.fooled_n, design.condition_n, design.factors, len(design.conditions)
    n_each = np.bincount(condition_n).astype(np.float64)
    rate = np.bincount(condition_n, weights=y) / n_each
    sd_names = tuple(f"sd_{name}" for name in factors) + (("sd_image:condition",) if has_interaction else ())
    sds = np.array([max(known.get(name, FIRST_GUESS[name]), 0.05) for name in sd_names])
    # A marginal rate needs a more extreme logit by about √(1 + .35 Σσ²) (Zeger, Liang and Albert 1988).
    beta = special.logit(rate) * math.sqrt(1 + 0.346 * float(sds @ sds))
    beta = np.array([known.get(name, guess) for name, guess in zip(design.conditions, beta, strict=True)])
    first = np.concatenate([beta, sds])
    lower = np.concatenate([np.full(K, -np.inf), np.full(len(sds), SMALLEST_SD)])
    # Many BLAS threads on a busy machine wait for one another: ten times slower than one thread.
    with threadpool_limits(limits=1):
        if len(factors) == 1:
            (groups_n,) = factors.values()
            one = OneFactor(y, groups_n, condition_n, n_nodes)
            curvature = np.diag(np.concatenate([n_each * rate * (1 - rate), [2.0 * len(np.unique(groups_n))]]) / 2)
            method = "Laplace" if n_nodes == 1 else f"adaptive Gauss–Hermite quadrature, {n_nodes} nodes"
            return minimise(one, first, curvature, lower), sd_names, method
        cells = count_cells(y, factors["participant"], factors["image"], condition_n, by_condition=has_interaction)
        _check_size(cells)
        laplace = Laplace(cells, has_interaction=has_interaction)
        laplace(first)
        return minimise(laplace, first, laplace.curvature(first), lower), sd_names, "Laplace"


def _check_size(cells: Cells) -> None:
    if min(cells.n_people, cells.n_columns) > LARGEST_KEPT:
        raise ValueError(
            f"mixed model: expected at most {LARGEST_KEPT:,} participants or image columns on the smaller side, got "
            f"{cells.n_people:,} × {cells.n_columns:,}; use the primary estimator, or fit a sample of the images"
        )


def _marginal(
    conditions: tuple[str, ...], estimates: Floats, covariance: Floats, free: npt.NDArray[np.bool_], z: float
) -> tuple[MarginalRate, ...]:
    K = len(conditions)
    sds = estimates[K:]
    total = float(np.sqrt(sds @ sds))
    rates = []
    for k, name in enumerate(conditions):
        p = float(marginal_rate(estimates[k], total))
        slopes = np.zeros(len(estimates))
        slopes[k], by_sd = marginal_slopes(float(estimates[k]), total)
        slopes[K:] = by_sd * sds / total if total > 0 else 0.0
        variance = float(slopes[free] @ covariance[np.ix_(free, free)] @ slopes[free])
        se = math.sqrt(variance) if variance >= 0 else math.nan
        ends = special.expit(special.logit(p) + np.array([-1, 1]) * z * se / (p * (1 - p)))
        rates.append(MarginalRate(name, p, se, float(ends[0]), float(ends[1])))
    return tuple(rates)


def _with_infinite(model: MixedModel, design: Design) -> MixedModel:
    """Put conditions with none or all fooled back into their places: infinite estimates without standard errors."""
    if not design.infinite:
        return model
    names = tuple(sorted((*design.conditions, *design.infinite)))
    sd_names = model.terms[len(design.conditions) :]
    terms = (*names, *sd_names)
    where = [terms.index(term) for term in model.terms]
    estimates = np.array([design.infinite.get(term, 0.0) for term in terms])
    estimates[where] = model.estimates
    covariance = np.full((len(terms), len(terms)), math.nan)
    covariance[np.ix_(where, where)] = model.covariance
    known = {rate.condition: rate for rate in model.marginal}
    return replace(
        model,
        terms=terms,
        estimates=estimates,
        se=np.sqrt(np.diag(covariance)),
        covariance=covariance,
        marginal=tuple(
            known.get(name) or MarginalRate(name, float(design.infinite[name] > 0), math.nan, math.nan, math.nan)
            for name in names
        ),
    )
