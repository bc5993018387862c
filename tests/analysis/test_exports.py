"""What an export's own record and its oddities do to a report, and which tables which estimator refuses."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis import (
    analyse,
    bradley_terry,
    confidence_sequence,
    difference,
    fool_rate,
    hype_infinity,
    hype_time,
    mean_rating,
    mixed_model,
    nested_bootstrap,
    pairwise,
    participant_bootstrap,
    psychometric_threshold,
    read_export,
    two_way_bootstrap,
    yes_no,
)
from analysis.archive import ExportError
from analysis.claims import versus_2016
from analysis.cli import main
from analysis.compare import Difference
from analysis.designs import kind_of
from analysis.exclusions import select
from analysis.findings import found_in_export
from analysis.history import read_history
from analysis.methods import methods
from analysis.plan import Plan
from analysis.report import write_report

RECORD = {
    "state": "running",
    "version": 2,
    "launched_at_utc": "2026-11-20T08:00:00.000Z",
    "preregistration_sha256": "ab" * 32,
    "unblindings": [{"at_utc": "2026-11-21T09:30:00.000Z", "what": "export", "reason": "a screen was broken"}],
    "withdrawals": [{"session_id": "s-gone", "withdrawn_at_utc": "2026-11-21T10:00:00.000Z", "reason": ""}],
    "attrition": [
        {"arm": arm, "n_started": 9, "n_past_practice": 8, "n_complete": 7, "n_unqualified": 1, "n_withdrawn": 1}
        for arm in ("zhang2016", "regression")
    ],
}


@pytest.fixture(scope="module")
def export(golden):
    return read_export(golden)


def changed(export, table, row, **values):
    """The export with some cells of a row changed, as if the file had held them."""
    frame = getattr(export, table).copy()
    for name, value in values.items():
        frame.loc[frame.index[row], name] = value
    return replace(export, **{table: frame})


def findings(export):
    found = found_in_export(export, select(export.sessions, export.trials, Plan()))
    return {one.name: one for one in found}


def test_the_record_is_in_provenance_exclusions_and_methods(export_dir, tmp_path, no_figures):
    """Looks at the answers, preregistration and withdrawals are in the page, with times and reasons."""
    path = export_dir / "study.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **RECORD}))
    results = analyse(read_export(export_dir))
    assert results.about.history == read_history(RECORD)
    told = " ".join(methods(results))
    assert "launch (2026-11-20; preregistration SHA-256 abababababab…)" in told
    assert "looked at 1 time while the study ran (2026-11-21, a screen was broken)" in told
    assert "1 session withdrew consent, and the data were deleted." in told
    assert main(["report", str(export_dir), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    for text in (
        "2026-11-21T09:30:00.000Z: export (a screen was broken)",
        "ab" * 32,
        "running, version 2",
        "<code>s-gone</code>, 2026-11-21",
        "intervals and p-values take the end of the study as fixed beforehand",
    ):
        assert text in page
    arms = pd.read_csv(tmp_path / "out" / "tables" / "attrition.csv")
    assert arms["n_complete"].tolist() == [7, 7]
    assert "looked at the answers 1 time" in (tmp_path / "out" / "summary.html").read_text()


def test_an_older_export_has_no_record(export):
    """Without the fields nothing is claimed about looks or preregistration."""
    history = read_history(export.study)
    assert not history.is_known
    assert history.provenance() == {}
    assert "looked at" not in " ".join(methods(analyse(export)))


DEVIATIONS = [
    {"key": "catch.n_instructed", "preset": 3, "study": 0, "reason": "the paper reports no attention checks"},
    {"key": "timing.exposure_ms", "preset": 1000, "study": 500, "reason": ""},
]


def test_deviations_stand_in_the_page_with_their_reasons(export_dir, tmp_path, no_figures):
    """Every key that differs from the preset is listed unasked: both values and the definition's own reason."""
    path = export_dir / "study.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "deviations": DEVIATIONS}))
    results = analyse(read_export(export_dir))
    assert "catch.n_instructed (0 instead of 3: the paper reports no attention checks)" in " ".join(methods(results))
    page = write_report(results, tmp_path / "out").read_text()
    section = page[page.index('<section id="deviations">') :]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", section)[1:3]]
    assert rows == [
        ["<code>catch.n_instructed</code>", "3", "0", "the paper reports no attention checks"],
        ["<code>timing.exposure_ms</code>", "1000", "500", "none given"],
    ]
    assert "deviates from its preset in 2 keys" in (tmp_path / "out" / "summary.html").read_text()


def test_people_in_two_arms(export):
    """Somebody with a session in each arm of a between design is named; in a within design nobody is."""
    complete = export.sessions.index[export.sessions["status"] == "complete"]
    person = export.sessions.loc[complete[0], "participant_id"]
    sessions = export.sessions.assign(arm="zhang2016")
    sessions.loc[complete[1], ["participant_id", "arm"]] = [person, "regression"]
    definition = {**export.definition, "conditions": {"assignment": "between"}}
    twice = replace(export, sessions=sessions, study={**export.study, "definition": definition})
    assert findings(twice)["two_arms"].examples == (person,)
    assert findings(twice)["repeated_participant"].n == 1
    within = {**definition, "conditions": {"assignment": "within"}}
    assert "two_arms" not in findings(replace(twice, study={**export.study, "definition": within}))


def test_clocks_that_go_backwards(export):
    """Trials answered before they were shown, and shown before the trial that precedes them, are named by line."""
    assert not {"answered_before_shown", "out_of_order", "ended_before_start"} & findings(export).keys()
    shown = export.trials["shown_at_utc"].iloc[4]
    early = changed(export, "trials", 4, answered_at_utc=shown - pd.Timedelta(seconds=1))
    assert findings(early)["answered_before_shown"].examples == ("line 6",)
    back = changed(export, "trials", 4, shown_at_utc=shown - pd.Timedelta(hours=1))
    assert (findings(back)["out_of_order"].n, findings(back)["out_of_order"].examples) == (1, ("line 6",))


def test_sessions_that_end_before_they_start(export):
    """A session completed before it started is named, and stays in."""
    row = int(np.flatnonzero(export.sessions["status"] == "complete")[0])
    start = export.sessions["started_at_utc"].iloc[row]
    odd = changed(export, "sessions", row, completed_at_utc=start - pd.Timedelta(minutes=1))
    assert findings(odd)["ended_before_start"].examples == (export.sessions["session_id"].iloc[row],)
    assert select(odd.sessions, odd.trials, Plan()).flow == select(export.sessions, export.trials, Plan()).flow


def test_withdrawn_data_that_are_still_there(export):
    """A session listed as withdrawn with trials in the tables is named."""
    session = export.trials["session_id"].iloc[0]
    gone = [{"session_id": session, "withdrawn_at_utc": "2026-11-21T10:00:00.000Z", "reason": ""}]
    study = {**export.study, **RECORD, "withdrawals": gone}
    assert findings(replace(export, study=study))["withdrawn_but_there"].examples == (session,)


LONG = pd.DataFrame(
    {
        "condition": list("aabbaabb"),
        "participant": list("ppppqqqq"),
        "image": list("ijijijij"),
        "fooled": [0, 1, 1, 0, 1, 0, 0, 0],
        "is_fake": [0, 1, 0, 1, 0, 1, 1, 0],
        "judged_real": [0, 1, 1, 0, 1, 0, 1, 0],
    }
)
Y, PEOPLE, IMAGES = LONG["fooled"], LONG["participant"], LONG["image"]
# 18, 16 and 12 of 20 looks right.
RIGHT = [1] * 18 + [0] * 2 + [1] * 16 + [0] * 4 + [1] * 12 + [0] * 8
# Every public estimator, and the designs whose tables it is for.
ESTIMATORS = {
    "fool_rate": ("pair", lambda d: fool_rate(Y, PEOPLE, IMAGES, design=d)),
    "difference": ("pair single rating", lambda d: difference(LONG, "a", "b", design=d)),
    "pairwise": ("pair single rating", lambda d: pairwise(LONG, ["a", "b"], design=d)),
    "mixed_model": ("pair single preference", lambda d: mixed_model(Y, PEOPLE, IMAGES, design=d)),
    "participant_bootstrap": (
        "pair single preference",
        lambda d: participant_bootstrap(Y, PEOPLE, n_draws=10, design=d),
    ),
    "two_way_bootstrap": (
        "pair single preference",
        lambda d: two_way_bootstrap(Y, PEOPLE, IMAGES, n_draws=10, design=d),
    ),
    "nested_bootstrap": ("pair single preference", lambda d: nested_bootstrap(Y, PEOPLE, n_draws=10, design=d)),
    "confidence_sequence": ("pair", lambda d: confidence_sequence([0.1, 0.2], design=d)),
    "yes_no": ("single", lambda d: yes_no(LONG, design=d)),
    "hype_infinity": ("single", lambda d: hype_infinity(Y, LONG["is_fake"], PEOPLE, n_draws=10, design=d)),
    "hype_time": ("staircase", lambda d: hype_time([100, 110, 100, 90], list("ppqq"), n_draws=10, design=d)),
    "psychometric_threshold": (
        "staircase",
        lambda d: psychometric_threshold(RIGHT, [300] * 20 + [200] * 20 + [100] * 20, list("pq") * 30, design=d),
    ),
    "bradley_terry": ("preference", lambda d: bradley_terry(list("aabb"), list("bbaa"), [1, 0, 1, 0], design=d)),
    "mean_rating": ("rating", lambda d: mean_rating(Y, PEOPLE, IMAGES, design=d)),
}
# What is public and estimates nothing from a table's trials.
OTHERS = {"read_export", "read_table", "make_mapping", "analyse", "analyse_table", "write_report"}
DESIGNS = ("sequential_pair", "simultaneous_pair", "single", "staircase", "preference", "rating")


def test_no_public_estimator_is_without_a_design():
    """A function added to the package's public names has its designs stated, and refuses the others."""
    functions = {name for name in analysis.__all__ if not isinstance(getattr(analysis, name), type)}
    assert functions == ESTIMATORS.keys() | OTHERS


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("design", DESIGNS)
def test_every_table_is_refused_by_the_estimators_of_other_designs(name, design):
    """Each estimator takes the designs that are its own, and names what serves the others."""
    mine, estimate = ESTIMATORS[name]
    if design.removeprefix("sequential_").removeprefix("simultaneous_") in mine.split():
        assert estimate(design)
    else:
        with pytest.raises(ValueError, match=r"expected a .* design.*, got '.*'; "):
            estimate(design)


def test_a_table_without_the_columns_is_refused_by_name():
    """A table of other columns gets a sentence, not a KeyError."""
    with pytest.raises(ValueError, match=r"difference: expected the columns condition, .* got none named image"):
        difference(LONG.drop(columns="image"), "a", "b")


def test_mixed_designs_are_refused(export):
    """An export with trials of two designs, or of one that is not known, has no result."""
    test = export.trials[export.trials["kind"] == "test"]
    assert kind_of(test, "x") == "pair"
    half = test["design"].where(np.arange(len(test)) % 2 == 0, "single")
    with pytest.raises(ExportError, match="x: expected the test trials of one design, got pair and single"):
        kind_of(test.assign(design=half), "x")
    with pytest.raises(ExportError, match=r"x: expected a design of .*, got 'triple'"):
        kind_of(test.assign(design="triple"), "x")
    assert kind_of(test.assign(question="natural"), "x") == "preference"
    assert kind_of(test.assign(design="single", staircase_level_ms=100.0), "x") == "staircase"


RATE = fool_rate([0, 1] * 8, list("ppppqqqq") * 2, list("ijklijkl") * 2, condition="new")


@pytest.mark.parametrize(
    ("ends", "reads"),
    [
        ((0.02, 0.1), "fooled more often than"),
        ((-0.1, -0.02), "fooled less often than"),
        ((-0.1, 0.1), "not told apart"),
    ],
)
def test_beside_2016(ends, reads):
    """Against 2016 only a concurrent arm allows a contrast, and its sign follows the order of the names."""
    gap = sum(ends) / 2
    pair = Difference("new", "zhang2016", gap, *ends, 2.0, 9.0, 0.04, 0.05, 0.05)
    turned = Difference("zhang2016", "new", -gap, -ends[1], -ends[0], -2.0, 9.0, 0.04, 0.05, 0.05)
    for one in (pair, turned):
        told = versus_2016(RATE, ("zhang2016",), (one,))
        assert told.has_concurrent_arm
        assert reads in told.may_write
        assert f"difference {100 * gap:.1f} points".replace("-", "−").replace("−0.0", "0.0") in told.may_write
    alone = versus_2016(RATE, (), ())
    assert not alone.has_concurrent_arm
    assert "It takes a zhang2016 arm" in alone.may_not_write
    itself = versus_2016(replace(RATE, condition="zhang2016"), ("zhang2016",), (pair,))
    assert "32.3 ± 2.2% was published" in itself.may_write
