"""The console's pages. While a study runs they show progress and never a fool rate."""

import functools
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import ParamSpec, TypeVar

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    g,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
    session,
    url_for,
)
from sqlalchemy import Integer, cast, func, select
from werkzeug.wrappers import Response as Redirect

from study import reports, researchers, throttle
from study.export import write_export
from study.home.views import REFRESH_S, report_response
from study.models import Researcher, SessionRow, StudyRow, TrialRow
from study.studies import StudyError, find_row, list_studies, set_state
from study.web import now, truehue

P = ParamSpec("P")
T = TypeVar("T")
ABANDONED_AFTER = timedelta(hours=1)
SIGNED_IN_FOR = timedelta(hours=12)
blueprint = Blueprint("console", __name__, template_folder="templates")


def signed_in(call: Callable[P, T]) -> Callable[P, T | Redirect]:
    """Send visitors without an account to the sign-in page."""

    @functools.wraps(call)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T | Redirect:
        who = session.get("researcher")
        since = session.get("since", "")
        if who is None or not since or now() - datetime.fromisoformat(since) > SIGNED_IN_FOR:
            session.clear()
            return redirect(url_for("console.sign_in"), 303)
        with truehue().desk.database.reading_session() as database:
            g.researcher = database.get(Researcher, who)
        if g.researcher is None:
            session.clear()
            return redirect(url_for("console.sign_in"), 303)
        return call(*args, **kwargs)

    return guarded


def _remember(researcher_id: int) -> Redirect:
    session.clear()
    session["researcher"] = researcher_id
    session["since"] = now().isoformat()
    # Always the same page: an address to return to would be an open redirect waiting for its day.
    return redirect(url_for("console.index"), 303)


@blueprint.get("/sign-in")
def sign_in() -> str:
    """Ask who it is."""
    return render_template("console/sign_in.html", email="", problem="")


@blueprint.post("/sign-in")
def check_sign_in() -> Response | Redirect:
    """Check address and password."""
    email, password = request.form.get("email", "")[:200], request.form.get("password", "")[:1000]
    here = truehue()
    here.throttle.check(throttle.SIGN_INS_BY_ADDRESS, "sign-in from", request.remote_addr or "")
    here.throttle.check(throttle.SIGN_INS_BY_ACCOUNT, "sign-in to", email.strip().lower())
    who = researchers.check_password(here.desk.database, email, password, now=now())
    if who is None:
        problem = "The address or the password is not right."
        return make_response(render_template("console/sign_in.html", email=email, problem=problem), 422)
    return _remember(who)


@blueprint.get("/enter/<token>")
def enter(token: str) -> Response | Redirect:
    """Sign in once by a link."""
    here = truehue()
    here.throttle.check(throttle.SIGN_INS_BY_ADDRESS, "link from", request.remote_addr or "")
    who = researchers.redeem(here.desk.database, here.settings.keys, token, now=now())
    if who is None:
        problem = "This link has been used or is too old. Ask for a new one: flask --app study researcher link EMAIL"
        return make_response(render_template("console/sign_in.html", email="", problem=problem), 403)
    return _remember(who)


@blueprint.post("/sign-out")
def sign_out() -> Redirect:
    """Forget who it is."""
    session.clear()
    return redirect(url_for("console.sign_in"), 303)


@blueprint.get("/")
@signed_in
def index() -> str:
    """List the studies."""
    with truehue().desk.database.reading_session() as database:
        return render_template("console/index.html", studies=list_studies(database))


def _find(name: str) -> StudyRow:
    try:
        with truehue().desk.database.reading_session() as database:
            return find_row(database, name)
    except StudyError:
        abort(404)


def _progress(study_id: int, *, at: datetime) -> dict[str, object]:
    """Count sessions and trials; nothing here tells how often anybody was fooled."""
    last = func.coalesce(func.max(TrialRow.answered_at_utc), SessionRow.started_at_utc)
    n_void = func.coalesce(func.sum(cast(TrialRow.void_reason != "", Integer)), 0)
    per_session = (
        select(
            SessionRow.status,
            SessionRow.arm,
            func.count(TrialRow.trial_index).label("n_trials"),
            n_void.label("n_void"),
            (last < at - ABANDONED_AFTER).label("is_idle"),
        )
        .outerjoin(TrialRow, TrialRow.session_id == SessionRow.id)
        .where(SessionRow.study_id == study_id)
        .group_by(SessionRow.id)
        .subquery()
    )
    s = per_session.c
    is_complete = s.status == "complete"
    counts = (
        func.count().label("n_started"),
        func.count().filter(is_complete).label("n_complete"),
        func.count().filter(~is_complete, s.is_idle).label("n_abandoned"),
        func.count().filter(~is_complete, ~s.is_idle).label("n_active"),
        func.coalesce(func.sum(s.n_trials), 0).label("n_trials"),
        func.coalesce(func.sum(s.n_void), 0).label("n_void"),
    )
    with truehue().desk.database.reading() as connection:
        total = connection.execute(select(*counts)).one()
        arms = connection.execute(select(s.arm, *counts).group_by(s.arm).order_by(s.arm)).all()
    return {"total": total, "arms": arms}


@blueprint.get("/study/<name>/")
@signed_in
def study(name: str) -> Response:
    """Show a study's progress."""
    row = _find(name)
    here = truehue()
    listed = reports.list_reports(here.settings, row.slug)
    response = make_response(
        render_template(
            "console/study.html",
            row=row,
            name=f"{row.slug}@{row.version}",
            study=here.desk.study(row.id),
            reports=listed,
            door_url=url_for("participant.door", slug=row.slug, _external=True),
            **_progress(row.id, at=now()),
        )
    )
    if any(not state.is_over for state in listed):
        response.headers["Refresh"] = REFRESH_S
    return response


@blueprint.post("/study/<name>/state")
@signed_in
def change_state(name: str) -> Redirect:
    """Open or close a study."""
    row = _find(name)
    state = request.form.get("state")
    if state not in {"open", "closed"}:
        abort(400)
    set_state(truehue().desk.database, f"{row.slug}@{row.version}", state)
    flash(f"The study is {state} now.")
    return redirect(url_for("console.study", name=name), 303)


@blueprint.get("/study/<name>/export.zip")
@signed_in
def export(name: str) -> Response:
    """Download a study's data."""
    row, here = _find(name), truehue()
    with tempfile.TemporaryDirectory(dir=here.settings.instance, prefix=".export-") as scratch:
        path = write_export(
            here.desk.database, here.settings.stimuli, row.id, Path(scratch) / f"{row.slug}.zip", now=now()
        )
        # Opened before its folder is deleted: the file lives until it has been sent.
        file = path.open("rb")
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
@signed_in
def build_report(name: str) -> Redirect:
    """Begin to build a report of the present data."""
    row, here = _find(name), truehue()
    reports.ensure(here.desk, here.settings, row.id, now=now(), is_repeat=True)
    return redirect(url_for("console.study", name=name, _anchor="reports"), 303)


@blueprint.get("/study/<name>/report/<report_id>/")
@signed_in
def report(name: str, report_id: str) -> Response:
    """Show a finished report."""
    return report_response(_find(name).slug, report_id)
