"""Where participants come from, single-use links, and data that somebody takes back."""

from typing import Any

from flask import Response, flash, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from study import audit
from study.console.doors import blueprint, owners_only
from study.console.record import find, name_of, note
from study.recruitment import PLATFORMS, RecruitmentError, configure, invite, read_platforms
from study.recruitment.registry import forget
from study.rights import WithdrawalError, read_code
from study.rights.commands import session_of
from study.rights.withdrawal import withdraw_on
from study.web import now, truehue
from study.words import counted


@blueprint.get("/study/<name>/people")
@owners_only
def people(name: str) -> str:
    """Show where a study's participants come from."""
    return _page(name)


def _page(name: str, *, problem: str = "", links: list[str] | None = None) -> str:
    row, here = find(name), truehue()
    with here.desk.database.reading() as connection:
        used = read_platforms(connection, row.slug)
    door = url_for("participant.door", slug=row.slug, _external=True)
    return render_template(
        "console/people.html",
        row=row,
        name=name_of(row),
        platforms=PLATFORMS,
        used={p: (settings, PLATFORMS[p].study_address(door)) for p, settings in used.items()},
        problem=problem,
        links=links,
        is_https=door.startswith("https://"),
    )


def _wrong(name: str, problem: ValueError) -> Response:
    text = str(problem)
    return make_response(_page(name, problem=text[:1].upper() + text[1:]), 422)


@blueprint.post("/study/<name>/people")
@owners_only
def change_people(name: str) -> Response | Redirect:
    """Let people in from a platform with these settings, or no longer."""
    row, here, form = find(name), truehue(), request.form
    platform = form.get("platform", "")
    try:
        if form.get("do") == "stop":
            forget(here.desk.database, row.slug, platform)
        else:
            configure(here.desk.database, row.slug, platform, _settings(platform), now=now())
    except RecruitmentError as problem:
        return _wrong(name, problem)
    note("recruitment stopped" if form.get("do") == "stop" else "recruitment changed", row.slug, platform=platform)
    flash("Saved.")
    return redirect(url_for("console.people", name=name), 303)


def _settings(platform: str) -> dict[str, Any]:
    """Read a platform's settings from its form; codes are lines OUTCOME=CODE."""
    values: dict[str, Any] = {}
    keys = dict(PLATFORMS[platform].keys) if platform in PLATFORMS else {}
    for key, about in keys.items():
        text = request.form.get(key, "").strip()
        match about.kind:
            case "codes":
                pairs = (line.partition("=") for line in text.splitlines() if line.strip())
                values[key] = {outcome.strip().upper(): code.strip() for outcome, _, code in pairs}
            case "switch":
                values[key] = "1" if text else "0"
            case _:
                values[key] = text
    values["retention_days"] = request.form.get("retention_days", "").strip() or "90"
    return values


@blueprint.post("/study/<name>/invitations")
@owners_only
def make_invitations(name: str) -> Response:
    """Make single-use links and show them, once."""
    row, here = find(name), truehue()
    text = request.form.get("n", "")
    try:
        if not text.isdecimal() or len(text) > 6:
            raise RecruitmentError(f"invitations: expected a number, got {text[:20]!r}")
        names = invite(here.desk.database, row.slug, int(text), now=now(), label=request.form.get("label", "")[:100])
    except RecruitmentError as problem:
        return _wrong(name, problem)
    note("invitations made", row.slug, n=len(names))
    links = [url_for("participant.door", slug=row.slug, invitation=one, _external=True) for one in names]
    return make_response(_page(name, links=links))


@blueprint.post("/study/<name>/withdraw")
@owners_only
def withdraw_data(name: str) -> Response | Redirect:
    """Delete somebody's data: by withdrawal code, session, or the platform's name of the person."""
    row, here, form = find(name), truehue(), request.form
    given = form.get("who", "").strip()[:200]
    try:
        match form.get("by"):
            case "code":
                session_id = read_code(here.desk, given)
            case "session":
                session_id = given
            case platform:
                session_id = session_of(here.desk, row.slug, platform or "", given)
        with here.desk.database.writing() as connection:
            gone = withdraw_on(connection, session_id, by="researcher", now=now(), reason=form.get("reason", ""))
            audit.note(
                connection,
                actor=g.researcher.email,
                action="data withdrawn",
                subject=gone.study,
                now=now(),
                details={"session_id": session_id, "reason": form.get("reason", "")[:500]},
            )
    except WithdrawalError as problem:
        return _wrong(name, problem)
    flash(f"{counted(gone.n_trials, 'trial')} and {counted(gone.n_answers, 'answer')} of {session_id} are deleted.")
    return redirect(url_for("console.people", name=name), 303)
