"""The report of a trial: stored once, on disk before the reply, refused where it is not the outstanding one."""

import sqlite3
import threading

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from study import sessions
from study.models import TrialRow


def test_an_answer_is_on_disk_when_the_reply_arrives(participant, settings):
    """Another process's connection sees the row as soon as the participant is told."""
    participant.begin()
    for n in range(1, 4):
        participant.answer()
        with sqlite3.connect(settings.instance / "truehue.sqlite3") as connection:
            assert connection.execute("select count(*) from trial").fetchone() == (n,)
        connection.close()
    with participant.desk.database.reading() as connection:
        assert connection.exec_driver_sql("pragma synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"


def test_the_same_report_again_gets_the_same_turn(participant):
    """A retry is answered alike at once, and still after further answers; nothing is stored twice."""
    participant.begin()
    report = participant.report("left")
    first = participant.send(report)
    assert participant.send(report).data == first.data
    participant.turn = first.get_json()
    participant.answer()
    participant.answer()
    assert participant.send(report).data == first.data
    assert len(participant.rows) == 3


def test_a_retry_that_changes_its_mind_changes_nothing(participant):
    """The first answer stands."""
    participant.begin()
    report = participant.report("left")
    first = participant.send(report)
    assert participant.send({**report, "response": "right"}).data == first.data
    assert [row.response for row in participant.rows] == ["left"]


def test_a_late_report_under_a_new_key_is_a_conflict(participant):
    """An answered trial cannot be answered again."""
    participant.begin()
    old = participant.report("left")
    participant.send(old)
    reply = participant.send({**old, "idempotency_key": "another"})
    assert (reply.status_code, len(participant.rows)) == (409, 1)
    assert set(reply.get_json()) == {"error"}


def test_a_forged_or_skipped_trial_is_a_conflict(participant):
    """Neither an invented name nor the next trial's is accepted."""
    participant.begin()
    state = participant.state
    following = sessions.trial_name(participant.desk, state.session_id, 1, state.shown[1])
    for name in ("0" * 32, following):
        assert participant.send(participant.report(trial_id=name)).status_code == 409
    assert participant.rows == []


def test_another_sessions_trial_is_a_conflict(participant, make_participant):
    """Names of trials and addresses of pictures belong to one session."""
    one, two = participant.begin(), make_participant().begin()
    assert one.send(two.report()).status_code == 409
    address = two.turn["trial"]["pictures"][0]["url"].rsplit("/", 1)[1]
    assert one.client.get(f"{one.here}image/{address}").status_code == 404


def test_a_used_idempotency_key_is_a_conflict_on_another_trial(participant):
    """A key names one report."""
    participant.begin()
    participant.answer(idempotency_key="mine")
    reply = participant.send(participant.report(idempotency_key="mine"))
    assert (reply.status_code, len(participant.rows)) == (409, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"response": "up"},
        {"response": None},
        {"void_reason": "hidden"},
        {"void_reason": "bored", "response": None},
        {"rt_ms": None},
        {"rt_ms": -1},
        {"rt_ms": "soon"},
        {"rt_ms": True},
        {"rt_ms": float("nan")},
        {"exposures": []},
        {"exposures": [{"achieved_ms": 1000, "frames": 60}]},
        {"exposures": ["x", "y"]},
        {"exposures": [None, None]},
        {"exposures": None},
        {"visible": "yes"},
        {"idempotency_key": ""},
        {"idempotency_key": "k" * 65},
        {"idempotency_key": 5},
        {"page_id": "\x00"},
        {"trial_id": None},
        {"refresh_hz": []},
    ],
)
def test_a_malformed_report_is_refused(participant, changes):
    """422, one line, and nothing is stored."""
    participant.begin()
    reply = participant.send(participant.report() | changes)
    assert reply.status_code == 422
    assert reply.get_json()["error"]
    assert participant.rows == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"\xff", b'"x"'])
def test_what_is_not_a_json_object_is_refused(participant, body):
    """422 for both addresses."""
    participant.begin()
    for name in ("trial", "response"):
        reply = participant.client.post(f"{participant.here}api/{name}", data=body, content_type="application/json")
        assert reply.status_code == 422


def test_one_report_sent_eight_times_at_once_is_stored_once(participant, app):
    """Requests that race for a trial all get the same turn."""
    participant.begin()
    report = participant.report()
    replies = []

    def send() -> None:
        replies.append(app.test_client().post(f"{participant.here}api/response", json=report))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.data for reply in replies}) == 1
    assert len(participant.rows) == 1


def test_the_database_itself_refuses_doubles(participant, desk):
    """Were the code wrong, the constraints would still hold."""
    participant.begin()
    participant.answer()
    with desk.database.reading() as connection:
        row = dict(connection.execute(select(TrialRow.__table__)).one()._mapping)
    for double in (
        {},
        {"trial_index": 5, "idempotency_key": "new"},
        {"trial_index": 5, "plan_index": 5},
        {"trial_index": 5, "plan_index": 5, "idempotency_key": "new", "response": ""},
    ):
        with pytest.raises(IntegrityError), desk.database.writing() as connection:
            connection.execute(TrialRow.__table__.insert(), row | double)
    with desk.database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(TrialRow)) == 1
