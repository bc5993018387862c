"""The posterior of crossed random effects, factored through the smaller of its two sides.

In the model η = β + σ_P u_p + a_j the Hessian of the joint likelihood couples participants only with image columns:
[[D_P, C], [Cᵀ, D_J]] plus the prior.  Eliminating one side, block by block, leaves a dense Schur complement of the
size of the other, and every entry of the inverse that a gradient needs follows from the inverse of that complement.

Shape suffixes: T cells, P participants, J image columns, B = width of an image's block, m the kept side.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from analysis.mixed.cells import Cells

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Rows of a dense intermediate handled at a time: keeps memory near 100 MB however many participants there are.
CHUNK_ENTRIES = 8_000_000
# Above this share of filled entries a dense product of the coupling beats the sparse one.
DENSE_ABOVE = 0.02
LARGEST_DENSE = 60_000_000


class Pattern:
    """Which participant met which image column, in compressed rows; built once per data set."""

    def __init__(self, cells: Cells) -> None:
        self.shape = (cells.n_people, cells.n_columns)
        keys = cells.person_T * cells.n_columns + cells.column_T
        pairs, self.pair_T = np.unique(keys, return_inverse=True)
        self.is_one_to_one = len(pairs) == len(keys)
        self.person, self.column = np.divmod(pairs, cells.n_columns)
        self.starts = np.searchsorted(self.person, np.arange(cells.n_people + 1))
        entries = self.shape[0] * self.shape[1]
        self.is_dense = len(pairs) > DENSE_ABOVE * entries and entries <= LARGEST_DENSE

    def matrix(self, weight_T: Floats) -> sparse.csr_array:
        """Coupling C (P, J) with the summed weights of the cells of each pair."""
        data = weight_T if self.is_one_to_one else np.bincount(self.pair_T, weights=weight_T)
        return sparse.csr_array((data, self.column, self.starts), shape=self.shape)


@dataclass(frozen=True)
class Posterior:
    """What the Laplace gradient needs of the effects' covariance V = (prior⁻¹ + ZᵀWZ)⁻¹ at the mode.

    `log_det` is log det H of the Hessian for standardized effects (u, z); `leverage_T` the variance of each cell's
    linear predictor.  `person` is the trace of H⁻¹ over u, `image_BB` the sum over images of its blocks for z: in
    standardized effects, because dividing a tiny variance by a tiny prior loses every digit near a boundary.
    """

    log_det: float
    leverage_T: Floats
    person: float
    image_BB: Floats


class Factor:
    """Cholesky factor of I + Lᵀ ZᵀWZ L for effects (σ_P u, z Q½), standardized (u, z); solves and sums its inverse."""

    def __init__(self, pattern: Pattern, cells: Cells, weight_T: Floats, sd_person: float, half_BB: Floats) -> None:
        self.pattern, self.cells, self.sd, self.half_BB = pattern, cells, sd_person, half_BB
        n_images, width = cells.n_images, cells.width
        self.C = pattern.matrix(weight_T)
        self.D_P = np.bincount(cells.person_T, weights=weight_T, minlength=cells.n_people)
        self.D_J = np.bincount(cells.column_T, weights=weight_T, minlength=cells.n_columns)
        self.keeps_images = cells.n_columns <= cells.n_people
        if self.keeps_images:
            self.E_P = 1 + sd_person**2 * self.D_P
            S = -self._gram(self.C, np.asarray(sd_person**2 / self.E_P))
            S[np.diag_indices_from(S)] += self.D_J
            S = self._halved(self._halved(S).T)
            self.log_det_blocks = float(np.log(self.E_P).sum())
        else:
            inner = half_BB @ (self.D_J.reshape(n_images, width, 1) * half_BB)
            inner[:, np.arange(width), np.arange(width)] += 1
            self.blocks_IBB = np.linalg.inv(inner)
            self.M_IBB = half_BB @ self.blocks_IBB @ half_BB
            self.log_det_blocks = float(np.linalg.slogdet(inner)[1].sum())
            S = self._gram_blocks()
            S *= -(sd_person**2)
            S[np.diag_indices_from(S)] += sd_person**2 * self.D_P
        S[np.diag_indices_from(S)] += 1
        self.chol = linalg.cholesky(S, lower=True, overwrite_a=True, check_finite=False)

    def _halved(self, rows: Floats) -> Floats:
        """Multiply the image columns (last axis) by Q½, block by block."""
        if self.cells.width == 1:
            return np.asarray(rows * self.half_BB[0, 0])
        shaped = rows.reshape(*rows.shape[:-1], self.cells.n_images, self.cells.width)
        return np.asarray((shaped @ self.half_BB).reshape(rows.shape))

    def _gram(self, C: sparse.csr_array, scale_P: Floats) -> Floats:
        """Cᵀ diag(scale) C as a dense array (J, J)."""
        root = C.multiply(np.sqrt(scale_P)[:, None]).tocsr()
        if self.pattern.is_dense:
            dense = root.toarray()
            return np.asarray(dense.T @ dense)
        return np.asarray((root.T @ root).toarray())

    def _gram_blocks(self) -> Floats:
        """C M Cᵀ as a dense array (P, P), M the images' blocks."""
        # M = R Rᵀ by blocks, so that the product is one symmetric rank update.
        value, vector = np.linalg.eigh(self.M_IBB)
        root_IBB = vector * np.sqrt(np.maximum(value, 0))[:, None, :]
        if self.cells.width == 1:
            half = self.C.multiply(root_IBB[:, 0, 0][None, :]).tocsr()
        else:
            half = self.C @ sparse.block_diag(list(root_IBB), format="csr")
        if self.pattern.is_dense:
            dense = half.toarray()
            return np.asarray(dense @ dense.T)
        return np.asarray((half @ half.T).toarray())

    def solve(self, right_P: Floats, right_J: Floats) -> tuple[Floats, Floats]:
        """H⁻¹ times standardized right-hand sides; shapes (P,) and (J,)."""
        sd = self.sd
        if self.keeps_images:
            z = right_J - self._halved(self.C.T @ (sd * right_P / self.E_P))
            z = linalg.cho_solve((self.chol, True), z, check_finite=False)
            return (right_P - sd * (self.C @ self._halved(z))) / self.E_P, z
        u = right_P - sd * (self.C @ self._halved(self._block_solve(right_J)))
        u = linalg.cho_solve((self.chol, True), u, check_finite=False)
        return u, self._block_solve(right_J - self._halved(sd * (self.C.T @ u)))

    def _block_solve(self, right_J: Floats) -> Floats:
        shaped = right_J.reshape(-1, self.cells.width, 1)
        return np.asarray((self.blocks_IBB @ shaped).reshape(-1))

    def posterior(self) -> Posterior:
        """Sum up the inverse: see `Posterior`."""
        cells, sd = self.cells, self.sd
        log_det = self.log_det_blocks + 2 * float(np.log(np.diag(self.chol)).sum())
        inverse, _ = linalg.lapack.dpotri(self.chol, lower=1, overwrite_c=0)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        width = cells.width
        pattern = self.pattern
        if self.keeps_images:
            N = self._halved(self._halved(inverse).T)
            CN = _entries(self.C, N, pattern.person, pattern.column)
            weights = self.C.data
            person_P = 1 / self.E_P + (sd / self.E_P) ** 2 * np.bincount(
                pattern.person, weights=weights * CN, minlength=cells.n_people
            )
            cross_pair = -((sd**2 / self.E_P)[pattern.person]) * CN
            column_J = np.diag(N)
            blocks = inverse.reshape(cells.n_images, width, cells.n_images, width)
            image_BB = np.einsum("ibic->bc", blocks)
        else:
            N = sd**2 * inverse
            image = pattern.column // width
            siblings = image[:, None] * width + np.arange(width)
            G = _entries(self.C.T.tocsr(), N, siblings, np.broadcast_to(pattern.person[:, None], siblings.shape))
            own = pattern.column % width
            inner_IBB = np.zeros((cells.n_images, width, width))
            for b in range(width):
                np.add.at(inner_IBB[:, b, :], (image, own), self.C.data * G[:, b])
            V_IBB = self.M_IBB + self.M_IBB @ inner_IBB @ self.M_IBB
            cross_pair = -np.einsum("tb,tb->t", self.M_IBB[image, own], G)
            person_P = np.diag(inverse)
            column_J = np.einsum("ibb->ib", V_IBB).reshape(-1)
            through_IBB = self.blocks_IBB @ self.half_BB
            image_BB = (self.blocks_IBB + through_IBB @ inner_IBB @ through_IBB.transpose(0, 2, 1)).sum(axis=0)
        leverage_T = sd**2 * person_P[cells.person_T] + column_J[cells.column_T] + 2 * cross_pair[pattern.pair_T]
        return Posterior(log_det, leverage_T, float(person_P.sum()), image_BB)


def _entries(left: sparse.csr_array, right: Floats, rows: Integers, columns: Integers) -> Floats:
    """Entries of left @ right at (rows, columns), of any one shape, without holding the whole product."""
    row_t, column_t = rows.reshape(-1), columns.reshape(-1)
    out = np.empty(len(row_t))
    step = max(1, CHUNK_ENTRIES // right.shape[1])
    order = np.argsort(row_t, kind="stable")
    bounds = np.searchsorted(row_t[order], np.arange(0, left.shape[0] + step, step))
    for at, (low, high) in enumerate(pairwise(bounds)):
        here = order[low:high]
        out[here] = (left[at * step : (at + 1) * step] @ right)[row_t[here] - at * step, column_t[here]]
    return out.reshape(rows.shape)
