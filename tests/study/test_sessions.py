"""The state machine, over HTTP."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from conftest import NOW, Participant
from sqlalchemy import select

from study import sessions
from study.models import SessionRow


def test_a_session_goes_from_consent_to_debrief(participant, study):
    """Consent, instructions, trials, questionnaire, debrief: each page is where the session says."""
    assert participant.client.get("/s/small/").status_code == 200
    participant.agree()
    assert participant.state.status == "consented"
    with participant.desk.database.reading() as connection:
        agreed_to = connection.scalar(select(SessionRow.consent_sha256))
    assert agreed_to == study.definition.consent_sha256
    participant.client.post(f"{participant.here}advance", data={"stage": "instructions"})
    assert participant.state.status == "practice"
    participant.look()
    participant.answer()
    participant.answer()
    assert participant.state.status == "test"
    participant.finish_trials()
    assert participant.turn["next_url"] == participant.here
    assert participant.state.status == "questionnaire"
    assert participant.fill_in(strategy="sky").status_code == 303
    assert participant.state.status == "complete"
    page = participant.client.get(participant.here).text
    result = sessions.read_result(participant.desk, participant.state)
    assert result.n_scored == study.definition.test.n_trials
    assert result.n_correct + result.n_fooled == result.n_scored
    assert "Thank you" in page


def test_unknown_sessions_and_studies_are_not_found(participant):
    """404 as a page or as JSON, never a traceback."""
    client = participant.client
    for path in ("/s/none/", "/p/none/", "/p/none/image/x", "/nothing", "/s/small@99/"):
        reply = client.get(path)
        assert reply.status_code == 404, path
        assert "Traceback" not in reply.text
    assert client.post("/p/none/api/trial", json={"page_id": "a"}).get_json()["error"]
    assert client.post("/s/none/start").status_code == 404


def test_trials_begin_after_the_instructions_only(participant):
    """No trial, no answer, no questionnaire before its stage."""
    participant.agree()
    assert participant.ask().status_code == 409
    assert participant.fill_in().status_code == 409
    participant.client.post(f"{participant.here}advance", data={"stage": "instructions"})
    assert participant.fill_in().status_code == 409
    assert participant.client.post(f"{participant.here}advance", data={"stage": "debrief"}).status_code == 422


def test_a_second_click_on_the_instructions_does_no_harm(participant):
    """Advancing twice leaves the session in its trials."""
    participant.begin()
    participant.answer()
    participant.client.post(f"{participant.here}advance", data={"stage": "instructions"})
    assert len(participant.rows) == 1


def test_after_the_trials_the_turn_points_to_the_page(participant):
    """Asking for a trial when all are answered says that they are over."""
    participant.begin().finish_trials()
    assert participant.look()["trial"] is None
    assert participant.fill_in().status_code == 303
    assert participant.fill_in().status_code == 303  # the second click
    assert participant.look()["trial"] is None


def test_the_questionnaire_says_what_needs_an_answer(participant):
    """422 with the values kept; optional items may stay empty; a choice must be one that was offered."""
    participant.begin().finish_trials()
    reply = participant.fill_in(difficulty="", strategy="blue\r\nsky, “quoted”")
    assert reply.status_code == 422
    assert "blue" in reply.text
    assert participant.fill_in(difficulty="9").status_code == 422
    assert participant.fill_in(colour_vision="<script>").status_code == 422
    assert participant.fill_in(difficulty="nan").status_code == 422
    assert participant.state.status == "questionnaire"


def test_a_study_without_questions_ends_with_its_trials(make_study, make_participant):
    """The last answer completes the session."""
    from conftest import SMALL

    make_study(SMALL + "\n[questionnaire]\nitems = []\n", slug="short")
    participant = make_participant("short").begin().finish_trials()
    assert participant.state.status == "complete"


def test_feedback_comes_in_practice_only(participant):
    """Practice says whether the answer was right; the test never does."""
    participant.begin()
    for n in range(8):
        trial = participant.outstanding
        wrong = "left" if trial.side_of_a == "right" else "right"
        feedback = participant.answer(wrong)["feedback"]
        assert feedback == ({"correct": False} if n < 2 else None)


def test_a_reload_during_a_trial_voids_it_and_shows_another_photo(participant):
    """The trial that a former page load held is void; its replacement comes at the end of the block."""
    participant.begin()
    held = participant.outstanding
    participant.reload("second-page")
    (row,) = participant.rows
    assert (row.void_reason, row.response, row.page_id) == ("reloaded", "", "first-page")
    assert participant.turn["progress"] == {"done": 0, "total": 8}
    participant.answer()
    replacement = participant.outstanding
    assert replacement.plan_index == held.plan_index
    assert replacement.attempt == 1
    assert replacement.a.image_id != held.a.image_id
    assert replacement.a.condition == held.a.condition


def test_a_reload_before_anything_was_shown_costs_nothing(participant):
    """The same trial is handed to the new page load."""
    participant.begin()
    name = participant.turn["trial"]["trial_id"]
    turn = participant.reload("second-page", interrupted={"trial_id": name, "shown": False})
    assert turn["trial"]["trial_id"] == name
    assert participant.rows == []


@pytest.mark.parametrize("interrupted", [None, {}, "x", {"trial_id": "0" * 32, "shown": False}, {"shown": False}])
def test_only_a_page_that_names_the_trial_may_say_that_nothing_was_shown(participant, interrupted):
    """Anything else voids."""
    participant.begin()
    participant.reload("second-page", interrupted=interrupted)
    assert [row.void_reason for row in participant.rows] == ["reloaded"]


def test_the_same_page_may_ask_again(participant):
    """A lost reply is asked for again without losing the trial."""
    participant.begin()
    turn = participant.turn
    assert participant.look() == turn
    participant.answer()
    turn = participant.turn
    assert participant.look() == turn | {"feedback": None}
    assert len(participant.rows) == 1


def test_a_second_tab_takes_over_and_the_first_is_refused(participant):
    """Never two pages answer one trial."""
    participant.begin()
    stale = participant.report()
    participant.reload("other-tab")
    assert participant.send(stale).status_code == 409
    participant.answer()
    assert [row.void_reason for row in participant.rows] == ["reloaded", ""]


def test_void_trials_are_replaced_within_their_block_and_never_scored(participant, study):
    """Same role and condition, another photo; the session still has all its scored answers."""
    participant.begin()
    voided = set()
    while participant.turn["trial"]:
        trial = participant.outstanding
        if trial.role == "test" and len(voided) < 2 and trial.plan_index not in voided:
            voided.add(trial.plan_index)
            participant.void("resized")
        else:
            participant.answer()
    rows = participant.rows
    assert sum(row.void_reason == "resized" for row in rows) == 2
    answered = [row for row in rows if not row.void_reason]
    assert sorted(row.plan_index for row in answered) == list(range(8))
    assert len({row.image_id for row in rows}) == len(rows)
    assert sessions.read_result(participant.desk, participant.state).n_scored == study.definition.test.n_trials
    for row in rows:
        if row.void_reason:
            (again,) = [r for r in answered if r.plan_index == row.plan_index]
            assert (again.kind, again.condition_a, again.side_of_a) == (row.kind, row.condition_a, row.side_of_a)


def test_when_spare_photos_run_out_the_session_still_ends(participant):
    """Somebody who reloads without end comes to the end with fewer scored trials."""
    participant.begin()
    for n in range(60):
        if participant.turn["trial"] is None:
            break
        participant.reload(f"page-{n}")
    assert participant.turn["trial"] is None
    assert participant.state.status == "questionnaire"
    assert {row.void_reason for row in participant.rows} == {"reloaded"}
    shown = [row.image_id for row in participant.rows]
    assert len(set(shown)) == len(shown)


def test_a_closed_study_lets_those_inside_finish(participant, make_participant, desk):
    """Closed is a page with status 403; a session under way goes on."""
    from study.lifecycle import change

    participant.begin()
    change(desk.database, "small", "closed", actor="test", now=NOW)
    late = make_participant()
    assert late.client.get("/s/small/").status_code == 403
    assert late.agree().status_code == 403
    participant.finish_trials()
    assert participant.fill_in().status_code == 303


def test_times_come_from_the_caller(desk, study):
    """A trial is shown when the answer before it was committed, or when a page load asked for it."""
    token = sessions.start(desk, study.id, now=NOW)
    sessions.advance(desk, token, stage="instructions")
    person = Participant(None, desk, "small", here=f"/p/{token}/")  # type: ignore[arg-type]
    person.turn = sessions.next_trial(desk, token, page_id="first-page", now=NOW + timedelta(seconds=5))
    for n in range(2):
        moment = NOW + timedelta(seconds=10 * (n + 1))
        person.turn = sessions.record_response(desk, token, person.report(), now=moment)
    first, second = person.rows
    assert (first.shown_at_utc, first.answered_at_utc) == (NOW + timedelta(seconds=5), NOW + timedelta(seconds=10))
    assert (second.shown_at_utc, second.answered_at_utc) == (NOW + timedelta(seconds=10), NOW + timedelta(seconds=20))


@pytest.mark.slow
def test_thirty_simultaneous_starts_keep_the_arms_balanced(desk, make_study, two_models):
    """Each arm gets fifteen, each slot is taken once."""
    study = make_study(slug="two", path=two_models)
    failures = []

    def begin() -> None:
        try:
            sessions.start(desk, study.id, now=NOW)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=begin) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with desk.database.reading() as connection:
        rows = connection.execute(select(SessionRow.arm, SessionRow.arm_slot)).all()
    assert Counter(arm for arm, _ in rows) == {"lite": 15, "deep": 15}
    assert sorted(slot for _, slot in rows) == list(range(30))
