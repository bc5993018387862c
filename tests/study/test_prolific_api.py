"""Prolific's API, against a fake that refuses what its documentation does not name. Nobody is rejected."""

import dataclasses
import json
import logging
import re
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, Participant
from flask import Flask
from sqlalchemy import update
from test_console import EMAIL, PASSWORD, post, sign_in

from study import audit, jobs, researchers
from study.config import ConfigError, read_settings
from study.jobs.queue import work
from study.models import CompletionRow
from study.recruitment import RecruitmentError, configure, enter, finish
from study.recruitment.payment import approve, read_payments
from study.recruitment.platforms.base import Entry
from study.recruitment.prolific_api import ProlificApi, ProlificError
from study.rights import withdraw
from study.sessions import Desk, read_state
from study.studies import Study

EXAMPLES = Path(__file__).parent / "examples"
TOKEN = "s3cret-token-of-a-researcher"
STUDY_ID = "60aa00000000000000000000"
CODES = {"COMPLETED": "C0MPL3T3", "FAILED_ATTENTION_CHECK": "FA1L3D"}
LIST = f"/api/v1/studies/{STUDY_ID}/submissions/"


def name(number: int) -> str:
    return f"60bb{number:020d}"


class Fake:
    """Prolific's two endpoints, strict: another method, path, header, or field is an error of its own."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.approved: list[str] = []
        self.refuses_after: int | None = None

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        self.asked.append((method, path))
        if headers.get("Authorization") != f"Token {TOKEN}":
            return 401, {"error": {"status": 401}}
        if (method, path) == ("GET", LIST):
            return 200, json.loads((EXAMPLES / "prolific-submissions.json").read_bytes())
        if (method, path) == ("GET", f"{LIST}?page=2"):
            return 200, json.loads((EXAMPLES / "prolific-submissions-2.json").read_bytes())
        parts = path.split("/")
        if method == "POST" and parts[:4] == ["", "api", "v1", "submissions"] and parts[5:] == ["transition", ""]:
            if headers.get("Content-Type") != "application/json" or json.loads(body) != {"action": "APPROVE"}:
                return 400, {"error": {"status": 400}}
            if self.refuses_after is not None and len(self.approved) >= self.refuses_after:
                return 429, {"error": {"status": 429}}
            self.approved.append(parts[4])
            return 200, {**json.loads((EXAMPLES / "prolific-approved.json").read_bytes()), "id": parts[4]}
        return 404, {"error": {"status": 404}}


@pytest.fixture
def fake() -> Iterator[tuple[Fake, str]]:
    service = Fake()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, data = service.answer(self.command, self.path, self.headers, body)
            content = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if status == 429:
                self.send_header("Retry-After", "7")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _do

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield service, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def api(fake: tuple[Fake, str]) -> ProlificApi:
    return ProlificApi(fake[1], TOKEN)


@pytest.fixture
def recruited(app: Flask, desk: Desk, study: Study) -> Study:
    """One who finished, one under way, a complete one who returned, one who failed instructions, one who withdrew."""
    configure(desk.database, study.slug, "prolific", {"codes": CODES, "study_id": STUDY_ID}, now=NOW)
    tokens = {
        n: enter(desk, study.id, Entry("prolific", person=f"5f1b{n:020d}", submission=name(n)), now=NOW)
        for n in (1, 2, 3, 4, 5, 7)
    }
    names = {n: read_state(desk, token).session_id for n, token in tokens.items()}
    for n in (1, 3, 4, 5, 7):
        person = Participant(app.test_client(), desk, study.slug, here=f"/p/{tokens[n]}/")
        person.client.post(f"{person.here}advance", data={"stage": "instructions"})
        person.look()
        person.finish_trials().fill_in()
    for n in (1, 4, 5, 7):
        finish(desk, read_state(desk, tokens[n]), address="", now=NOW)
    with desk.database.writing() as connection:
        connection.execute(
            update(CompletionRow)
            .where(CompletionRow.session_id == read_state(desk, tokens[4]).id)
            .values(outcome="FAILED_ATTENTION_CHECK")
        )
    withdraw(desk, names[5], by="participant", now=NOW)
    return study


@pytest.mark.outside
def test_who_gave_every_answer_is_ready_and_nobody_else(desk: Desk, recruited: Study, api: ProlificApi) -> None:
    """Complete, or complete and then withdrawn: ready. Everything doubtful goes to a person, with the reason."""
    payments = read_payments(desk, api, recruited.slug)
    verdicts = {int(one.submission.submission_id[4:]): (one.verdict, one.session) for one in payments.all}
    assert verdicts == {
        1: ("ready", "complete"), 2: ("look", "consented"), 3: ("look", "complete"), 4: ("look", "complete"),
        5: ("ready", "withdrawn"), 6: ("settled", ""), 7: ("settled", "complete"),
    }  # fmt: skip
    assert all(one.reason for one in payments.of("look"))


@pytest.mark.outside
def test_approving_pays_the_ready_once_and_says_so(
    desk: Desk, recruited: Study, api: ProlificApi, fake: tuple[Fake, str]
) -> None:
    """Field for field as documented; the audit log has the number, not the names."""
    done = approve(desk, api, recruited.slug, actor="me", now=NOW)
    assert (done.n_approved, done.problems) == (2, ())
    assert fake[0].approved == [name(1), name(5)]
    with desk.database.reading() as connection:
        (row,) = (row for row in audit.read(connection) if row.action == "submissions approved")
    assert row.details == {"platform": "prolific", "n": 2, "n_asked": 2}
    with pytest.raises(RecruitmentError, match="not ready"):
        approve(desk, api, recruited.slug, actor="me", now=NOW, only=[name(4)])
    assert not any("REJECT" in str(asked) for asked in fake[0].asked)


@pytest.mark.outside
def test_an_interrupted_approval_stops_and_can_go_on(
    desk: Desk, recruited: Study, api: ProlificApi, fake: tuple[Fake, str]
) -> None:
    """Too many requests: what is approved stays so, and the pause that is asked for is told."""
    fake[0].refuses_after = 1
    done = approve(desk, api, recruited.slug, actor="me", now=NOW)
    assert done.n_approved == 1
    assert "pause of 7 s" in done.problems[0]


@pytest.mark.outside
def test_the_token_appears_nowhere(
    app: Flask, desk: Desk, recruited: Study, fake: tuple[Fake, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Not in messages, logs or the audit log; its file is its owner's, and one that others may read is refused."""
    caplog.set_level(logging.DEBUG)
    here = app.extensions["truehue"]
    here.settings = dataclasses.replace(here.settings, prolific_url=fake[1])
    runner = app.test_cli_runner()
    assert "there is no token" in runner.invoke(args=["prolific", "list", recruited.slug]).output
    kept = runner.invoke(args=["prolific", "token", "--stdin"], input=f"{TOKEN}\n")
    assert kept.exit_code == 0
    file = here.settings.instance / "prolific_token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    outputs = [kept.output]
    for arguments in (["list", recruited.slug], ["approve", recruited.slug, "--dry-run"], ["approve", recruited.slug]):
        result = runner.invoke(args=["prolific", *arguments])
        assert result.exit_code == 0, result.output
        outputs.append(result.output)
    assert "2 ready to approve, 3 to look at" in outputs[1]
    assert outputs[2:] == ["2 would be approved\n", "2 approved\n"]
    for wrong in ("wrong-token-also-secret", TOKEN):
        here.settings.keep_prolific_token(wrong)
        url = fake[1] if wrong != TOKEN else "http://127.0.0.1:9"
        with pytest.raises(ProlificError) as problem:
            ProlificApi(url, here.settings.prolific_token).submissions(STUDY_ID)
        outputs += [str(problem.value), repr(problem.value.__context__), repr(here.settings)]
        outputs.append(repr(ProlificApi(url, wrong)))
    assert "does not accept the token" in "".join(outputs)
    assert "cannot be reached" in "".join(outputs)
    outputs += [runner.invoke(args=["audit"]).output, caplog.text]
    assert not any(secret in text for text in outputs for secret in (TOKEN, "wrong-token-also-secret"))
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        _ = here.settings.prolific_token
    assert runner.invoke(args=["prolific", "token", "--delete"]).exit_code == 0
    assert not file.exists()
    with pytest.raises(ConfigError, match="https"):
        read_settings({"TRUEHUE_PROLIFIC_URL": "http://elsewhere.example"})


@pytest.mark.outside
def test_the_console_shows_and_approves_as_a_job(
    app: Flask, desk: Desk, recruited: Study, fake: tuple[Fake, str]
) -> None:
    """The page names no participant; a button makes a job; without a token the page says what to do."""
    here = app.extensions["truehue"]
    researchers.add(desk.database, EMAIL, PASSWORD, now=NOW)
    client = app.test_client()
    sign_in(client)
    page = f"/console/study/{recruited.slug}/prolific"
    without = client.get(page)
    assert without.status_code == 200
    assert "There is no token" in without.text
    here.settings = dataclasses.replace(here.settings, prolific_url=fake[1], given_prolific_token=TOKEN)
    shown = client.get(page).text
    assert "Approve all 2" in shown
    assert "To look at: 3" in shown
    assert re.search(r"5f1b\d{20}", shown) is None
    assert post(client, page, page).location == "/console/jobs"
    (job,) = jobs.list_jobs(desk.database)
    work(desk, here.settings, job.id)
    assert fake[0].approved == [name(1), name(5)]
    assert "2 approved" in client.get("/console/jobs").text


def test_another_host_gets_no_token(desk: Desk, recruited: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """A next page elsewhere, or a name that leads out of the path, is not followed."""
    api = ProlificApi("https://api.prolific.com", TOKEN)
    monkeypatch.setattr(
        api, "_send", lambda *_: {"results": [], "_links": {"next": {"href": "https://evil.example/api/v1/"}}}
    )
    with pytest.raises(ProlificError, match="another host"):
        api.submissions(STUDY_ID)
    with pytest.raises(ProlificError, match="letters and digits"):
        api.submissions("../../other")
