"""Prolific: who comes, by a signed entry or not, and the way back with the code for it."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask.testing import FlaskClient
from recruits import CODES, MTURK, PROLIFIC, agree, come, finish_session, form_of, recruit, rows, sit_down

from study import recruitment
from study.models import SessionRow
from study.recruitment.people import person_hmac
from study.recruitment.platforms.base import Entry
from study.sessions import Desk
from study.studies import Study


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


def test_a_study_that_recruits_from_prolific_alone_says_so(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(desk, study, "prolific", CODES)
    page = come(client, study, {})
    assert page.status_code == 403
    assert "from Prolific only" in page.text
