"""A demonstration's first page and its reports: waited for, failed, done, and not there for anybody else."""

import dataclasses

import pytest
from conftest import NOW, SMALL

from study import reports
from study.export import utc_text

PAGE = "/report/demo/"


@pytest.fixture
def demonstration(app, make_study):
    """The application as `make demo` runs it, with the study of that name."""
    here = app.extensions["truehue"]
    here.settings = dataclasses.replace(here.settings, is_demo=True)
    return make_study(SMALL, slug="demo")


@pytest.fixture
def keep(desk, settings, demonstration):
    """Leave the report of the present data in a state; give its name."""
    state, folder, _ = reports.claim(desk, settings, demonstration.id, now=NOW)

    def keep(status, **more):
        kept = dataclasses.replace(state, status=status, finished_at_utc=utc_text(NOW), **more)
        reports._write_state(folder, kept)
        return folder

    yield keep
    reports.release(folder)


def test_a_report_that_is_being_built_is_looked_at_again(client, keep):
    """The page comes again by itself, and says how far it is."""
    keep("running", message="drawing the report")
    reply = client.get(PAGE)
    assert (reply.status_code, reply.headers["Refresh"]) == (200, "2")
    assert "Drawing the report: 0 sessions, 0 trials" in reply.text


def test_a_report_that_failed_says_why_and_comes_to_rest(client, keep):
    """The reason, or that nobody took the test."""
    keep("failed", message="the analysis was killed", n_trials=8)
    reply = client.get(PAGE)
    assert "Refresh" not in reply.headers
    assert "the analysis was killed" in reply.text
    keep("failed", message="no trials")
    assert "Nobody has taken this test yet" in client.get(PAGE).text


def test_a_finished_report_is_led_to_and_may_run_nothing(client, keep):
    """Its own address, its own rules for what a page may do; another name of a page is none."""
    folder = keep("done")
    (folder / "report.html").write_text("<h1>The report</h1>")
    reply = client.get(PAGE)
    assert (reply.status_code, reply.location) == (303, f"{PAGE}{folder.name}/")
    reply = client.get(reply.location)
    assert (reply.text, reply.mimetype) == ("<h1>The report</h1>", "text/html")
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    for page in ("summary.html", "state.json", "..%2Fsecret_key"):
        assert client.get(f"{PAGE}{folder.name}/{page}").status_code == 404, page
    assert client.get(f"{PAGE}v9-s0-t0-a0/").status_code == 404


def finish(settings, slug: str) -> str:
    """Leave a finished report of a study; the address it would have."""
    folder = settings.reports / slug / "v1-x"
    folder.mkdir(parents=True)
    reports._write_state(folder, reports.ReportState("v1-x", "done", "", utc_text(NOW), 1, 8))
    (folder / "report.html").write_text("<h1>The report</h1>")
    return f"/report/{slug}/v1-x/"


def test_no_other_report_is_open(client, demonstration, study, settings):
    """Of a study that is no demonstration's, or of one that is not there."""
    for path in ("/report/small/", "/report/demo-simulated/", finish(settings, "small")):
        assert client.get(path).status_code == 404, path
    assert client.get(finish(settings, "demo")).status_code == 200


def test_a_study_server_has_no_open_reports(client, make_study, settings):
    """Whatever its studies are called."""
    make_study(SMALL, slug="demo")
    for path in (PAGE, finish(settings, "demo")):
        assert client.get(path).status_code == 404, path


def test_the_last_page_of_a_demonstration_leads_to_its_report(make_participant, demonstration):
    """And the first page to both ways in."""
    person = make_participant("demo").begin()
    person.finish_trials().fill_in()
    assert f'href="{PAGE}"' in person.client.get(person.here).text
    first = person.client.get("/").text
    assert 'href="/s/demo/"' in first
    assert 'href="/report/demo-simulated/"' in first
