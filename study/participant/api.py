"""What the page of trials says to the server: docs/participant-http.md."""

from typing import Any

from flask import Response, jsonify, request

from study import sessions, stimuli
from study.participant.pages import blueprint
from study.sessions import Invalid
from study.web import now, truehue


def _body() -> Any:
    try:
        data = request.get_json(silent=True)
    except RecursionError:  # brackets nested by the thousand
        data = None
    if not isinstance(data, dict):
        raise Invalid("expected a JSON object")
    return data


@blueprint.post("/p/<token>/api/trial")
def api_trial(token: str) -> Response:
    """Hand out the outstanding trial."""
    data = _body()
    turn = sessions.next_trial(
        truehue().desk,
        token,
        page_id=data.get("page_id"),
        device=data.get("device"),
        interrupted=data.get("interrupted"),
        now=now(),
    )
    return jsonify(turn)


@blueprint.post("/p/<token>/api/response")
def api_response(token: str) -> Response:
    """Write an answer and say what comes next."""
    return jsonify(sessions.record_response(truehue().desk, token, _body(), now=now()))


@blueprint.post("/p/<token>/api/checks")
def api_checks(token: str) -> Response:
    """Take what the page of trials says of its screen."""
    sessions.record_screen(truehue().desk, token, _body(), now=now())
    return jsonify({})


@blueprint.get("/p/<token>/image/<address>")
def picture(token: str, address: str) -> Response:
    """Answer with one picture of the outstanding trial or the one after it."""
    here = truehue()
    study, served_name = sessions.find_picture(here.desk, token, address)
    return stimuli.picture(here.settings.stimuli, study.folder, served_name, accel_prefix=here.settings.accel_prefix)
