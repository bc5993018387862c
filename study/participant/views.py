"""The participant's addresses: docs/participant-http.md. Thin: every decision is made in `study.sessions`."""

from typing import Any

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from study import lab, recruitment, sessions, stimuli, throttle
from study.definition import Item, StudyDefinition
from study.lifecycle import TAKES_PARTICIPANTS
from study.questionnaire import check_answers
from study.readiness import Check, needs_calibration
from study.rights import WithdrawalError, read_code, withdraw, withdrawal_code
from study.sessions import Closed, Full, Invalid, State
from study.studies import Study, StudyError, find_shown
from study.web import allow_frame, now, to_html, truehue, view
from study.words import say, speak

# What a platform is told of somebody who cannot go on, by the page that says so to the person.
OUTCOMES = {"closed": "OTHER", "full": "QUOTA_FULL", "unsuited": "INCOMPATIBLE_DEVICE"}
# Platforms on which a person holds a task.
PAYING = ("mturk", "prolific", "sona", "connect")

blueprint = Blueprint("participant", __name__, template_folder="templates")


def _study(slug: str) -> tuple[Study, bool]:
    desk = truehue().desk
    try:
        with desk.database.reading_session() as session:
            row = find_shown(session, slug)
    except StudyError:
        raise sessions.NotFound("there is no study at this address") from None
    study = desk.study(row.id)
    speak(study.definition.study.language)  # what is refused from here on is refused in the study's language
    return study, row.state in TAKES_PARTICIPANTS


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


def _dead_end(name: str, study: Study, source: str, *, status: int = 403, **variables: Any) -> Response:
    """Say why it does not go on here, and how to get back to where the person came from."""
    title = recruitment.PLATFORMS[source].title if source in recruitment.PLATFORMS else ""
    if "finish" not in variables:
        way = recruitment.way_out(truehue().desk, study.slug, source, outcome=OUTCOMES[name])
        variables["finish"] = way
    # Where a person holds a task, it has to be given back by hand if there is no code for how it ended.
    return _page(
        name,
        study,
        status=status,
        platform_title=title if source in PAYING else "",
        **variables,
    )


def _closed(study: Study, source: str) -> Response:
    return _dead_end("closed", study, source, message=study.definition.words.closed)


def _is_phone() -> bool:
    """Whether the browser says that it is a phone's; a tablet that calls itself a computer is believed."""
    if request.headers.get("Sec-CH-UA-Mobile") == "?1":
        return True
    return "Mobi" in request.user_agent.string


def _address(slug: str) -> str:
    """The study's own address, as the world sees it."""
    return url_for("participant.door", slug=slug, _external=True)


@blueprint.get("/s/<slug>/")
def door(slug: str) -> Response | Redirect:
    """Show the study's first page, title and consent, or lead somebody who comes back to where they were."""
    study, is_open = _study(slug)
    desk = truehue().desk
    entry = recruitment.knock(desk, slug, request.args, address=_address(slug))
    allow_frame(recruitment.framing_of(entry.platform))
    token = recruitment.find_token(desk, slug, entry)
    if token is not None:
        return redirect(url_for("participant.page", token=token), 303)
    definition = study.definition
    seat = None
    if entry.platform == "lab":
        with desk.database.reading() as connection:
            seat = lab.seat_of(connection, definition, dict(entry.facts), today=now().date())
        if seat.problem and definition.lab.profile == "refuse":
            return _seat_not_ready(study, entry, seat)
    if not is_open and not entry.is_preview:
        return _closed(study, entry.platform)
    if definition.device.phones == "refused" and _is_phone():
        return _dead_end("unsuited", study, entry.platform, go_on_url="")
    if not entry.is_preview and sessions.is_full(desk, study.id, now=now()):
        return _dead_end("full", study, entry.platform)
    return _page(
        "door",
        study,
        consent_html=to_html(definition.fill(definition.words.consent)),
        start_url=url_for("participant.start", slug=slug),
        entry="" if entry.is_preview else recruitment.seal(desk, slug, entry),
        is_preview=entry.is_preview,
        platform_title=recruitment.PLATFORMS[entry.platform].title,
        way_out=recruitment.way_out(desk, slug, entry.platform, outcome="NO_CONSENT"),
        outline=outline(definition),
        seat_problem=seat.problem if seat and definition.lab.profile == "warn" else "",
    )


def _seat_not_ready(study: Study, entry: recruitment.Entry, seat: lab.Seat) -> Response:
    return _page(
        "seat",
        study,
        status=403,
        problem=seat.problem,
        display=dict(entry.facts).get("display", ""),
        age_days=seat.age_days,
        max_age_days=study.definition.lab.max_age_days,
    )


@blueprint.post("/s/<slug>/start")
def start(slug: str) -> Response | Redirect:
    """Begin a session: the participant agreed."""
    here = truehue()
    here.throttle.check(here.throttle.starts, "start", request.remote_addr or "")
    study, _ = _study(slug)
    desk = here.desk
    entry = recruitment.unseal(desk, slug, request.form.get("entry", ""))
    allow_frame(recruitment.framing_of(entry.platform))
    facts: tuple[Check, ...] = ()
    if entry.platform == "lab":
        with desk.database.reading() as connection:
            seat = lab.seat_of(connection, study.definition, dict(entry.facts), today=now().date())
        if seat.problem and study.definition.lab.profile == "refuse":
            return _seat_not_ready(study, entry, seat)
        facts = seat.facts
    try:
        token = recruitment.enter(desk, study.id, entry, now=now(), user_agent=request.user_agent.string, facts=facts)
    except Full:
        return _dead_end("full", study, entry.platform)
    except Closed:
        return _closed(study, entry.platform)
    return redirect(url_for("participant.page", token=token), 303)


@blueprint.get("/p/<token>/")
def page(token: str) -> Response:
    """Show the page of the stage that the session is in."""
    state = sessions.read_state(truehue().desk, token)
    allow_frame(recruitment.framing_of(state.source))
    if state.status in {"started", "consented"}:
        checks = sessions.read_checks(truehue().desk, state)
        if sessions.is_waiting(state, checks):
            return _readiness(token, state, checks)
        return _instructions(token, state, checks)
    if state.status in sessions.TRIAL_STATUS:
        return _trials(token, state)
    if state.status == "questionnaire":
        return _questionnaire(token, state)
    if state.status == "complete":
        return _debrief(token, state)
    if state.status == "unqualified":
        finish = recruitment.finish(truehue().desk, state, address=_address(state.study.slug), now=now())
        kinds = {check.kind for check in sessions.read_checks(truehue().desk, state) if check.excludes}
        if kinds:
            return _dead_end("excluded", state.study, state.source, status=200, kinds=kinds, finish=finish)
        message = state.study.definition.words.unqualified
        return _dead_end("unqualified", state.study, state.source, status=200, message=message, finish=finish)
    finish = recruitment.unpack_finish(truehue().desk, state.session_id, request.args.get("back", ""))
    return _page("withdrawn", state.study, finish=finish)


@blueprint.get("/p/<token>/unsuited")
def unsuited(token: str) -> Response:
    """Show the way back to somebody whose screen has no room; the session stays as it is."""
    state = sessions.read_state(truehue().desk, token)
    allow_frame(recruitment.framing_of(state.source))
    go_on = url_for("participant.page", token=token)
    return _dead_end("unsuited", state.study, state.source, status=200, go_on_url=go_on)


@blueprint.post("/p/<token>/withdraw")
def withdraw_own(token: str) -> Redirect:
    """Delete the participant's data: asked for on the last page, from which the way back is taken along."""
    desk = truehue().desk
    state = sessions.read_state(desk, token)
    finish = recruitment.finish(desk, state, address=_address(state.study.slug), now=now())
    withdraw(desk, state.session_id, by="participant", now=now())
    back = recruitment.pack_finish(desk, state.session_id, finish)
    return redirect(url_for("participant.page", token=token, back=back or None), 303)


@blueprint.get("/withdraw")
def withdraw_door() -> str:
    """Ask for a withdrawal code."""
    return render_template("participant/withdraw.html", problem="", code="", contact=truehue().settings.contact)


@blueprint.post("/withdraw")
def withdraw_by_code() -> Response:
    """Delete the data that a withdrawal code belongs to."""
    here = truehue()
    here.throttle.check(throttle.WITHDRAWALS_BY_ADDRESS, "withdrawal from", request.remote_addr or "")
    desk, code = here.desk, request.form.get("code", "")[:100]
    try:
        session_id = read_code(desk, code)
        withdraw(desk, session_id, by="participant", now=now())
    except WithdrawalError as problem:
        body = render_template(
            "participant/withdraw.html", problem=say(str(problem)), code=code, contact=truehue().settings.contact
        )
        return make_response(body, 422)
    return make_response(render_template("participant/withdrawn.html", study=None, contact=truehue().settings.contact))


def _readiness(
    token: str,
    state: State,
    checks: tuple[Check, ...],
    *,
    errors: dict[str, str] | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    definition = state.study.definition
    return _page(
        "readiness",
        state.study,
        status=422 if errors else 200,
        checks=definition.readiness.checks,
        plates=[
            (plate.number, url_for("participant.plate", token=token, number=plate.number))
            for plate in sessions.plates_of(truehue().desk, state)
        ],
        sizes=needs_calibration(definition) and not sessions.profile_of(checks),
        checks_url=url_for("participant.checks", token=token),
        errors=errors or {},
        values=values or {},
    )


@blueprint.post("/p/<token>/checks")
def checks(token: str) -> Response | Redirect:
    """Take what is asked before the instructions."""
    desk = truehue().desk
    state = sessions.read_state(desk, token)
    allow_frame(recruitment.framing_of(state.source))
    speak(state.study.definition.study.language)
    values = {name: value for name, value in request.form.items() if len(value) <= 2_000}
    errors = sessions.record_checks(desk, token, values, now=now())
    if errors:
        return _readiness(token, state, sessions.read_checks(desk, state), errors=errors, values=values)
    return redirect(url_for("participant.page", token=token), 303)


@blueprint.get("/p/<token>/plate/<number>")
def plate(token: str, number: str) -> Response:
    """Answer with one plate, drawn for this session."""
    response = make_response(
        sessions.plate_picture(truehue().desk, token, int(number) if number.isdecimal() and len(number) < 4 else 0)
    )
    response.mimetype = "image/png"
    return response


@blueprint.post("/p/<token>/api/checks")
def api_checks(token: str) -> Response:
    """Take what the page of trials says of its screen."""
    sessions.record_screen(truehue().desk, token, _body(), now=now())
    return jsonify({})


def _instructions(token: str, state: State, checks: tuple[Check, ...]) -> Response:
    definition = state.study.definition
    return _page(
        "instructions",
        state.study,
        warnings=sorted({check.kind for check in checks if check.action == "warn" and check.is_passed is False}),
        instructions_html=to_html(definition.fill(definition.words.instructions)),
        advance_url=url_for("participant.advance", token=token),
        outline=outline(definition),
    )


def _trials(token: str, state: State) -> Response:
    definition = state.study.definition
    words, device = definition.words, definition.device
    buttons = (words.left, words.right)
    if definition.is_single:
        buttons = (words.real, words.fake) if definition.trial.real_button == "left" else (words.fake, words.real)
    largest = max(state.study.manifest.stimuli, key=lambda s: s.width_px * s.height_px)
    settings = {
        "prompt": definition.trial.prompt,
        "question": definition.trial.question,
        "design": definition.trial.design,
        "words": {
            "left": buttons[0],
            "right": buttons[1],
            "correct": words.correct,
            "wrong": words.wrong,
            "practice_done": words.practice_done,
            "pause": words.pause,
        },
        "device": {
            "phones": device.phones,
            "min_viewport_width_px": device.min_viewport_width_px,
            "min_viewport_height_px": device.min_viewport_height_px,
            "touch": device.touch,
            "full_screen": device.full_screen,
        },
        "n_practice": definition.practice.n_trials,
        "width_px": largest.width_px,
        "height_px": largest.height_px,
        "size_unit": definition.trial.size_unit,
        "field": definition.trial.field,
        "device_width_px": sessions.device_width_px(sessions.read_checks(truehue().desk, state)),
        "has_photodiode": definition.lab.photodiode,
        "n_masks": definition.timing.n_masks,
    }
    return _page(
        "trials",
        state.study,
        trial_url=url_for("participant.api_trial", token=token),
        response_url=url_for("participant.api_response", token=token),
        checks_url=url_for("participant.api_checks", token=token),
        page_url=url_for("participant.page", token=token),
        unsuited_url=url_for("participant.unsuited", token=token),
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


def _debrief(token: str, state: State) -> Response:
    definition = state.study.definition
    desk = truehue().desk
    result = sessions.read_result(desk, state)
    report_url = None
    if truehue().settings.is_demo:
        report_url = url_for("home.report", slug=state.study.slug)
    return _page(
        "debrief",
        state.study,
        measure=definition.outcome.measure,
        n_scored=result.n_scored,
        n_correct=result.n_correct,
        n_fooled=result.n_fooled,
        debrief_html=to_html(definition.fill(definition.words.debrief)),
        report_url=report_url,
        finish=recruitment.finish(desk, state, address=_address(state.study.slug), now=now()),
        return_after_s=definition.lab.return_after_s if state.source == "lab" else 0,
        withdrawal_code=withdrawal_code(desk, state.session_id),
        withdraw_url=url_for("participant.withdraw_own", token=token),
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
    speak(state.study.definition.study.language)
    values = {name: value for name, value in request.form.items() if len(value) <= 20_000}
    clean, errors = check_answers(state.study.definition.questionnaire.items, values)
    if errors and state.status == "questionnaire":
        return _questionnaire(token, state, errors=errors, values=values)
    sessions.record_answers(desk, token, clean, now=now())
    return redirect(url_for("participant.page", token=token), 303)


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


@blueprint.get("/p/<token>/image/<address>")
def picture(token: str, address: str) -> Response:
    """Answer with one picture of the outstanding trial or the one after it."""
    here = truehue()
    study, served_name = sessions.find_picture(here.desk, token, address)
    return stimuli.picture(here.settings.stimuli, study.folder, served_name, accel_prefix=here.settings.accel_prefix)
