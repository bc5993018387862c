"""Withdrawal: from the last page, or later with a code."""

from flask import Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from study import recruitment, sessions, throttle
from study.participant.pages import address_of, blueprint
from study.rights import WithdrawalError, read_code, withdraw
from study.web import now, truehue
from study.words import say


@blueprint.post("/p/<token>/withdraw")
def withdraw_own(token: str) -> Redirect:
    """Delete the participant's data: asked for on the last page, from which the way back is taken along."""
    desk = truehue().desk
    state = sessions.read_state(desk, token)
    finish = recruitment.finish(desk, state, address=address_of(state.study.slug), now=now())
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
