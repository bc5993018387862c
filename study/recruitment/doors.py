"""Reading who comes, and carrying it safely from the consent page to the start of the session."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from study.recruitment.platforms import PLATFORMS
from study.recruitment.platforms.base import Entry, EntryError, Finish, Framing
from study.recruitment.registry import read_platforms
from study.sessions import Desk
from study.words import say

READ_FOR_S = 24 * 3600  # how long somebody may sit before the consent page


def knock(desk: Desk, slug: str, args: Mapping[str, str], *, address: str) -> Entry:
    """Read who comes to a study's door from the parameters of the address. Raises EntryError."""
    with desk.database.reading() as connection:
        allowed = read_platforms(connection, slug)
    for name, settings in allowed.items():
        if PLATFORMS[name].is_meant(args):
            return PLATFORMS[name].read_entry(args, settings, address=address)
    if "direct" in allowed:
        return PLATFORMS["direct"].read_entry(args, allowed["direct"], address=address)
    places = f" {say('or')} ".join(say(PLATFORMS[name].title) for name in allowed)
    raise EntryError("this study can be entered from %(places)s only; please open it from there", places=places)


def seal(desk: Desk, slug: str, entry: Entry) -> str:
    """Sign an entry, so that the form of the consent page can carry it."""
    return str(_serializer(desk, slug).dumps(asdict(entry)))


def unseal(desk: Desk, slug: str, text: str) -> Entry:
    """Read a signed entry back; without one, a plain link's, if the study has that."""
    if not text:
        return knock(desk, slug, {}, address="")
    try:
        return Entry(**_serializer(desk, slug).loads(text, max_age=READ_FOR_S))
    except (BadData, TypeError):
        raise EntryError("this page has been open for too long; please open the study's address again") from None


def pack_finish(desk: Desk, session_id: str, finish: Finish) -> str:
    """Sign the way back of a session whose data are about to be deleted: afterwards nothing here knows it."""
    return "" if finish.kind == "none" else str(_ways_back(desk, session_id).dumps(asdict(finish)))


def unpack_finish(desk: Desk, session_id: str, text: str) -> Finish:
    """Read a signed way back; none if it is another session's, or not ours."""
    try:
        data = _ways_back(desk, session_id).loads(text, max_age=READ_FOR_S)
        return Finish(**{**data, "fields": tuple(map(tuple, data["fields"]))})
    except (BadData, TypeError, KeyError):
        return Finish("none")


def _ways_back(desk: Desk, session_id: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(desk.key, salt=f"truehue way back {session_id}")


def _serializer(desk: Desk, slug: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(desk.key, salt=f"truehue entry {slug}")


def framing_of(platform: str) -> Framing:
    """Which sites may frame the pages of somebody who came from a platform."""
    return PLATFORMS[platform].framing if platform in PLATFORMS else Framing()


def way_out(desk: Desk, slug: str, platform: str, *, outcome: str) -> Finish:
    """Give the way back of somebody who does not take part."""
    with desk.database.reading() as connection:
        settings: Any = read_platforms(connection, slug).get(platform)
    return PLATFORMS[platform].way_out(settings, outcome=outcome) if settings else Finish("none")
