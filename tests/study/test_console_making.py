"""Making studies and stimulus sets in the console; roles; the monitor; jobs."""

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from conftest import NOW, SMALL
from hypothesis import example, given
from hypothesis import strategies as st
from pictures import make_set
from PIL import Image
from test_console import EMAIL, PASSWORD, post, sign_in

from study import jobs, researchers
from study.config import read_settings
from study.console.estimating import Question, compute, cost
from study.console.making import LANGUAGES, timeline, toml_of
from study.console.monitor import Watch, browser_of
from study.console.sets import check_set
from study.definition import DefinitionError, load_preset, parse_definition, presets
from study.jobs import JobError
from study.jobs.queue import work
from study.jobs.uploads import keep, suffix_of, unpack_set
from study.models import JobRow
from study.simulate import Parameters, simulate

FORM = {"preset": "zhang2016", "slug": "fresh", "study.contact": "a@example.org", "study.title": "Fresh", "set": "1"}
SMALLER = {"test.n_trials": "4", "practice.n_trials": "2", "catch.n_low_anchor": "1", "catch.n_instructed": "1",
           "more": "[catch]\nn_spare = 0\n[practice]\nn_spare = 1"}  # fmt: skip


@pytest.fixture
def client(app, desk):
    researchers.add(desk.database, EMAIL, PASSWORD, now=NOW)
    client = app.test_client()
    sign_in(client)
    return client


def test_from_a_form_to_a_draft_to_people(client, study):
    looked = post(client, "/console/new", "/console/new", do="look", **FORM, **SMALLER)
    assert looked.status_code == 200, looked.text
    assert "What this amounts to" in looked.text
    assert "1000 ms" in looked.text
    made = post(client, "/console/new", "/console/new", do="create", **FORM, **SMALLER)
    assert (made.status_code, made.location) == (303, "/console/study/fresh@1/")
    assert client.get("/s/fresh/").status_code == 404
    again = post(client, "/console/new", "/console/new", do="create", **{**FORM, "study.title": "Better"}, **SMALLER)
    assert again.location == "/console/study/fresh@1/", "a draft that nobody tried is replaced"
    tried = post(client, "/console/study/fresh/try", "/console/study/fresh/")
    assert client.get(tried.location).status_code == 200
    post(client, "/console/study/fresh/state", "/console/study/fresh/", state="running")
    assert "Better" in client.get("/s/fresh/").text
    page = client.get("/console/study/fresh/").text
    assert "Frozen at launch" in page
    for kind in ("md", "json"):
        assert client.get(f"/console/study/fresh/preregistration.{kind}").status_code == 200
    assert "What is not stored" in client.get("/console/study/fresh/privacy").text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"study.contact": ""}, "contact: missing"),
        ({"set": "99"}, "stimulus set: choose one"),
        ({"test.n_trials": "x"}, "expected a number"),
        ({"test.n_trials": "4000"}, "too few photos"),
        ({"more": "[test"}, "not valid toml"),
        ({"more": "[test]\nn_trails = 3"}, "did you mean n_trials"),
        ({"slug": "No Good"}, "slug: expected small letters"),
        ({"preset": "other"}, "no preset is called"),
    ],
)
def test_a_wrong_form_is_explained_and_kept(client, study, change, words):
    reply = post(client, "/console/new", "/console/new", do="create", **{**FORM, **SMALLER, **change})
    assert reply.status_code == 422
    assert words in reply.text.casefold()
    assert 'value="Fresh"' in reply.text, "what was typed is still there"


@example("\r", " ")
@given(st.text(max_size=40), st.text(max_size=60))
def test_whatever_is_typed_becomes_toml_that_says_it(title, contact):
    text = toml_of({**FORM, "study.title": title, "study.contact": contact})
    definition = parse_definition(text)
    assert definition.study.title == (title if title.strip() else load_preset().study.title)
    assert definition.study.contact == (contact if contact.strip() else "")


@given(st.text(max_size=80))
def test_no_typed_settings_break_the_form(more):
    try:
        parse_definition(toml_of({**FORM, "more": more}))
    except DefinitionError as problem:
        assert len(str(problem).splitlines()) == 1  # noqa: PT017 - valid settings are welcome too


def test_the_form_tells_the_languages_of_presets_apart(client, study):
    """zhang2016 and its German version have one source; the form says which is which."""
    page = client.get("/console/new").text
    lines = {name: page.split(f'for="preset-{name}"')[1].split("</label>")[0] for name in ("zhang2016", "zhang2016-de")}
    assert ("English" in lines["zhang2016"], "German" in lines["zhang2016-de"]) == (True, True)
    assert not set(LANGUAGES) - {load_preset(name).study.language for name in presets()}
    assert {load_preset(name).study.language for name in presets()} <= set(LANGUAGES), "each has its name"


def test_the_timeline_is_the_trials():
    phases = timeline(load_preset())
    assert [phase.ms for phase in phases] == [900, 1000, 600, 1000, 100, 1500]


def test_cost_is_arithmetic():
    """40 people for 6 minutes are 4 hours; 48 at 12 an hour; a third on top."""
    definition = load_preset()
    found = cost(definition, n_participants=60, pay_per_hour=12, fee_percent=50)
    assert found.hours == pytest.approx(definition.minutes)
    assert found.pay == pytest.approx(12 * definition.minutes)
    assert found.total == pytest.approx(18 * definition.minutes)


@pytest.mark.outside
def test_the_estimate_follows_the_form(client, study, two_models):
    """Time and money at once; certainty from the analysis' own simulation; a wrong form says what is missing."""
    form = {**FORM, **SMALLER, "n_participants": "30", "pay_per_hour": "12", "fee_percent": "50"}
    page = "/console/new/estimate"
    quick = post(client, page, "/console/new", **form).text
    assert "hours of 30 people" in quick
    assert "being computed" in quick
    sure = post(client, page, "/console/new", power="yes", **form).text
    assert re.search(r"known to <strong>± \d+\.\d points", sure)
    assert "--participants 30" in sure
    wrong = post(client, page, "/console/new", **{**form, "test.n_trials": "4000"})
    assert "No estimate yet" in wrong.text
    assert wrong.status_code == 200


@pytest.mark.outside
def test_a_difference_is_asked_for_in_the_layout_of_the_study():
    """Two rates, the second where there is room; the answer never passes what the photographs allow."""
    question = Question("between", 32, 15, 30, 40, 20)
    assert question.arguments[:3] == ["--rates", "0.32", "0.17"]
    assert Question("within", 3, 15, 30, 40, 20).arguments[:3] == ["--rates", "0.03", "0.18"]
    found = compute(question)
    assert found.problem == ""
    assert 0 < found.power <= found.limit <= 1


def test_a_viewer_looks_and_changes_nothing(app, desk, study, client):
    researchers.add(desk.database, "guest@example.org", PASSWORD, now=NOW, role="viewer")
    guest = app.test_client()
    sign_in(guest, email="guest@example.org")
    page = guest.get("/console/study/small/").text
    assert "looks only" in page
    assert 'name="state"' not in page
    for path in ("/console/new", "/console/accounts", "/console/study/small/people"):
        assert guest.get(path).status_code == 403
    for path in ("study/small/state", "study/small/export.zip", "study/small/report", "new", "sets/upload", "accounts"):
        assert post(guest, f"/console/{path}", state="closed", unblind="yes").status_code == 403


def test_an_invited_researcher_enters_by_the_link(app, client):
    reply = post(client, "/console/accounts", "/console/accounts", email="new@example.org", role="viewer")
    link = reply.text.split("http://localhost")[1].split("<")[0]
    guest = app.test_client()
    assert guest.get(link).status_code == 303
    assert "new@example.org" in guest.get("/console/").text
    bad = post(client, "/console/accounts", "/console/accounts", email="nobody", role="viewer")
    assert bad.status_code == 422


def test_the_monitor_finds_those_who_do_not_look(desk, make_study, make_participant, tmp_path):
    many = make_set(tmp_path / "many", n=28)
    long = make_study(SMALL.replace("n_trials = 4", "n_trials = 24"), slug="long", path=many)
    person = make_participant("long").begin()
    while person.turn["trial"]:
        person.answer("left", rt_ms=100.0)
    rates = {"lite": 0.4, "random": 0.1}
    simulate(desk, long, n_participants=3, rates=rates, parameters=Parameters(), now=NOW, among_people=True)
    seen = Watch().monitor(desk.database, long.id, is_pilot=False, now=NOW)
    (one,) = seen.suspicious
    assert one.session_id == person.state.session_id
    assert len(one.reasons) == 3
    assert seen.total.n_complete == 3
    assert seen.trials.n_timed > seen.trials.n_exact - 1 > 0


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/126.0 Safari/537.36", "Chrome, Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0", "Edge, Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox, Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Safari/604", "Safari, iOS"),
        ("curl/8", "other"),
    ],
)  # fmt: skip
def test_browsers_have_names(agent, name):
    assert browser_of(agent) == name


def zipped(folder: Path) -> io.BytesIO:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent))
    data.seek(0)
    return data


def picture() -> io.BytesIO:
    data = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(data, "PNG")
    data.seek(0)
    return data


def run_jobs(desk, settings):
    for job in reversed(jobs.list_jobs(desk.database)):
        work(desk, settings, job.id)


def test_an_uploaded_set_is_taken_in(client, desk, settings, two_models):
    reply = post(client, "/console/sets/upload", "/console/sets", archive=(zipped(two_models), "two.zip"))
    assert reply.location == "/console/jobs"
    assert "queued" in client.get("/console/jobs").text
    run_jobs(desk, settings)
    (job,) = jobs.list_jobs(desk.database)
    assert (job.status, job.progress) == ("done", 1.0), job.message
    assert list(settings.uploads.iterdir()) == []
    page = client.get("/console/sets/1/").text
    assert "All pictures are" in page
    picture_url = page.split('src="')[1].split('"')[0]
    assert client.get(picture_url, buffered=True).mimetype.startswith("image/")
    assert client.get("/console/sets/1/picture/none").status_code == 404
    assert client.get("/console/sets/9/").status_code == 404


def test_an_upload_that_is_no_set_becomes_one_line(client, desk, settings):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("hello.txt", "hello")
    data.seek(0)
    post(client, "/console/sets/upload", "/console/sets", archive=(data, "x.zip"))
    run_jobs(desk, settings)
    assert "expected one manifest.json" in client.get("/console/jobs").text
    text = post(client, "/console/sets/upload", "/console/sets", archive=(io.BytesIO(b"hello"), "x.zip"))
    assert text.status_code == 422
    assert "no picture and no zip" in text.text


@pytest.mark.parametrize("name", ["set/../../evil.png", "/etc/evil.png", "set/images/../../x", "set/a/b/c.png"])
def test_names_that_lead_out_are_refused(tmp_path, name):
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("set/manifest.json", "{}")
        file.writestr(name, "x")
    out = tmp_path / "out"
    out.mkdir()
    try:
        unpack_set(archive, out)
    except JobError as problem:
        assert "leads out" in str(problem)  # noqa: PT017 - a name outside the set is passed over
    assert {p.name for p in tmp_path.rglob("*")} <= {"x.zip", "out", "manifest.json"}


@given(st.binary(max_size=64))
def test_what_is_no_picture_is_never_kept(tmp_path_factory, data):
    settings = read_settings({"TRUEHUE_INSTANCE": str(tmp_path_factory.mktemp("i"))})
    settings.prepare()
    if suffix_of(data) is None:
        with pytest.raises(JobError):
            keep(settings, [("a.jpg", io.BytesIO(data))])
        assert list(settings.uploads.iterdir()) == []


def test_photographs_are_packed_under_plain_names(settings):
    settings.prepare()
    name = keep(settings, [("../../bad name.exe", picture()), ("dir\\bad name.png", picture())])
    with zipfile.ZipFile(settings.uploads / name) as archive:
        assert archive.namelist() == ["bad name.png", "bad name-2.png"]


def test_a_render_job_without_photographs_says_so(client, desk, settings, app):
    job = jobs.enqueue(
        desk, settings, "render", "x", {"photos": "gone.zip", "models": ["gray"], "name": "x"}, by="me", now=NOW
    )
    work(desk, settings, job)
    assert jobs.read_job(desk.database, job).status == "failed"
    work(desk, settings, job)
    assert jobs.read_job(desk.database, job).status == "failed", "a job is done once"


def test_a_dead_workers_jobs_are_begun_again(desk, settings):
    arguments = {"photos": "gone", "models": ["gray"], "name": "x"}
    job = jobs.enqueue(desk, settings, "render", "x", arguments, by="me", now=NOW)
    with desk.database.session() as session:
        session.get(JobRow, job).status = "running"
    jobs.make_consumer(desk, settings)
    row = jobs.read_job(desk.database, job)
    assert (row.status, row.message) == ("queued", "begun again: the worker had stopped")


def test_checks_name_what_is_wrong(stimuli):
    manifest = json.loads((stimuli / "manifest.json").read_bytes())
    good = check_set(manifest)
    manifest["stimuli"][0]["width_px"] += 1
    lost = manifest["images"][0]["image_id"]
    manifest["stimuli"] = [s for s in manifest["stimuli"] if (s["condition"], s["image_id"]) != ("lite", lost)]
    manifest["images"][1]["perceptual_hash"] = manifest["images"][2]["perceptual_hash"]
    manifest["seen_in_training"] = ["x"]
    for stimulus in manifest["stimuli"]:
        if stimulus["condition"] == "lite":
            stimulus["delta_e00_mean"] = 0.5
    bad = check_set(manifest)
    assert sum(check.is_good for check in good) > sum(check.is_good for check in bad)
    assert not any(check.is_good for check in bad)


def test_settings_of_platforms_by_form(client, study):
    page = "/console/study/small/people"
    done = post(client, page, page, platform="prolific", codes="completed=C1AB\nNO_CONSENT=N0", retention_days="30")
    assert done.status_code == 303, done.text
    assert "%PROLIFIC_PID%" in client.get(page).text
    wrong = post(client, page, page, platform="prolific", codes="COMPLETED")
    assert wrong.status_code == 422
    post(client, page, page, platform="invitation")
    links = post(client, "/console/study/small/invitations", page, n="3").text
    assert links.count("?invitation=") >= 3
    assert post(client, "/console/study/small/invitations", page, n="many").status_code == 422
    assert post(client, "/console/study/small/withdraw", page, by="code", who="x").status_code == 422
    post(client, page, page, platform="invitation", do="stop")
    assert "in use" in client.get(page).text
