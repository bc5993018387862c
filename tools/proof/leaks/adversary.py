"""The adversaries: classifiers, cross-validated with sessions kept whole, judged by a permutation test."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tools.proof.leaks.collect import Watched
from tools.proof.leaks.features import Labels, remembered, table, test_pictures

AUC_BAND = (0.48, 0.52)
P_FLOOR = 0.001
N_FOLDS = 5


@dataclass(frozen=True)
class Verdict:
    """How well one classifier did at one question."""

    adversary: str
    question: str
    classifier: str
    auc: float
    p: float
    """One-sided permutation p: how often labels shuffled within sessions fit the scores as well."""
    n_trials: int

    @property
    def is_chance(self) -> bool:
        """Whether the adversary learned nothing."""
        return self.p > P_FLOOR and AUC_BAND[0] <= self.auc <= AUC_BAND[1]


def classifiers(seed: int) -> dict[str, Any]:
    """Give a linear one, one that finds thresholds and interactions, one that votes."""
    return {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=200, C=0.1)),
        "gradient boosting": HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, random_state=seed),
        "extra trees": ExtraTreesClassifier(n_estimators=60, min_samples_leaf=10, random_state=seed),
    }


def auc(scores: npt.NDArray[np.float64], labels: Labels) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative; ties count half."""
    return float(_auc_of_ranks(_ranks(scores), labels))


def _ranks(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle: npt.NDArray[np.float64] = (ends - (counts - 1) / 2)[inverse]
    return middle


def _auc_of_ranks(ranks: npt.NDArray[np.float64], labels: Labels) -> np.float64:
    n_true = labels.sum()
    n_false = labels.size - n_true
    return np.float64((ranks[labels].sum() - n_true * (n_true + 1) / 2) / (n_true * n_false))


def permutation_p(
    scores: npt.NDArray[np.float64], labels: Labels, sessions: npt.NDArray[np.int64], *, n: int, seed: int
) -> float:
    """Shuffle labels within sessions `n` times and count how often the AUC is as high."""
    dice = np.random.default_rng(seed)
    by_session = np.argsort(sessions, kind="stable")
    labels, sessions, ranks = labels[by_session], sessions[by_session], _ranks(scores)[by_session]
    observed = _auc_of_ranks(ranks, labels)
    n_as_high = 0
    for _ in range(n):
        order = np.lexsort((dice.random(labels.size), sessions))
        n_as_high += bool(_auc_of_ranks(ranks, labels[order]) >= observed)
    return (1 + n_as_high) / (1 + n)


def attack(
    watched: Sequence[Watched], *, n_permutations: int, seed: int = 1, only: Collection[str] = ()
) -> list[Verdict]:
    """Let both adversaries try, with all classifiers or those named."""
    models = {name: model for name, model in classifiers(seed).items() if not only or name in only}
    return [
        *_attack_everything(watched, models, n_permutations, seed),
        *_attack_by_memory(watched, models, n_permutations, seed),
    ]


def _attack_everything(
    watched: Sequence[Watched], models: Mapping[str, Any], n_permutations: int, seed: int
) -> list[Verdict]:
    features, questions, sessions = table(watched)
    verdicts = []
    for question, labels in questions.items():
        for name, model in models.items():
            scores = np.empty(labels.size)
            for fit, judge in GroupKFold(N_FOLDS).split(features, labels, sessions):
                model.fit(features[fit], labels[fit])
                # A difference between folds would tell nothing of a session, which lies in one fold whole.
                raw = model.predict_proba(features[judge])[:, 1]
                scores[judge] = _ranks(raw) / raw.size
            p = permutation_p(scores, labels, sessions, n=n_permutations, seed=seed)
            verdicts.append(Verdict("everything but pixels", question, name, auc(scores, labels), p, labels.size))
    return verdicts


def _attack_by_memory(
    watched: Sequence[Watched], models: Mapping[str, Any], n_permutations: int, seed: int
) -> list[Verdict]:
    """Learn from what practice feedback said of all sessions' pictures, and use it on test trials."""
    features, labels = remembered(watched)
    first, second, is_fake_first, sessions = test_pictures(watched)
    verdicts = []
    for name, model in models.items():
        model.fit(features, labels)
        a, b = (model.predict_proba(pictures)[:, 1] for pictures in (first, second))
        scores = a - b
        p = permutation_p(scores, is_fake_first, sessions, n=n_permutations, seed=seed)
        verdicts.append(
            Verdict(
                "what practice feedback showed",
                "the first picture is the fake",
                name,
                auc(scores, is_fake_first),
                p,
                is_fake_first.size,
            )
        )
    return verdicts
