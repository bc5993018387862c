"""Preference: which of two colourings people prefer, as abilities on one scale (Bradley and Terry 1952).

P(a preferred to b) = expit(ability_a − ability_b).  Preference has no fool rate and no chance level of 50 % realism.

Shape suffixes: n comparisons, M systems.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse, special
from scipy.sparse import csgraph

from analysis.clustered import Labels, cross
from analysis.designs import PREFERENCE, refuse_other
from analysis.outcomes import labels_of
from analysis.proportions import LABEL, z_quantile

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BradleyTerry:
    """Abilities on the logit, that of `systems[0]` being 0, with standard errors of the difference from it.

    `win_rates[i, j]` is the fitted probability that i is preferred to j.
    """

    systems: tuple[str, ...]
    abilities: Floats
    se: Floats
    covariance: Floats
    win_rates: Floats
    log_likelihood: float
    deviance: float
    n_comparisons: int
    n_ties: int
    method: str


@dataclass(frozen=True)
class Ability:
    """One system's ability beside the reference's 0, with its interval, and the fitted share preferred to it."""

    system: str
    ability: float
    se: float
    ci_low: float
    ci_high: float
    win_rate: float


def abilities(fit: BradleyTerry, confidence: float = 0.95) -> tuple[Ability, ...]:
    """Abilities with their intervals (normal quantile), the reference first."""
    z = z_quantile(confidence)
    return tuple(
        Ability(name, float(a), float(se), float(a - z * se), float(a + z * se), float(wins))
        for name, a, se, wins in zip(fit.systems, fit.abilities, fit.se, fit.win_rates[:, 0], strict=True)
    )


def bradley_terry(
    system_a: Labels,
    system_b: Labels,
    a_preferred: Labels,
    *,
    participant: Labels | None = None,
    image: Labels | None = None,
    ties: str = "refuse",
    reference: str | None = None,
    design: str = PREFERENCE,
) -> BradleyTerry:
    """Fit abilities to n comparisons: two names each, and 1 (a preferred), 0 (b) or .5 (a tie).

    `ties="half"` counts a tie as half a win for both; otherwise ties are refused.  With `participant` (and `image`)
    standard errors are cluster-robust, one-way or two-way; without, they are the model's and ignore clustering.
    Refuses systems whose abilities have no finite estimate: every system must beat some other and be beaten, all the
    way round (Ford 1957, doi:10.2307/2308513).
    """
    refuse_other("preference", design, PREFERENCE)
    left, right = (np.asarray(pd.Series(np.asarray(x)).astype("string").fillna("")) for x in (system_a, system_b))
    won = np.asarray(pd.to_numeric(pd.Series(np.asarray(a_preferred)), errors="coerce"), dtype=np.float64)
    n = len(won)
    if n == 0 or len(left) != n or len(right) != n:
        raise ValueError(
            f"preference: expected one outcome per pair of systems, got {len(left)}, {len(right)} and {n}; "
            "pass columns of one table"
        )
    if not np.isin(won, (0, 0.5, 1)).all():
        raise ValueError(
            "preference: expected 1, 0 or .5 (a tie) per comparison, got others or NaN; drop unanswered ones"
        )
    if (left == right).any():
        raise ValueError(f"preference: expected two different systems, got {left[left == right][0]!r} against itself")
    n_ties = int((won == 0.5).sum())
    if n_ties and ties != "half":
        raise ValueError(f'preference: got {n_ties} ties of {n}; drop them, or count each as half a win (ties="half")')
    names = sorted(set(left) | set(right))
    if reference is not None and reference not in names:
        raise ValueError(f"preference: expected the reference among {', '.join(names)}, got {reference!r}")
    names = names if reference is None else [reference, *(name for name in names if name != reference)]
    M = len(names)
    place = {name: at for at, name in enumerate(names)}
    a_n, b_n = (np.array([place[name] for name in column]) for column in (left, right))
    _check_connected(a_n, b_n, won, names)
    X_nM = np.zeros((n, M))
    X_nM[np.arange(n), a_n], X_nM[np.arange(n), b_n] = 1, -1
    X = X_nM[:, 1:]
    ability = np.zeros(M - 1)
    for _ in range(100):
        p = special.expit(X @ ability)
        step = np.linalg.solve(X.T @ (X * (p * (1 - p))[:, None]), X.T @ (won - p))
        ability = ability + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-12:
            break
    p = special.expit(X @ ability)
    bread = np.linalg.inv(X.T @ (X * (p * (1 - p))[:, None]))
    covariance, method = _covariance(np.asarray(bread, dtype=np.float64), X * (won - p)[:, None], participant, image)
    log_likelihood = float(special.xlogy(won, p).sum() + special.xlog1py(1 - won, -p).sum())
    full = np.zeros((M, M))
    full[1:, 1:] = covariance
    found = np.concatenate([[0.0], ability])
    return BradleyTerry(
        systems=tuple(names),
        abilities=found,
        se=np.sqrt(np.diag(full)),
        covariance=full,
        win_rates=np.asarray(special.expit(found[:, None] - found)),
        log_likelihood=log_likelihood,
        deviance=_deviance(a_n, b_n, won, p, M),
        n_comparisons=n,
        n_ties=n_ties,
        method=method,
    )


def _check_connected(a_n: npt.NDArray[np.int64], b_n: npt.NDArray[np.int64], won: Floats, names: list[str]) -> None:
    M = len(names)
    winners = np.concatenate([a_n[won > 0], b_n[won < 1]])
    losers = np.concatenate([b_n[won > 0], a_n[won < 1]])
    beats = sparse.csr_array((np.ones(len(winners)), (winners, losers)), shape=(M, M))
    n_islands, island = csgraph.connected_components(beats, directed=True, connection="weak")
    if n_islands > 1:
        apart = ", ".join(name for name, at in zip(names, island, strict=True) if at != island[0])
        raise ValueError(
            f"preference: expected every system to be compared with the others through some chain, but {apart} and "
            f"{names[0]} never meet; their abilities are not on one scale"
        )
    n_strong, strong = csgraph.connected_components(beats, directed=True, connection="strong")
    if n_strong > 1:
        raise ValueError(
            "preference: expected every group of systems to win and to lose against the rest, but "
            f"{_one_sided(strong, winners, losers, names)}; its ability has no finite estimate (separation): report "
            "win rates, or leave it out"
        )


def _one_sided(
    strong: npt.NDArray[np.int32], winners: npt.NDArray[np.int64], losers: npt.NDArray[np.int64], names: list[str]
) -> str:
    for group in np.unique(strong):
        members = ", ".join(name for name, at in zip(names, strong, strict=True) if at == group)
        loses = ((strong[losers] == group) & (strong[winners] != group)).any()
        wins = ((strong[winners] == group) & (strong[losers] != group)).any()
        if not (loses and wins):
            return f"{members} never {'wins' if loses else 'loses'} against them"
    raise AssertionError("of groups that are not one, some group never loses")


def _covariance(bread: Floats, score: Floats, participant: Labels | None, image: Labels | None) -> tuple[Floats, str]:
    def meat(codes: npt.NDArray[np.int64]) -> Floats:
        groups = int(codes.max()) + 1
        sums = np.stack([np.bincount(codes, weights=column, minlength=groups) for column in score.T], axis=1)
        return np.asarray(sums.T @ sums * groups / max(groups - 1, 1))

    n = len(score)
    people, photos = (
        labels_of(x, n, name, "preference") for x, name in ((participant, "participant"), (image, "image"))
    )
    if people is None and photos is None:
        return bread, f"Bradley–Terry ({LABEL})"
    if people is not None and photos is not None:
        cells = cross(people[0], photos[0]).cells.codes_n
        middle = meat(people[0]) + meat(photos[0]) - meat(cells)
        if np.linalg.eigvalsh(middle).min() > 0:
            return bread @ middle @ bread, "Bradley–Terry, standard errors clustered by participant and image"
        middle = max(meat(people[0]), meat(photos[0]), key=np.trace)
        return bread @ middle @ bread, (
            "Bradley–Terry, standard errors clustered by participant or image, whichever is larger "
            "(their two-way sum is not positive here)"
        )
    name = "image" if people is None else "participant"
    found = photos if people is None else people
    assert found is not None
    return bread @ meat(found[0]) @ bread, f"Bradley–Terry, standard errors clustered by {name}"


def _deviance(a_n: npt.NDArray[np.int64], b_n: npt.NDArray[np.int64], won: Floats, p: Floats, M: int) -> float:
    """Twice the log-likelihood that rates of their own per pair would gain."""
    swap = a_n > b_n
    pair = np.where(swap, b_n * M + a_n, a_n * M + b_n)
    y, fitted = np.where(swap, 1 - won, won), np.where(swap, 1 - p, p)
    pairs = np.unique(pair, return_inverse=True)[1]
    n, k = np.bincount(pairs), np.bincount(pairs, weights=y)
    q = np.bincount(pairs, weights=fitted) / n
    gain = special.xlogy(k, k / n / q) + special.xlogy(n - k, (1 - k / n) / (1 - q))
    return float(2 * gain.sum())
