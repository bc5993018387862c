"""Who may sign in: owners change everything, viewers look."""

from flask import Response, flash, g, make_response, redirect, render_template, request, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response as Redirect

from study import researchers
from study.console.doors import blueprint, owners_only
from study.console.record import note
from study.models import Researcher
from study.researchers import ResearcherError
from study.web import now, truehue


def _page(*, problem: str = "", link: str = "", email: str = "") -> str:
    with truehue().desk.database.reading_session() as session:
        listed = list(session.scalars(select(Researcher).order_by(Researcher.email)))
    return render_template("console/accounts.html", accounts=listed, problem=problem, link=link, email=email)


@blueprint.get("/accounts")
@owners_only
def accounts() -> str:
    """List the accounts."""
    return _page()


@blueprint.post("/accounts")
@owners_only
def invite_researcher() -> Response | Redirect:
    """Make an account without a password and show the link that opens it once."""
    here, email = truehue(), request.form.get("email", "")[:200]
    role = request.form.get("role", "viewer")
    try:
        researchers.add(here.desk.database, email, "", now=now(), role=role)
        token = researchers.link_token(here.desk.database, here.desk.key, email)
    except ResearcherError as problem:
        text = str(problem)
        return make_response(_page(problem=text[:1].upper() + text[1:], email=email), 422)
    note("researcher invited", "", email=email.strip().lower(), role=role)
    return make_response(_page(link=url_for("console.enter", token=token, _external=True), email=email))


@blueprint.post("/password")
@owners_only
def set_password() -> Redirect:
    """Set one's own password."""
    try:
        if not request.form.get("password"):
            raise ResearcherError("expected a password")
        researchers.add(truehue().desk.database, g.researcher.email, request.form["password"][:1000], now=now())
        flash("The password is set.")
    except ResearcherError as problem:
        flash(str(problem).capitalize())
    return redirect(url_for("console.accounts"), 303)
