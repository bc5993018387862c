"""What all of the participant's pages share: the blueprint, the study of an address, and the ways to say no."""

from typing import Any

from flask import Blueprint, Response, make_response, render_template, url_for

from study import recruitment, sessions
from study.definition import StudyDefinition
from study.lifecycle import TAKES_PARTICIPANTS
from study.studies import Study, StudyError, find_shown
from study.web import truehue, view
from study.words import speak

# What a platform is told of somebody who cannot go on, by the page that says so to the person.
OUTCOMES = {"closed": "OTHER", "full": "QUOTA_FULL", "unsuited": "INCOMPATIBLE_DEVICE"}

blueprint = Blueprint("participant", __name__, template_folder="templates")


def open_study(slug: str) -> tuple[Study, bool]:
    """Find the study of an address, and whether it takes participants now."""
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


def render(template: str, study: Study, *, status: int = 200, **variables: Any) -> Response:
    """Answer with a page of a study."""
    shown = view(study)
    body = render_template(f"participant/{template}.html", study=shown, contact=shown.contact, **variables)
    return make_response(body, status)


def dead_end(name: str, study: Study, source: str, *, status: int = 403, **variables: Any) -> Response:
    """Say why it does not go on here, and how to get back to where the person came from."""
    platform = recruitment.PLATFORMS.get(source)
    if "finish" not in variables:
        way = recruitment.way_out(truehue().desk, study.slug, source, outcome=OUTCOMES[name])
        variables["finish"] = way
    # Where a person holds a task, it has to be given back by hand if there is no code for how it ended.
    return render(
        name,
        study,
        status=status,
        platform_title=platform.title if platform is not None and platform.has_tasks else "",
        **variables,
    )


def closed(study: Study, source: str) -> Response:
    """Say that nobody new is let in."""
    return dead_end("closed", study, source, message=study.definition.words.closed)


def address_of(slug: str) -> str:
    """The study's own address, as the world sees it."""
    return url_for("participant.door", slug=slug, _external=True)
