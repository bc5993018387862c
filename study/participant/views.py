"""The participant's addresses: docs/participant-http.md. Thin: every decision is made in `study.sessions`."""

from typing import Any

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from study import sessions, stimuli
from study.definition import Item, StudyDefinition
from study.questionnaire import check_answers
from study.sessions import Closed, Invalid, State
from study.studies import Study, StudyError, find_row
from study.web import error, now, to_html, truehue, view

blueprint = Blueprint("participant", __name__, template_folder="templates")


def _study(slug: str) -> tuple[Study, bool]:
    desk = truehue().desk
    try:
        with desk.database.reading_session() as session:
            row = find_row(session, slug)
    except StudyError:
        raise sessions.NotFound("there is no study at this address") from None
    return desk.study(row.id), row.state == "open"


def outline(definition: StudyDefinition) -> dict[str, Any]:
    """Say in numbers what awaits the participant."""
    return {
        "n_practice": definition.practice.n_trials,
        "n_trials": definition.n_main,
        "minutes": definition.minutes,
        "exposure_ms": definition.timing.exposure_ms,
        "question": definition.trial.question,
        "design": definition.trial.design,
    }


def _page(template: str, study: Study, *, status: int = 200, **variables: Any) -> Response:
    shown = view(study)
    body = render_template(f"participant/{template}.html", study=shown, contact=shown.contact, **variables)
    return make_response(body, status)


def _closed(study: Study) -> Response:
    return _page("closed", study, status=403, message=study.definition.words.closed)


@blueprint.get("/s/<slug>/")
def door(slug: str) -> Response:
    """Show the study's first page: title and consent."""
    study, is_open = _study(slug)
    if not is_open:
        return _closed(study)
    definition = study.definition
    return _page(
        "door",
        study,
        consent_html=to_html(definition.fill(definition.words.consent)),
        start_url=url_for("participant.start", slug=slug),
        outline=outline(definition),
    )


@blueprint.post("/s/<slug>/start")
def start(slug: str) -> Response | Redirect:
    """Begin a session: the participant agreed."""
    study, _ = _study(slug)
    try:
        token = sessions.start(truehue().desk, study.id, now=now(), user_agent=request.user_agent.string)
    except Closed:
        return _closed(study)
    return redirect(url_for("participant.page", token=token), 303)


@blueprint.get("/p/<token>/")
def page(token: str) -> Response:
    """Show the page of the stage that the session is in."""
    state = sessions.read_state(truehue().desk, token)
    if state.status in {"started", "consented"}:
        return _instructions(token, state)
    if state.status in sessions.TRIAL_STATUS:
        return _trials(token, state)
    if state.status == "questionnaire":
        return _questionnaire(token, state)
    if state.status == "complete":
        return _debrief(state)
    return error(404, "This session has been withdrawn; its answers are deleted.", study=state.study)


def _instructions(token: str, state: State) -> Response:
    definition = state.study.definition
    return _page(
        "instructions",
        state.study,
        instructions_html=to_html(definition.fill(definition.words.instructions)),
        advance_url=url_for("participant.advance", token=token),
        outline=outline(definition),
    )


def _trials(token: str, state: State) -> Response:
    definition = state.study.definition
    words, device = definition.words, definition.device
    largest = max(state.study.manifest.stimuli, key=lambda s: s.width_px * s.height_px)
    settings = {
        "prompt": definition.trial.prompt,
        "question": definition.trial.question,
        "design": definition.trial.design,
        "words": {
            "left": words.left,
            "right": words.right,
            "correct": words.correct,
            "wrong": words.wrong,
            "practice_done": words.practice_done,
        },
        "device": {
            "phones": device.phones,
            "min_viewport_width_px": device.min_viewport_width_px,
            "min_viewport_height_px": device.min_viewport_height_px,
        },
        "n_practice": definition.practice.n_trials,
        "width_px": largest.width_px,
        "height_px": largest.height_px,
        "size_unit": definition.trial.size_unit,
    }
    return _page(
        "trials",
        state.study,
        trial_url=url_for("participant.api_trial", token=token),
        response_url=url_for("participant.api_response", token=token),
        page_url=url_for("participant.page", token=token),
        settings=settings,
        outline=outline(definition),
    )


def _item_view(item: Item) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "item_id": item.item_id,
        "type": item.type,
        "question": item.question,
        "required": item.required,
        "minimum": item.minimum,
        "maximum": item.maximum,
        "unit": item.unit,
        "low_label": item.low_label,
        "high_label": item.high_label,
        "max_length": item.max_length,
        "options": [{"value": option.value, "label": option.label} for option in item.options],
    }
    if item.type == "scale" and item.minimum is not None and item.maximum is not None:
        shown["minimum"], shown["maximum"] = int(item.minimum), int(item.maximum)
    return shown


def _questionnaire(
    token: str,
    state: State,
    *,
    errors: dict[str, str] | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    return _page(
        "questionnaire",
        state.study,
        status=422 if errors else 200,
        items=[_item_view(item) for item in state.study.definition.questionnaire.items],
        answers_url=url_for("participant.answers", token=token),
        errors=errors or {},
        values=values or {},
    )


def _debrief(state: State) -> Response:
    definition = state.study.definition
    result = sessions.read_result(truehue().desk, state)
    report_url = None
    if truehue().settings.is_demo:
        report_url = url_for("home.report", slug=state.study.slug)
    return _page(
        "debrief",
        state.study,
        n_scored=result.n_scored,
        n_correct=result.n_correct,
        n_fooled=result.n_fooled,
        debrief_html=to_html(definition.fill(definition.words.debrief)),
        report_url=report_url,
    )


@blueprint.post("/p/<token>/advance")
def advance(token: str) -> Redirect:
    """Leave the instructions."""
    sessions.advance(truehue().desk, token, stage=request.form.get("stage", ""))
    return redirect(url_for("participant.page", token=token), 303)


@blueprint.post("/p/<token>/answers")
def answers(token: str) -> Response | Redirect:
    """Take the questionnaire."""
    desk = truehue().desk
    state = sessions.read_state(desk, token)
    values = {name: value for name, value in request.form.items() if len(value) <= 20_000}
    clean, errors = check_answers(state.study.definition.questionnaire.items, values)
    if errors and state.status == "questionnaire":
        return _questionnaire(token, state, errors=errors, values=values)
    sessions.record_answers(desk, token, clean, now=now())
    return redirect(url_for("participant.page", token=token), 303)


def _body() -> Any:
    data = request.get_json(silent=True)
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


@blueprint.get("/p/<token>/image/<address>")
def picture(token: str, address: str) -> Response:
    """Answer with one picture of the outstanding trial or the one after it."""
    here = truehue()
    study, served_name = sessions.find_picture(here.desk, token, address)
    return stimuli.picture(here.settings.stimuli, study.folder, served_name, accel_prefix=here.settings.accel_prefix)
