"""Simulated participants have the truth that they state."""

import itertools
import shutil

import pytest
from conftest import NOW, SMALL
from sqlalchemy import func, select

from study import sessions
from study.config import read_settings
from study.db import Database, upgrade
from study.definition import parse_definition
from study.export import write_export
from study.models import SessionRow, TrialRow
from study.scoring import score
from study.serving import in_thread
from study.simulate import (
    Parameters,
    SimulationError,
    expit,
    latent_rate,
    observed_rate,
    simulate,
    simulate_over_http,
    solve_intercept,
)
from study.studies import create_study


@pytest.mark.parametrize("rate", [0.03, 0.1, 0.32, 0.5, 0.8])
@pytest.mark.parametrize("parameters", [Parameters(), Parameters(1.5, 2.0, 0.05, 0.6), Parameters(0, 0, 0, 0)])
def test_the_intercept_gives_the_stated_rate(rate, parameters):
    """Solving and integrating are inverse to each other."""
    assert observed_rate(solve_intercept(rate, parameters), parameters) == pytest.approx(rate, abs=1e-9)


def test_the_quadrature_is_exact():
    """Without spread it is expit; with spread .5 is a fixed point; E expit(-1 + Z) is from R: integrate(), 1e-10."""
    assert latent_rate(-1.3, 0.0) == pytest.approx(expit(-1.3), abs=1e-14)
    assert latent_rate(0.0, 2.0) == pytest.approx(0.5, abs=1e-14)
    # independent of the grid: Gauss-Hermite with 200 nodes
    import numpy as np

    nodes, weights = np.polynomial.hermite_e.hermegauss(150)
    for b, sd in ((-1.0, 1.0), (-3.0, 1.1180), (1.0, 2.5)):
        reference = float((weights / (1 + np.exp(-(b + sd * nodes)))).sum() / weights.sum())
        assert latent_rate(b, sd) == pytest.approx(reference, abs=1e-9)


def test_lapses_and_bias_push_the_observed_rate_to_a_half():
    """λ = .10 turns .10 into .14 (protocols: statistics); a bias raises it too."""
    plain = solve_intercept(0.10, Parameters(0, 0))
    assert observed_rate(plain, Parameters(0, 0, lapse=0.10)) == pytest.approx(0.14)
    assert observed_rate(plain, Parameters(0, 0, side_bias=1.0)) > 0.10


@pytest.mark.parametrize(
    ("rates", "parameters", "n", "message"),
    [
        ({"lite": 0.999, "random": 0.1}, Parameters(lapse=0.2), 1, "expected a rate between 0.1000 and 0.9000"),
        ({"lite": 0.0, "random": 0.1}, Parameters(), 1, "expected a rate between"),
        ({"lite": 0.2}, Parameters(), 1, "no rate is stated for random"),
        ({"lite": 0.2, "random": 0.1, "deep": 0.3}, Parameters(), 1, "no condition 'deep'; it has lite, random"),
        ({"lite": 0.2, "random": 0.1}, Parameters(sd_image=-1), 1, "--sd-image: expected 0 to 10"),
        ({"lite": 0.2, "random": 0.1}, Parameters(), 0, "--participants: expected 1 or more"),
    ],
)
def test_an_impossible_truth_is_one_line(desk, study, rates, parameters, n, message):
    """And nothing is written."""
    with pytest.raises(SimulationError) as caught:
        simulate(desk, study, n_participants=n, rates=rates, parameters=parameters, now=NOW)
    assert message in str(caught.value)
    with desk.database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(SessionRow)) == 0


@pytest.mark.slow
def test_the_stated_truth_is_observed(desk, make_study, tmp_path):
    """300 participants with lapses and bias, no spread over photos: the mean is within 4 standard errors."""
    study = make_study()
    parameters = Parameters(sd_participant=0.5, sd_image=0.0, lapse=0.06, side_bias=0.5, seed=3)
    n = 300
    simulate(desk, study, n_participants=n, rates={"lite": 0.3, "random": 0.13}, parameters=parameters, now=NOW)
    with desk.database.reading() as connection:
        rows = connection.execute(select(TrialRow.__table__)).all()
    for condition, rate in (("lite", 0.3), ("random", 0.13)):
        scores = [
            score(row).is_fooled
            for row in rows
            if row.condition_a == condition and row.kind != "practice" and row.control != "instructed"
        ]
        k, m = sum(map(bool, scores)), len(scores)
        assert m == n * (4 if condition == "lite" else 1)
        standard_error = (rate * (1 - rate) / m * 1.3) ** 0.5
        assert abs(k / m - rate) < 4 * standard_error
    instructed = [score(row).is_correct for row in rows if row.control == "instructed"]
    assert 0.92 < sum(map(bool, instructed)) / n <= 0.999


@pytest.mark.slow
def test_photos_differ_as_stated(desk, make_study):
    """With a spread over photographs their rates differ by more than chance; the effect belongs to the photograph."""
    study = make_study()
    parameters = Parameters(sd_participant=0.0, sd_image=2.0, seed=5)
    simulate(desk, study, n_participants=80, rates={"lite": 0.4, "random": 0.13}, parameters=parameters, now=NOW)
    with desk.database.reading() as connection:
        rows = connection.execute(select(TrialRow.__table__).where(TrialRow.kind == "test")).all()
    by_photo: dict[str, list[bool]] = {}
    for row in rows:
        by_photo.setdefault(row.image_id, []).append(bool(score(row).is_fooled))
    rates = [sum(v) / len(v) for v in by_photo.values()]
    assert max(rates) - min(rates) > 0.3


@pytest.mark.slow
def test_simulated_sessions_are_complete_and_repeatable(stimuli, tmp_path):
    """In another instance the same seeds give the same export, byte for byte."""
    exports = []
    for name in ("one", "two"):
        database = Database(f"sqlite:///{tmp_path / name}.sqlite3")
        upgrade(database)
        desk = sessions.Desk(database, b"another key of each instance " + name.encode())
        definition = parse_definition(SMALL)
        study = create_study(database, tmp_path / name, definition, stimuli, slug="s", now=NOW, seed=7)
        simulate(desk, study, n_participants=3, rates={"lite": 0.3, "random": 0.1}, parameters=Parameters(), now=NOW)
        with database.reading() as connection:
            assert list(connection.execute(select(SessionRow.status)).scalars()) == ["complete"] * 3
        exports.append(write_export(database, tmp_path / name, study.id, tmp_path / f"{name}.zip", now=NOW))
        database.dispose()
    assert exports[0].read_bytes() == exports[1].read_bytes()


def test_people_and_simulation_mix_only_where_asked(desk, participant, study):
    """A study that people took part in is not simulated by mistake."""
    rates = {"lite": 0.3, "random": 0.1}
    participant.agree()
    with pytest.raises(SimulationError, match="holds sessions of people"):
        simulate(desk, study, n_participants=1, rates=rates, parameters=Parameters(), now=NOW)
    simulate(desk, study, n_participants=1, rates=rates, parameters=Parameters(), now=NOW, among_people=True)


def test_two_truths_never_mix(desk, study):
    """A second call with the same truth adds participants, with another it is refused."""
    rates = {"lite": 0.3, "random": 0.1}
    for _ in range(2):
        simulate(desk, study, n_participants=2, rates=rates, parameters=Parameters(), now=NOW)
    with pytest.raises(SimulationError, match="another truth"):
        simulate(desk, study, n_participants=1, rates=rates | {"lite": 0.4}, parameters=Parameters(), now=NOW)
    with desk.database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(SessionRow)) == 4


RATES = {"lite": 0.3, "random": 0.1}
ANSWERED = (
    "SELECT s.participant_id, s.arm, s.status, t.trial_index, t.image_id, t.condition_a, t.side_of_a, t.response,"
    " t.rt_ms, t.void_reason FROM trial t JOIN session s ON s.id = t.session_id ORDER BY 1, 4"
)


def answered(database):
    """Everything that was answered, in an order that does not depend on who was fast."""
    with database.reading() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(ANSWERED)]


@pytest.fixture
def data_only(instance_with_study, tmp_path):
    """Five participants of seed 9, data only, in an instance of their own."""
    folder, study = instance_with_study
    shutil.copytree(folder, tmp_path / "data-only")
    settings = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "data-only")})
    database = Database(settings.database_url)
    desk = sessions.Desk(database, b"a key of its own")
    simulate(desk, study, n_participants=5, rates=RATES, parameters=Parameters(seed=9), now=NOW)
    yield answered(database)
    database.dispose()


@pytest.mark.outside
def test_over_http_the_same_people_answer_the_same(app, desk, study, data_only):
    """Interrupted after the first of five, gone on with by another call: what is stored is what data only stores."""

    def stop(_):
        raise KeyboardInterrupt

    times = itertools.count(1)

    def clock():
        """Asked five times at the starts, then by each who takes part: the third is interrupted, however late."""
        return stop(None) if next(times) > 5 + 2 else NOW

    call = {"rates": RATES, "parameters": Parameters(seed=9)}
    with in_thread(app) as url:
        with pytest.raises(KeyboardInterrupt):
            simulate_over_http(desk, study, url, n_participants=5, n_at_once=2, tell=stop, clock=clock, **call)
        told = []
        simulate_over_http(desk, study, url, n_participants=0, n_at_once=2, tell=told.append, clock=lambda: NOW, **call)
    assert 3 <= len(told) <= 4
    found = answered(desk.database)
    assert found == data_only
    assert {row[2] for row in found} == {"complete"}


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("banana", {}, "--http: expected an address like"),
        ("http://127.0.0.1:x", {}, "--http: expected an address like"),
        ("http://127.0.0.1:1", {}, "does not answer"),
        ("http://127.0.0.1:1", {"n_at_once": 0}, "--at-once: expected 1 to 256, got 0"),
        ("http://127.0.0.1:1", {"n_participants": -1}, "--participants: expected 0 or more, got -1"),
    ],
)
def test_an_address_without_the_study_is_one_line(desk, study, url, options, message):
    """And nobody has begun."""
    options = {"n_participants": 1, "rates": RATES, "parameters": Parameters(), "clock": lambda: NOW} | options
    with pytest.raises(SimulationError, match=message):
        simulate_over_http(desk, study, url, **options)
    with desk.database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(SessionRow)) == 0


@pytest.mark.outside
def test_another_instance_is_noticed(app, desk, study, stimuli, tmp_path):
    """The server knows no such study: one line, nobody has begun."""
    database = Database(f"sqlite:///{tmp_path / 'other'}.sqlite3")
    upgrade(database)
    other = sessions.Desk(database, b"the key of another instance")
    elsewhere = create_study(database, tmp_path / "other", study.definition, stimuli, slug="elsewhere", now=NOW, seed=7)
    with in_thread(app) as url, pytest.raises(SimulationError, match="has no study elsewhere"):
        simulate_over_http(
            other, elsewhere, url, n_participants=1, rates=RATES, parameters=Parameters(), clock=lambda: NOW
        )
    database.dispose()
