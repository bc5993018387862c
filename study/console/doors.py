"""Into the console and out: passwords, one-time links, and who may do what."""

import functools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from flask import Blueprint, Response, abort, g, make_response, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as Redirect

from study import researchers, throttle
from study.models import Researcher
from study.web import now, truehue

P = ParamSpec("P")
T = TypeVar("T")
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


def owners_only(call: Callable[P, T]) -> Callable[P, T | Redirect]:
    """Let owners through; viewers may look, not change."""

    @functools.wraps(call)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        if g.researcher.role != "owner":
            abort(403)
        return call(*args, **kwargs)

    return signed_in(guarded)


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
