"""`flask --app study simulate`: options that do not fit, and a server that is slow, away or wrong."""

import http.client
import threading
from types import SimpleNamespace

import pytest
from conftest import NOW, SMALL
from pictures import make_set
from sqlalchemy import func, select

from study.models import SessionRow
from study.simulate import Parameters, SimulationError, over_http, simulate
from study.simulate.chromium import ChromiumError, launch
from study.simulate.commands import _truth_lines
from study.simulate.visible import Manner, simulate_visibly


def test_a_truth_is_told_in_its_own_unit():
    """Rates with their latent ones, thresholds in ms."""
    truth = {
        "fool_rate": {"lite": 0.3},
        "error_rate": {"lite": 0.2},
        "threshold_ms": {"lite": 310},
        "hit_rate": 0.8,
        "parameters": {
            "latent_fool_rate": {"lite": 0.28},
            "latent_hit_rate": 0.85,
            "latent_threshold_ms": {"lite": 300},
        },
    }
    assert list(_truth_lines(truth)) == [
        "lite: true fool rate 0.3000 (latent 0.2800)",
        "originals: true hit rate 0.8000 (latent 0.8500)",
        "lite: true error rate 0.2000",
        "lite: true threshold 310.0 ms (latent 300.0 ms)",
    ]


SHORT = """
[study]
title = "x"
contact = "lab@example.org"
[practice]
n_trials = 0
[test]
n_trials = 4
[catch]
n_low_anchor = 0
n_instructed = 0
"""


@pytest.fixture(scope="module")
def two_and_obvious(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "set"
    return make_set(folder, n=16, models=("lite", "deep"), n_random=0, controls=("obvious", "gray"), name="simulated")


@pytest.fixture
def again(app):
    """Simulate one participant in the study that is there."""
    return lambda *options: app.test_cli_runner().invoke(args=["simulate", "small", "--participants", "1", *options])


@pytest.fixture
def run(again, make_study, two_and_obvious):
    """Simulate one participant in a small study of a preset."""

    def run(preset, *options, more=""):
        text = f'preset = "{preset}"\n{SHORT}{more}'
        if preset == "hype-time":  # asks for practice and three staircases
            text = text.replace("n_trials = 0", "n_trials = 0\npass_share = 0")
            text = text.replace("n_trials = 4", "n_trials = 4\nn_blocks = 1")
        make_study(text, path=two_and_obvious)
        return again(*options)

    return run


def sessions_in(desk) -> int:
    with desk.database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(SessionRow)) or 0


def test_a_preference_is_stated_as_a_share(run, desk):
    """By the pair's name, or for all of them."""
    done = run("preference", "--preference", "lite vs deep=0.7")
    assert done.exit_code == 0, done.output
    assert "lite vs deep: true preference 0.7000" in done.output
    assert sessions_in(desk) == 1


UNFIT = {
    "preference": [
        (["--fool-rate", "0.2"], "--fool-rate: small measures preference; use --preference"),
        (["--threshold", "300"], "--threshold: small measures preference; use --preference"),
    ],
    "hype-time": [
        (["--preference", "0.5"], "--preference: small measures "),
        (["--lapse", "0.6"], "cannot be reached at "),
    ],
    "zhang2016": [
        (["--threshold", "300"], "--threshold: small measures fool_rate; use --fool-rate"),
        (["--fool-rate", "lite=much"], "expected NUMBER or CONDITION=NUMBER, got 'lite=much'"),
        (["--fool-rate", "lite=2"], "expected a rate between"),
        (["--visible", "--http", "http://127.0.0.1:1"], "--http: takes no browser; leave out"),
        (["--visible", "--reloads", "1.5"], "--reloads: expected 0 to 1, got 1.5"),
        (["--visible", "--slips", "-1"], "--slips: expected 0 to 1, got -1"),
    ],
}


@pytest.mark.parametrize("preset", UNFIT)
def test_options_that_do_not_fit_the_study_are_one_line(run, again, desk, preset):
    """Status 2, and nobody took part."""
    for number, (options, message) in enumerate(UNFIT[preset]):
        done = again(*options) if number else run(preset, *options)
        assert done.exit_code == 2, done.output
        assert done.output.startswith("error: ")
        assert message in done.output
        assert done.output.count("\n") == 1
    assert sessions_in(desk) == 0


def test_obvious_fakes_have_a_rate_of_their_own(run, desk):
    """What is stated for the control is what is told."""
    done = run("zhang2016", "--obvious-rate", "0.05", more='n_obvious = 2\nobvious_condition = "obvious"\n')
    assert done.exit_code == 0, done.output
    assert "obvious: true fool rate 0.0500" in done.output


def test_nobody_is_simulated_visibly_without_people_or_a_browser(desk, study, app, monkeypatch):
    """Said before anything is written."""
    given = {"rates": {"lite": 0.3, "random": 0.1}, "parameters": Parameters(), "clock": lambda: NOW}
    with pytest.raises(SimulationError, match="--participants: expected 1 or more, got 0"):
        simulate_visibly(app, desk, study, n_participants=0, manner=Manner(), **given)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(ChromiumError, match="chromium is missing; run: sudo apt-get install -y chromium"):
        launch(SimpleNamespace())
    assert sessions_in(desk) == 0


ITEMS = """
[[questionnaire.items]]
item_id = "say"
type = "text"
question = "Anything?"
required = %s
"""


@pytest.mark.parametrize("required", ["true", "false"])
def test_texts_that_must_be_given_are_given(desk, make_study, required):
    """Others are left empty."""
    study = make_study(SMALL + ITEMS % required)
    rates = {"lite": 0.3, "random": 0.1}
    simulate(desk, study, n_participants=1, rates=rates, parameters=Parameters(), now=NOW)
    with desk.database.reading() as connection:
        texts = connection.exec_driver_sql("SELECT answer FROM answer WHERE item_id = 'say'").scalars().all()
        assert connection.scalar(select(SessionRow.status)) == "complete"
    assert texts == (["simulated"] if required == "true" else [])


class Connection:
    """A server's answers one after the other: a status and a body, or what went wrong on the way."""

    def __init__(self, *answers):
        self.answers, self.asked, self.n_closed = list(answers), [], 0

    def request(self, method, path, body, headers):
        self.asked.append((method, path, body, headers))

    def getresponse(self):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        return SimpleNamespace(status=status, read=lambda: body)

    def close(self):
        self.n_closed += 1


@pytest.fixture
def line(monkeypatch):
    """A participant's line to such a server, and how long it waited before each further try."""
    waited = []
    monkeypatch.setattr(over_http, "time", SimpleNamespace(sleep=waited.append))

    def make(*answers):
        connection = Connection(*answers)
        address = SimpleNamespace(url="http://x", prefix="/lab", connect=lambda: connection)
        return over_http._Line(address, "t0ken", threading.Event()), connection, waited

    return make


def test_a_lost_connection_and_a_busy_server_are_asked_again(line):
    """Longer and longer apart; a lost connection is opened anew."""
    lost = http.client.RemoteDisconnected("gone")
    there, connection, waited = line(lost, (503, b"in a moment"), ConnectionResetError(), (200, b"{}"))
    assert there._post("trial", {}) == {}
    assert waited == list(over_http.WAITS_S[:3])
    assert connection.n_closed == 2
    assert {asked[:2] for asked in connection.asked} == {("POST", "/lab/p/t0ken/api/trial")}


@pytest.mark.parametrize(
    ("answers", "n_waits", "message"),
    [
        ([(500, b"<h1>broken")], 0, "expected 200, got 500: '<h1>broken'"),
        ([(503, b"later")] * 5, 4, "expected 200, got 503: 'later'"),
        ([TimeoutError("timed out")] * 5, 4, "timed out"),
        ([ConnectionResetError()] * 5, 4, "ConnectionResetError"),
    ],
)
def test_a_server_that_does_not_come_back_is_one_line_without_the_token(line, answers, n_waits, message):
    """What was asked, what came, how to go on; a wrong answer is not asked for twice."""
    there, _, waited = line(*answers)
    with pytest.raises(SimulationError) as caught:
        there._send("GET", "/p/t0ken/", wanted=200)
    assert message in str(caught.value)
    assert "GET http://x/p/…/: " in str(caught.value)
    assert "the same command goes on with those who are under way" in str(caught.value)
    assert len(waited) == n_waits


def test_who_is_stopped_sends_nothing_more(line):
    """Another participant failed."""
    there, connection, _ = line((200, b""))
    there.is_stopped.set()
    with pytest.raises(over_http._Stopped):
        there._send("GET", "/", wanted=200)
    assert connection.asked == []


def test_a_form_before_the_instructions_is_sent_where_there_is_one(line):
    """With what was given."""
    there, connection, _ = line((200, b'<form id="readiness">'), (303, b""))
    there.check({"vision": "no"}, now=NOW)
    assert connection.asked[1][:3] == ("POST", "/lab/p/t0ken/checks", b"vision=no")
    there, connection, _ = line((200, b"<h1>How it goes"))
    there.check({}, now=NOW)
    assert len(connection.asked) == 1
