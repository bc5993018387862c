"""Attacks, one by one: none is a server error, none changes a row that it has no right to."""

import contextlib
import dataclasses
import io
import json
import logging
import socket
import subprocess
import time

import pytest
from conftest import NOW
from sqlalchemy import func, select

from study import create_app, researchers, web
from study.config import ConfigError, read_settings, rotate_key
from study.logs import JsonLines
from study.models import AnswerRow, Researcher, SessionRow, StudyRow, TrialRow
from study.throttle import Throttle, TooOftenError
from tools.proof.postgresql import find_program

EMAIL, PASSWORD = "me@example.org", "a long enough password"


def everything(desk):
    """All rows that an attack could want to change."""
    with desk.database.reading() as connection:
        return [
            [tuple(row) for row in connection.execute(select(model.__table__))]
            for model in (StudyRow, SessionRow, TrialRow, AnswerRow, Researcher)
        ]


BODIES = (
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff\xfe",
    b'{"page_id": null}',
    b'{"page_id": {"$ne": 1}}',
    b'{"trial_id": "\\u0000"}',
    b'{"page_id": "' + b"x" * 70_000 + b'"}',
    b"[" * 30_000,
    json.dumps({"page_id": "p", "device": {"refresh_hz": 1e999}}).encode(),
    b'{"page_id": "p", "device": {"screen_width_px": 1' + b"0" * 5000 + b"}}",
    b'{"page_id": "\xed\xa0\x80"}',
    b"stage=instructions' OR 1=1 --",
)
TOKENS = ("x", "%00", "..", "%2e%2e", "' OR '1'='1", "{{7*7}}", "a" * 5000, "%F0%9F%92%A9", "%ff", "\\..\\x")


@pytest.mark.parametrize("token", TOKENS)
def test_invented_tokens_open_nothing(app, desk, participant, token):
    """Every address below an invented session is not found, whatever is sent."""
    participant.begin()
    app.config["TESTING"] = False
    before = everything(desk)
    client = app.test_client()
    for path, method in (
        ("", "GET"), ("advance", "POST"), ("answers", "POST"), ("api/trial", "POST"), ("api/response", "POST"),
        ("image/x", "GET"),
    ):  # fmt: skip
        reply = client.open(f"/p/{token}/{path}", method=method, json={"page_id": "p"} if method == "POST" else None)
        assert reply.status_code in {404, 405, 422}, (path, reply.status_code)
    assert everything(desk) == before


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain"])
def test_malformed_bodies_are_refused(app, desk, participant, body, content_type):
    """In a real session: 4xx, nothing written; a form's page again is fine."""
    participant.begin()
    app.config["TESTING"] = False
    before = everything(desk)
    for path in ("api/trial", "api/response", "answers"):
        reply = participant.client.post(f"{participant.here}{path}", data=body, content_type=content_type)
        assert 400 <= reply.status_code < 500, (path, reply.status_code, reply.text)
    assert everything(desk) == before


def test_other_methods_and_paths_do_nothing(app, desk, participant):
    """PUT, DELETE and friends, method overrides, traversal, absolute and absolute addresses."""
    participant.begin()
    app.config["TESTING"] = False
    before = everything(desk)
    client = app.test_client()
    for path in (participant.here, f"{participant.here}api/response", "/s/small/start", "/console/", "/"):
        for method in ("PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"):
            assert client.open(path, method=method).status_code in {400, 404, 405, 501}
        client.get(path, headers={"X-HTTP-Method-Override": "DELETE"})
    for path in (
        "/static/%2fetc/passwd", "/.git/config", "/instance/secret_key", "/report/../", "/s/small@999/",
        "/s/%00/", "/s/small/../../", "/console/study/..%2f..%2f/export.zip", "/report/demo/..%2fstate.json/",
    ):  # fmt: skip
        reply = client.get(path)
        assert reply.status_code in {303, 308, 404}, (path, reply.status_code)
        location = reply.headers.get("Location", "/")
        assert location.startswith(("/", "http://localhost/")), location
        assert not location.startswith("//")
    assert everything(desk) == before


def test_a_form_of_another_site_changes_nothing_in_the_console(app, desk, study):
    """Cookies alone are no consent: without the page's own token a post is refused, also signing in and out."""
    researchers.add(desk.database, EMAIL, PASSWORD, now=NOW)
    before = everything(desk)
    client = app.test_client()
    for path in ("sign-in", "sign-out", "study/small/state", "study/small/report"):
        reply = client.post(
            f"/console/{path}",
            data={"email": EMAIL, "password": PASSWORD, "state": "closed"},
            headers={"Origin": "https://evil.example", "Referer": "https://evil.example/"},
        )
        assert reply.status_code == 400
    assert everything(desk) == before


def test_signing_in_is_throttled_by_account_and_by_address(app, desk):
    """The eleventh guess for an account is refused, also from elsewhere, and the right password with it."""
    import re

    researchers.add(desk.database, EMAIL, PASSWORD, now=NOW)

    def sign_in(email, password, address):
        client = app.test_client()
        page = client.get("/console/sign-in", environ_base={"REMOTE_ADDR": address}).text
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
        form = {"email": email, "password": password, "csrf_token": token}
        return client.post("/console/sign-in", data=form, environ_base={"REMOTE_ADDR": address})

    for n in range(10):
        assert sign_in("nobody@example.org", f"guess {n}", f"10.0.0.{n}").status_code == 422
    reply = sign_in("Nobody@example.org ", "guess", "10.0.1.1")
    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "600")
    for n in range(20):
        assert sign_in(f"{n}@example.org", "guess", "10.9.9.9").status_code == 422
    assert sign_in(EMAIL, PASSWORD, "10.9.9.9").status_code == 429
    assert sign_in(EMAIL, PASSWORD, "10.9.9.8").status_code == 303


def test_an_address_may_begin_so_many_sessions_in_a_minute(settings, study):
    """Others are not held up; those inside go on."""
    app = create_app(dataclasses.replace(settings, starts_per_minute=2))
    client = app.test_client()
    status = [client.post("/s/small/start").status_code for _ in range(3)]
    assert status == [303, 303, 429]
    assert client.post("/s/small/start", environ_base={"REMOTE_ADDR": "10.0.0.9"}).status_code == 303
    app.extensions["truehue"].desk.database.dispose()


def test_a_shared_count_that_is_away_does_not_close_the_study(settings):
    """Redis gone: each worker counts for itself meanwhile; a storage that does not exist is said at once."""
    throttle = Throttle(dataclasses.replace(settings, limits_storage="redis://127.0.0.1:1/0", starts_per_minute=1))
    throttle.check(throttle.starts, "start", "me")
    with pytest.raises(TooOftenError):
        throttle.check(throttle.starts, "start", "me")
    with pytest.raises(ConfigError, match="TRUEHUE_LIMITS"):
        Throttle(dataclasses.replace(settings, limits_storage="nothing://x"))


@pytest.mark.redis
def test_two_hosts_count_together_and_go_on_when_redis_dies(settings, tmp_path):
    """What one host has counted the other refuses; with Redis killed each goes on alone, and together again after."""
    program = find_program("redis-server")
    at = tmp_path / "redis"  # no port, which another program may take while it is down
    command = [program, "--port", "0", "--unixsocket", str(at), "--save", "", "--dir", str(tmp_path)]

    @contextlib.contextmanager
    def serving():
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                with socket.socket(socket.AF_UNIX) as probe:
                    while probe.connect_ex(str(at)):  # a hang is ended by the test's own time limit
                        assert server.poll() is None, "redis-server did not start"
                        time.sleep(0.01)
                yield
            finally:
                server.kill()

    shared = dataclasses.replace(settings, limits_storage=f"redis+unix://{at}", starts_per_minute=2)
    with serving():
        one, other = Throttle(shared), Throttle(shared)
        one.check(one.starts, "start", "me")
        other.check(other.starts, "start", "me")
        for host in (one, other):
            with pytest.raises(TooOftenError):
                host.check(host.starts, "start", "me")
        other.check(other.starts, "start", "somebody else")
    for host in (one, other):  # two tries each, of their own
        for _ in range(2):
            host.check(host.starts, "start", "me")
        with pytest.raises(TooOftenError):
            host.check(host.starts, "start", "me")
    with serving():  # empty, as after a restart
        one.check(one.starts, "start", "me")
        other.check(other.starts, "start", "me")
        with pytest.raises(TooOftenError):
            one.check(one.starts, "start", "me")


def test_behind_tls_and_a_proxy(settings, study):
    """HSTS and Secure cookies; the proxy's word on the address counts only where a proxy is declared."""
    behind = create_app(dataclasses.replace(settings, is_https=True, n_proxies=1, starts_per_minute=1))
    client = behind.test_client()
    reply = client.get("/s/small/")
    assert reply.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "; Secure" in client.get("/console/sign-in").headers["Set-Cookie"]
    for address in ("1.1.1.1", "2.2.2.2"):
        assert client.post("/s/small/start", headers={"X-Forwarded-For": f"9.9.9.9, {address}"}).status_code == 303
    assert client.post("/s/small/start", headers={"X-Forwarded-For": "8.8.8.8, 2.2.2.2"}).status_code == 429
    bare = create_app(dataclasses.replace(settings, starts_per_minute=1))
    client = bare.test_client()
    status = [client.post("/s/small/start", headers={"X-Forwarded-For": f"1.1.1.{n}"}).status_code for n in range(2)]
    assert status == [303, 429]
    for app in (behind, bare):
        app.extensions["truehue"].desk.database.dispose()


def test_other_host_names_are_refused_where_names_are_declared(settings, study):
    """No address in a page or a redirect is made from a forged Host header."""
    app = create_app(dataclasses.replace(settings, hosts=("study.example.org",)))
    client = app.test_client()
    assert client.get("/s/small/", headers={"Host": "study.example.org"}).status_code == 200
    assert client.get("/s/small/", headers={"Host": "evil.example"}).status_code == 400
    app.extensions["truehue"].desk.database.dispose()


def test_refusals_are_logged_without_personal_data(app, participant, caplog):
    """Forged, replayed, skipped, cross-session and late reports: a line each, with no token, address or agent."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    web.log.addHandler(handler)
    caplog.set_level(logging.INFO, logger="truehue")
    try:
        participant.begin()
        agent = {"User-Agent": "Secretive/1.0"}
        report = participant.report()
        assert participant.send(report).status_code == 200
        late = {**report, "idempotency_key": "other"}
        for body in ({**report, "trial_id": "0" * 32, "idempotency_key": "k"}, late, {**report, "rt_ms": "soon"}):
            reply = participant.client.post(f"{participant.here}api/response", json=body, headers=agent)
            assert reply.status_code in {409, 422}
        participant.client.get(f"{participant.here}image/{'0' * 32}", headers=agent)
        participant.client.get("/p/forged/", headers=agent)
        participant.client.get("/nowhere/someone@example.org")
    finally:
        web.log.removeHandler(handler)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["status"] for line in lines] == [409, 409, 422, 404, 404, 404]
    assert {line["event"] for line in lines} == {"refused"}
    assert [line["endpoint"] for line in lines][:4] == ["participant.api_response"] * 3 + ["participant.picture"]
    assert len({line.get("session") for line in lines[:4]}) == 1
    for word in (participant.token, "Secretive", "127.0.0.1", "someone@example.org", "forged"):
        assert word not in stream.getvalue()


def test_a_database_error_is_logged_without_its_values(app, desk, participant, monkeypatch):
    """What a statement carried stays out of the log; the participant is told that it is not their fault."""
    from sqlalchemy.exc import OperationalError

    participant.begin()
    secret = " ".join(("a", "secret", "value"))  # the traceback quotes this file's lines

    def broken(*_args, **_kwargs):
        with desk.database.writing() as connection:
            connection.exec_driver_sql("INSERT INTO no_such_table VALUES (?)", (secret,))

    monkeypatch.setattr("study.sessions.record_response", broken)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    web.log.addHandler(handler)
    try:
        reply = participant.send(participant.report())
    finally:
        web.log.removeHandler(handler)
    assert reply.status_code == 503
    line = json.loads(stream.getvalue())
    assert (line["event"], line["error"]) == ("failed", OperationalError.__name__)
    assert secret not in stream.getvalue()


def test_a_rotated_key_keeps_sessions_and_links_and_the_second_rotation_ends_them(
    settings, desk, study, make_participant
):
    """Signed links survive one rotation; a participant under way only asks for the trial again; mode stays 600."""
    researchers.add(desk.database, EMAIL, "", now=NOW)
    link = researchers.link_token(desk.database, settings.secret_key, EMAIL)
    person = make_participant().begin()
    person.answer()
    old_report = person.report()

    def renewed():
        rotate_key(read_settings({"TRUEHUE_INSTANCE": str(settings.instance)}))
        return create_app(read_settings({"TRUEHUE_INSTANCE": str(settings.instance)}))

    app = renewed()
    assert (settings.instance / "secret_key").stat().st_mode & 0o777 == 0o600
    assert app.extensions["truehue"].settings.secret_key != settings.secret_key
    person.client = app.test_client()
    assert person.send(old_report).status_code == 409
    person.look()
    person.finish_trials()
    assert person.state.status == "questionnaire"
    assert app.test_client().get(f"/console/enter/{link}").status_code == 303
    again = renewed()
    researchers.add(desk.database, "two@example.org", "", now=NOW)
    stale = researchers.link_token(desk.database, settings.secret_key, "two@example.org")
    assert again.test_client().get(f"/console/enter/{stale}").status_code == 403
    for each in (app, again):
        each.extensions["truehue"].desk.database.dispose()
    given = read_settings({"TRUEHUE_SECRET_KEY": "n" * 32 + "," + "o" * 32})
    assert given.keys == (b"n" * 32, b"o" * 32)
    with pytest.raises(ConfigError, match="NEW,OLD"):
        rotate_key(given)


def test_alive_and_ready(app, study, settings, monkeypatch):
    """Alive says nothing of the database; ready needs it, its tables and the pictures."""
    client = app.test_client()
    assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 200)
    with app.extensions["truehue"].desk.database.writing() as connection:
        assert connection.scalar(select(func.count()).select_from(StudyRow)) == 1
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    reply = client.get("/readyz")
    assert reply.status_code == 503
    assert "upgrade" in reply.text
    assert client.get("/healthz").status_code == 200


def test_settings_that_cannot_be_are_one_line():
    """Numbers are numbers."""
    for name in ("TRUEHUE_PROXIES", "TRUEHUE_STARTS_PER_MINUTE"):
        with pytest.raises(ConfigError, match=f"{name}: expected a whole number"):
            read_settings({name: "-1"})
