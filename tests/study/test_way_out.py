"""Every dead end has a way back: no qualification, a full study, an unsuited device, a closed study."""

import threading

import pytest
from conftest import NOW, SMALL
from sqlalchemy import func, select, update

from study import sessions
from study.db import Database, upgrade
from study.definition import parse_definition
from study.lifecycle import change
from study.models import CompletionRow, SessionRow
from study.recruitment.registry import configure
from study.studies import create_study
from study.web import now

QUALIFYING = SMALL.replace("n_trials = 2\n", "n_trials = 2\npass_share = 1\n", 1)
TWO = SMALL.replace("[study]", "[study]\nn_participants = 2")
NO_PHONES = SMALL + '[device]\nphones = "refused"\n'
CAME = {
    "mturk": "assignmentId=A1&hitId=H&workerId=W1&turkSubmitTo=https%3A%2F%2Fwww.mturk.com",
    "prolific": "PROLIFIC_PID=p1&STUDY_ID=s&SESSION_ID=x1",
    "sona": "survey_code=77",
    "connect": "participantId=c1&assignmentId=a1&projectId=q",
    "lab": "seat=3",
}
SETTINGS = {  # codes of so many letters that no token spells one
    "prolific": {
        "codes": {
            "COMPLETED": "C0MPL3T3",
            "FAILED_ATTENTION_CHECK": "FA1L3DCHECK",
            "SCREENED_OUT": "SCR33N",
            "INCOMPATIBLE_DEVICE": "D3V1CE",
            "OTHER": "0TH3R",
        }
    },
    "sona": {"completion_url": "https://uni.sona-systems.com/webstudy_credit.aspx?experiment_id=1&survey_code=XXX"},
    "connect": {"screened_out_url": "https://connect.cloudresearch.com/out"},
}
PHONE = {"User-Agent": "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36"}


def recruit(desk, slug, platform):
    configure(desk.database, slug, platform, SETTINGS.get(platform, {}), now=NOW)


def fail_qualification(desk, client, make_participant, platform):
    """Through the door and the whole of practice, always wrong; the last page."""
    door = client.get(f"/s/small/?{CAME[platform]}").text
    entry = door.split('name="entry" value="')[1].split('"')[0]
    person = make_participant()
    person.here = client.post("/s/small/start", data={"entry": entry}).location
    client.post(f"{person.here}advance", data={"stage": "instructions"})
    person.look()
    while person.turn["trial"]:
        trial = person.outstanding
        fake_side = (
            trial.side_of_a if trial.a.condition != "real" else {"left": "right", "right": "left"}[trial.side_of_a]
        )
        person.answer({"left": "right", "right": "left"}[fake_side])
    assert person.state.status == "unqualified"
    return client.get(person.here)


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("prolific", "submissions/complete?cc=SCR33N"),
        ("mturk", 'name="outcome" value="SCREENED_OUT"'),
        ("sona", "survey_code=77"),
        ("connect", "https://connect.cloudresearch.com/out"),
        ("lab", "?seat=3"),
    ],
)
def test_who_does_not_qualify_gets_back_to_the_platform(app, desk, make_study, make_participant, platform, expected):
    """With the platform's word for it, kept beside the session; never as somebody who failed an attention check."""
    make_study(QUALIFYING)
    recruit(desk, "small", platform)
    page = fail_qualification(desk, app.test_client(), make_participant, platform)
    assert page.status_code == 200
    assert expected in page.text
    assert "FA1L3DCHECK" not in page.text
    assert "lab@example.org" in page.text
    with desk.database.reading() as connection:
        assert connection.execute(select(CompletionRow.outcome)).scalars().all() == ["SCREENED_OUT"]


def test_sona_can_be_told_not_to_grant_credit_without_qualification(app, desk, make_study, make_participant):
    make_study(QUALIFYING)
    configure(desk.database, "small", "sona", {**SETTINGS["sona"], "credits_unqualified": False}, now=NOW)
    page = fail_qualification(desk, app.test_client(), make_participant, "sona").text
    assert "sona-systems.com" not in page
    assert "Please return the task on SONA" in page


def test_a_full_study_says_so_at_the_door_and_at_the_start(app, desk, make_study):
    """Who came before it was full may not slip in after, and goes back with the code for it."""
    study = make_study(TWO)
    recruit(desk, "small", "prolific")
    client = app.test_client()
    door = client.get(f"/s/small/?{CAME['prolific']}")
    entry = door.text.split('name="entry" value="')[1].split('"')[0]
    for _ in range(2):
        sessions.start(desk, study.id, now=now())
    for page in (client.get(f"/s/small/?{CAME['prolific']}"), client.post("/s/small/start", data={"entry": entry})):
        assert page.status_code == 403
        assert "This study is full" in page.text
        assert "cc=SCR33N" in page.text
        assert "lab@example.org" in page.text
    with desk.database.writing() as connection:
        connection.execute(update(SessionRow).where(SessionRow.arm_slot == 0).values(status="withdrawn"))
    assert client.post("/s/small/start", data={"entry": entry}).status_code == 303
    assert client.get(f"/s/small/?{CAME['prolific']}").status_code == 303, "who is inside comes back in"


def check_quota_under_simultaneous_starts(database, stimuli, root):
    """30 threads want 7 places: 7 sessions, 23 times 'full', and pilots and simulations are not counted."""
    upgrade(database)
    desk = sessions.Desk(database, b"k" * 32)
    text = SMALL.replace("[study]", "[study]\nn_participants = 7")
    study = create_study(database, root, parse_definition(text), stimuli, slug="s", now=NOW, seed=1)
    sessions.start(desk, study.id, now=NOW, is_pilot=True, may_be_closed=True)
    sessions.start(desk, study.id, now=NOW, is_simulated=True, may_be_closed=True)
    change(database, "s", "running", actor="test", now=NOW)
    told = []

    def begin():
        try:
            sessions.start(desk, study.id, now=NOW)
            told.append("in")
        except sessions.Full:
            told.append("full")
        except Exception as error:
            told.append(repr(error))

    threads = [threading.Thread(target=begin) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as connection:
        n = connection.execute(select(func.count()).select_from(SessionRow)).scalar_one()
    assert (sorted(set(told)), told.count("in"), told.count("full"), n) == (["full", "in"], 7, 23, 9)


def test_the_last_place_is_taken_once_on_sqlite(stimuli, tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    check_quota_under_simultaneous_starts(database, stimuli, tmp_path / "s")
    database.dispose()


@pytest.mark.postgresql
def test_the_last_place_is_taken_once_on_postgresql(postgresql_url, stimuli, tmp_path):
    database = Database(postgresql_url)
    check_quota_under_simultaneous_starts(database, stimuli, tmp_path / "s")
    database.dispose()


@pytest.mark.parametrize(("platform", "expected"), [("prolific", "cc=D3V1CE"), ("mturk", "return the task on Mech")])
def test_a_refused_phone_is_told_at_the_door(app, desk, make_study, platform, expected):
    """Before consent, with the code for it; a computer gets in, and a study that allows phones asks nobody."""
    make_study(NO_PHONES)
    make_study(SMALL, slug="any")
    for slug in ("small", "any"):
        recruit(desk, slug, platform)
    client = app.test_client()
    for headers in (PHONE, {"Sec-CH-UA-Mobile": "?1"}):
        page = client.get(f"/s/small/?{CAME[platform]}", headers=headers)
        assert page.status_code == 403
        assert expected in page.text
        assert "lab@example.org" in page.text
        assert client.get(f"/s/any/?{CAME[platform]}", headers=headers).status_code == 200
    assert client.get(f"/s/small/?{CAME[platform]}").status_code == 200


def test_a_screen_without_room_has_a_way_back_and_changes_nothing(desk, make_study, participant):
    participant.begin()
    page = participant.client.get(f"{participant.here}unsuited")
    assert page.status_code == 200
    assert f'href="{participant.here}"' in page.text
    assert participant.state.status == "practice"


def test_a_closed_study_sends_people_back(app, desk, make_study):
    study = make_study(SMALL)
    recruit(desk, "small", "prolific")
    change(desk.database, study.name, "closed", actor="test", now=NOW)
    page = app.test_client().get(f"/s/small/?{CAME['prolific']}")
    assert page.status_code == 403
    assert "cc=0TH3R" in page.text


@pytest.mark.parametrize(("n_answered", "outcome"), [(0, "SCREENED_OUT"), (6, "COMPLETED")])
def test_a_session_of_void_trials_is_no_complete_one(app, desk, study, make_participant, n_answered, outcome):
    """Whoever reloads at every trial reaches the end without data, and does not get a complete session's code."""
    client = app.test_client()
    recruit(desk, "small", "prolific")
    entry = client.get(f"/s/small/?{CAME['prolific']}").text.split('name="entry" value="')[1].split('"')[0]
    person = make_participant()
    person.here = client.post("/s/small/start", data={"entry": entry}).location
    client.post(f"{person.here}advance", data={"stage": "instructions"})
    person.look()
    while person.turn["trial"]:
        n = sum(row.kind != "practice" and not row.void_reason for row in person.rows)
        person.answer() if n < n_answered else person.void()
    assert person.fill_in().status_code == 303
    page = client.get(person.here).text
    assert (SETTINGS["prolific"]["codes"]["COMPLETED"] in page) == (outcome == "COMPLETED")
    with desk.database.reading() as connection:
        assert connection.execute(select(CompletionRow.outcome)).scalars().all() == [outcome]
