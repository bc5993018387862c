"""The staircase settles where it says, by simulation; and what HYPE's wording does instead."""

import math
import random
from types import SimpleNamespace

import pytest

from study.definition import load_preset
from study.definition.schema import Staircase
from study.sessions.state import level_of

HYPE = load_preset("hype-time").staircase
WORDING = Staircase(start_ms=500, min_ms=100, max_ms=1000, down_ms=30, up_ms=10)


def run(rule: Staircase, *, threshold_ms: float, n: int, seed: int, slope: float = 4.0) -> tuple[float, float]:
    """Share of right answers and mean level, after a run-in; P(right) = ½ + ½ expit(slope · ln(t / threshold))."""
    dice = random.Random(seed)
    level, n_right, total, run_in = rule.start_ms, 0, 0.0, 500
    for trial in range(n + run_in):
        p = 0.5 + 0.5 / (1 + math.exp(-slope * math.log(level / threshold_ms)))
        is_correct = dice.random() < p
        if trial >= run_in:
            n_right += is_correct
            total += level
        level = rule.after(level, is_correct=is_correct)
    return n_right / n, total / n


@pytest.mark.parametrize("threshold_ms", [250, 400, 600])
def test_the_shipped_rule_finds_the_75_percent_point(threshold_ms):
    """Wherever the threshold lies: three of four answers are right, at the exposure where that is so."""
    share, level = run(HYPE, threshold_ms=threshold_ms, n=20_000, seed=1)
    assert HYPE.target == 0.75
    assert abs(share - 0.75) < 0.01  # standard error .003, and less: the rule corrects itself
    assert abs(level / threshold_ms - 1) < 0.05


def test_the_papers_wording_runs_into_its_limit():
    """-30 after success, +10 after an error rests at 25 % right, which guessing exceeds: the level falls to 100 ms."""
    share, level = run(WORDING, threshold_ms=400, n=20_000, seed=1)
    assert WORDING.target == 0.25
    assert level < 112
    assert 0.49 < share < 0.53


def test_levels_stay_within_their_limits():
    """And move by one step."""
    assert HYPE.after(500, is_correct=True) == 490
    assert HYPE.after(500, is_correct=False) == 530
    assert HYPE.after(105, is_correct=True) == 100
    assert HYPE.after(990, is_correct=False) == 1000


# Practice, two blocks, nothing after them.
SHOWN = [SimpleNamespace(block=block) for block in (0, 0, 1, 1, 1, 2, 2)]


def row(**changes):
    """An answered test trial at 400 ms, its fake called fake."""
    judged = {"question": "real_or_fake", "control": "", "stimulus_a": "a", "stimulus_b": "", "condition_a": "lite"}
    sides = {"side_of_a": "", "instructed_response": "", "response": "fake", "void_reason": "", "kind": "test"}
    return SimpleNamespace(**{**judged, **sides, "staircase_level_ms": 400, **changes})


@pytest.mark.parametrize(
    ("n_rows", "last", "wanted"),
    [
        (0, None, None),
        (1, row(kind="practice", staircase_level_ms=None), None),
        (2, row(kind="practice", staircase_level_ms=None), 500),
        (3, row(), 390),
        (4, row(response="real"), 430),
        (4, row(condition_a="real"), 430),
        (4, row(condition_a="real", response="real"), 390),
        (4, row(response="", void_reason="hidden"), 400),
        (4, row(kind="catch", control="obvious"), 400),
        (4, row(kind="catch", control="obvious", response="real"), 400),
        (4, row(staircase_level_ms=None), 500),
        (5, row(), 500),
        (6, row(), 390),
        (7, row(), None),
    ],
)
def test_the_level_of_the_next_trial(n_rows, last, wanted):
    """Practice has none, a block begins at 500 ms, answers to tests move it, void and control trials do not."""
    assert level_of(load_preset("hype-time"), SHOWN, n_rows, last) == wanted
    assert level_of(load_preset("hype-infinity"), SHOWN, n_rows, last) is None


def test_without_practice_the_first_trial_begins_a_block():
    hype = load_preset("hype-time")
    assert level_of(hype, SHOWN[2:5], 0, None) == 500
    assert level_of(hype, SHOWN[2:5], 1, row()) == 390
