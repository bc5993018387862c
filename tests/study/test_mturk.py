"""Mechanical Turk: a worker takes part once, and goes back by the form that is theirs."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from conftest import NOW
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from recruits import MTURK, agree, come, finish_session, form_of, recruit, rows

from study import recruitment
from study.models import CompletionRow, IdentityRow, RecruitRow, SessionRow
from study.recruitment import EntryError
from study.recruitment.people import person_hmac
from study.recruitment.platforms.base import Entry
from study.recruitment.platforms.mturk import MechanicalTurk, external_question
from study.sessions import Desk
from study.studies import Study


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
