"""The places of a trial's pictures, and their balance.

A cell is (side of a, order of a) for two pictures one after the other, (side of a, "") for two at once, and ("", "")
twice for a single picture, where the two cells are told apart by whether the original or the fake is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from study.definition import StudyDefinition
from study.dice import Dice

SIDES = ("left", "right")
ORDERS = ("first", "second")
ANSWERS = ("real", "fake")


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """Where and when picture a is shown, or (single picture) which of the two is shown."""

    side: str = ""
    order: str = ""
    truth: str = ""


CELLS = tuple(Cell(side, order) for side in SIDES for order in ORDERS)


def other(value: str, of: Sequence[str]) -> str:
    """Give the other one of two."""
    return of[1] if value == of[0] else of[0]


def opposite(cell: Cell) -> Cell:
    """Give the cell that differs in everything."""
    return Cell(
        side=cell.side and other(cell.side, SIDES),
        order=cell.order and other(cell.order, ORDERS),
        truth=cell.truth and other(cell.truth, ANSWERS),
    )


def cells_of(definition: StudyDefinition) -> tuple[Cell, ...]:
    """Name the cells of a design; each one's opposite is among them."""
    trial = definition.trial
    if trial.design == "single":
        return tuple(Cell(truth=truth) for truth in ANSWERS)
    if trial.design == "simultaneous_pair":
        return tuple(Cell(side=side) for side in SIDES)
    if trial.first_side == "left":
        return tuple(Cell(side, order) for side, order in zip(SIDES, ORDERS, strict=True))
    return CELLS


def pairs_of(dice: Dice, cells: Sequence[Cell]) -> list[Cell]:
    """Order the cells at random such that each is followed by its opposite."""
    left, result = list(cells), list[Cell]()
    dice.shuffle(left)
    while left:
        cell = left.pop()
        left.remove(opposite(cell))
        result += [cell, opposite(cell)]
    return result


def balanced(dice: Dice, cells: Sequence[Cell], n: int) -> list[Cell]:
    """Give `n` cells in random order, each as often as the others.

    What does not divide is filled with opposites, so that sides and orders stay balanced.
    """
    whole, rest = divmod(n, len(cells))
    result = list(cells) * whole + pairs_of(dice, cells)[:rest]
    dice.shuffle(result)
    return result


def rotated(pairs: Sequence[Cell], n: int, *, turn: int, group: int) -> list[Cell]:
    """Give the cells of `n` photographs of the `group`-th condition in the `turn`-th session of a rotation.

    Over as many sessions as there are cells each photograph meets each cell once; in a session each cell occurs as
    often as the next one, sides and orders are balanced, and an odd one out in one condition meets its opposite in
    the next condition.
    """
    start = 2 * (turn // 2 + group // 2)
    result = []
    for number in range(n):
        cell = pairs[(start + number) % len(pairs)]
        result.append(opposite(cell) if (turn + group) % 2 else cell)
    return result
