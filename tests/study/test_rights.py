"""Withdrawal, retention, the data-protection sheet and the audit log."""

import dataclasses
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, Participant
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from study import audit
from study.config import Settings
from study.export import TABLES, write_export
from study.models import (
    AnswerRow,
    Base,
    CompletionRow,
    IdentityRow,
    RecruitRow,
    SessionRow,
    TrialRow,
    WithdrawalRow,
)
from study.recruitment import configure, enter
from study.recruitment.platforms.base import Entry
from study.rights import (
    WithdrawalError,
    data_protection_sheet,
    delete_due_identities,
    read_code,
    withdraw,
    withdrawal_code,
)
from study.sessions import Desk
from study.studies import Study

WORKER = Entry("mturk", person="A2WORKER", submission="3ASSIGNMENT", return_to="https://www.mturk.com")


def rows(desk: Desk, table: Any) -> list[Any]:
    with desk.database.reading_session() as session:
        return list(session.scalars(select(table)))


def everything(desk: Desk) -> str:
    """All that the database holds, as one text; times in ISO's form, which has no microsecond of four digits."""
    with desk.database.reading() as connection:
        rows = (row for table in Base.metadata.sorted_tables for row in connection.execute(select(table)))
        return "\n".join(repr([v.isoformat() if isinstance(v, datetime) else v for v in row]) for row in rows)


TRACES = ("Netscape", "tlh", "1234", "Rex")


def holds(text: str, trace: str) -> bool:
    """Whether a text holds a trace as a word of its own: digests and seeds hold any four digits now and then."""
    return re.search(rf"\b{trace}\b", text) is not None


@pytest.fixture
def complete(app: Flask, desk: Desk, study: Study) -> Participant:
    """A worker of Mechanical Turk who has finished."""
    configure(desk.database, study.slug, "mturk", {}, now=NOW)
    token = enter(desk, study.id, WORKER, now=NOW, user_agent="Netscape 4.0 on Amiga")
    participant = Participant(app.test_client(), desk, study.slug, here=f"/p/{token}/")
    participant.client.post(f"{participant.here}advance", data={"stage": "instructions"})
    participant.look(device={"language": "tlh", "screen_width_px": 1234})
    participant.finish_trials().fill_in(strategy="I looked at my dog Rex")
    assert participant.state.status == "complete"
    return participant


def test_the_last_page_deletes_everything(complete: Participant) -> None:
    desk, client = complete.desk, complete.client
    last = client.get(complete.here).text
    assert all(holds(everything(desk), trace) for trace in TRACES)
    n_trials = len(rows(desk, TrialRow))
    done = client.post(re.findall(r'action="([^"]+/withdraw)"', last)[0])
    assert done.status_code == 303
    assert "Your answers are deleted" in client.get(complete.here).text
    for table in (TrialRow, AnswerRow, CompletionRow, IdentityRow):
        assert rows(desk, table) == []
    left = everything(desk)
    assert [trace for trace in TRACES if holds(left, trace)] == []
    (tombstone,) = rows(desk, WithdrawalRow)
    assert (tombstone.withdrawn_by, tombstone.n_trials, tombstone.n_answers) == ("participant", n_trials, 4)
    (session,) = rows(desk, SessionRow)
    assert session.status == "withdrawn"
    assert rows(desk, RecruitRow)[0].session_id is None


def test_a_person_whose_data_are_deleted_cannot_take_part_again(complete: Participant, study: Study) -> None:
    withdraw(complete.desk, complete.state.session_id, by="participant", now=NOW)
    args = "assignmentId=3NEW&workerId=A2WORKER&hitId=3HIT&turkSubmitTo=https://www.mturk.com"
    page = complete.client.get(f"/s/{study.slug}/?{args}")
    assert page.status_code == 409
    assert "had your answers deleted" in page.text


def test_the_code_on_the_last_page_deletes_later(complete: Participant) -> None:
    code = re.findall(r"<code class=\"code\">([A-Z2-7-]+)</code>", complete.client.get(complete.here).text)[0]
    assert re.fullmatch(r"[A-Z2-7]{4}(-[A-Z2-7]{4}){4}", code)
    assert complete.client.get("/withdraw").status_code == 200
    wrong = complete.client.post("/withdraw", data={"code": code[:-1] + ("A" if code[-1] != "A" else "B")})
    assert wrong.status_code == 422
    assert "No session has this code" in wrong.text
    assert rows(complete.desk, TrialRow)
    right = complete.client.post("/withdraw", data={"code": f" {code.lower().replace('-', ' ')} "})
    assert "Your answers are deleted" in right.text
    assert rows(complete.desk, TrialRow) == []


@given(st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32))
def test_codes_name_their_session_and_no_other_key_reads_them(number: int, key: bytes) -> None:
    desk = Desk(None, b"k" * 32)  # type: ignore[arg-type]  # codes need the key alone
    name = f"s-{number:016x}"
    code = withdrawal_code(desk, name)
    assert read_code(desk, code) == name
    if key != desk.key:
        with pytest.raises(WithdrawalError, match="letter by letter"):
            read_code(Desk(None, key), code)  # type: ignore[arg-type]


@given(st.text(max_size=30))
def test_no_text_breaks_the_reading_of_codes(text: str) -> None:
    with pytest.raises(WithdrawalError):
        read_code(Desk(None, b"k" * 32), text)  # type: ignore[arg-type]


def test_whoever_deletes_on_the_last_page_still_gets_back(complete: Participant) -> None:
    """The form for Mechanical Turk is on the page that follows, from a signed address; nothing of it is stored."""
    last = complete.client.get(complete.here).text
    form = re.findall(r'action="(https://www.mturk.com[^"]+)".*?name="assignmentId" value="([^"]+)"', last, re.DOTALL)
    done = complete.client.post(re.findall(r'action="([^"]+/withdraw)"', last)[0])
    gone = complete.client.get(done.location)
    assert re.findall(r'action="(https://[^"]+)".*?name="assignmentId" value="([^"]+)"', gone.text, re.DOTALL) == form
    assert "https://worker.mturk.com" in gone.headers["Content-Security-Policy"]
    assert "3ASSIGNMENT" not in everything(complete.desk)
    # The fourth last character: of the last, some bits say nothing, and another one may mean the same.
    letter = "A" if done.location[-4] != "A" else "B"
    forged = complete.client.get(f"{done.location[:-4]}{letter}{done.location[-3:]}").text
    assert "mturk.com" not in forged
    assert "mturk.com" not in complete.client.get(complete.here).text


def test_withdrawing_twice_says_what_was_deleted(complete: Participant) -> None:
    name = complete.state.session_id
    first = withdraw(complete.desk, name, by="participant", now=NOW)
    assert withdraw(complete.desk, name, by="researcher", now=NOW) == first
    assert len(rows(complete.desk, WithdrawalRow)) == 1


def test_a_withdrawn_session_answers_nothing_more(
    desk: Desk, make_participant: Callable[..., Participant], study: Study
) -> None:
    participant = make_participant().begin()
    participant.answer()
    withdraw(desk, participant.state.session_id, by="participant", now=NOW)
    assert participant.ask().status_code == 409
    assert rows(desk, TrialRow) == []
    assert "Your answers are deleted" in participant.client.get(participant.here).text


def test_later_exports_name_the_session_and_hold_nothing_else(
    complete: Participant, settings: Settings, study: Study, tmp_path: Path
) -> None:
    name = complete.state.session_id
    withdraw(complete.desk, name, by="researcher", now=NOW, reason="asked by mail")
    folder = write_export(complete.desk.database, settings.stimuli, study.id, tmp_path / "export", now=NOW)
    info = json.loads((folder / "study.json").read_bytes())
    assert info["withdrawals"] == [
        {"session_id": name, "withdrawn_at_utc": "2026-11-22T10:00:00.000Z", "reason": "asked by mail"}
    ]
    assert (folder / "trials.csv").read_text().count("\n") == 1
    assert name in (folder / "sessions.csv").read_text()


def test_names_are_deleted_when_their_time_has_come(complete: Participant) -> None:
    desk = complete.desk
    assert delete_due_identities(desk.database, now=NOW + timedelta(days=89)) == 0
    assert delete_due_identities(desk.database, now=NOW + timedelta(days=90)) == 1
    assert "A2WORKER" not in everything(desk)
    assert rows(desk, TrialRow), "the data stay"


def test_commands_withdraw_and_are_written_down(app: Flask, complete: Participant, study: Study) -> None:
    runner = app.test_cli_runner()
    nobody = runner.invoke(args=["withdraw", "--person", study.slug, "mturk", "A9OTHER"])
    assert nobody.exit_code == 2
    assert "sent nobody of this name" in nobody.output
    assert runner.invoke(args=["withdraw"]).exit_code == 2
    done = runner.invoke(args=["withdraw", "--person", study.slug, "mturk", "A2WORKER", "--reason", "asked"])
    assert done.exit_code == 0, done.output
    assert "trials and 4 answers are deleted" in done.output
    log = runner.invoke(args=["audit", study.slug]).output
    assert "command line  data withdrawn" in log
    assert "reason=asked" in log
    assert "A2WORKER" not in log
    assert runner.invoke(args=["retention"]).output == "0 platform names deleted\n"


def test_the_sheet_lists_every_column_and_question(app: Flask, desk: Desk, study: Study) -> None:
    configure(desk.database, study.slug, "prolific", {"codes": {"COMPLETED": "C1"}, "retention_days": 45}, now=NOW)
    sheet = app.test_cli_runner().invoke(args=["privacy", study.slug]).output
    for columns in TABLES.values():
        for column in columns:
            assert f"| `{column.name}` |" in sheet
    for item in study.definition.questionnaire.items:
        assert item.question in sheet
    assert "deleted 45 days after entry" in sheet
    assert "Article 9" in sheet
    assert study.definition.consent_sha256 in sheet


def test_a_sheet_without_questions_speaks_of_none(small: Any) -> None:
    bare = dataclasses.replace(small, questionnaire=dataclasses.replace(small.questionnaire, items=()))
    sheet = data_protection_sheet(bare, {"direct": {}}, slug="x", definition_sha256="0")
    assert "questionnaire" not in sheet
    assert "Article 9" not in sheet


def test_the_audit_log_is_only_ever_added_to(desk: Desk, study: Study) -> None:
    with desk.database.writing() as connection:
        for n in range(3):
            audit.note(connection, actor="a@example.org", action=f"act {n}", subject=study.slug, now=NOW)
    with desk.database.reading() as connection:
        assert [row.action for row in audit.read(connection, study.slug)] == [
            "act 2",
            "act 1",
            "act 0",
            "study running",
        ]
        assert audit.read(connection, "other") == []
    assert not any(name in vars(audit) for name in ("update", "delete"))
