"""The experiments' arithmetic, and that their page says what their results hold."""

import json
from pathlib import Path

import numpy as np
import pytest

from tools.experiment_pages import draw, table
from tools.experiments import VARIANTS, Scores, compared

RESULTS = Path("docs/results/experiments.json")


def made(rng: np.random.Generator, n: int, lift: float) -> Scores:
    """Photographs whose raw AuC is `lift` above a common part, some rare in what their colours weigh."""
    raw = rng.uniform(0.7, 0.9, n) + lift
    mass = rng.exponential(1.0, n)
    colour = np.full(n, 40.0)
    return Scores(raw, (0.5 + lift) * mass, mass, np.full(n, 21.0), 0.75 * colour, colour)


def test_a_difference_is_taken_on_the_same_photographs() -> None:
    """A lift of .01 is found with an interval of no width, though photographs differ by far more than that."""
    base, better = (made(np.random.default_rng(0), 60, lift) for lift in (0.0, 0.01))
    found = compared(better, base)
    for metric in ("auc_raw", "auc_rebalanced"):
        assert found[metric]["difference"] == pytest.approx([0.01, 0.01, 0.01])
    assert found["auc_rebalanced"]["mean"] == pytest.approx(0.51)
    assert found["colourfulness_ratio"]["mean"] == pytest.approx(0.75)
    other = compared(made(np.random.default_rng(1), 60, 0.0), base)["auc_raw"]["difference"]
    assert other[1] < other[0] < other[2]
    assert other[2] - other[1] > 0.02


def test_names_of_experiments_are_their_own() -> None:
    """Two of one name would share a row."""
    names = [v.name for v in VARIANTS]
    assert len(set(names)) == len(names)


def test_the_page_and_the_figure_are_drawn_from_the_results(tmp_path: Path) -> None:
    """docs/results/experiments.md is what its results say, and the figure shows each run."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert RESULTS.with_suffix(".md").read_text(encoding="utf-8") == table(results)
    draw(results, tmp_path / "experiments.svg")
    drawn = (tmp_path / "experiments.svg").read_text(encoding="utf-8")
    assert all(f">{run['name']}<" in drawn for run in results["runs"])
