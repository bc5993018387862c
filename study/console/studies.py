"""The studies' pages: the list, one study's progress, its states, its data and its reports."""

import io
import tempfile
from pathlib import Path

from flask import (
    Response,
    abort,
    current_app,
    flash,
    g,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from werkzeug.wrappers import Response as Redirect

from study import audit, lifecycle, reports, rights, sessions
from study.console.bundles import list_bundles
from study.console.doors import blueprint, owners_only, signed_in
from study.console.monitor import Monitor, Watch
from study.console.record import find, name_of, note, unblind
from study.export import write_export
from study.home.views import report_response
from study.jobs import enqueue
from study.models import StudyRow
from study.preregistration import as_markdown
from study.recruitment import PLATFORMS, read_platforms
from study.sequential import Look, look
from study.studies import StudyError, list_studies
from study.web import now, to_html, truehue

WORDS = {
    "pilot": ("Start a pilot", "Sessions are marked as a pilot's and left out of every analysis."),
    "running": ("Launch", "Definition, stimulus set and analysis plan are frozen; the preregistration is written."),
    "paused": ("Pause", "Nobody new comes in; those inside may finish."),
    "closed": ("Close", "Nobody new comes in; those inside may finish. The answers may be looked at."),
}


def declared_look(row: StudyRow) -> Look | None:
    """Give what a declared sequential design lets be seen while the study runs; nothing for any other."""
    here = truehue()
    if row.state not in lifecycle.BLIND or not here.desk.study(row.id).definition.analysis.sequential:
        return None
    return look(here.desk, here.settings, row.id, now=now())


@blueprint.get("/")
@signed_in
def index() -> str:
    """List the studies."""
    with truehue().desk.database.reading_session() as database:
        return render_template("console/index.html", studies=list_studies(database))


@blueprint.get("/study/<name>/")
@signed_in
def study(name: str) -> Response:
    """Show a study: how far it is, and what can be done with it."""
    row, here = find(name), truehue()
    listed = reports.list_reports(here.settings, row.slug)
    with here.desk.database.reading() as connection:
        launch = lifecycle.read_launch(connection, row.id)
        platforms = read_platforms(connection, row.slug)
    door = url_for("participant.door", slug=row.slug, _external=True)
    return make_response(
        render_template(
            "console/study.html",
            row=row,
            name=name_of(row),
            study=here.desk.study(row.id),
            reports=listed,
            bundles=list_bundles(here.settings, row.slug),
            monitor=_monitor(row),
            look=declared_look(row),
            launch=launch,
            moves=[(state, *_move_words(row.state, state)) for state in lifecycle.MOVES[row.state]],
            is_open=row.state in lifecycle.TAKES_PARTICIPANTS,
            is_blind=row.state in lifecycle.BLIND and row.simulation is None,
            links=[(PLATFORMS[p].title, PLATFORMS[p].study_address(door)) for p in platforms],
        )
    )


@blueprint.get("/study/<name>/reports")
@signed_in
def report_list(name: str) -> str:
    """Answer with the list of reports alone, for the page that keeps itself current while one is made."""
    row = find(name)
    return render_template(
        "console/reports.html", name=name_of(row), reports=reports.list_reports(truehue().settings, row.slug)
    )


def _move_words(before: str, after: str) -> tuple[str, str]:
    if after == "running" and before in {"paused", "closed"}:
        return ("Go on" if before == "paused" else "Open again"), "People come in again under the same definition."
    return WORDS[after]


@blueprint.get("/study/<name>/monitor")
@signed_in
def progress(name: str) -> Response:
    """Answer with the progress part alone, for the page that keeps itself current."""
    row = find(name)
    body = render_template("console/monitor.html", monitor=_monitor(row), look=declared_look(row), at=now())
    return make_response(body)


def _monitor(row: StudyRow) -> Monitor:
    watch: Watch = current_app.extensions["truehue watch"]
    is_pilot = row.state in ("draft", "pilot")
    return watch.monitor(truehue().desk.database, row.id, is_pilot=is_pilot, now=now())


@blueprint.post("/study/<name>/state")
@owners_only
def change_state(name: str) -> Redirect:
    """Move a study to another state."""
    row = find(name)
    state = request.form.get("state", "")
    if state not in lifecycle.MOVES:
        abort(400)
    try:
        lifecycle.change(truehue().desk.database, name_of(row), state, actor=g.researcher.email, now=now())
        flash(f"The study is {state} now.")
    except StudyError as problem:
        flash(str(problem))
    return redirect(url_for("console.study", name=name), 303)


@blueprint.post("/study/<name>/try")
@owners_only
def try_it(name: str) -> Redirect:
    """Take the study oneself, in whatever state it is; the session is a pilot's."""
    row, here = find(name), truehue()
    token = sessions.start(
        here.desk, row.id, now=now(), user_agent=request.user_agent.string, may_be_closed=True, is_pilot=True
    )
    return redirect(url_for("participant.page", token=token), 303)


@blueprint.get("/study/<name>/preregistration.<kind>")
@signed_in
def preregistration(name: str, kind: str) -> Response:
    """Download what was fixed at launch."""
    row = find(name)
    with truehue().desk.database.reading() as connection:
        launch = lifecycle.read_launch(connection, row.id)
    if launch is None or kind not in {"json", "md"}:
        abort(404)
    body = launch.preregistration
    if kind == "md":
        body = as_markdown(lifecycle.read_preregistration(launch)).encode()
    return send_file(
        io.BytesIO(body),
        mimetype="application/json" if kind == "json" else "text/markdown",
        as_attachment=True,
        download_name=f"{row.slug}-v{row.version}-preregistration.{kind}",
        etag=False,
        max_age=None,
    )


@blueprint.get("/study/<name>/privacy")
@signed_in
def privacy(name: str) -> str:
    """Show the data-protection sheet."""
    row, here = find(name), truehue()
    with here.desk.database.reading() as connection:
        platforms = read_platforms(connection, row.slug)
    study_now = here.desk.study(row.id)
    sheet = rights.data_protection_sheet(
        study_now.definition, platforms, slug=row.slug, definition_sha256=row.definition_sha256
    )
    return render_template("console/text.html", title="Data protection", html=to_html(sheet), name=name_of(row))


@blueprint.get("/audit")
@signed_in
def audit_log() -> str:
    """Show what researchers did."""
    with truehue().desk.database.reading() as connection:
        return render_template("console/audit.html", rows=audit.read(connection, limit=500))


@blueprint.post("/study/<name>/export.zip")
@owners_only
def export(name: str) -> Response:
    """Download a study's data."""
    row, here = find(name), truehue()
    unblind(row, "export")
    with tempfile.TemporaryDirectory(dir=here.settings.instance, prefix=".export-") as scratch:
        path = write_export(
            here.desk.database, here.settings.stimuli, row.id, Path(scratch) / f"{row.slug}.zip", now=now()
        )
        # Opened before its folder is deleted: the file lives until it has been sent.
        file = path.open("rb")
    note("data exported", row.slug, version=row.version)
    stamp = now().strftime("%Y%m%d-%H%M%S")
    return send_file(
        file,
        mimetype="application/zip",
        as_attachment=True,
        download_name=f"{row.slug}-{stamp}.zip",
        etag=False,
        max_age=None,
    )


@blueprint.post("/study/<name>/report")
@owners_only
def build_report(name: str) -> Redirect:
    """Begin to build a report of the present data."""
    row, here = find(name), truehue()
    if not reports.has_trials(here.desk, row.id):
        flash("There are no trials yet; a pilot's are in no report.")
        return redirect(url_for("console.study", name=name, _anchor="reports"), 303)
    unblind(row, "report")
    state, is_new = reports.ask(
        here.desk, here.settings, row.id, by=g.researcher.email, reason=request.form.get("reason", ""), now=now()
    )
    if is_new:
        arguments = {"study_id": row.id, "report_id": state.report_id}
        enqueue(
            here.desk, here.settings, "report", f"report of {name_of(row)}", arguments, by=g.researcher.email, now=now()
        )
        note("report asked for", row.slug, version=row.version, report=state.report_id)
    return redirect(url_for("console.study", name=name, _anchor="reports"), 303)


@blueprint.get("/study/<name>/report/<report_id>/", defaults={"page": reports.PAGES[0]})
@blueprint.get("/study/<name>/report/<report_id>/<page>")
@signed_in
def report(name: str, report_id: str, page: str) -> Response:
    """Show a finished report, or its one-page summary."""
    return report_response(find(name).slug, report_id, page)
