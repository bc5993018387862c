"""Recruitment: who comes, that one person has one session, and the way back.

The platforms' side is played by hand from their documentation: field names, hosts and signatures are theirs.
"""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from conftest import NOW, Participant
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from study import recruitment
from study.lifecycle import change
from study.models import CompletionRow, IdentityRow, RecruitRow, SessionRow
from study.recruitment import EntryError, RecruitmentError
from study.recruitment.people import find_token, person_hmac
from study.recruitment.platforms.base import Entry
from study.recruitment.platforms.mturk import MechanicalTurk, external_question
from study.recruitment.registry import PLATFORMS, configure
from study.sessions import Desk
from study.studies import Study

MTURK = {
    "assignmentId": "3ABCASSIGNMENT",
    "hitId": "3HIT",
    "workerId": "A2WORKER",
    "turkSubmitTo": "https://workersandbox.mturk.com",
}
PROLIFIC = {"PROLIFIC_PID": "5f1b2c3d4e5f6a7b8c9d0e1f", "STUDY_ID": "60aa", "SESSION_ID": "60bb"}
CODES = {"codes": {"COMPLETED": "C0MPL3T3", "NO_CONSENT": "N0C0NS", "FAILED_ATTENTION_CHECK": "FA1L3D"}}


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def recruit(desk: Desk, study: Study, platform: str, settings: dict[str, Any] | None = None) -> None:
    configure(desk.database, study.slug, platform, settings or {}, now=NOW)


def form_of(page: str) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))


def come(client: FlaskClient, study: Study, args: dict[str, str]) -> Any:
    return client.get(f"/s/{study.slug}/?{urlencode(args)}")


def agree(client: FlaskClient, study: Study, args: dict[str, str]) -> str:
    """Through the door; the address of the session's page."""
    door = come(client, study, args)
    if door.status_code == 303:
        return str(door.location)
    assert door.status_code == 200, door.text
    started = client.post(f"/s/{study.slug}/start", data=form_of(door.text))
    assert started.status_code == 303, started.text
    return str(started.location)


def sit_down(client: FlaskClient, desk: Desk, study: Study, here: str) -> Participant:
    """At the first trial."""
    participant = Participant(client, desk, study.slug, here=here)
    client.post(f"{here}advance", data={"stage": "instructions"})
    participant.look()
    return participant


def finish_session(client: FlaskClient, desk: Desk, study: Study, here: str) -> str:
    """All trials and the questionnaire; the last page."""
    sit_down(client, desk, study, here).finish_trials().fill_in()
    return client.get(here).text


def rows(desk: Desk, table: Any) -> list[Any]:
    with desk.database.reading_session() as session:
        return list(session.scalars(select(table)))


def test_a_mechanical_turk_preview_makes_no_session(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(desk, study, "mturk")
    page = come(client, study, {"assignmentId": "ASSIGNMENT_ID_NOT_AVAILABLE", "hitId": "3HIT"})
    assert page.status_code == 200
    assert "This is a preview" in page.text
    assert "I agree and start" not in page.text
    assert rows(desk, SessionRow) == []


def test_a_worker_goes_through_and_back(client: FlaskClient, desk: Desk, study: Study) -> None:
    """The end is Mechanical Turk's own form, and nothing of it is in a page before the last answer."""
    recruit(desk, study, "mturk")
    here = agree(client, study, MTURK)
    assert "externalSubmit" not in client.get(here).text
    assert rows(desk, CompletionRow) == []
    last = finish_session(client, desk, study, here)
    (completion,) = rows(desk, CompletionRow)
    assert 'action="https://workersandbox.mturk.com/mturk/externalSubmit"' in last
    fields = form_of(last)
    assert fields == {"assignmentId": "3ABCASSIGNMENT", "code": completion.code, "outcome": "COMPLETED"}
    assert len(completion.code) == 12
    assert completion.outcome == "COMPLETED"
    assert form_of(client.get(here).text) == fields, "asked again, it is the same"


@pytest.mark.parametrize(
    "host",
    [
        "https://evil.example",
        "http://www.mturk.com",
        "https://www.mturk.com.evil.example",
        "https://www.mturk.com@evil.example",
        "https://www.mturk.com:8443",
        "https://www.mturk.com/elsewhere",
        "//www.mturk.com",
        "javascript:alert(1)",
        "",
    ],
)
def test_only_mechanical_turks_own_hosts_get_a_submission(
    client: FlaskClient, desk: Desk, study: Study, host: str
) -> None:
    recruit(desk, study, "mturk")
    page = come(client, study, {**MTURK, "turkSubmitTo": host})
    assert page.status_code == 403
    assert "Mechanical Turk again" in page.text
    assert rows(desk, SessionRow) == []


@given(st.text(max_size=60))
def test_no_text_at_all_becomes_another_submit_host(text: str) -> None:
    try:
        entry = MechanicalTurk().read_entry({**MTURK, "turkSubmitTo": text}, {}, address="")
    except EntryError:
        return
    assert entry.return_to in ("https://www.mturk.com", "https://workersandbox.mturk.com")


def test_only_workers_pages_may_be_framed(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(desk, study, "mturk")
    recruit(desk, study, "direct")
    framed = come(client, study, MTURK).headers
    assert (
        "frame-ancestors https://worker.mturk.com https://workersandbox.mturk.com https://www.mturk.com"
        in framed["Content-Security-Policy"]
    )
    assert (
        "form-action 'self' https://www.mturk.com https://workersandbox.mturk.com" in framed["Content-Security-Policy"]
    )
    assert "X-Frame-Options" not in framed
    inside = client.get(agree(client, study, MTURK)).headers
    assert inside["Content-Security-Policy"] == framed["Content-Security-Policy"]
    plain = come(client, study, {}).headers
    assert "frame-ancestors 'none'" in plain["Content-Security-Policy"]
    assert plain["X-Frame-Options"] == "DENY"


def test_the_question_is_escaped() -> None:
    xml = external_question("https://lab.example/s/a/?x=1&y=2", frame_height_px=0)
    assert "<ExternalURL>https://lab.example/s/a/?x=1&amp;y=2</ExternalURL><FrameHeight>0</FrameHeight>" in xml
    assert "2006-07-14/ExternalQuestion.xsd" in xml


def test_a_worker_who_reloads_or_comes_back_finds_the_same_session(
    client: FlaskClient, desk: Desk, study: Study
) -> None:
    recruit(desk, study, "mturk")
    first = agree(client, study, MTURK)
    assert agree(client, study, MTURK) == first
    assert len(rows(desk, SessionRow)) == 1


def test_a_returned_assignment_is_taken_up_under_the_new_one(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(desk, study, "mturk")
    first = agree(client, study, MTURK)
    assert agree(client, study, {**MTURK, "assignmentId": "3SECOND"}) == first
    last = finish_session(client, desk, study, first)
    assert form_of(last)["assignmentId"] == "3SECOND"


def test_a_worker_takes_part_once_across_hits_and_versions(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(desk, study, "mturk")
    finish_session(client, desk, study, agree(client, study, MTURK))
    again = come(client, study, {**MTURK, "hitId": "3OTHER", "assignmentId": "3OTHERASSIGNMENT"})
    assert again.status_code == 409
    assert "taken part in this study already" in again.text
    assert len(rows(desk, SessionRow)) == 1


def test_twenty_simultaneous_entries_of_one_person_make_one_session(desk: Desk, study: Study) -> None:
    recruit(desk, study, "mturk")
    entry = Entry("mturk", person="A2WORKER", submission="3X", return_to="https://www.mturk.com")
    together = threading.Barrier(20)

    def enter(_: int) -> str:
        together.wait()
        return recruitment.enter(desk, study.id, entry, now=NOW)

    with ThreadPoolExecutor(20) as pool:
        tokens = set(pool.map(enter, range(20)))
    assert len(tokens) == 1
    assert len(rows(desk, SessionRow)) == 1
    assert len(rows(desk, RecruitRow)) == 1


def test_a_worker_is_stored_as_a_keyed_hash_and_apart(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(desk, study, "mturk", {"retention_days": "30"})
    agree(client, study, MTURK)
    (who,), (identity,), (session,) = rows(desk, RecruitRow), rows(desk, IdentityRow), rows(desk, SessionRow)
    assert who.person_hmac == person_hmac(desk, "mturk", "A2WORKER")
    assert "A2WORKER" not in str(vars(who)) + str(vars(session))
    assert identity.person == "A2WORKER"
    assert identity.delete_after_utc - who.entered_at_utc == timedelta(days=30)
    assert session.source == "mturk"
    other = Desk(desk.database, b"another key of another instance, 32 long")
    assert person_hmac(other, "mturk", "A2WORKER") != who.person_hmac


def test_prolific_goes_back_with_the_studys_code(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(desk, study, "prolific", CODES)
    here = agree(client, study, PROLIFIC)
    assert "C0MPL3T3" not in come(client, study, PROLIFIC).text + client.get(here).text
    last = finish_session(client, desk, study, here)
    assert 'href="https://app.prolific.com/submissions/complete?cc=C0MPL3T3"' in last
    (session,) = rows(desk, SessionRow)
    assert session.participant_id == f"p-{person_hmac(desk, 'prolific', PROLIFIC['PROLIFIC_PID'])[:16]}"


def test_who_does_not_consent_goes_back_to_prolific_with_its_own_code(
    client: FlaskClient, desk: Desk, study: Study
) -> None:
    recruit(desk, study, "prolific", CODES)
    page = come(client, study, PROLIFIC).text
    assert "complete?cc=N0C0NS" in page
    assert "C0MPL3T3" not in page


@pytest.mark.parametrize(
    ("most", "answers_wrongly", "code"),
    [(None, True, "C0MPL3T3"), (0, False, "C0MPL3T3"), (0, True, "FA1L3D"), (1, True, "C0MPL3T3")],
)
def test_only_failed_instructions_may_end_as_failed_attention(
    client: FlaskClient, desk: Desk, study: Study, most: int | None, answers_wrongly: bool, code: str
) -> None:
    """Being fooled on every trial, the low anchor included, never touches anyone's pay."""
    recruit(desk, study, "prolific", {**CODES, "max_instructed_failed": most})
    here = agree(client, study, PROLIFIC)
    participant = sit_down(client, desk, study, here)
    wrong = {"left": "right", "right": "left"}
    while participant.turn["trial"]:
        trial = participant.outstanding
        asked = trial.instructed_response
        if asked:
            participant.answer(wrong[asked] if answers_wrongly else asked)
        else:
            participant.answer(wrong[trial.side_of_a])
    participant.fill_in()
    assert f"complete?cc={code}" in client.get(here).text


@pytest.fixture(scope="module")
def prolific_keys() -> Iterator[tuple[rsa.RSAPrivateKey, str]]:
    """Prolific's key set, served as it serves it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    body = json.dumps({"keys": [{**public, "kid": "study-1", "use": "sig", "alg": "RS256"}]}).encode()

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Keys)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield key, f"http://127.0.0.1:{server.server_port}/.well-known/study/jwks.json"
    server.shutdown()
    server.server_close()
    thread.join()


def sign(key: rsa.RSAPrivateKey, study: Study, **changes: Any) -> str:
    now = datetime.now(UTC)
    claims = {
        "iss": "https://www.prolific.com",
        "aud": f"http://localhost/s/{study.slug}/",
        "sub": PROLIFIC["SESSION_ID"],
        "iat": now,
        "exp": now + timedelta(minutes=2),
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": "study-1"})


@pytest.fixture
def signed_study(desk: Desk, study: Study, prolific_keys: tuple[rsa.RSAPrivateKey, str]) -> Study:
    recruit(desk, study, "prolific", {**CODES, "is_signed": True})
    with desk.database.session() as session:
        # The setting takes https addresses only; the fake speaks http.
        row = session.get(recruitment.registry.RecruitmentRow, (study.slug, "prolific"))
        assert row is not None
        row.settings = {**row.settings, "keys_url": prolific_keys[1]}
    return study


@pytest.mark.outside
def test_a_signed_entry_is_let_in(
    client: FlaskClient, signed_study: Study, prolific_keys: tuple[rsa.RSAPrivateKey, str]
) -> None:
    page = come(client, signed_study, {**PROLIFIC, "prolific_token": sign(prolific_keys[0], signed_study)})
    assert page.status_code == 200
    assert "I agree and start" in page.text


@pytest.mark.outside
def test_forged_entries_are_refused(
    client: FlaskClient, desk: Desk, signed_study: Study, prolific_keys: tuple[rsa.RSAPrivateKey, str]
) -> None:
    key, study = prolific_keys[0], signed_study
    old = datetime.now(UTC) - timedelta(minutes=10)
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    good = sign(key, study)
    head, payload, signature = good.split(".")
    for name, token in {
        "missing": "",
        "garbage": "not.a.token",
        "another key": sign(stranger, study),
        "another issuer": sign(key, study, iss="https://www.prolific.co.evil.example"),
        "another study": sign(key, study, aud="http://localhost/s/other/"),
        "another submission": sign(key, study, sub="60cc"),
        "too old": sign(key, study, exp=old),
        "without an end": sign(key, study, exp=None),
        "unsigned": jwt.encode({"sub": PROLIFIC["SESSION_ID"]}, None, algorithm="none"),
        "cut": f"{head}.{payload}.{signature[:-4]}",
    }.items():
        page = come(client, study, {**PROLIFIC, "prolific_token": token})
        assert page.status_code == 403, name
        assert "from Prolific again" in page.text, name
    assert rows(desk, SessionRow) == []


def test_a_visitor_sends_the_server_nowhere(
    client: FlaskClient, desk: Desk, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses in parameters and in a token's head are read, never asked: the server opens no connection for them."""
    asked: list[object] = []

    def refuse(_socket: object, address: object) -> None:
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    inside = "http://169.254.169.254/latest/meta-data/"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    heads = {"kid": "study-1", "jku": inside, "x5u": inside}
    token = jwt.encode({"iss": inside, "aud": inside, "sub": "x"}, key, algorithm="RS256", headers=heads)
    for platform, settings in (("mturk", {}), ("prolific", {**CODES, "is_signed": False}), ("lab", {})):
        recruit(desk, study, platform, settings)
    for arguments in (
        {**MTURK, "turkSubmitTo": inside},
        {**PROLIFIC, "prolific_token": token},
        {"seat": inside, "experimenter": inside, "display": inside, "return": inside, "next": inside, "url": inside},
    ):
        assert come(client, study, arguments).status_code < 500
    assert asked == []


@pytest.mark.outside
def test_a_signed_study_cannot_be_entered_by_posting_past_the_door(
    client: FlaskClient, desk: Desk, signed_study: Study
) -> None:
    for entry in ("", "forged", recruitment.seal(Desk(desk.database, b"x" * 32), signed_study.slug, Entry("prolific"))):
        response = client.post(f"/s/{signed_study.slug}/start", data={"entry": entry})
        assert response.status_code == 403
    assert rows(desk, SessionRow) == []


def test_an_entry_signed_for_one_study_does_not_open_another(
    client: FlaskClient, desk: Desk, study: Study, make_study: Callable[..., Study]
) -> None:
    recruit(desk, study, "prolific", CODES)
    other = make_study(slug="other")
    recruit(desk, other, "prolific", CODES)
    entry = form_of(come(client, study, PROLIFIC).text)["entry"]
    assert client.post("/s/other/start", data={"entry": entry}).status_code == 403


def test_sona_gets_its_code_back(client: FlaskClient, desk: Desk, study: Study) -> None:
    url = "https://school.sona-systems.com/webstudy_credit.aspx?experiment_id=123&credit_token=9b638a&survey_code=XXX"
    recruit(desk, study, "sona", {"completion_url": url})
    here = agree(client, study, {"survey_code": "48151"})
    assert "credit_token" not in client.get(here).text
    last = finish_session(client, desk, study, here)
    address = last.split('href="https://school.sona')[1].split('"')[0].replace("&amp;", "&")
    assert parse_qs(urlsplit(f"https://school.sona{address}").query) == {
        "experiment_id": ["123"],
        "credit_token": ["9b638a"],
        "survey_code": ["48151"],
    }


def test_connect_goes_back(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(
        desk, study, "connect", {"completion_url": "https://connect.cloudresearch.com/participant/project/AB/complete"}
    )
    here = agree(client, study, {"participantId": "P1", "assignmentId": "S1", "projectId": "AB"})
    last = finish_session(client, desk, study, here)
    assert 'href="https://connect.cloudresearch.com/participant/project/AB/complete"' in last


def test_a_completion_address_elsewhere_is_refused() -> None:
    person = recruitment.platforms.base.Person(Entry("sona", submission="1"), address="")
    for url in (
        "https://sona-systems.com.evil.example/x",
        "https://evilsona-systems.com/",
        "http://a.sona-systems.com/",
    ):
        with pytest.raises(RecruitmentError, match="below sona-systems"):
            PLATFORMS["sona"].finish(person, {"completion_url": url}, outcome="COMPLETED")


def test_an_invitation_lets_one_person_in(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(desk, study, "invitation", {"shows_code": "1"})
    first, second = recruitment.invite(desk.database, study.slug, 2, now=NOW)
    here = agree(client, study, {"invitation": first})
    assert agree(client, study, {"invitation": first}) == here
    assert agree(client, study, {"invitation": second}) != here
    last = finish_session(client, desk, study, here)
    codes = {row.session_id: row.code for row in rows(desk, CompletionRow)}
    assert next(iter(codes.values())) in last
    door = come(client, study, {"invitation": "made-up"})
    refused = client.post(f"/s/{study.slug}/start", data=form_of(door.text))
    assert refused.status_code == 403
    assert come(client, study, {}).status_code == 403, "and nobody comes without one"
    assert rows(desk, IdentityRow) == []


def test_the_lab_returns_to_its_seat(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(desk, study, "lab")
    seat = {"seat": "3", "experimenter": "ab"}
    here = agree(client, study, seat)
    last = finish_session(client, desk, study, here)
    assert f'href="http://localhost/s/{study.slug}/?seat=3&amp;experimenter=ab"' in last
    assert agree(client, study, seat) != here, "the next person"


def test_a_plain_link_gives_no_code_unless_asked(client: FlaskClient, desk: Desk, study: Study) -> None:
    last = finish_session(client, desk, study, agree(client, study, {}))
    assert "The way back" not in last
    assert "You can close this window now" in last


def test_a_study_that_recruits_from_prolific_alone_says_so(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(desk, study, "prolific", CODES)
    page = come(client, study, {})
    assert page.status_code == 403
    assert "from Prolific only" in page.text


def test_those_inside_a_closed_study_come_back_in(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(desk, study, "prolific", CODES)
    here = agree(client, study, PROLIFIC)
    change(desk.database, study.slug, "closed", actor="test", now=NOW)
    assert come(client, study, PROLIFIC).location == here
    newcomer = come(client, study, {**PROLIFIC, "PROLIFIC_PID": "another"})
    assert newcomer.status_code == 403
    assert "not taking participants" in newcomer.text


def test_no_finish_before_the_end(client: FlaskClient, desk: Desk, study: Study) -> None:
    """A session whose status somebody else turned back has no way back either."""
    recruit(desk, study, "prolific", CODES)
    here = agree(client, study, PROLIFIC)
    finish_session(client, desk, study, here)
    with desk.database.writing() as connection:
        connection.execute(update(SessionRow).values(status="questionnaire"))
    assert "C0MPL3T3" not in client.get(here).text


@pytest.mark.parametrize(
    ("platform", "given", "words"),
    [
        ("prolific", {}, "codes is missing"),
        ("prolific", {"codes": {"COMPLETED": "a b"}}, "letters and digits"),
        ("prolific", {"codes": "C"}, "expected codes"),
        ("prolific", {**CODES, "retention_days": "soon"}, "whole number"),
        ("prolific", {**CODES, "is_signed": "maybe"}, "true or false"),
        ("prolific", {**CODES, "keys_url": "http://x"}, "https://"),
        ("prolific", {**CODES, "keys_url": "https://169.254.169.254/latest"}, "at prolific.com"),
        ("prolific", {**CODES, "keys_url": "https://evilprolific.com/jwks"}, "at prolific.com"),
        ("prolific", {**CODES, "keys_url": "https://prolific.com@localhost/"}, "at prolific.com"),
        ("prolific", {**CODES, "keys_url": "https://["}, "at prolific.com"),
        ("mturk", {"colour": "1"}, "unknown setting colour"),
        ("sona", {}, "completion_url is missing"),
        ("elsewhere", {}, "expected one of direct"),
    ],
)
def test_wrong_settings_are_explained(
    desk: Desk, study: Study, platform: str, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecruitmentError, match=words):
        configure(desk.database, study.slug, platform, given, now=NOW)


def test_the_command_says_what_to_paste(app: Flask, desk: Desk, study: Study) -> None:
    runner = app.test_cli_runner()
    set_up = [
        "recruit",
        study.slug,
        "--from",
        "prolific",
        "--set",
        "codes.COMPLETED=AB12",
        "--url",
        "https://lab.example",
    ]
    done = runner.invoke(args=set_up)
    assert done.exit_code == 0, done.output
    assert (
        f"https://lab.example/s/{study.slug}/?PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}&STUDY_ID={{{{%STUDY_ID%}}}}"
        "&SESSION_ID={{%SESSION_ID%}}" in done.output
    )
    bad = runner.invoke(args=["recruit", study.slug, "--from", "prolific"])
    assert bad.exit_code == 2
    assert "codes is missing" in bad.output
    refused = runner.invoke(args=["invite", study.slug])
    assert refused.exit_code == 2
    assert "does not take invitations" in refused.output
    runner.invoke(args=["recruit", study.slug, "--from", "invitation"])
    links = runner.invoke(args=["invite", study.slug, "--n", "3", "--url", "https://lab.example"]).output.split()
    assert len(set(links)) == 3
    assert find_token(desk, study.slug, Entry("invitation", person=links[0].split("=")[1])) is None
