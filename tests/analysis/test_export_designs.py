"""Exports of single pictures, preferences and staircases: what is computed, said, claimed and drawn."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from analysis import analyse, plots, read_export
from analysis.about import THRESHOLD
from analysis.archive import ExportError
from analysis.claims import claims_of, preference_claim, threshold_claim, yes_no_claim
from analysis.history import History, read_history
from analysis.methods import methods
from analysis.preference import abilities
from analysis.report import write_report
from analysis.sentences import settled
from analysis.terminal import printed

STAIRCASE = {"start_ms": 500, "down_ms": 30, "up_ms": 70, "min_ms": 50, "max_ms": 800}


@pytest.fixture(scope="module")
def folder_of(make_export, rewritten, tmp_path_factory):
    def make(kind, **changes):
        folder = make_export(tmp_path_factory.mktemp(kind) / "export", n_participants=12, n_incomplete=0, n_images=10)
        return rewritten(folder, kind, **changes)

    return make


@pytest.fixture(scope="module")
def pairs(golden):
    return analyse(read_export(golden))


@pytest.fixture(scope="module")
def single(folder_of):
    return analyse(read_export(folder_of("single")))


@pytest.fixture(scope="module")
def preference(folder_of):
    return analyse(read_export(folder_of("preference", simulation={"preference": {"zhang2016 vs regression": 0.66}})))


@pytest.fixture(scope="module")
def staircase(folder_of):
    definition = {"staircase": STAIRCASE, "timing": {"n_masks": 5, "mask_ms": 30}}
    return analyse(
        read_export(folder_of("staircase", definition=definition, simulation={"threshold_ms": {"zhang2016": 300}}))
    )


def test_single_pictures_have_error_rates_and_d_prime(single):
    """Originals count in accuracy and d′, fakes alone in the share judged real; no claim is about a fool rate."""
    trials = single.export.trials
    right = trials["correct"].astype(bool)
    assert single.yes_no.accuracy.fool_rate == pytest.approx(right.mean())
    fakes = trials[trials["condition_a"] != "real"]
    for rate in single.fool_rates:
        mine = fakes[fakes["condition_a"] == rate.condition]
        assert (rate.n_trials, rate.n_fooled) == (len(mine), (mine["response"] == "real").sum())
    said = " ".join(methods(single))
    assert "one picture was shown, a photograph in its own colours or with colours from a colorizer, 1000 ms; " in said
    assert "said whether it was real or fake" in said
    assert "Each photograph was seen once by a participant" in said
    assert "side by side" not in said
    assert "log-linear correction (Hautus, 1995)" in said
    lines = printed(single)
    assert lines[0].startswith("Participants judged ")
    assert lines[1].startswith("d′ = ")
    assert "were judged real" in lines[2]
    (claim,) = claims_of(single)
    assert claim.may_write == "Participants told fakes from originals better than by chance."


def test_preferences_turn_round_and_have_abilities(preference):
    """Whichever stood first, a comparison is counted one way round; nothing is claimed about being fooled."""
    trials = preference.export.trials
    chosen = trials["condition_a"].where(trials["response"] == trials["side_of_a"], trials["condition_b"])
    (rate,) = preference.fool_rates
    first = rate.condition.split(" vs ")[0]
    assert (rate.n_trials, rate.n_fooled) == (len(trials), (chosen == first).sum())
    wins = preference.bradley_terry.win_rates[0, 1]
    assert preference.bradley_terry.systems[0] == "zhang2016"
    assert wins == pytest.approx((chosen == "zhang2016").mean(), abs=1e-9)
    assert preference.differences == ()
    said = " ".join(methods(preference))
    assert "in the colours of two conditions side by side, 1000 ms; participants chose which one looked more" in said
    assert "Sides varied from trial to trial." in said
    assert "The outcome is the share of trials on which the first of two conditions was chosen." in said
    assert "Abilities are from a Bradley–Terry model" in said
    assert "preferred to" in printed(preference)[0]
    (claim,) = claims_of(preference)
    assert "a preference is no fool rate" in claim.may_not_write


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.51, 0.7, "The colours of a were preferred to those of b."),
        (0.3, 0.49, "The colours of b were preferred to those of a."),
        (0.49, 0.6, "do not settle whether a or b is preferred"),
    ],
)
def test_a_preference_is_claimed_where_its_interval_leaves_one_half(preference, low, high, words):
    """For either, or for neither."""
    rate = dataclasses.replace(preference.fool_rates[0], condition="a vs b", ci_low=low, ci_high=high)
    assert words in preference_claim(rate).may_write


def test_staircases_have_thresholds(staircase):
    """Conditions are those of a session's fakes; the level at which people rest, and a curve through all looks."""
    (one,) = staircase.thresholds
    assert one.condition == "regression + zhang2016"
    assert one.n_trials == len(staircase.export.trials) == 120
    assert one.share_correct == pytest.approx(staircase.export.trials["correct"].astype(float).mean())
    assert 150 < one.fit.threshold_ms < 600
    said = " ".join(methods(staircase))
    assert "500 ms at first, 30 ms shorter after a right answer and 70 ms longer after a wrong one, from 50 to" in said
    assert "followed by 5 masks of 30 ms" in said
    assert "mean over blocks of the exposure at which the staircase stood most often" in said
    assert "maximum likelihood from logistic psychometric functions" in said
    bare = dataclasses.replace(
        staircase,
        about=dataclasses.replace(staircase.about, definition={}),
        thresholds=(dataclasses.replace(one, fit=None, fit_note="no curve"),),
    )
    told = " ".join(methods(bare))
    assert ", ? ms at first" in told
    assert "mask" not in told
    assert "maximum likelihood" not in told
    lines = printed(staircase)
    assert "stood most often at" in lines[0]
    assert lines[1].startswith("  note: regression + zhang2016: people were right on")


@pytest.mark.parametrize(
    ("has_fit", "share", "words", "may_not"),
    [
        (True, 0.7, "gave three right answers of four", "… that the fakes"),
        (True, 0.9, "gave three right answers of four", "… that the staircases rested at"),
        (False, 0.9, "was not reached: the staircases had not settled", "… that the staircases rested at"),
        (False, 0.7, "settled at looks of", "… that the fakes"),
    ],
)
def test_a_threshold_that_was_not_reached_is_not_claimed(staircase, has_fit, share, words, may_not):
    """The staircase rests at 70 % right (30 down, 70 up); 90 % means that it never settled."""
    assert staircase.plan.staircase_target == pytest.approx(0.7)
    one = staircase.thresholds[0]
    one = dataclasses.replace(one, share_correct=share, fit=one.fit if has_fit else None)
    claim = threshold_claim(one, staircase.plan.staircase_target)
    assert words in claim.may_write
    assert claim.may_not_write.startswith(may_not)
    assert (settled(one, staircase.plan.staircase_target) == "") == (share == 0.7)
    assert settled(one, None) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"d_low": 0.1, "d_high": 1}, "better than by chance"),
        ({"d_low": -1, "d_high": -0.1}, "called originals fake more often than fakes"),
        ({"d_low": -1, "d_high": 1}, "do not settle"),
        (None, "of the pictures were judged rightly by this participant"),
    ],
)
def test_what_d_prime_allows(single, changes, words):
    """Telling apart, the other way round, nothing settled; one person has no d′ with an interval."""
    sensitivity = None if changes is None else dataclasses.replace(single.yes_no.sensitivity, **changes)
    claim = yes_no_claim(dataclasses.replace(single.yes_no, sensitivity=sensitivity))
    assert words in claim.may_write
    assert ("criterion here" in claim.may_not_write) == (sensitivity is not None)


@pytest.mark.parametrize("design", ["single", "preference", "staircase"])
def test_the_page_holds_what_the_design_has(request, design, tmp_path, no_figures):
    """Each has tables of its own, and no fool rate."""
    results = request.getfixturevalue(design)
    page = write_report(results, tmp_path / "out").read_text()
    tables = {path.stem for path in (tmp_path / "out" / "tables").iterdir()}
    own = {"single": "sensitivity", "preference": "preference", "staircase": "thresholds"}
    assert own[design] in tables
    assert not {own[other] for other in own if other != design} & tables
    assert "fool rate of" not in page
    assert json.loads((tmp_path / "out" / "report.json").read_text())["format"] == "truehue-report/1"


def marks(figure, marker):
    return [line for axes in figure.axes for line in axes.lines if line.get_marker() == marker]


def test_thresholds_are_drawn_with_what_there_is(staircase):
    """A circle for the curve, a square for the mode, a diamond for the truth; the first two only where they are."""
    one = staircase.thresholds[0]
    bare = dataclasses.replace(one, condition="bare", fit=None, hype=None)
    figure = plots.thresholds([one, bare], {"bare": 300.0})
    assert [len(marks(figure, marker)) for marker in "osD"] == [1, 2, 1]
    assert marks(figure, "D")[0].get_xdata()[0] == 300


def test_abilities_are_drawn_with_the_reference_as_a_square(preference):
    """The reference has no error of its own."""
    rows = abilities(preference.bradley_terry)
    figure = plots.abilities(rows)
    assert len(marks(figure, "s")) == 1
    assert len(marks(figure, "o")) == len(rows) - 1


def test_a_forest_without_published_rate_chance_and_target(single):
    """Only what applies is drawn; a simulation's truth is a diamond."""
    rates = single.fool_rates
    bare = plots.forest(rates, (), (), None)
    assert len(bare.axes[0].patches) == 0
    assert len(bare.axes[0].lines) == 2 * len(rates)
    figure = plots.forest(rates, (), (0.1,), None, {rates[0].condition: 0.4}, chance="chance")
    assert len(figure.axes[0].lines) == 2 * len(rates) + 3
    assert marks(figure, "D")[0].get_xdata()[0] == pytest.approx(40)


def test_what_a_definition_leaves_out_is_left_out_of_the_methods(pairs):
    """An export of somebody's own server with an empty definition still has a paragraph, without guesses."""
    results = pairs
    full = " ".join(methods(results))
    assert "The procedure was the preset zhang2016" in full
    assert "1000 ms each with 600 ms between them" in full
    empty = dataclasses.replace(results, about=dataclasses.replace(results.about, definition={}, manifest={}))
    said = " ".join(methods(empty))
    for words in ("preset", "Pictures were", "practice", "feedback followed", "Among them", "between them"):
        assert words not in said
    assert "1000 ms each; participants chose" in said, "from the trials themselves"
    timing = {"timing": {"exposure_ms": 0}, "practice": {"n_trials": 4, "pass_share": 0.75}}
    passed = dataclasses.replace(results, about=dataclasses.replace(results.about, definition=timing))
    said = " ".join(methods(passed))
    assert ", until the answer; participants" in said
    assert "4 practice trials came first" in said
    assert "right on fewer than 75% of either kind there took no further part" in said
    unknown = results.export.trials.assign(exposure_ms_nominal=np.nan)
    export = dataclasses.replace(results.export, trials=unknown)
    assert "shown one after the other; participants chose" in " ".join(
        methods(dataclasses.replace(empty, export=export))
    )


@pytest.mark.parametrize(
    ("record", "said", "unsaid"),
    [
        ({}, "never launched", "Nobody looked"),
        ({"launched_at_utc": "2026-11-20T08:00:00Z"}, "Nobody looked at the answers", "withdrew"),
        (
            {"launched_at_utc": "2026-11-20T08:00:00Z", "preregistration_sha256": "ab" * 32},
            "written down at the launch (2026-11-20; preregistration SHA-256 abababababab…)",
            "never launched",
        ),
    ],
)
def test_the_record_is_told_as_far_as_it_goes(pairs, record, said, unsaid):
    """Not launched, launched without a look, preregistered."""
    results = pairs
    base = {"state": "draft", "version": 1, "unblindings": [], "withdrawals": [], "attrition": []}
    about = dataclasses.replace(results.about, history=read_history({**base, **record}))
    told = " ".join(methods(dataclasses.replace(results, about=about)))
    assert said in told
    assert unsaid not in told
    nothing = dataclasses.replace(results, about=dataclasses.replace(results.about, history=History()))
    assert "launch" not in " ".join(methods(nothing))


def answer(folder, column, value):
    """Change one cell of the first row of trials.csv."""
    trials = pd.read_csv(folder / "trials.csv", dtype=str, na_filter=False)
    trials.loc[0, column] = value
    trials.to_csv(folder / "trials.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("design", "column", "value", "message"),
    [
        ("single", "response", "left", "response: expected real or fake for a single picture, got 'left'"),
        ("single", "said_real", "x", "said_real: expected what the response implies"),
        ("single", "fooled", "", "fooled: expected what the response implies, and empty for originals"),
        ("preference", "side_of_a", "", "side_of_a: expected a value for a pair"),
        ("preference", "fooled", "true", "fooled: expected empty for void, unanswered"),
    ],
)
def test_answers_that_do_not_follow_are_refused(folder_of, design, column, value, message):
    """One changed cell is found in every design."""
    with pytest.raises(ExportError, match=message):
        read_export(answer(folder_of(design), column, value))


def test_the_truth_of_a_staircase_is_in_milliseconds(staircase, preference):
    """A simulation's truth is told in the unit of its outcome."""
    assert staircase.about.outcome is THRESHOLD
    assert staircase.about.truth == {"zhang2016": 300.0}
    assert preference.about.truth == {"zhang2016 vs regression": 0.66}
