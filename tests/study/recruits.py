"""People sent by a recruitment platform: through the door, to the end, and what was stored of them."""

import re
from typing import Any
from urllib.parse import urlencode

from conftest import NOW, Participant
from flask.testing import FlaskClient
from sqlalchemy import select

from study.recruitment.registry import configure
from study.sessions import Desk
from study.studies import Study

MTURK = {
    "assignmentId": "3ABCASSIGNMENT",
    "hitId": "3HIT",
    "workerId": "A2WORKER",
    "turkSubmitTo": "https://workersandbox.mturk.com",
}
PROLIFIC = {"PROLIFIC_PID": "5f1b2c3d4e5f6a7b8c9d0e1f", "STUDY_ID": "60aa", "SESSION_ID": "60bb"}
CODES = {"codes": {"COMPLETED": "C0MPL3T3", "NO_CONSENT": "N0C0NS", "FAILED_ATTENTION_CHECK": "FA1L3D"}}


def recruit(desk: Desk, study: Study, platform: str, settings: dict[str, Any] | None = None) -> None:
    configure(desk.database, study.slug, platform, settings or {}, now=NOW)


def form_of(page: str) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))


def come(client: FlaskClient, study: Study, args: dict[str, str]) -> Any:
    return client.get(f"/s/{study.slug}/?{urlencode(args)}")


def agree(client: FlaskClient, study: Study, args: dict[str, str]) -> str:
    """Through the door; the address of the session's page."""
    door = come(client, study, args)
    if door.status_code == 303:
        return str(door.location)
    assert door.status_code == 200, door.text
    started = client.post(f"/s/{study.slug}/start", data=form_of(door.text))
    assert started.status_code == 303, started.text
    return str(started.location)


def sit_down(client: FlaskClient, desk: Desk, study: Study, here: str) -> Participant:
    """At the first trial."""
    participant = Participant(client, desk, study.slug, here=here)
    client.post(f"{here}advance", data={"stage": "instructions"})
    participant.look()
    return participant


def finish_session(client: FlaskClient, desk: Desk, study: Study, here: str) -> str:
    """All trials and the questionnaire; the last page."""
    sit_down(client, desk, study, here).finish_trials().fill_in()
    return client.get(here).text


def rows(desk: Desk, table: Any) -> list[Any]:
    with desk.database.reading_session() as session:
        return list(session.scalars(select(table)))
