"""The projector's pages: come in, predict, look. Their address holds a key."""

import hmac
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response, abort, jsonify, make_response, redirect, render_template, request, url_for
from sqlalchemy import case, func, select
from werkzeug.wrappers import Response as Redirect

from study import audit, home, lifecycle, reports
from study.classroom.command import class_
from study.classroom.room import RECORDED, keep_prediction, key_of, outcomes, read_prediction
from study.models import SessionRow
from study.studies import Study, StudyError, find_row, load_study
from study.web import now, truehue, view
from study.words import say

blueprint = Blueprint("classroom", __name__, template_folder="templates", url_prefix="/class/<key>")
REFRESH_S = "2"


@dataclass(frozen=True, slots=True)
class Room:
    """The class's study, or the recorded one's."""

    study: Study
    key: str
    is_recorded: bool

    @property
    def which(self) -> dict[str, Any]:
        """The part of the address that says which."""
        return {"key": self.key} | ({"which": "recorded"} if self.is_recorded else {})


def _room(key: str, which: str = "") -> Room:
    """Find the class. Who has no key finds nothing."""
    here = truehue()
    name = here.settings.classroom
    if not name or not hmac.compare_digest(key.encode(), key_of(here.settings.lasting_key, name).encode()):
        abort(404)
    if which not in {"", "recorded"}:
        abort(404)
    try:
        with here.desk.database.reading_session() as session:
            study = load_study(session, find_row(session, name + (RECORDED if which else "")).id)
    except StudyError:
        abort(404)
    return Room(study, key, bool(which))


def _page(template: str, room: Room, *, status: int = 200, **more: object) -> Response:
    shown = view(room.study)
    body = render_template(f"classroom/{template}.html", study=shown, contact="", room=room, **more)
    return make_response(body, status)


def _conditions(room: Room) -> list[str]:
    """Name the colorizers that the class judges."""
    return [one.name for one in room.study.pools.compared]


def _counts(study: Study) -> dict[str, int]:
    """Count who began and who is through."""
    with truehue().desk.database.reading() as connection:
        n, done = connection.execute(
            select(func.count(), func.sum(case((SessionRow.status == "complete", 1), else_=0))).where(
                SessionRow.study_id == study.id
            )
        ).one()
    return {"begun": n or 0, "done": done or 0}


@blueprint.get("/")
def join(key: str) -> Response:
    """Show the address, its QR code, and how many are there."""
    room = _room(key)
    import segno  # here, since only a class needs it

    address = url_for("home.index", _external=True)
    code = segno.make(address, error="m").svg_inline(scale=1, omitsize=True, svgclass=None, lineclass=None)
    is_here = request.host.startswith(("127.", "localhost"))
    return _page("join", room, address=address, code=code, counts=_counts(room.study), is_here=is_here)


@blueprint.get("/counts")
def counts(key: str) -> Response:
    """Answer how many are there, for the page that is open."""
    return jsonify(_counts(_room(key).study))


@blueprint.get("/predict", defaults={"which": ""})
@blueprint.get("/<which>/predict")
def predict(key: str, which: str) -> Response | Redirect:
    """Ask for a prediction; after it was given it is kept."""
    room = _room(key, which)
    if read_prediction(truehue().settings, room.study.name):
        return redirect(url_for("classroom.result", **room.which), 303)
    return _page("predict", room, problem="", values={}, conditions=_conditions(room))


@blueprint.post("/predict", defaults={"which": ""})
@blueprint.post("/<which>/predict")
def reveal(key: str, which: str) -> Response | Redirect:
    """Keep the prediction and go on to the result."""
    room = _room(key, which)
    conditions = _conditions(room)
    values = {name: request.form.get(f"rate-{name}", "").strip()[:10] for name in conditions}
    if not all(text.isascii() and text.isdigit() and int(text) <= 100 for text in values.values()):
        problem = say("Please give a whole number from 0 to 100 for each.")
        return _page("predict", room, status=422, problem=problem, values=values, conditions=conditions)
    here = truehue()
    with here.desk.database.reading_session() as session:
        row = find_row(session, room.study.name)
    if row.state in lifecycle.BLIND and not room.is_recorded:
        with here.desk.database.writing() as connection:
            audit.note_unblinding(connection, row, actor="class", what="fool rates on the projector", now=now())
    keep_prediction(here.settings, room.study.name, {name: float(text) for name, text in values.items()})
    return redirect(url_for("classroom.result", **room.which), 303)


@blueprint.get("/result", defaults={"which": ""})
@blueprint.get("/<which>/result")
def result(key: str, which: str) -> Response | Redirect:
    """Show what came out beside what was predicted; never before a prediction."""
    room = _room(key, which)
    here = truehue()
    prediction = read_prediction(here.settings, room.study.name)
    if not prediction:
        return redirect(url_for("classroom.predict", **room.which), 303)
    state = reports.ensure(here.desk, here.settings, room.study.id, now=now())
    if not state.is_over:
        response = _page("counting", room)
        response.headers["Refresh"] = REFRESH_S
        return response
    found = []
    if state.status == "done":
        found = outcomes(here.settings.reports / room.study.slug / state.report_id / "tables", prediction)
    return _page("result", room, outcomes=found, counts=_counts(room.study), report_id=state.report_id)


@blueprint.get("/report/<report_id>", defaults={"which": ""})
@blueprint.get("/<which>/report/<report_id>")
def report(key: str, which: str, report_id: str) -> Response:
    """Answer with the whole report."""
    return home.report_response(_room(key, which).study.slug, report_id, reports.PAGES[0])


def init_app(app: Flask) -> None:
    """Add the pages, which a class alone can find, and the command."""
    app.register_blueprint(blueprint)
    app.extensions["csrf"].exempt(blueprint)  # there is no cookie to abuse: the secret is in the address
    app.cli.add_command(class_)
