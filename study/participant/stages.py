"""The page of every stage of a session, from readiness to debriefing, and its forms."""

from typing import Any

from flask import Response, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as Redirect

from study import recruitment, sessions
from study.definition import Item
from study.participant.pages import address_of, blueprint, dead_end, outline, render
from study.questionnaire import check_answers
from study.readiness import Check, needs_calibration
from study.rights import withdrawal_code
from study.sessions import State
from study.web import allow_frame, now, to_html, truehue
from study.words import speak


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
        finish = recruitment.finish(truehue().desk, state, address=address_of(state.study.slug), now=now())
        kinds = {check.kind for check in sessions.read_checks(truehue().desk, state) if check.excludes}
        if kinds:
            return dead_end("excluded", state.study, state.source, status=200, kinds=kinds, finish=finish)
        message = state.study.definition.words.unqualified
        return dead_end("unqualified", state.study, state.source, status=200, message=message, finish=finish)
    finish = recruitment.unpack_finish(truehue().desk, state.session_id, request.args.get("back", ""))
    return render("withdrawn", state.study, finish=finish)


@blueprint.get("/p/<token>/unsuited")
def unsuited(token: str) -> Response:
    """Show the way back to somebody whose screen has no room; the session stays as it is."""
    state = sessions.read_state(truehue().desk, token)
    allow_frame(recruitment.framing_of(state.source))
    go_on = url_for("participant.page", token=token)
    return dead_end("unsuited", state.study, state.source, status=200, go_on_url=go_on)


def _readiness(
    token: str,
    state: State,
    checks: tuple[Check, ...],
    *,
    errors: dict[str, str] | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    definition = state.study.definition
    return render(
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


def _instructions(token: str, state: State, checks: tuple[Check, ...]) -> Response:
    definition = state.study.definition
    return render(
        "instructions",
        state.study,
        warnings=sorted({check.kind for check in checks if check.action == "warn" and check.is_passed is False}),
        instructions_html=to_html(definition.fill(definition.words.instructions)),
        advance_url=url_for("participant.advance", token=token),
        outline=outline(definition),
    )


@blueprint.post("/p/<token>/advance")
def advance(token: str) -> Redirect:
    """Leave the instructions."""
    sessions.advance(truehue().desk, token, stage=request.form.get("stage", ""))
    return redirect(url_for("participant.page", token=token), 303)


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
    return render(
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
    return render(
        "questionnaire",
        state.study,
        status=422 if errors else 200,
        items=[_item_view(item) for item in state.study.definition.questionnaire.items],
        answers_url=url_for("participant.answers", token=token),
        errors=errors or {},
        values=values or {},
    )


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


def _debrief(token: str, state: State) -> Response:
    definition = state.study.definition
    desk = truehue().desk
    result = sessions.read_result(desk, state)
    report_url = None
    if truehue().settings.is_demo:
        report_url = url_for("home.report", slug=state.study.slug)
    return render(
        "debrief",
        state.study,
        measure=definition.outcome.measure,
        n_scored=result.n_scored,
        n_correct=result.n_correct,
        n_fooled=result.n_fooled,
        debrief_html=to_html(definition.fill(definition.words.debrief)),
        report_url=report_url,
        finish=recruitment.finish(desk, state, address=address_of(state.study.slug), now=now()),
        return_after_s=definition.lab.return_after_s if state.source == "lab" else 0,
        withdrawal_code=withdrawal_code(desk, state.session_id),
        withdraw_url=url_for("participant.withdraw_own", token=token),
    )
