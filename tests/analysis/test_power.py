"""Power by simulation, and both commands around a study, as their user runs them."""

import json
import math

import pytest

from analysis.cli import main
from analysis.power import Plan, advise, limit_point, power_curves, simulate_point

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
