"""Every design from the definition to the export, taken by simulated participants whose truth comes back."""

import csv
import itertools
from collections import Counter
from pathlib import Path

import pytest
from conftest import NOW
from pictures import make_set
from sqlalchemy import select

from study.definition import load_preset, parse_definition
from study.export import write_export
from study.models import SessionRow
from study.simulate import Parameters, simulate

pytestmark = pytest.mark.slow  # each simulates a study of its design

HEAD = '[study]\ntitle = "x"\ncontact = "lab@example.org"\n'
SHORT = HEAD + "[practice]\nn_trials = 0\n[catch]\nn_low_anchor = 0\nn_instructed = 0\n"
NO_SPREAD = Parameters(sd_participant=0, sd_image=0, lapse=0.05, seed=4)


@pytest.fixture(scope="module")
def set_of_two(tmp_path_factory):
    """40 photographs in two models, obvious and grey."""
    folder = tmp_path_factory.mktemp("designs") / "set"
    return make_set(folder, n=40, models=("lite", "deep"), n_random=0, controls=("obvious", "gray"), name="designs")


@pytest.fixture
def take(make_study, desk, settings, set_of_two, tmp_path):
    """Simulate a study and give its truth, its rows and its export."""

    def run(text, *, rates, n=30, parameters=NO_SPREAD):
        study = make_study(text, path=set_of_two)
        truth = simulate(desk, study, n_participants=n, rates=rates, parameters=parameters, now=NOW)
        folder = write_export(desk.database, settings.stimuli, study.id, tmp_path / "export", now=NOW)
        return truth, read(folder / "trials.csv"), folder

    return run


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def share(rows, name="fooled", *, value="true"):
    return sum(row[name] == value for row in rows) / len(rows)


def near(rate: float, n: int):
    """Four standard errors."""
    return pytest.approx(rate, abs=4 * (rate * (1 - rate) / n) ** 0.5)


def test_single_pictures(take):
    """Half originals, half fakes, exactly; hits and false alarms are the stated ones, and so is the error rate."""
    text = 'preset = "hype-infinity"\n' + SHORT.replace("n_trials = 0", "n_trials = 0\npass_share = 0")
    text += '[test]\nn_trials = 20\n[conditions]\nmodels = ["lite"]\n'
    truth, rows, folder = take(text, rates={"lite": 0.4}, n=24)
    real = [row for row in rows if row["condition_a"] == "real"]
    fake = [row for row in rows if row["condition_a"] == "lite"]
    assert len(real) == len(fake) == 240
    assert all({row["stimulus_b"], row["side_of_a"], row["order_of_a"]} == {""} for row in rows)
    assert {row["response"] for row in rows} == {"real", "fake"}
    assert {row["fooled"] for row in real} == {""}
    assert share(fake) == near(0.4, 240)
    assert share(real, "response", value="real") == near(truth["hit_rate"], 240)
    assert share(rows, "correct", value="false") == near(truth["error_rate"]["lite"], 480)
    # Each photograph both ways equally often, over the slots.
    ways = Counter((row["image_id"], row["condition_a"]) for row in rows)
    assert set(ways.values()) == {6}
    results = read_by_analysis(folder)
    (judged,) = results.judged
    assert results.fool_rates[0].fool_rate == share(fake)
    assert holds(results.fool_rates[0], 0.4)
    assert holds(judged.yes_no.accuracy_real, truth["hit_rate"])
    assert judged.hype.error_rate == pytest.approx(share(rows, "correct", value="false"))
    assert judged.hype.ci_low < truth["error_rate"]["lite"] < judged.hype.ci_high
    # z(.6) − z(.2), and half of their sum turned over.
    assert judged.yes_no.sensitivity.d_low < 1.095 < judged.yes_no.sensitivity.d_high
    assert judged.yes_no.sensitivity.c_low < 0.294 < judged.yes_no.sensitivity.c_high
    page = written(results, folder)
    assert "Single pictures: accuracy and sensitivity" in page
    assert "What 50% does not mean" not in page


def read_by_analysis(folder):
    """The report's reader accepts the tables, and its estimators those of their design; gives the results."""
    from analysis import analyse, read_export

    export = read_export(folder)
    assert len(export.trials) == len(read(folder / "trials.csv"))
    return analyse(export)


def written(results, folder):
    """Write the report; gives the text of its page."""
    from analysis import write_report

    return " ".join(write_report(results, folder / "report").read_text(encoding="utf-8").split())


def holds(rate, truth):
    """The interval has the truth in it, and is one."""
    return 0 < rate.ci_low <= truth <= rate.ci_high < 1


@pytest.mark.parametrize("assignment", ["between", "within"])
def test_pairs_at_once(take, assignment):
    """Sides balanced exactly per session and condition; photo × condition is a Latin square within sessions."""
    text = 'preset = "simultaneous"\n' + HEAD + "[practice]\nn_trials = 2\n[test]\nn_trials = 16\n"
    text += "[catch]\nn_low_anchor = 0\nn_obvious = 2\nn_same = 2\nn_instructed = 1\nn_spare = 0\n"
    text += f'[conditions]\nassignment = "{assignment}"\n'
    _, rows, folder = take(text, rates={"lite": 0.2, "deep": 0.4, "obvious": 0.04}, n=24)
    test = [row for row in rows if row["kind"] == "test"]
    for name, rate in (("lite", 0.2), ("deep", 0.4)):
        mine = [row for row in test if row["condition_a"] == name]
        assert len(mine) == 192
        assert share(mine) == near(rate, 192)
    for session in {row["session_id"] for row in test}:
        mine = [row for row in test if row["session_id"] == session]
        assert Counter(row["side_of_a"] for row in mine) == {"left": 8, "right": 8}
        counts = Counter(row["condition_a"] for row in mine)
        assert set(counts.values()) == ({16} if assignment == "between" else {8})
        assert len({row["image_id"] for row in mine}) == 16
    used = Counter((row["image_id"], row["condition_a"]) for row in test)
    by_photo = Counter(row["image_id"] for row in test)
    assert all(used[image, "lite"] == used[image, "deep"] for image in by_photo)
    same = [row for row in rows if row["control"] == "same"]
    assert all((row["stimulus_a"], row["condition_a"]) == (row["stimulus_b"], "real") for row in same)
    assert {row["fooled"] + row["correct"] for row in same} == {""}
    assert {row["exposure_ms_nominal"] for row in rows} == {""}
    assert share([row for row in rows if row["control"] == "obvious"]) < 0.12
    results = read_by_analysis(folder)
    for rate, (name, truth) in zip(results.fool_rates, (("lite", 0.2), ("deep", 0.4)), strict=True):
        assert rate.condition == name
        assert rate.fool_rate == share([row for row in test if row["condition_a"] == name])
        assert holds(rate, truth)
    assert results.detail.same_left.n_trials == len(same)
    assert results.detail.obvious_caught.share > 0.88


def test_preferences(take):
    """Two conditions, no original among them, the grey one first; the stated share comes back, without a fool rate."""
    text = 'preset = "preference"\n' + SHORT + '[test]\nn_trials = 20\n[trial]\nreference_condition = "gray"\n'
    text += "[timing]\nreference_ms = 500\n"
    truth, rows, folder = take(text, rates={"lite vs deep": 0.7}, n=16)
    assert truth["fool_rate"] == {}
    assert {(row["condition_a"], row["condition_b"]) for row in rows} == {("lite", "deep")}
    assert all(row["stimulus_reference"] for row in rows)
    chose_a = [row for row in rows if row["chosen_stimulus"] == row["stimulus_a"]]
    assert len(chose_a) / len(rows) == near(truth["preference"]["lite vs deep"], 320)
    assert {row["fooled"] + row["correct"] + row["said_real"] for row in rows} == {""}
    results = read_by_analysis(folder)
    assert results.fool_rates[0].fool_rate == len(chose_a) / len(rows)
    assert holds(results.fool_rates[0], 0.7)
    fit = results.bradley_terry
    assert fit.systems == ("lite", "deep")
    assert fit.win_rates[0, 1] == pytest.approx(len(chose_a) / len(rows))
    assert results.differences == ()
    page = written(results, folder)
    assert "Abilities on one scale" in page
    assert "What 50% does not mean" not in page
    assert "Beside published figures" not in page


def test_a_staircase_with_masks(take):
    """Exposures follow the answers in nominal ms, begin anew in each block, and settle at the stated threshold."""
    text = 'preset = "hype-time"\n' + SHORT.replace("n_trials = 0", "n_trials = 0\npass_share = 0")
    text += "[test]\nn_trials = 40\nn_blocks = 2\n[staircase]\nstart_ms = 300\ndown_ms = 20\nup_ms = 60\n"
    text += '[conditions]\nmodels = ["lite"]\n'
    parameters = Parameters(sd_participant=0, sd_image=0, slope=8, lapse=0.04, seed=2)
    truth, rows, folder = take(text, rates={"lite": 300.0}, n=20, parameters=parameters)
    assert truth["threshold_ms"] == {"lite": 300.0}
    for session in {row["session_id"] for row in rows}:
        mine = [row for row in rows if row["session_id"] == session]
        for before, row in itertools.pairwise(mine):
            level = float(before["staircase_level_ms"])
            moved = level - 20 if before["correct"] == "true" else level + 60
            expected = 300 if before["block"] != row["block"] else min(1000, max(100, moved))
            assert float(row["staircase_level_ms"]) == float(row["exposure_ms_nominal"]) == expected
            assert int(row["frames_a"]) == round(expected * 60 / 1000)
    assert Counter(row["block"] for row in rows) == {"1": 400, "2": 400}
    assert {(row["mask_ms_nominal"], row["mask_frames"]) for row in rows} == {("30", "8")}
    levels = [float(row["staircase_level_ms"]) for row in rows]
    assert share(rows, "correct") == pytest.approx(0.75, abs=0.04)
    assert sum(levels) / len(levels) == pytest.approx(300, rel=0.1)
    results = read_by_analysis(folder)
    (found,) = results.thresholds
    assert results.fool_rates == ()
    assert found.threshold_ms == pytest.approx(300, rel=0.1)
    assert found.median_level_ms == pytest.approx(300, rel=0.1)
    assert found.hype.ci_low_ms < found.threshold_ms < found.hype.ci_high_ms
    assert found.share_correct == pytest.approx(share(rows, "correct"))
    assert results.plan.staircase_target == 0.75
    page = written(results, folder)
    assert "Exposure thresholds" in page
    assert "had not settled" not in page


def test_catch_trials_by_chance_as_published(take):
    """One trial in ten is a catch trial, the left picture always comes first, sides are coins."""
    text = 'preset = "zhang2016-as-published"\n' + HEAD + "[practice]\nn_trials = 2\n"
    text += '[test]\nn_trials = 20\npool_size = 30\n[catch]\nlow_anchor_condition = "obvious"\n'
    _, rows, _ = take(text, rates={"lite": 0.3, "deep": 0.3, "obvious": 0.1}, n=30)
    main = [row for row in rows if row["kind"] != "practice"]
    assert len(main) == 600
    assert share(main, "kind", value="catch") == near(0.1, 600)
    assert {(row["side_of_a"], row["order_of_a"]) for row in rows} == {("left", "first"), ("right", "second")}
    per_session = Counter((row["session_id"], row["side_of_a"]) for row in main)
    assert len(set(per_session.values())) > 3


def test_some_leave(take, desk):
    """The stated share drops out, at a trial of their own, and stays in the export."""
    text = 'preset = "zhang2016"\n' + SHORT + "[test]\nn_trials = 10\n"
    parameters = Parameters(drop_out=0.5, rt_median_ms=2000, rt_sd=0.1, rt_sd_participant=0, seed=1)
    _, rows, folder = take(text, rates={"lite": 0.3, "deep": 0.3}, n=40, parameters=parameters)
    with desk.database.reading() as connection:
        status = Counter(connection.execute(select(SessionRow.status)).scalars())
    assert status["complete"] / 40 == near(0.5, 40)
    lengths = Counter(row["session_id"] for row in rows)
    assert len(set(lengths.values())) > 4
    times = sorted(float(row["rt_ms"]) for row in rows)
    assert 1900 < times[len(times) // 2] < 2100
    import json

    arms = json.loads((folder / "study.json").read_text())["attrition"]
    assert sum(arm["n_started"] for arm in arms) == 40
    assert sum(arm["n_complete"] for arm in arms) == status["complete"]


@pytest.mark.parametrize(("n_right", "status"), [(3, "questionnaire"), (2, "unqualified")])
def test_a_qualification_asks_for_enough_right_answers_on_each_kind(
    make_study, make_participant, set_of_two, n_right, status
):
    """65 % of the fakes and of the originals; who falls short on one kind gets a friendly page and no more trials."""
    text = 'preset = "hype-infinity"\n' + HEAD + "[practice]\nn_trials = 8\nn_spare = 0\nfeedback = false\n[test]\n"
    make_study(text + 'n_trials = 2\n[conditions]\nmodels = ["lite"]\n', path=set_of_two)
    person = make_participant().begin()
    exposure = [{"onset_ms": 0, "offset_ms": 900, "achieved_ms": 900.0, "frames": 54, "dropped_frames": 0}]
    wrong_left = 4 - n_right
    while person.turn["trial"]:
        is_real = person.outstanding.a.condition == "real"
        says_real = is_real
        if person.outstanding.role == "practice" and is_real and wrong_left:
            says_real, wrong_left = False, wrong_left - 1
        report = person.report("left" if says_real else "right", exposures=exposure)
        reply = person.send(report)
        assert reply.status_code == 200, reply.text
        assert person.send(report).data == reply.data
        person.turn = reply.get_json()
    assert person.state.status == status
    page = person.client.get(person.here).text
    assert ("needs a certain number of right answers" in page) == (status == "unqualified")
    assert person.look()["trial"] is None


def test_answers_are_told_where_the_definition_says_so(make_study, make_participant, set_of_two):
    """In the test, too; a report with two exposures of one picture is malformed."""
    text = 'preset = "hype-time"\n' + SHORT.replace("n_trials = 0", "n_trials = 0\npass_share = 0")
    make_study(text + '[test]\nn_trials = 6\n[conditions]\nmodels = ["lite"]\n', path=set_of_two)
    person = make_participant().begin()
    assert person.send(person.report("left")).status_code == 422
    exposure = [{"onset_ms": 0, "offset_ms": 500, "achieved_ms": 500.0, "frames": 30, "dropped_frames": 0}]
    assert person.turn["trial"]["timing"]["exposure_ms"] == 500
    is_real = person.outstanding.a.condition == "real"
    turn = person.answer("left", exposures=exposure, mask_frames=8)
    assert turn["feedback"] == {"correct": is_real}
    assert turn["trial"]["timing"]["exposure_ms"] == (490 if is_real else 530)
    # A reload loses the trial, not the level.
    person.turn = turn
    again = person.reload("another-page")
    assert again["trial"]["timing"]["exposure_ms"] == turn["trial"]["timing"]["exposure_ms"]
    assert [row.void_reason for row in person.rows] == ["", "reloaded"]


PUBLISHED = {
    # design, question, measure, exposure, practice, test, blocks
    "zhang2016": ("sequential_pair", "fake", "fool_rate", 1000, 10, 40, 1),
    "zhang2016-as-published": ("sequential_pair", "fake", "fool_rate", 1000, 10, 40, 1),
    "pix2pix": ("sequential_pair", "fake", "fool_rate", 1000, 10, 40, 1),
    "coltran": ("sequential_pair", "fake", "fool_rate", 1000, 10, 40, 1),
    "palette": ("simultaneous_pair", "real", "fool_rate", 3000, 0, 50, 1),
    "hype-infinity": ("single", "real_or_fake", "error_rate", 0, 100, 100, 1),
    "hype-time": ("single", "real_or_fake", "modal_exposure", 0, 100, 450, 3),
    "preference": ("simultaneous_pair", "natural", "preference", 0, 4, 40, 1),
    "simultaneous": ("simultaneous_pair", "fake", "fool_rate", 0, 10, 40, 1),
}


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_presets_have_the_published_numbers(name):
    """The table of protocols; each names its source, its outcome and its chance level."""
    d = load_preset(name)
    numbers = (d.timing.exposure_ms, d.practice.n_trials, d.test.n_trials, d.test.n_blocks)
    assert (d.trial.design, d.trial.question, d.outcome.measure, *numbers) == PUBLISHED[name]
    assert (d.outcome.chance, d.protocol.name, d.preset) == (0.5, name, name)
    assert len(d.protocol.source) > 20
    assert parse_definition(f'preset = "{name}"\n[timing]\nfeedback_ms = 77').timing.feedback_ms == 77


def test_hype_time_is_hypes():
    """3-2-1 of 500 ms, four masks of 30 ms, 100 to 1,000 ms from 500, 65 % to qualify."""
    d = load_preset("hype-time")
    t, s = d.timing, d.staircase
    assert (t.countdown_from, t.countdown_ms, t.n_masks, t.mask_ms) == (3, 500, 4, 30)
    assert (s.start_ms, s.min_ms, s.max_ms, s.down_ms, s.up_ms) == (500, 100, 1000, 10, 30)
    assert (d.practice.pass_share, d.test.feedback) == (0.65, True)
