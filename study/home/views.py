"""The landing page, and for demo instances the reports, built when they are asked for."""

from flask import Blueprint, Response, abort, make_response, redirect, render_template, url_for
from werkzeug.wrappers import Response as Redirect

from study import reports
from study.studies import StudyError, find_row
from study.web import REPORT_SECURITY, now, truehue

blueprint = Blueprint("home", __name__, template_folder="templates")
REFRESH_S = "2"
DEMO = "demo"
DEMO_SIMULATED = "demo-simulated"


@blueprint.get("/")
def index() -> str | Redirect:
    """Lead a class to its test; show the two ways into the demo; or nothing that tells what runs here."""
    settings = truehue().settings
    if settings.classroom:
        return redirect(url_for("participant.door", slug=settings.classroom))
    if not settings.is_demo:
        return render_template("home/index.html", contact=settings.contact)
    return render_template(
        "participant/landing.html",
        study=None,
        contact=settings.contact,
        demo_url=url_for("participant.door", slug=DEMO),
        report_url=url_for("home.report", slug=DEMO_SIMULATED),
        own_report_url=url_for("home.report", slug=DEMO),
    )


@blueprint.get("/report/<slug>/")
def report(slug: str) -> Response | Redirect:
    """Show a demo's report; build it first if there is none of the present data."""
    here = truehue()
    if not here.settings.is_demo or slug not in {DEMO, DEMO_SIMULATED}:
        abort(404)
    try:
        with here.desk.database.reading_session() as session:
            row = find_row(session, slug)
    except StudyError:
        abort(404)
    state = reports.ensure(here.desk, here.settings, row.id, now=now())
    if state.status == "done":
        return redirect(url_for("home.finished_report", slug=slug, report_id=state.report_id), 303)
    response = make_response(render_template("home/report.html", state=state, slug=slug, title=row.title))
    if state.status in {"queued", "running"}:
        response.headers["Refresh"] = REFRESH_S
    return response


@blueprint.get("/report/<slug>/<report_id>/", defaults={"page": reports.PAGES[0]})
@blueprint.get("/report/<slug>/<report_id>/<page>")
def finished_report(slug: str, report_id: str, page: str) -> Response:
    """Answer with a finished report of the demo, or its one-page summary."""
    here = truehue()
    if not here.settings.is_demo or slug not in {DEMO, DEMO_SIMULATED}:
        abort(404)
    return report_response(slug, report_id, page)


def report_response(slug: str, report_id: str, page: str) -> Response:
    """Answer with a report file: its styles are inline, and it may run nothing."""
    path = reports.find_file(truehue().settings, slug, report_id, page)
    if path is None:
        abort(404)
    response = make_response(path.read_bytes())
    response.mimetype = "text/html"
    response.headers["Content-Security-Policy"] = REPORT_SECURITY
    return response
