"""The console's forms at their edges: what is left out, what is wrong, and what is kept of it."""

import io
import re
from types import SimpleNamespace

import pytest
from conftest import NOW, SMALL
from PIL import Image
from test_console import EMAIL, PASSWORD, post, sign_in

from study import jobs, researchers
from study.console import estimating, sets
from study.console.estimating import Question, question_of
from study.console.making import timeline, toml_of
from study.console.sets import _number
from study.definition import load_preset, parse_definition, presets
from study.jobs import JobError
from study.models import Researcher
from study.recruitment import configure, enter
from study.recruitment.platforms.base import Entry
from study.rights import withdrawal_code
from study.sessions import read_state


def test_what_an_account_is_not(desk):
    """No third role; no password that is too short; a second call with none keeps the first."""
    with pytest.raises(researchers.ResearcherError, match="role: expected owner or viewer, got 'guest'"):
        researchers.add(desk.database, "a@b.c", "", now=NOW, role="guest")
    researchers.add(desk.database, "a@b.c", "", now=NOW)
    assert researchers.check_password(desk.database, "a@b.c", "anything at all", now=NOW) is None
    researchers.add(desk.database, "a@b.c", "a long password", now=NOW)
    researchers.add(desk.database, "A@b.c ", "", now=NOW)
    assert researchers.check_password(desk.database, "a@b.c", "a long password", now=NOW)
    assert researchers.check_password(desk.database, "a@b.c", "another password", now=NOW) is None
    assert researchers.check_password(desk.database, "nobody@b.c", "a long password", now=NOW) is None


@pytest.mark.parametrize(("text", "number"), [("", None), ("  ", None), ("12", 12), (" 7 ", 7)])
def test_numbers_of_a_form_may_be_left_out(text, number):
    """But not be anything else."""
    assert _number(text, "n") == number
    for bad in ("-1", "1.5", "twelve", "1234567890"):
        with pytest.raises(JobError, match="n: expected a whole number"):
            _number(bad, "n")


@pytest.mark.parametrize(
    ("layout", "rate", "aim", "arguments"),
    [
        ("single", 32, 5, ["--rates", "0.32", "--precision", "0.05"]),
        ("between", 32, 5, ["--rates", "0.32", "0.27"]),
        ("within", 4, 5, ["--rates", "0.04", "0.09"]),
        ("within", 6, 5, ["--rates", "0.06", "0.01"]),
    ],
)
def test_the_other_rate_lies_where_there_is_room(layout, rate, aim, arguments):
    """Below, or above where below is nothing."""
    question = Question(layout, rate, aim, 40, 60, 36)
    assert question.arguments == [*arguments, "--participants", "40", "--photos", "60", "--trials", "36"]


def test_a_threshold_has_no_power_here():
    """The simulation knows fool rates and preferences."""
    assert question_of(load_preset("hype-time"), None, {}) is None


def test_the_form_writes_tables_in_tables_and_lists():
    """Typed settings are joined with the form's; what the form left at the preset's value is not written."""
    form = {"preset": "zhang2016", "study.title": "A", "study.contact": "a@b.c", "models": "lite, deep"}
    plain = parse_definition(toml_of(form))
    assert plain.conditions.models == ("lite", "deep")
    item = '{ item_id = "age", type = "number", question = "How old?" }'
    more = f'[study]\ntitle = "B"\n[questionnaire]\nitems = [{item}]\n[timing]\nexposure_ms = 500\n'
    typed = parse_definition(toml_of({**form, "more": more}))
    assert (typed.study.title, typed.study.contact, typed.timing.exposure_ms) == ("B", "a@b.c", 500)
    assert typed.conditions.models == ("lite", "deep")
    assert [one.question for one in typed.questionnaire.items] == ["How old?"]
    apart = toml_of({**form, "more": "[timing]\nexposure_ms = 500\n"})
    assert apart.endswith("[timing]\nexposure_ms = 500\n")
    same = toml_of({**form, "test.n_trials": str(load_preset("zhang2016").test.n_trials)})
    assert "n_trials" not in same


@pytest.mark.parametrize("name", presets())
def test_a_trials_stretches_add_up(name):
    """Every preset's trial has an answer at its end and shows what its design shows."""
    definition = load_preset(name)
    names = [phase.name for phase in timeline(definition)]
    assert names[-1] == "answer"
    shown = {
        "sequential_pair": ["first picture", "second picture"],
        "simultaneous_pair": ["both pictures"],
        "single": ["picture"],
    }
    assert [n for n in names if "picture" in n] == shown[definition.trial.design]


@pytest.fixture
def client(app, desk):
    researchers.add(desk.database, EMAIL, PASSWORD, now=NOW)
    client = app.test_client()
    sign_in(client)
    return client


def photograph() -> tuple[io.BytesIO, str]:
    data = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(data, "PNG")
    data.seek(0)
    return data, "one.png"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": " !? ", "models": "lite"}, "Give the set a name and at least one colorizer"),
        ({"name": "mine", "models": " , "}, "Give the set a name and at least one colorizer"),
        ({"name": "mine", "models": "--out"}, "Colorizers: expected names such as truehue-lite"),
        ({"name": "mine", "models": "../lite"}, "Colorizers: expected names such as truehue-lite"),
        ({"name": "mine", "models": "lite", "n": "-3"}, "N: expected a whole number, got"),
        ({"name": "mine", "models": "lite"}, "No file came; choose photographs or a zip"),
    ],
)
def test_photographs_that_cannot_be_coloured_make_no_job(client, desk, settings, monkeypatch, fields, words):
    """The page says why; nothing is kept of what was sent."""
    monkeypatch.setattr(sets, "has_colorizer", lambda: True)
    sent = {} if words.startswith("No file") else {"photos": photograph()}
    reply = post(client, "/console/sets/render", "/console/sets", **fields, **sent)
    assert reply.status_code == 422
    assert words in reply.text
    assert jobs.list_jobs(desk.database) == []
    assert not settings.uploads.exists() or list(settings.uploads.iterdir()) == []


def test_photographs_to_colour_become_a_job(client, desk, settings, monkeypatch):
    """With what was asked for; without a colorizer the page says so."""
    monkeypatch.setattr(sets, "has_colorizer", lambda: True)
    form = {"name": "My Set!", "models": "truehue-lite, gray", "n": " 12 ", "seed": ""}
    reply = post(client, "/console/sets/render", "/console/sets", photos=photograph(), **form)
    assert reply.location == "/console/jobs"
    (job,) = jobs.list_jobs(desk.database)
    kept = {path.name for path in settings.uploads.iterdir()}
    assert job.arguments == {
        "photos": kept.pop(), "models": ["truehue-lite", "gray"], "name": "my-set", "n": 12, "size": None, "seed": None,
    }  # fmt: skip
    monkeypatch.setattr(sets, "has_colorizer", lambda: False)
    reply = post(client, "/console/sets/render", "/console/sets", photos=photograph(), **form)
    assert (reply.status_code, "This server has no colorizer" in reply.text) == (422, True)


def test_one_zip_is_chosen_or_none(client):
    """A form without a file, and one with two."""
    for files in ({}, {"archive": [photograph(), photograph()]}):
        reply = post(client, "/console/sets/upload", "/console/sets", **files)
        assert (reply.status_code, "Choose one zip of a stimulus set" in reply.text) == (422, True)


def test_a_password_is_set_or_not(client, desk):
    """Empty and too short are said; a good one opens the door from then on."""
    for password, words in (("", "Expected a password"), ("short", "at least"), ("another long password", "is set")):
        reply = post(client, "/console/password", "/console/accounts", password=password)
        assert reply.location == "/console/accounts"
        assert words in client.get(reply.location).text
    assert researchers.check_password(desk.database, EMAIL, PASSWORD, now=NOW) is None
    assert researchers.check_password(desk.database, EMAIL, "another long password", now=NOW)


def test_who_is_no_researcher_any_more_is_out(client, desk):
    """With a session that is still good."""
    assert client.get("/console/").status_code == 200
    with desk.database.session() as session:
        session.query(Researcher).delete()
    for _ in range(2):
        assert client.get("/console/").location == "/console/sign-in"


def test_a_new_study_begins_with_an_old_ones_settings(client, make_study):
    """Of one that is there; else with the preset's."""
    make_study(SMALL.replace("n_trials = 4", "n_trials = 6"), slug="old")
    page = client.get("/console/new?from=old").text
    assert 'value="A small study"' in page
    assert re.search(r'name="test.n_trials"[^>]*value="6"', page)
    page = client.get("/console/new?from=none").text
    assert 'value="A small study"' not in page
    assert re.search(r'name="test.n_trials"[^>]*value=""', page), "the preset's, shown as what an empty field means"


def test_somebodys_data_are_deleted_by_any_of_their_names(client, desk, study, make_participant):
    """The code, the session, the platform's name; a second time there is nothing of that name."""
    states = [make_participant().begin().state for _ in range(2)]
    configure(desk.database, study.slug, "prolific", {"codes": {"COMPLETED": "C1"}}, now=NOW)
    token = enter(desk, study.id, Entry("prolific", person="5f1b", submission="60bb"), now=NOW)
    page = "/console/study/small/people"
    for how, who, name in (
        ("code", withdrawal_code(desk, states[0].session_id), states[0].session_id),
        ("session", states[1].session_id, states[1].session_id),
        ("prolific", "5f1b", read_state(desk, token).session_id),
    ):
        reply = post(client, "/console/study/small/withdraw", page, by=how, who=who, reason="asked")
        assert reply.status_code == 303, reply.text
        assert f"of {name} are deleted" in client.get(page).text
    for how, who, words in (
        ("session", "nobody", "There is no session nobody"),
        ("prolific", "5f1b", "sent nobody of this name to small"),
        ("carrier pigeon", "x", "Platform: expected one of"),
    ):
        reply = post(client, "/console/study/small/withdraw", page, by=how, who=who)
        assert (reply.status_code, words in reply.text) == (422, True), reply.text


@pytest.mark.parametrize("path", ["bundle/secret_key", "bundle/small-20261122T100000-0abc.zip", "preregistration.exe"])
def test_what_is_not_there_is_not_found(client, study, path):
    """Whatever stands in the address."""
    assert client.get(f"/console/study/small/{path}").status_code == 404


@pytest.mark.parametrize(
    ("n_conditions", "is_within", "layout", "n", "trials"),
    [
        (1, False, "single", 40, 40),
        (4, False, "between", 20, 40),
        (4, True, "within", 40, 20),
        (90, False, "between", 2, 40),
    ],
)
def test_of_many_conditions_the_power_is_of_two(n_conditions, is_within, layout, n, trials):
    """Their share of the people, or of each one's trials; never fewer than two."""
    pools = SimpleNamespace(compared=["x"] * n_conditions, is_within=is_within, photos={"test": ["p"] * 60})
    asked = question_of(load_preset("zhang2016"), pools, {"n_participants": "40"})
    assert (asked.layout, asked.n_participants, asked.n_trials) == (layout, n, trials)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (SimpleNamespace(returncode=2, stderr="a\nerror: power: too few photographs\n"), "too few photographs"),
        (SimpleNamespace(returncode=-9, stderr=""), "no reason given"),
        (OSError("no memory"), "the analysis did not answer (OSError)"),
    ],
)
def test_an_analysis_that_fails_says_why(monkeypatch, answer, problem):
    """Its reason stands beside the form; what is kept of it is forgotten again here."""

    def run(*_, **__):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(estimating.subprocess, "run", run)
    estimating._computed.cache_clear()
    question = Question("single", 32, 5, 40, 60, 36)
    try:
        assert estimating.compute(question).problem == problem
    finally:
        estimating._computed.cache_clear()


def test_the_decoys_password_opens_nothing(desk):
    """What an unknown address is compared with, so that it takes as long as a known one, is no way in."""
    researchers.add(desk.database, "invited@example.org", "", now=NOW)
    password = "the decoy's"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(researchers, "decoy", lambda: researchers.hasher.hash(password))
        for email in ("nobody@example.org", "invited@example.org"):
            assert researchers.check_password(desk.database, email, password, now=NOW) is None
