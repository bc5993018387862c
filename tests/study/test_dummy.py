"""The preflight's own participant: it goes the whole way, says where it was stopped, and leaves nothing behind."""

import dataclasses
from email.message import Message
from types import SimpleNamespace

import pytest
from conftest import NOW, SMALL
from sqlalchemy import select

from study.models import SessionRow, TrialRow
from study.preflight import Line
from study.preflight import command as preflight_command
from study.preflight.checks import _pictures, _server, _tls
from study.preflight.client import Reply
from study.preflight.dummy import DummyError, right_side, take_part
from study.studies import find_row


class Here:
    """The client of the preflight, without a network; `change` may make another reply of one."""

    def __init__(self, app, change=lambda path, reply: reply):
        self.client, self.change = app.test_client(), change

    def _reply(self, path, response):
        return self.change(path, Reply(response.status_code, Message(), response.data))

    def get(self, path):
        return self._reply(path, self.client.get(path))

    def submit(self, path, **fields):
        return self._reply(path, self.client.post(path, data=fields))

    def post(self, path, data):
        return self._reply(path, self.client.post(path, json=data))


SINGLE = """
preset = "hype-infinity"
[study]
title = "x"
contact = "lab@example.org"
[practice]
n_trials = 0
pass_share = 0
[test]
n_trials = 4
n_blocks = 1
[catch]
n_low_anchor = 0
n_instructed = 0
[questionnaire]
items = []
"""
READY = '[readiness]\nchecks = ["vision", "plates"]\nn_plates = 3\n'
ASKED = """
[[questionnaire.items]]
item_id = "say"
type = "text"
question = "Anything?"
"""


@pytest.mark.parametrize(
    "text", [SMALL, SMALL + READY, SMALL + ASKED, SINGLE], ids=["pairs", "asked", "text", "single"]
)
def test_it_takes_part_in_every_kind_of_study_and_is_gone(app, desk, make_study, text):
    """Questions before, texts, single pictures, no questionnaire; its session is a pilot's and holds nothing."""
    study = make_study(text)
    taken = take_part(Here(app), desk, study, now=NOW)
    assert taken.status == "complete"
    assert taken.n_trials >= 4
    assert taken.n_pictures == taken.n_trials * (1 if study.definition.is_single else 2)
    with desk.database.reading_session() as session:
        row = session.scalars(select(SessionRow)).one()
        assert (row.is_pilot, row.status) == (True, "withdrawn")
        assert session.scalars(select(TrialRow)).all() == []


def is_picture(path, reply):
    return reply.body.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("which", "changed", "message"),
    [
        (is_picture, {"status": 502}, "of trial 1: expected 200, got 502"),
        (is_picture, {"body": b"<html>"}, "a picture of trial 1 is no PNG; something on the way answers instead"),
        (is_picture, {}, "pictures came with different lengths; something on the way packs them again"),
        ("advance", {"status": 200}, "leaving the instructions: expected 303, got 200"),
        ("api/response", {"status": 409}, "the answer to trial 1: expected 200, got 409"),
        ("answers", {"status": 404}, "the questionnaire's answers: expected 303, got 404"),
    ],
)
def test_what_stops_it_is_told_and_it_is_gone_all_the_same(app, desk, study, which, changed, message):
    """Where it was, what was expected, what came."""
    met = []

    def change(path, reply):
        if not (path.endswith(which) if isinstance(which, str) else which(path, reply)):
            return reply
        met.append(path)
        return dataclasses.replace(reply, **(changed or {"body": reply.body + b"x" * len(met)}))

    with pytest.raises(DummyError, match=message):
        take_part(Here(app, change), desk, study, now=NOW)
    assert met
    with desk.database.reading() as connection:
        assert connection.scalars(select(SessionRow.status)).all() == ["withdrawn"]


def test_where_nothing_is_right_the_left_button_is_pressed(desk, make_study, two_models):
    """A preference is neither right nor wrong."""
    text = SINGLE.replace("hype-infinity", "preference").replace("pass_share = 0\n", "").replace("n_blocks = 1\n", "")
    study = make_study(text, path=two_models)
    plan = study.plan(arm=next(iter(study.pools.treatments)), seed=3, slot=0)
    assert {right_side(study.definition, trial) for trial in plan.presented(())} == {"left"}


@pytest.fixture
def run(app, monkeypatch):
    """The command, whose look from outside gives these lines; where it looked."""
    looked = []

    def run(*arguments, lines=()):
        def preflight(desk, settings, study, row, *, url, pay, now):
            looked.append((study.slug, row.version, url, pay))
            return iter(lines)

        monkeypatch.setattr(preflight_command, "preflight", preflight)
        return app.test_cli_runner().invoke(args=["preflight", *arguments]), looked

    return run


def test_the_command_says_what_is_to_be_mended_and_how(run, study):
    """Status 1 with a red line, 0 without one."""
    red = Line("tls", False, "http://x is not encrypted", "make serve DOMAIN=…")
    done, _ = run("small", lines=[Line("state", True, "small@1 is running"), red])
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        "green state: small@1 is running",
        "RED   tls: http://x is not encrypted; remedy: make serve DOMAIN=…",
        "1 to mend",
    ]
    done, _ = run("small", lines=[Line("state", True, "small@1 is running")])
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "ready")


def test_the_command_looks_where_the_world_looks(run, app, study):
    """The first of the server's names, this machine where it has none, or what was given."""
    run("small")
    here = app.extensions["truehue"]
    here.settings = dataclasses.replace(here.settings, hosts=("lab.example", "www.lab.example"))
    run("small@1", "--pay", "3", "--minimum", "9")
    _, looked = run("small", "--url", "http://127.0.0.1:9/")
    assert [one[:3] for one in looked] == [
        ("small", 1, "http://127.0.0.1:8000"),
        ("small", 1, "https://lab.example"),
        ("small", 1, "http://127.0.0.1:9/"),
    ]
    assert (looked[1][3].per_participant, looked[1][3].minimum_per_hour) == (3, 9)


@pytest.mark.parametrize("url", ["lab.example", "ftp://lab.example", "https://", "https://lab.example/s/small/"])
def test_an_address_that_is_none_is_one_line(run, study, url):
    """Status 2, and nothing was looked at."""
    done, looked = run("small", "--url", url)
    assert (done.exit_code, done.output) == (2, f"error: --url: expected https://HOST, got {url!r}\n")
    assert looked == []


def test_a_server_without_tls_behind_https_is_red():
    """Nobody listens there: the reason, and what to do."""
    line = _tls("https://127.0.0.1:9")
    assert not line.is_good
    assert "refused" in line.message
    assert "let Caddy get a certificate" in line.remedy


def test_a_server_that_is_not_ready_says_itself_what_to_do():
    """Its words are the remedy."""
    words = b"no stimulus set has been imported; run: flask --app study create\n"
    reached, line = _server(SimpleNamespace(url="https://x", get=lambda _: Reply(503, Message(), words)))
    assert reached is None
    assert line.message == f"/readyz answers 503: {words.decode().strip()}"


def test_a_picture_that_became_another_is_found(settings, desk, study):
    """Not only one that is lost: the pixels are compared."""
    folder = settings.stimuli / study.folder / "served"
    assert _pictures(folder, study).is_good
    (one, name), (_, other) = list(study.served.items())[:2]
    pixels = (folder / other).read_bytes()
    (folder / name).unlink()  # its second name is the other tests'
    (folder / name).write_bytes(pixels)
    line = _pictures(folder, study)
    assert not line.is_good
    assert line.message == f"1 of {len(study.served)} are damaged or missing, first {one}"
    with desk.database.reading_session() as session:
        assert find_row(session, "small").state == "running"
