"""A study's first page, and the way in."""

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as Redirect

from study import lab, recruitment, sessions
from study.participant.pages import address_of, blueprint, closed, dead_end, open_study, outline, render
from study.readiness import Check
from study.sessions import Closed, Full
from study.studies import Study
from study.web import allow_frame, now, to_html, truehue


def _is_phone() -> bool:
    """Whether the browser says that it is a phone's; a tablet that calls itself a computer is believed."""
    if request.headers.get("Sec-CH-UA-Mobile") == "?1":
        return True
    return "Mobi" in request.user_agent.string


@blueprint.get("/s/<slug>/")
def door(slug: str) -> Response | Redirect:
    """Show the study's first page, title and consent, or lead somebody who comes back to where they were."""
    study, is_open = open_study(slug)
    desk = truehue().desk
    entry = recruitment.knock(desk, slug, request.args, address=address_of(slug))
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
        return closed(study, entry.platform)
    if definition.device.phones == "refused" and _is_phone():
        return dead_end("unsuited", study, entry.platform, go_on_url="")
    if not entry.is_preview and sessions.is_full(desk, study.id, now=now()):
        return dead_end("full", study, entry.platform)
    return render(
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
    return render(
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
    study, _ = open_study(slug)
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
        return dead_end("full", study, entry.platform)
    except Closed:
        return closed(study, entry.platform)
    return redirect(url_for("participant.page", token=token), 303)
