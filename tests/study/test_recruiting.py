"""Where people come from: the commands, and who of them can be paid."""

import io
import json
import urllib.error
from email.message import Message
from types import SimpleNamespace

import pytest
from conftest import NOW

from study import audit
from study.recruitment import RecruitmentError, configure, enter, finish, prolific_api
from study.recruitment.invitations import MAX_AT_ONCE, invite
from study.recruitment.payment import _judge, approve, read_payments
from study.recruitment.platforms import PLATFORMS
from study.recruitment.platforms.base import Entry, Person
from study.recruitment.prolific_api import ProlificApi, ProlificError, Submission
from study.recruitment_commands import _parse
from study.rights import withdrawal_code


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("a",), "--set: expected KEY=VALUE, got 'a'"),
        (("codes=x", "codes.COMPLETED=C1"), "--set: codes is set twice in two ways"),
    ],
)
def test_settings_of_the_command_line_are_pairs(settings, message):
    """With a dot for the keys of one setting."""
    with pytest.raises(RecruitmentError, match=message):
        _parse(settings)
    assert _parse(("codes.A=1", "codes.B=2", "x=y=z")) == {"codes": {"A": "1", "B": "2"}, "x": "y=z"}


def test_connect_has_an_address_or_a_code():
    """A code where no address is set; nothing for who did not qualify where none is set."""
    person = Person(Entry("connect", submission="s"), address="")
    found = PLATFORMS["connect"].finish(person, {"completion_url": "", "code": "C1"}, outcome="COMPLETED")
    assert (found.kind, found.code) == ("code", "C1")
    assert PLATFORMS["connect"].finish(person, {}, outcome="SCREENED_OUT").kind == "none"


@pytest.mark.parametrize("name", ["link", "invitation"])
@pytest.mark.parametrize("shows_code", [True, False])
def test_a_code_is_shown_where_it_is_asked_for(name, shows_code):
    """Else there is no way back."""
    platform = PLATFORMS.get(name) or PLATFORMS["direct"]
    person = Person(Entry(name, submission="s"), address="")
    found = platform.finish(person, {"shows_code": shows_code}, outcome="COMPLETED")
    assert found.kind == ("code" if shows_code else "none")


@pytest.fixture
def run(app):
    return lambda *arguments, **more: app.test_cli_runner().invoke(args=list(arguments), **more)


def test_recruitment_is_begun_and_ended_by_the_command(run, desk, study):
    """What to paste is printed; both are written down; without a platform the present ones are listed."""
    done = run("recruit", "small", "--from", "prolific", "--set", "codes.COMPLETED=C1", "--url", "https://lab.example/")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("prolific: https://lab.example/s/small/?")
    done = run("recruit", "small@1", "--from", "mturk", "--url", "https://lab.example")
    assert "mturk: <?xml" in done.output or "<ExternalURL>https://lab.example/s/small/" in done.output
    assert run("recruit", "small", "--from", "prolific", "--stop").exit_code == 0
    left = run("recruit", "small").output
    assert "mturk: " in left
    assert "prolific" not in left
    with desk.database.reading() as connection:
        found = [(row.action, row.details["platform"]) for row in audit.read(connection) if "recruit" in row.action]
    assert sorted(found) == [
        ("recruitment changed", "mturk"), ("recruitment changed", "prolific"), ("recruitment stopped", "prolific"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["recruit", "small", "--stop"], "--set and --stop need --from PLATFORM"),
        (["recruit", "small", "--set", "a=b"], "--set and --stop need --from PLATFORM"),
        (["recruit", "small", "--from", "connect", "--stop"], "small does not recruit from connect"),
        (["recruit", "small", "--from", "mturk", "--set", f"frame_height_px={'9' * 30}"], "frame_height_px"),
        (["invite", "small", "--n", "0"], "expected 1 to"),
        (["prolific", "list", "small"], "there is no token for Prolific's API; run: flask --app study prolific token"),
        (["withdraw"], "expected one of --code, --session and --person"),
        (["withdraw", "--code", "a", "--session", "b"], "expected one of --code, --session and --person"),
        (["withdraw", "--session", "nobody"], "there is no session nobody"),
        (["withdraw", "--person", "small", "pigeon", "x"], "platform: expected one of"),
    ],
)
def test_a_mistake_about_people_is_one_line_and_changes_nothing(run, desk, study, command, message):
    """Status 2; the audit log has no line of it."""
    configure(desk.database, "small", "invitation", {}, now=NOW)
    done = run(*command)
    assert done.exit_code == 2
    assert done.output.startswith("error: ")
    assert message in done.output
    assert done.output.count("\n") == 1
    with desk.database.reading() as connection:
        assert not [row for row in audit.read(connection) if row.action not in ("study running", "study created")]


def test_a_lot_of_invitations_is_made_in_parts(desk, study):
    """So many at once, and no more."""
    configure(desk.database, "small", "invitation", {}, now=NOW)
    with pytest.raises(RecruitmentError, match=f"expected 1 to {MAX_AT_ONCE} at once, got {MAX_AT_ONCE + 1}"):
        invite(desk.database, "small", MAX_AT_ONCE + 1, now=NOW)
    assert len(set(invite(desk.database, "small", 3, now=NOW))) == 3


def test_the_command_withdraws_by_code(run, desk, participant):
    """And says what is gone; nobody's name is due, so none is deleted."""
    participant.begin().answer()
    done = run("withdraw", "--code", withdrawal_code(desk, participant.state.session_id))
    assert done.exit_code == 0, done.output
    assert done.output.endswith("of small: 1 trial and 0 answers are deleted\n")
    assert run("retention").output == "0 platform names deleted\n"


def test_names_whose_time_has_come_are_deleted_and_counted(run, desk, study):
    """The command says how many, and so does the log."""
    configure(desk.database, "small", "prolific", {"codes": {"COMPLETED": "C1"}, "retention_days": 0}, now=NOW)
    enter(desk, study.id, Entry("prolific", person="5f1b", submission="60bb"), now=NOW.replace(year=2020))
    assert run("retention").output == "1 platform name deleted\n"
    with desk.database.reading() as connection:
        (row,) = (row for row in audit.read(connection) if row.action == "identities deleted")
    assert row.details == {"n": 1}


def submission(status: str, code: str = "") -> Submission:
    return Submission("60bb", "5f1b", status, code)


@pytest.mark.parametrize(
    ("status", "session", "outcome", "code", "verdict", "reason"),
    [
        ("AWAITING REVIEW", "complete", "COMPLETED", "", "ready", ""),
        ("AWAITING REVIEW", "complete", "", "", "ready", ""),
        ("AWAITING REVIEW", "withdrawn", "", "C1", "ready", "had the answers deleted"),
        ("AWAITING REVIEW", "withdrawn", "", "F1", "look", "no completion code of theirs"),
        ("AWAITING REVIEW", "complete", "FAILED_ATTENTION_CHECK", "C1", "look", "failed instructed trials"),
        ("AWAITING REVIEW", "unqualified", "SCREENED_OUT", "", "look", "ended here as screened out"),
        ("AWAITING REVIEW", "test", "", "C1", "look", "the session here is at 'test'"),
        ("AWAITING REVIEW", "", "", "C1", "look", "nobody of this name came here"),
        ("RETURNED", "complete", "COMPLETED", "", "look", "Prolific did not hear of it"),
        ("ACTIVE", "complete", "", "", "look", "Prolific did not hear of it"),
        ("ACTIVE", "test", "", "", "under way", ""),
        ("RESERVED", "", "", "", "under way", ""),
        ("TIMED-OUT", "test", "", "", "settled", ""),
        ("RETURNED", "test", "", "", "settled", ""),
        ("APPROVED", "complete", "COMPLETED", "C1", "settled", ""),
        ("REJECTED", "complete", "COMPLETED", "C1", "settled", ""),
    ],
)
def test_who_is_paid_at_once_and_where_a_person_looks(status, session, outcome, code, verdict, reason):
    """Ready is only who gave every answer and waits; nothing here rejects anybody."""
    found = _judge(submission(status, code), session, outcome, {"C1"})
    assert found.verdict == verdict
    assert reason in found.reason
    assert bool(found.reason) == bool(reason)


class Api:
    """Prolific, as far as an approval needs it: its list, and what it says to each."""

    def __init__(self, submissions, says="APPROVED"):
        self.submissions = lambda _: submissions
        self.asked: list[str] = []
        self.says = says

    def approve(self, name):
        self.asked.append(name)
        return self.says


@pytest.mark.parametrize(
    ("given", "message"),
    [(None, "small does not recruit from Prolific; run: "), ({"codes": {"COMPLETED": "C1"}}, r"\(study_id\)")],
)
def test_submissions_of_an_unknown_study_are_not_asked_for(desk, study, given, message):
    """It says what to set."""
    if given is not None:
        configure(desk.database, "small", "prolific", given, now=NOW)
    with pytest.raises(ProlificError, match=message):
        read_payments(desk, Api([]), "small")


def test_another_submission_of_the_same_person_is_nobodys(desk, study):
    """The session belongs to the one that came with it; an approval that is none is told, and not counted."""
    configure(desk.database, "small", "prolific", {"codes": {"COMPLETED": "C1"}, "study_id": "60aa"}, now=NOW)
    enter(desk, study.id, Entry("prolific", person="5f1b", submission="60bb"), now=NOW)
    two = [Submission("60bb", "5f1b", "AWAITING REVIEW"), Submission("60cc", "5f1b", "AWAITING REVIEW")]
    assert {p.submission.submission_id: p.session for p in read_payments(desk, Api(two), "small").all} == {
        "60bb": "consented", "60cc": "",
    }  # fmt: skip
    with desk.database.writing() as connection:
        connection.exec_driver_sql("UPDATE session SET status = 'complete'")
    api = Api(two, says="REJECTED")
    done = approve(desk, api, "small", actor="me", now=NOW)
    assert (done.n_approved, done.problems) == (0, ("60bb: Prolific says REJECTED",))
    assert api.asked == ["60bb"]


def test_the_command_for_an_approval_that_stops_ends_with_status_1(run, desk, study, monkeypatch):
    """What was approved is counted before the reason."""
    done = SimpleNamespace(n_approved=2, problems=("60cc: Prolific says REJECTED",))
    monkeypatch.setattr("study.prolific_commands.approve", lambda *_, **__: done)
    monkeypatch.setenv("TRUEHUE_PROLIFIC_TOKEN", "a token")
    monkeypatch.setattr("study.prolific_commands._api", lambda: None)
    shown = run("prolific", "approve", "small")
    assert shown.exit_code == 1
    assert shown.output.splitlines() == ["2 approved", "error: 60cc: Prolific says REJECTED"]


def test_a_token_is_typed_without_being_shown(run, app):
    """Asked for where it is not piped."""
    done = run("prolific", "token", input="typed-token-of-prolific\n")
    assert done.exit_code == 0, done.output
    assert "typed-token" not in done.output
    assert app.extensions["truehue"].settings.prolific_token == "typed-token-of-prolific"


@pytest.fixture
def answering(monkeypatch):
    """Prolific's API that gives one answer to everything: JSON, other bytes, or a status."""

    def make(answer):
        api = ProlificApi("https://api.prolific.com", "a token")

        def send(request, timeout):
            if isinstance(answer, int):
                headers = Message()
                raise urllib.error.HTTPError(request.full_url, answer, "", headers, io.BytesIO(b""))
            return io.BytesIO(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

        monkeypatch.setattr(api, "_opener", SimpleNamespace(open=send))
        return api

    return make


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (404, "knows nothing at /api/v1/studies/60aa/submissions/; is study_id Prolific's own name"),
        (429, "asks for a pause of 60 s"),
        (500, "Prolific answers 500 to /api/v1/"),
        (b"<html>", "is no JSON; try again in a minute"),
        ([], "no list of results; its API may have changed"),
        ({"results": {}}, "no list of results; its API may have changed"),
        ({"results": [{"id": "60bb"}]}, "lacks id, participant_id or status"),
        ({"results": [7]}, "lacks id, participant_id or status"),
        ({"results": [], "_links": {"next": {"href": "/again"}}}, "more than 3 pages of submissions"),
    ],
)
def test_an_answer_of_prolifics_that_makes_no_sense_is_one_line(answering, monkeypatch, answer, message):
    """Never a shorter list than there is."""
    monkeypatch.setattr(prolific_api, "MAX_PAGES", 3)
    with pytest.raises(ProlificError, match=message):
        answering(answer).submissions("60aa")


def test_an_approval_without_a_status_is_none(answering):
    """Nobody is counted as paid by it."""
    assert answering({"status": "APPROVED"}).approve("60bb") == "APPROVED"
    for answer in ({}, [], {"status": 1}):
        with pytest.raises(ProlificError, match="the approval of 60bb names no status"):
            answering(answer).approve("60bb")


def test_a_text_setting_is_short_and_a_text(desk, study):
    """Whatever a form or a file holds."""
    for bad in ("x" * 1000, 7, None):
        with pytest.raises(RecruitmentError, match="code: expected a short text, got"):
            configure(desk.database, "small", "connect", {"code": bad}, now=NOW)
    configure(desk.database, "small", "connect", {"code": "C1"}, now=NOW)


def test_who_is_not_through_gets_no_way_back_yet(desk, participant):
    """Asked too early."""
    participant.begin()
    assert finish(desk, participant.state, address="", now=NOW).kind == "none"
