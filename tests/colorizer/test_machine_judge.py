"""The machine judge finds what there is to find, and nothing where there is nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import norm

from colorizer.cli import main
from colorizer.machine_judge import blur_chroma, judge

from .conftest import make_photo


def said_real(scores: np.ndarray) -> float:
    return float((scores > 0).mean())


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_the_error_of_the_best_judge_comes_back(shift: float) -> None:
    """Two Gaussians that differ by `shift` standard deviations in one feature: the best rule errs with Φ(-shift/2)."""
    rng = np.random.default_rng(1)
    n = 2000
    real, fake = rng.normal(size=(n, 6)), rng.normal(size=(n, 6))
    fake[:, 2] += shift
    found = judge(real, fake, np.arange(n), folds=5, seed=0)
    assert said_real(found.fake_N) == pytest.approx(norm.cdf(-shift / 2), abs=0.05 if shift == 0 else 0.03)
    assert said_real(found.real_N) == pytest.approx(norm.cdf(shift / 2), abs=0.05 if shift == 0 else 0.03)


def test_a_photograph_and_its_near_duplicates_are_judged_by_those_who_saw_neither() -> None:
    """What only one motif has cannot help: with copies divided over the folds it would."""
    rng = np.random.default_rng(2)
    motifs = rng.normal(size=(60, 200))
    group = np.repeat(np.arange(60), 4)
    side = np.repeat(rng.choice([-1.0, 1.0], size=60), 4)  # per motif, which of its versions is called real
    real, fake = motifs[group] * side[:, None], -motifs[group] * side[:, None]
    kept = judge(real, fake, group, folds=10, seed=0)
    divided = judge(real, fake, np.arange(240), folds=10, seed=0)
    assert said_real(divided.real_N) > 0.95
    assert 0.3 < said_real(kept.real_N) < 0.7


def test_both_versions_have_the_same_chroma_grain() -> None:
    """Blurred colours keep their mean and L, and lose what is finer than an 8th of 64 pixels' grid allows."""
    lab = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 50
    blurred = blur_chroma(lab)
    torch.testing.assert_close(blurred[:, :1], lab[:, :1])
    assert blurred[:, 1:].std() < 0.6 * lab[:, 1:].std()
    assert blurred[:, 1:].mean() == pytest.approx(float(lab[:, 1:].mean()), abs=0.2)


def test_the_command_judges_and_says_that_it_is_a_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Originals against themselves are ½ each; grey pictures are found; too few photographs are refused."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(24):
        make_photo(seed, size=(64, 64)).save(folder / f"{seed}.png")
    out = tmp_path / "judge.json"
    arguments = ["machine-judge", "--data", str(folder), "--model", "gray", "real", "--size", "48", "--json", str(out)]
    assert main([*arguments, "--folds", "4", "--repeats", "2"]) == 0
    told = json.loads(out.read_text())
    assert told["models"]["real"]["machine_fool_rate"] == {"mean": 0.5, "ci_low": 0.5, "ci_high": 0.5}
    gray = told["models"]["gray"]["machine_fool_rate"]
    assert gray["ci_low"] <= gray["mean"] <= gray["ci_high"]
    assert gray["mean"] < 0.2
    assert "not an estimate of a fool rate" in capsys.readouterr().out
    assert main([*arguments[:-2], "--limit", "20", "--folds", "21"]) == 2
    assert "expected 2 to 20 folds, as many as there are different photographs, got 21" in capsys.readouterr().err
    assert main([*arguments, "--limit", "19"]) == 2
    assert "at least 20 photographs" in capsys.readouterr().err
