"""The variance of a share when trials share participants and photographs.

Trials of one person resemble one another, and so do trials on one photograph; a formula that takes them for
independent gives intervals that are much too short.  The two-way cluster-robust variance (Cameron, Gelbach and
Miller 2011, doi:10.1198/jbes.2010.07136) adds the variance between participants to the variance between images
and takes away what both contain.

Shape suffixes: n trials, G clusters, S simulated data sets that share one layout (leading axes are free).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
# A string, because pandas can subscript Series only for the type checker.
Labels: TypeAlias = "npt.ArrayLike | pd.Series[Any]"


@dataclass(frozen=True)
class Clustering:
    """Which of G clusters each of n trials belongs to, stored so that sums per cluster are one pass."""

    codes_n: Integers
    order_n: Integers
    starts: Integers

    @property
    def n_clusters(self) -> int:
        """Number of different clusters, G."""
        return len(self.starts)

    @property
    def mean_size(self) -> float:
        """Mean number of trials in a cluster."""
        return len(self.order_n) / self.n_clusters

    def sums(self, values_Sn: Floats) -> Floats:
        """Sum values (..., n) within clusters; returns (..., G)."""
        return np.add.reduceat(values_Sn[..., self.order_n], self.starts, axis=-1)


@dataclass(frozen=True)
class Layout:
    """Who saw what: the clusterings of n trials by participant, by image and by participant × image cell."""

    participants: Clustering
    images: Clustering
    cells: Clustering


@dataclass(frozen=True)
class TwoWayVariance:
    """The parts of the two-way variance, each of shape (...).

    `sum` is V_P + V_I − V_PI, which can fall below its parts and even below zero; `total` is floored by them, and is
    what intervals use.
    """

    by_participant: Floats
    by_image: Floats
    by_cell: Floats

    @property
    def sum(self) -> Floats:
        """V_P + V_I − V_PI: Cameron, Gelbach and Miller 2011, equation 2.8."""
        return self.by_participant + self.by_image - self.by_cell

    @property
    def total(self) -> Floats:
        """max(V_P + V_I − V_PI, V_P, V_I)."""
        return np.maximum(self.sum, np.maximum(self.by_participant, self.by_image))


def cluster(labels: Labels) -> Clustering:
    """Group n labels of any hashable kind; a missing label is refused."""
    # A Series is taken as it is: turning its texts into Python's would cost more than everything else here.
    codes_n = pd.factorize(labels if isinstance(labels, pd.Series) else np.asarray(labels))[0].astype(np.int64)
    if len(codes_n) == 0:
        raise ValueError("cluster labels: expected at least one trial, got none; pass one label per trial")
    if codes_n.min() < 0:
        raise ValueError(
            f"cluster labels: expected one label per trial, got {int((codes_n < 0).sum())} missing; "
            "drop those trials or name them"
        )
    order_n = np.argsort(codes_n, kind="stable")
    starts = np.searchsorted(codes_n[order_n], np.arange(codes_n.max() + 1))
    return Clustering(codes_n, order_n, starts)


def cross(participant: Labels, image: Labels) -> Layout:
    """Lay out n trials by participant and by image, two arrays of n labels."""
    participants, images = cluster(participant), cluster(image)
    if len(participants.codes_n) != len(images.codes_n):
        raise ValueError(
            f"expected as many participants as images, one per trial, got {len(participants.codes_n)} "
            f"and {len(images.codes_n)}; pass columns of one table"
        )
    cells = cluster(participants.codes_n * images.n_clusters + images.codes_n)
    return Layout(participants, images, cells)


def one_way_variance(influence_Sn: Floats, clusters: Clustering) -> Floats:
    """Cluster-robust variance of an estimate from the influence (..., n) of its trials; returns (...).

    V = G/(G−1) · Σ_g (Σ_{t in g} influence_t)², with influence_t = (y_t − p)/n for a share p: the formula of
    statistics.md, Σ_g (y_g − p n_g)²/n² · G/(G−1), known as HC1 without the model's own correction
    (Liang and Zeger 1986; R: sandwich::vcovCL(cadjust = TRUE)).  One cluster has no variance: refused.
    """
    if clusters.n_clusters < 2:
        raise ValueError("cluster variance: expected at least 2 clusters, got 1; use the other clustering, or Wilson")
    correction = clusters.n_clusters / (clusters.n_clusters - 1)
    return np.asarray(correction * np.sum(clusters.sums(influence_Sn) ** 2, axis=-1))


def two_way_variance(influence_Sn: Floats, layout: Layout) -> TwoWayVariance:
    """Two-way cluster-robust variance from the influence (..., n) of the trials; each part has shape (...)."""
    return TwoWayVariance(
        by_participant=one_way_variance(influence_Sn, layout.participants),
        by_image=one_way_variance(influence_Sn, layout.images),
        by_cell=one_way_variance(influence_Sn, layout.cells),
    )
