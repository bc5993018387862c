"""Real judgements: 112 people told photographs from pictures by Stable Diffusion (GenGapCHIRA2024, CC BY 4.0).

From github.com/ukuhl/GenGapCHIRA2024.  fixtures/gengap2024.csv.gz is derived from the
images table: participant, item, is_fake, judged_real and vigilance_failed of all 120 people, other columns left out.
"""

import math
from pathlib import Path

import pandas as pd
import pytest

from analysis import analyse_table, make_mapping, read_table
from analysis.cli import main

DATA = Path(__file__).parent / "fixtures" / "gengap2024.csv.gz"
FLAGS = ["--participant", "participant", "--item", "item", "--judged-real", "judged_real", "--is-fake", "is_fake"]
MAPPING = {
    "columns": {name: name for name in ("participant", "item", "judged_real", "is_fake")},
    "rows": {"exclude": ["vigilance_failed"]},
}


@pytest.fixture(scope="module")
def results():
    return analyse_table(read_table(DATA, make_mapping(MAPPING)))


@pytest.mark.slow
def test_the_published_accuracy_is_reproduced(results):
    """112 people without those who failed the attention check: accuracy .8701, as published."""
    accuracy = results.yes_no.accuracy
    assert accuracy.n_participants == 112
    assert accuracy.fool_rate == pytest.approx(0.8701, abs=5e-5)
    (step,) = [step for step in results.flow.steps if step.n_trials]
    assert (step.rule, step.n_sessions, step.n_trials) == ("vigilance_failed", 8, 480)


def test_pooled_trials_look_overwhelming_and_are_not(results):
    """Fakes against originals: χ² p < .0001 over trials, p = .18 with people and pictures as samples."""
    assert results.yes_no.naive_p < 0.0001
    assert results.yes_no.difference.p == pytest.approx(0.18, abs=0.005)


@pytest.mark.slow
def test_the_naive_interval_stands_beside_the_clustered_one(results, tmp_path, no_figures):
    """secondary.csv and the page hold both; the naive one is less than a third as wide."""
    estimates = {one.method.split(",")[0]: one for one in next(iter(results.secondary.values()))}
    naive, primary = estimates["Wilson"], estimates["Wilson at the effective sample size"]
    assert (naive.ci_high - naive.ci_low) * 3 < primary.ci_high - primary.ci_low
    assert "ignores clustering" in naive.estimand
    assert main(["report", str(DATA), *FLAGS, "--exclude", "vigilance_failed", "--out", str(tmp_path / "r")]) == 0
    table = pd.read_csv(tmp_path / "r" / "tables" / "secondary.csv")
    assert table["ci_low"].iloc[0] == pytest.approx(primary.ci_low)
    page = (tmp_path / "r" / "report.html").read_text()
    assert "[83.5, 89.8]" in page
    assert "[86.2, 87.8]" in page
    assert "not chance" in page


@pytest.mark.slow
def test_the_mixed_model_is_glmmtmbs(results):
    """Fakes judged real: −2.5551 (.2603), sds 1.3487 and 1.1380 (glmmTMB 1.1.5 on the same rows)."""
    terms = {term.term: term for term in results.mixed.terms}
    assert terms["fake"].estimate == pytest.approx(-2.5551441, abs=1e-4)
    assert terms["fake"].se == pytest.approx(0.2603183, abs=1e-4)
    assert terms["sd_participant"].estimate == pytest.approx(1.3487232, abs=1e-4)
    assert terms["sd_image"].estimate == pytest.approx(1.1380192, abs=1e-4)
    assert not math.isnan(terms["sd_image"].se)
