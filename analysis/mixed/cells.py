"""Trials counted into cells, the data of the mixed model.

Shape suffixes: n trials, T cells (participant × image × condition), P participants, J image columns, K conditions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cells:
    """k of n in each of T cells.  A cell's image column is its image, or image × condition where those vary apart.

    `person_T` and `column_T` index P participants and J = images × width columns, `condition_T` K conditions.
    """

    person_T: Integers
    column_T: Integers
    condition_T: Integers
    n_T: Floats
    k_T: Floats
    n_people: int
    n_images: int
    n_conditions: int
    width: int

    @property
    def n_columns(self) -> int:
        """Number of image columns, J."""
        return self.n_images * self.width


def count_cells(
    fooled_n: Floats, person_n: Integers, image_n: Integers, condition_n: Integers, *, by_condition: bool
) -> Cells:
    """Count 0/1 outcomes into cells; with `by_condition` each image has one column per condition."""
    n_people, n_images, n_conditions = (int(codes.max()) + 1 for codes in (person_n, image_n, condition_n))
    keys, cell_n = np.unique((person_n * n_images + image_n) * n_conditions + condition_n, return_inverse=True)
    condition_T = keys % n_conditions
    person_T, image_T = np.divmod(keys // n_conditions, n_images)
    width = n_conditions if by_condition else 1
    return Cells(
        person_T=person_T,
        column_T=image_T * width + condition_T if by_condition else image_T,
        condition_T=condition_T,
        n_T=np.bincount(cell_n, minlength=len(keys)).astype(np.float64),
        k_T=np.bincount(cell_n, weights=fooled_n, minlength=len(keys)).astype(np.float64),
        n_people=n_people,
        n_images=n_images,
        n_conditions=n_conditions,
        width=width,
    )
