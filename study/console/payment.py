"""Prolific's submissions beside our sessions: who is ready to be paid, and where a person has to look."""

from flask import Response, flash, g, make_response, redirect, render_template, url_for
from werkzeug.wrappers import Response as Redirect

from study.config import ConfigError
from study.console.doors import blueprint, owners_only
from study.console.record import find, name_of, note
from study.jobs import enqueue
from study.recruitment import RecruitmentError
from study.recruitment.payment import Payments, read_payments
from study.recruitment.prolific_api import ProlificApi
from study.web import now, truehue

N_SHOWN = 100


@blueprint.get("/study/<name>/prolific")
@owners_only
def prolific(name: str) -> Response:
    """Ask Prolific and show what it says beside what is here."""
    row, here = find(name), truehue()
    payments, problem, status, token = Payments(()), "", 200, ""
    try:
        token = here.settings.prolific_token
        api = ProlificApi(here.settings.prolific_url, token)
        payments = read_payments(here.desk, api, row.slug)
    except (RecruitmentError, ConfigError) as error:
        # Without a token nothing went wrong: the page says how to get one.
        problem, status = str(error), 502 if token else 200
    body = render_template(
        "console/prolific.html",
        row=row,
        name=name_of(row),
        payments=payments,
        ready=payments.of("ready"),
        look=payments.of("look"),
        n_shown=N_SHOWN,
        problem=problem,
        at=now(),
    )
    return make_response(body, status)


@blueprint.post("/study/<name>/prolific")
@owners_only
def approve_prolific(name: str) -> Redirect:
    """Approve who is ready, as a job."""
    row, here = find(name), truehue()
    arguments = {"slug": row.slug, "actor": g.researcher.email}
    title = f"approve Prolific submissions of {row.slug}"
    enqueue(here.desk, here.settings, "prolific-approve", title, arguments, by=g.researcher.email, now=now())
    note("approval asked for", row.slug, platform="prolific")
    flash("The job is in the queue.")
    return redirect(url_for("console.jobs"), 303)
