"""The console: behind a login, safe from other sites, silent about fool rates."""

import io
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from conftest import NOW, SMALL

from study import create_app, jobs, reports, researchers, sessions
from study.config import read_settings
from study.export import utc_text
from study.jobs.bundles import delete_old
from study.jobs.queue import work
from study.rights import withdraw
from study.simulate import Parameters, simulate

EMAIL, PASSWORD = "me@example.org", "a long enough password"


@pytest.fixture
def client(app, desk):
    researchers.add(desk.database, EMAIL, PASSWORD, now=NOW)
    return app.test_client()


def token_of(text: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', text)
    assert found
    return found[1]


def sign_in(client, password=PASSWORD, **fields):
    token = token_of(client.get("/console/sign-in").text)
    form = {"email": EMAIL, "password": password, "csrf_token": token, **fields}
    return client.post("/console/sign-in", data=form)


def test_every_page_of_the_console_asks_who_it_is(client, study):
    """Without a session everything leads to the sign-in page and does nothing."""
    rules = [r for r in client.application.url_map.iter_rules() if r.endpoint.startswith("console.")]
    checked = 0
    for rule in rules:
        if rule.endpoint in {"console.sign_in", "console.check_sign_in", "console.enter", "console.sign_out"}:
            continue
        url = (
            rule.rule.replace("<name>", "small")
            .replace("<report_id>", "x")
            .replace("<kind>", "md")
            .replace("<file>", "x")
        )
        url = url.replace("<page>", "summary.html").replace("<int:set_id>", "1").replace("<stimulus_id>", "x")
        url = url.replace("<file>", "x")
        if "GET" in (rule.methods or ()):
            reply = client.get(url)
            assert (reply.status_code, reply.headers["Location"]) == (303, "/console/sign-in"), url
        else:
            assert client.post(url).status_code == 400  # no token against cross-site requests
        checked += 1
    assert checked >= 20


def test_the_right_password_opens_and_a_wrong_one_does_not(client, study):
    """422 for a wrong password and for an unknown address, in the same words."""
    wrong = sign_in(client, "wrong password")
    unknown = sign_in(client, email="nobody@example.org")
    assert (wrong.status_code, unknown.status_code) == (422, 422)
    assert "is not right" in wrong.text
    assert "is not right" in unknown.text
    reply = sign_in(client)
    assert (reply.status_code, reply.headers["Location"]) == (303, "/console/")
    assert "A small study" in client.get("/console/").text
    cookie = reply.headers["Set-Cookie"]
    for part in ("HttpOnly", "SameSite=Lax", "Path=/console"):
        assert part in cookie


def test_there_is_no_open_redirect(client):
    """Whatever the address asks for, signing in leads to the console."""
    token = token_of(client.get("/console/sign-in?next=https://evil.example/").text)
    form = {"email": EMAIL, "password": PASSWORD, "csrf_token": token, "next": "https://evil.example/"}
    reply = client.post("/console/sign-in?next=//evil.example", data=form)
    assert reply.headers["Location"] == "/console/"


def test_forms_need_their_token(client, study, desk):
    """A post without it changes nothing."""
    sign_in(client)
    reply = client.post("/console/study/small/state", data={"state": "closed"})
    assert reply.status_code == 400
    assert "Traceback" not in reply.text
    token = token_of(client.get("/console/study/small/").text)
    assert client.post("/console/study/small/state", data={"state": "x", "csrf_token": token}).status_code == 400
    done = client.post("/console/study/small/state", data={"state": "closed", "csrf_token": token})
    assert done.status_code == 303
    assert client.get("/s/small/").status_code == 403


def test_signing_out_closes(client):
    """And the session does not outlive twelve hours."""
    sign_in(client)
    token = token_of(client.get("/console/").text)
    client.post("/console/sign-out", data={"csrf_token": token})
    assert client.get("/console/").status_code == 303


def test_a_link_signs_in_once(client, desk):
    """The second use, a forged one and an old one are refused."""
    token = researchers.link_token(desk.database, desk.key, EMAIL)
    assert client.get(f"/console/enter/{token}").status_code == 303
    assert client.get("/console/").status_code == 200
    other = client.application.test_client()
    assert other.get(f"/console/enter/{token}").status_code == 403
    researchers.add(desk.database, "two@example.org", PASSWORD, now=NOW)
    unused = researchers.link_token(desk.database, desk.key, "two@example.org")
    # Not of the last character: some of its bits say nothing, and another one may mean the same.
    forged = f"{unused[:-4]}{'A' if unused[-4] != 'A' else 'B'}{unused[-3:]}"
    assert other.get(f"/console/enter/{forged}").status_code == 403
    assert other.get("/console/").status_code == 303


def test_progress_counts_and_tells_no_fool_rate(client, participant, make_participant):
    """Started, complete, under way, void: from the tables; nothing of what people were fooled by."""
    participant.begin()
    participant.void()
    participant.finish_trials()
    participant.fill_in()
    make_participant().begin().answer()
    sign_in(client)
    text = client.get("/console/study/small/").text
    numbers = dict(re.findall(r"<dt>([\w ]+)</dt><dd>(\d+)</dd>", text))
    assert numbers == {
        "started": "2", "complete": "1", "under way": "1", "abandoned": "0", "unqualified": "0", "withdrawn": "0",
        "trials": "10", "void trials": "1",
        "void because the page was hidden": "1",
    }  # fmt: skip
    assert "%" not in text
    assert not re.search(r"fool rate[s]?[:=]? *[.\d]", text, flags=re.IGNORECASE)


def post(client, path, page="/console/study/small/", **form):
    """Post a form with the token of a page."""
    return client.post(path, data={"csrf_token": token_of(client.get(page).text), **form}, buffered=True)


def test_the_export_is_a_zip_to_download(client, participant):
    """The same as the command writes."""
    participant.begin().finish_trials()
    sign_in(client)
    reply = post(client, "/console/study/small/export.zip", unblind="yes", reason="first look")
    assert reply.headers["Content-Disposition"].startswith("attachment; filename=small-")
    with zipfile.ZipFile(io.BytesIO(reply.data)) as archive:
        assert {"study.json", "trials.csv", "sessions.csv", "answers.csv", "codebook.csv"} <= set(archive.namelist())
    assert list((client.application.extensions["truehue"].settings.instance).glob(".export-*")) == []


def test_looking_at_a_running_study_is_asked_for_and_written_down(client, participant, desk):
    """Without the word nothing is given; with it the log and the export say so. A closed study asks no word."""
    participant.begin().finish_trials()
    sign_in(client)
    assert post(client, "/console/study/small/export.zip").status_code == 400
    assert post(client, "/console/study/small/report").status_code == 400
    reply = post(client, "/console/study/small/export.zip", unblind="yes", reason="a hunch")
    with zipfile.ZipFile(io.BytesIO(reply.data)) as archive:
        (looked,) = json.loads(archive.read("small/study.json") if "small/study.json" in archive.namelist() else
                               archive.read("study.json"))["unblindings"]  # fmt: skip
    assert looked["reason"] == "a hunch"
    log = client.get("/console/audit").text
    assert "data unblinded" in log
    assert "a hunch" in log
    post(client, "/console/study/small/state", state="closed")
    assert post(client, "/console/study/small/export.zip").status_code == 200


def work_off(desk, settings):
    """Do what a worker does with the jobs that wait."""
    for job in reversed(jobs.list_jobs(desk.database)):
        work(desk, settings, job.id)


@pytest.mark.outside
def test_reports_are_jobs_and_each_is_kept(client, desk, study, settings):
    """Asking twice makes one job; the page tells how far it is; the next press is a report of its own."""
    rates = {"lite": 0.3, "random": 0.1}
    simulate(desk, study, n_participants=6, rates=rates, parameters=Parameters(), now=NOW)
    sign_in(client)
    for _ in range(2):
        post(client, "/console/study/small/report")
    (job,) = jobs.list_jobs(desk.database)
    assert (job.kind, job.status) == ("report", "queued")
    assert "waiting for the job worker" in client.get("/console/study/small/reports").text
    told = []
    (state,) = reports.list_reports(settings, "small")
    assert client.get(f"/console/study/small/report/{state.report_id}/").status_code == 404
    reports.build_asked(
        desk, settings, study.id, state.report_id, now=NOW, tell=lambda step, share: told.append((share, step))
    )
    assert told == sorted(told)
    assert [step for _, step in told][-3:] == ["computing the report", "drawing the report", ""]
    (state,) = reports.list_reports(settings, "small")
    assert (state.status, state.by) == ("done", EMAIL), state.message
    shown = client.get("/console/study/small/").text
    assert state.made_from["definition_sha256"] in shown
    assert state.made_from["trials_sha256"] in shown
    assert "data-unfinished" not in shown
    post(client, "/console/study/small/report")
    assert len(reports.list_reports(settings, "small")) == 2, "the same data again: a report of its own"
    url = f"/console/study/small/report/{state.report_id}/"
    reply = client.get(url)
    assert reply.status_code == 200
    assert "SIMULATED" in reply.text
    assert "sandbox" in reply.headers["Content-Security-Policy"]
    assert 'href="summary.html"' in reply.text
    assert client.get(f"{url}summary.html").status_code == 200
    assert client.get(f"{url}state.json").status_code == 404
    assert client.get("/console/study/small/report/..%2F..%2Fx/").status_code == 404


def test_a_report_counts_what_it_is_about(client, desk, study, settings, participant):
    """The pilot's sessions are left out of every analysis, and of the line that says how much data there is."""
    sessions.start(desk, study.id, now=NOW, is_pilot=True, may_be_closed=True)
    sign_in(client)
    reply = post(client, "/console/study/small/report", unblind="yes")
    assert "There are no trials yet" in client.get(reply.location).text
    assert reports.list_reports(settings, "small") == []
    participant.begin().finish_trials()
    state, _ = reports.ask(desk, settings, study.id, by=EMAIL, now=NOW)
    assert state.n_sessions == 1
    assert re.search(r"<strong>0</strong> complete of 1 started", client.get("/console/").text)
    assert re.search(r"\s1 session, \d+ trials, asked for by", client.get("/console/study/small/reports").text)


def test_a_bundle_is_made_and_gone_after_a_withdrawal(client, desk, study, settings, participant):
    """A job writes it; it is fetched from the page; after a withdrawal, or a day, it is there no more."""
    participant.begin().finish_trials()
    participant.fill_in()
    sign_in(client)
    url = "/console/study/small/bundle"
    assert post(client, url, format="parquet").status_code == 400, "the study runs: unblinding is asked for"
    assert post(client, url, format="exe", unblind="yes").status_code == 400
    post(client, url, format="parquet", unblind="yes", reason="a look")
    work_off(desk, settings)
    (job,) = jobs.list_jobs(desk.database)
    assert (job.status, job.message) == ("done", "written")
    (link,) = re.findall(r'href="([^"]+/bundle/[^"]+)"', client.get("/console/study/small/").text)
    with zipfile.ZipFile(io.BytesIO(client.get(link, buffered=True).data)) as archive:
        assert any(name.endswith("trials.parquet") for name in archive.namelist())
    assert "bundle fetched" in client.get("/console/audit").text
    withdraw(desk, participant.state.session_id, by="participant", now=datetime.now(UTC))
    assert client.get(link).status_code == 404
    assert "/bundle/small" not in client.get("/console/study/small/").text
    assert client.get(f"{url}/..%2F..%2Fsecret_key").status_code == 404
    delete_old(settings.bundles, now=datetime.now(UTC) + timedelta(days=2))
    assert list(settings.bundles.glob("*/*")) == []


@pytest.mark.outside
def test_a_failed_report_says_why_and_the_next_is_another(client, desk, study, settings, participant):
    """The analysis' own line is shown, with the list of jobs, too; what was there stays."""
    participant.begin()
    participant.answer()
    sign_in(client)
    post(client, "/console/study/small/report", unblind="yes", reason="curious")
    work_off(desk, settings)
    text = client.get("/console/study/small/").text
    assert "failed: " in text
    assert "curious" in text
    assert "Traceback" not in text
    assert jobs.list_jobs(desk.database)[0].status == "failed"
    post(client, "/console/study/small/report", unblind="yes")
    assert len(reports.list_reports(settings, "small")) == 2


def test_a_report_whose_builder_died_is_begun_again(desk, study, settings, participant):
    """While the builder lives the report is its own; when its lock is free somebody else may."""
    participant.begin()
    participant.answer()
    later = NOW + timedelta(minutes=1)
    _, folder, _ = reports.claim(desk, settings, study.id, now=NOW)
    assert not reports.claim(desk, settings, study.id, now=later)[2]
    reports.release(folder)
    assert reports.claim(desk, settings, study.id, now=later)[2]
    reports.release(folder)


def test_passwords_are_long_and_hashed(desk):
    """Argon2id; a short one and what is no address are one-line errors."""
    with pytest.raises(researchers.ResearcherError, match="at least 10 characters"):
        researchers.add(desk.database, EMAIL, "short", now=NOW)
    with pytest.raises(researchers.ResearcherError, match="expected an e-mail address"):
        researchers.add(desk.database, "nobody", PASSWORD, now=NOW)
    researchers.add(desk.database, EMAIL, PASSWORD, now=NOW)
    with desk.database.reading_session() as session:
        row = researchers.find(session, EMAIL.upper())
    assert row is not None
    assert row.password_hash.startswith("$argon2id$")


def test_the_landing_page_of_a_demonstration_leads_to_test_and_report(tmp_path, app):
    """Two ways in; a report that nobody can have yet says so."""
    demo = create_app(read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "demo"), "TRUEHUE_DEMO": "1"}))
    text = demo.test_client().get("/").text
    for url in ("/s/demo/", "/report/demo-simulated/", "/report/demo/"):
        assert f'href="{url}"' in text


def test_the_landing_page_of_a_real_instance_tells_nothing(app, study):
    """No list of studies, no reports."""
    client = app.test_client()
    assert "small" not in client.get("/").text
    assert client.get("/report/demo/").status_code == 404


def test_only_a_declared_sequential_design_shows_an_interval_while_it_runs(client, make_study, settings):
    """With its time; a study that declared none shows nothing, whatever lies in the reports' folder."""
    make_study(SMALL + "[analysis]\nsequential = true\n", slug="declared")
    make_study(slug="plain")
    found = {"condition": "lite", "n_participants": 12, "mean": 0.25, "ci_low": 0.1, "ci_high": 0.4}
    for slug in ("declared", "plain"):
        (settings.reports / slug).mkdir(parents=True)
        text = json.dumps({"at_utc": utc_text(datetime.now(UTC)), "conditions": [found], "message": ""})
        (settings.reports / slug / "sequential-v1.json").write_text(text)
    sign_in(client)
    for page in ("", "monitor"):
        assert "10.0 to 40.0 %" in client.get(f"/console/study/declared/{page}").text
        assert "to 40.0 %" not in client.get(f"/console/study/plain/{page}").text
