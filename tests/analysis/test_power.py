"""Power by simulation, and both commands around a study, as their user runs them."""

import json
import math

import numpy as np
import pytest

from analysis import fool_rate
from analysis.cli import main
from analysis.power import Plan, Point, advise, limit_point, power_curves, sheet_of, simulate_point
from analysis.simulation import Simulator

CONTRAST = Plan("difference", (0.37, 0.32))


@pytest.mark.parametrize(("n_images", "stated"), [(40, 0.27), (1000, 0.78)])
def test_reproduces_the_stated_powers(n_images, stated):
    """37 against 32 % with 100 people an arm and 36 trials each has the power that statistics.md states."""
    point = simulate_point(CONTRAST, "between", 200, n_images, n_studies=600, seed=3)
    # Four errors of ours beside those of a table with two digits.
    assert abs(point.power - stated) < 4 * point.monte_carlo_se + 0.005


@pytest.mark.slow
def test_photographs_limit_and_people_are_not_advised():
    """With 40 photographs no number of people reaches 80 %, so none is advised; with 1,000 a few are enough."""
    points = list(power_curves(CONTRAST, [60, 120], [40, 1000], n_studies=300, seed=1))
    few, many = (
        next(one for one in advise(CONTRAST, points) if one.comparison == "within" and one.n_images == n)
        for n in (40, 1000)
    )
    assert few.n_participants is None
    assert "Add photographs, not participants" in few.sentence
    assert few.limit < 0.5
    assert many.n_participants <= 120
    for n_images in (40, 1000):
        rows = [point for point in points if point.n_images == n_images and point.comparison == "between"]
        limit = rows[-1]
        assert math.isinf(limit.n_participants)
        assert all(row.half_width > limit.half_width for row in rows[:-1])


def test_within_needs_fewer_than_between():
    """The same people's answers to both conditions cancel what people differ by: never less power."""
    plan = Plan("difference", (0.40, 0.32))
    between, within = (simulate_point(plan, layout, 60, 200, n_studies=300) for layout in ("between", "within"))
    assert within.power > between.power + 0.05
    assert within.half_width < between.half_width


def test_other_questions():
    """Precision, target and equivalence judge by the report's own interval."""
    precise = simulate_point(Plan("precision", (0.3,), aim=0.05), "single", 150, 400, n_studies=200)
    assert precise.power == (precise.half_width <= 0.05) == 1
    far = simulate_point(Plan("target", (0.3,), aim=0.1), "single", 40, 100, n_studies=200)
    assert far.power > 0.99
    at_margin = limit_point(Plan("equivalence", (0.55,), aim=0.05), "single", 200, n_studies=2000)
    # At the margin 5 % may be declared; four Monte-Carlo errors above.
    assert 0.02 < at_margin.power < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--rates 32 37", "write 32 % as 0.32"),
        ("--rates .3 .3", "nothing to tell apart"),
        ("--rates .3", "expected 2 rate"),
        ("--rates .3 --target .3", "other than the target"),
        ("--rates .5 --equivalence .6", "margin below 0.5"),
        ("--precision .03 --target .1", "expected one question"),
        ("--photos 20", "nobody sees a photograph twice"),
        ("--participants 1", "two or more participants per arm"),
        ("--precision 2", "precision to aim at a number between 0 and 1, got 2.0"),
        ("--trials 1", "two or more trials per participant, got 1"),
        ("--power 80", "the power asked for between 0 and 1, got 80.0"),
        ("--studies 5", "100 or more"),
    ],
)
def test_power_refuses(arguments, message, capsys):
    """What makes no plan is refused in one line with status 2."""
    assert main(["power", *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_power_command_writes_table_figure_and_json(tmp_path, capsys):
    """The command prints rows with cost, advice per layout, and writes the curves."""
    arguments = "power --participants 20 40 --photos 40 --trials 10 --studies 100 --pay 2 --fee .5 --out"
    assert main([*arguments.split(), str(tmp_path / "p")]) == 0
    printed = capsys.readouterr().out
    assert "To tell 37% from 32%" in printed
    assert "between, 40 photographs: the photographs limit" in printed
    assert {path.name for path in (tmp_path / "p").iterdir()} == {"power.svg", "power.png", "power.json"}
    content = json.loads((tmp_path / "p" / "power.json").read_text())
    assert len(content["points"]) == 2 * 3
    assert content["cost_per_participant"] == 3


def test_with_infinitely_many_people_photographs_alone_decide():
    """Half-width and distance are in the photographs' own spread: enough of it is left, or none."""
    precise = [limit_point(Plan("precision", (0.3,), aim=aim), "single", 100, n_studies=200) for aim in (0.02, 0.2)]
    assert [point.power for point in precise] == [0, 1]
    assert 0.02 < precise[0].half_width == precise[1].half_width < 0.2
    far, near = (limit_point(Plan("target", (0.3,), aim=aim), "single", 100, n_studies=400) for aim in (0.1, 0.301))
    assert far.power == 1
    assert near.power < 0.1


def test_a_target_is_asked_with_a_rate_of_its_own_and_answered_as_json(capsys):
    """Without --rates 32 % is asked about; JSON writes no number for what has none."""
    arguments = "power --target .1 --participants 20 --photos 40 --trials 10 --studies 100"
    assert main([*arguments.split(), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["plan"]["rates"] == [0.32]
    assert content["cost_per_participant"] is None
    assert [point["n_participants"] for point in content["points"]] == [20, None]
    assert main(arguments.split()) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("To tell 32% from the declared target of 10%")
    assert "hours of people's time." in printed


def advice(plan, *sizes, limit=1.0):
    """What is advised for 40 photographs by simulated sizes (participants, power) and their limit, layouts alike."""
    rows = [
        Point(comparison, n, 40, power, 0.01, 0.1)
        for comparison in plan.comparisons
        for n, power in ((math.inf, limit), *sizes[::-1])
    ]
    found = advise(plan, rows)
    assert [one.comparison for one in found] == list(plan.comparisons)
    assert {one.n_images for one in found} == {40}
    assert {(one.n_participants, one.limit) for one in found} == {(found[0].n_participants, limit)}
    return found[0]


NORMAL_1, NORMAL_2 = 0.8413447, 0.9772499
ONE = Plan("precision", (0.3,), aim=0.05, asked_power=NORMAL_1)
TWO = Plan("difference", (0.4, 0.3), asked_power=NORMAL_1)


def test_advice_is_read_off_between_two_sizes():
    """Straight in probit against log participants: z = 1 lies half way from (100, z = 0) to (400, z = 2), at 200."""
    found = advice(ONE, (10, 0.02), (100, 0.5), (400, NORMAL_2), limit=0.99)
    assert found.n_participants == 200
    assert found.sentence == "precision, 40 photographs: about 200 participants for 84%"
    found = advice(TWO, (100, 0.5), (401, NORMAL_2))
    assert found.n_participants == 202, "even numbers, two arms; not fewer than 200.2"
    assert found.sentence == "between, 40 photographs: about 202 participants for 84%"
    # Of no and of all studies: as if of one in a thousand, z = -3.0902 and 3.0902.
    z = 3.0902323
    assert advice(TWO, (100, 0.0), (400, 1.0)).n_participants == 2 * math.ceil(100 * 4 ** ((z + 1) / (2 * z)) / 2)


def test_advice_at_the_ends():
    """At most the first size; more than the last one; nobody where photographs limit, and not at the limit itself."""
    first = advice(TWO, (60, NORMAL_1), (120, 0.99))
    assert (first.n_participants, first.sentence) == (60, "between, 40 photographs: at most 60 participants for 84%")
    last = advice(TWO, (60, 0.2), (120, 0.5), limit=NORMAL_1)
    assert last.n_participants is None
    assert last.sentence == (
        "between, 40 photographs: more than 120 participants (50% there, 84% at the photographs' limit); "
        "more photographs may be cheaper"
    )
    none = advice(TWO, (60, 0.2), limit=0.5)
    assert none.n_participants is None
    assert none.sentence == (
        "between, 40 photographs: the photographs limit; even infinitely many participants reach only 50%. "
        "Add photographs, not participants"
    )


def test_curves_are_points_of_one_seed():
    """Each layout and number of photographs: its sizes, then its limit, all from the seed given."""
    plan, sizes = Plan("difference", (0.4, 0.3), n_each=4), {"n_studies": 50, "seed": 5}
    wanted = []
    for comparison in ("between", "within"):
        for n_images in (6, 9):
            wanted += [simulate_point(plan, comparison, n, n_images, **sizes) for n in (8, 12)]
            wanted.append(limit_point(plan, comparison, n_images, **sizes))
    assert list(power_curves(plan, [8, 12], [6, 9], **sizes)) == wanted
    assert simulate_point(plan, "between", 8, 6, n_studies=50, seed=6) != wanted[0]
    assert limit_point(plan, "between", 6, n_studies=50, seed=6) != wanted[2]


@pytest.mark.parametrize("rate", [0.02, 0.4, 0.98])
def test_a_simulated_study_is_judged_by_the_interval_of_a_report(rate):
    """Half-width and verdicts of one study equal those that fool_rate's interval gives, where nobody is fooled too."""
    spreads, seen = Plan("precision", (rate,), aim=0.05, n_each=5).spreads, set()
    for seed in range(6):
        sheet = sheet_of("single", 4, 7, 5, seed)
        y = Simulator(sheet, (rate,), spreads).outcomes(np.random.default_rng([seed, 4, 7]), 1)[0]
        wide, narrow = (
            fool_rate(y, sheet.participant_n, sheet.image_n, confidence=confidence) for confidence in (0.95, 0.9)
        )
        seen.add(wide.n_fooled in {0, 20})
        half = (wide.ci_high - wide.ci_low) / 2
        for question, aim, is_hit in (
            ("precision", half + 1e-6, True),
            ("precision", half - 1e-6, False),
            ("target", wide.ci_low + 1e-6, False),
            ("target", wide.ci_low - 1e-6, True),
            ("target", wide.ci_high - 1e-6, False),
            ("target", wide.ci_high + 1e-6, True),
            ("equivalence", max(0.5 - narrow.ci_low, narrow.ci_high - 0.5) + 1e-6, True),
            ("equivalence", max(0.5 - narrow.ci_low, narrow.ci_high - 0.5) - 1e-6, False),
        ):
            if not 0 < aim < (0.5 if question == "equivalence" else 1):
                continue
            point = simulate_point(Plan(question, (rate,), 5, aim), "single", 4, 7, n_studies=1, seed=seed)
            assert (point.power == 1) == is_hit, (question, seed)
            assert point.half_width == pytest.approx(half, abs=1e-6)
    assert seen == ({True, False} if rate != 0.4 else {False})


def test_the_least_sizes_and_aims_that_are_taken():
    """Two people an arm, two photographs, an aim below 1; one less, or 1 itself, is refused."""
    assert simulate_point(Plan("difference", (0.4, 0.3), 2), "between", 4, 2, n_studies=2).n_participants == 4
    assert simulate_point(Plan("difference", (0.4, 0.3), 2), "within", 2, 2, n_studies=2).n_participants == 2
    for comparison, people, photographs in (("between", 3, 9), ("within", 1, 9), ("within", 9, 1)):
        with pytest.raises(ValueError, match="two or more participants per arm and photographs"):
            simulate_point(Plan("difference", (0.4, 0.3), 2), comparison, people, photographs)
    for aim in (0, 1, 1.5):
        with pytest.raises(ValueError, match="to aim at a number between 0 and 1"):
            Plan("precision", (0.3,), aim=aim)
    for power in (0, 1):
        with pytest.raises(ValueError, match="power asked for between 0 and 1"):
            Plan("precision", (0.3,), aim=0.1, asked_power=power)
    far = limit_point(Plan("difference", (0.6, 0.2)), "between", 60, n_studies=50)
    assert far.power == 1


def test_sequential_command(golden, capsys):
    """The golden export gives an interval per condition, labelled with what it is about; JSON has the course."""
    assert main(["sequential", str(golden)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("SIMULATED")
    assert "these photographs only" in printed
    assert main(["sequential", str(golden), "--json"]) == 0
    conditions = json.loads(capsys.readouterr().out)["conditions"]
    assert [row["condition"] for row in conditions] == ["regression", "zhang2016"]
    for row in conditions:
        assert 0 <= row["ci_low"] <= row["mean"] <= row["ci_high"] <= 1
        assert len(row["course"]["low"]) == row["n_participants"]


def test_sequential_refuses_what_is_no_export(tmp_path, capsys):
    """A missing export is one line and status 2."""
    assert main(["sequential", str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
