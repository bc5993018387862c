"""A study's states, what is frozen at launch, and pilots."""

import json

import pytest
from conftest import NOW, SMALL, Participant
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from study import lifecycle
from study.definition import parse_definition
from study.export import write_export
from study.models import LaunchRow, SessionRow
from study.preregistration import as_markdown, sha256
from study.studies import StudyError, create_study, find_row, replace_draft


@pytest.fixture
def draft(desk, settings, stimuli):
    return create_study(desk.database, settings.stimuli, parse_definition(SMALL), stimuli, slug="new", now=NOW, seed=7)


def change(desk, state, slug="new"):
    return lifecycle.change(desk.database, slug, state, actor="me@example.org", now=NOW)


def launches(desk):
    with desk.database.reading_session() as session:
        return list(session.scalars(select(LaunchRow)))


def test_nobody_comes_into_a_draft(app, draft):
    client = app.test_client()
    assert client.get("/s/new/").status_code == 404
    assert client.post("/s/new/start").status_code == 404


def test_a_pilot_takes_people_whose_sessions_are_marked(app, desk, draft, settings, tmp_path):
    change(desk, "pilot")
    person = Participant(app.test_client(), desk, "new").begin()
    person.finish_trials()
    with desk.database.reading_session() as session:
        assert [row.is_pilot for row in session.scalars(select(SessionRow))] == [True]
    assert launches(desk) == []
    change(desk, "running")
    Participant(app.test_client(), desk, "new").begin()
    with desk.database.reading_session() as session:
        assert [row.is_pilot for row in session.scalars(select(SessionRow).order_by(SessionRow.id))] == [True, False]
    info = json.loads(
        (write_export(desk.database, settings.stimuli, draft.id, tmp_path / "x", now=NOW) / "study.json").read_bytes()
    )
    assert info["state"] == "running"
    assert info["preregistration_sha256"] == launches(desk)[0].preregistration_sha256


def test_launching_freezes_once(desk, draft):
    """Pausing and going on changes nothing of what was fixed."""
    change(desk, "running")
    (launch,) = launches(desk)
    assert sha256(launch.preregistration) == launch.preregistration_sha256
    facts = lifecycle.read_preregistration(launch)
    assert facts["definition_sha256"] == draft.definition_sha256
    assert facts["manifest_sha256"] == draft.manifest.sha256
    assert facts["conditions"] == list(draft.pools.arms)
    assert str(draft.seed) not in json.dumps({k: v for k, v in facts.items() if k != "definition"}).split('"')
    for state in ("paused", "running", "closed", "running"):
        change(desk, state)
    assert [one.preregistration for one in launches(desk)] == [launch.preregistration]


def test_the_text_for_registries_names_every_hash(desk, draft):
    change(desk, "running")
    facts = lifecycle.read_preregistration(launches(desk)[0])
    text = as_markdown(facts)
    for name in ("definition_sha256", "manifest_sha256", "analysis_plan_sha256", "study_seed_sha256"):
        assert facts[name] in text
    assert "4 scored trials" in text
    assert "None" not in text


@given(st.lists(st.sampled_from(sorted(lifecycle.MOVES)), max_size=6))
def test_only_the_listed_moves_are_made(states):
    """Against the table read by hand: nothing returns to draft or pilot, nothing skips into paused."""
    for before, after in lifecycle.MOVES.items():
        assert "draft" not in after
        assert "pilot" not in after or before == "draft"
        assert "paused" not in after or before == "running"
    path = ["draft"]
    for state in states:
        if state in lifecycle.MOVES[path[-1]]:
            path.append(state)
    assert "draft" not in path[1:]


@pytest.mark.parametrize(("first", "second"), [("pilot", "draft"), ("running", "pilot"), ("running", "draft")])
def test_there_is_no_way_back(desk, draft, first, second):
    change(desk, first)
    with pytest.raises(StudyError, match=f"is {first}; from there it can become"):
        change(desk, second)


def test_people_meet_the_newest_version_that_is_no_draft(app, desk, draft, settings, stimuli):
    change(desk, "running")
    text = SMALL.replace("A small study", "The second version")
    create_study(
        desk.database, settings.stimuli, parse_definition(text), stimuli, slug="new", now=NOW, is_new_version=True
    )
    client = app.test_client()
    assert "A small study" in client.get("/s/new/").text
    change(desk, "running")
    assert "The second version" in client.get("/s/new/").text


def test_a_draft_is_replaced_until_somebody_tried_it(app, desk, draft):
    assert replace_draft(desk.database, "new") is False
    assert replace_draft(desk.database, "new") is False


def test_a_tried_draft_stays(app, desk, draft):
    from study import sessions

    sessions.start(desk, draft.id, now=NOW, may_be_closed=True, is_pilot=True)
    assert replace_draft(desk.database, "new") is True
    with desk.database.reading_session() as session:
        assert find_row(session, "new").version == 1


def test_commands_move_and_print_the_preregistration(app, desk, draft):
    runner = app.test_cli_runner()
    assert runner.invoke(args=["preregistration", "new"]).exit_code == 2
    assert runner.invoke(args=["pilot", "new"]).output == "new@1 is pilot: /s/new/\n"
    assert runner.invoke(args=["open", "new"]).output == "new@1 is running: /s/new/\n"
    assert runner.invoke(args=["pause", "new"]).output == "new@1 is paused\n"
    assert runner.invoke(args=["preregistration", "new"]).output.startswith("# Preregistration: A small study")
    assert json.loads(runner.invoke(args=["preregistration", "new", "--json"]).output)["study"] == "new"
    refused = runner.invoke(args=["pilot", "new"])
    assert refused.exit_code == 2
    assert "new@1 is paused; from there it can become running or closed" in refused.output
