"""What an adversary sees of a session, and (from the database, for scoring only) what was true."""

import json
import random
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import select
from tqdm import tqdm

from study.manifest import REAL
from study.models import SessionRow, TrialRow
from tools.proof.instance import Instance
from tools.proof.person import Http, Person, Reply, Transport, required_answers


@dataclass(frozen=True)
class SeenPicture:
    """All of a picture but its pixels, and a fingerprint of its bytes for whoever compares sessions."""

    address: str
    length: int
    headers: tuple[tuple[str, str], ...]
    ms: float
    place_in_prefetch: int
    """0 or 1 in the list that was sent ahead; -1 if the picture was not announced."""
    place_in_fetching: int
    fingerprint: int


@dataclass(frozen=True)
class SeenTrial:
    """What was known of a trial when its answer was due, and what its answer brought."""

    session: int
    index: int
    is_practice: bool
    is_instructed: bool
    trial_id: str
    pictures: tuple[SeenPicture, SeenPicture]
    """In order of presentation."""
    first_side: str
    turn_chars: int
    turn_headers: tuple[tuple[str, str], ...]
    turn_ms: float
    page_chars: int
    n_cookies: int
    response: str
    feedback: bool | None
    """What practice told after the answer."""


@dataclass(frozen=True)
class Truth:
    """What the server knew of a trial."""

    kind: str
    control: str
    is_fake_first: bool
    is_fake_left: bool


@dataclass(frozen=True)
class Watched:
    """A trial as the adversary saw it, with its truth."""

    seen: SeenTrial
    truth: Truth


def watch_session(transport: Transport, instance: Instance, number: int) -> tuple[str, list[SeenTrial]]:
    """Take part in one session like a browser and write down all that it was told."""
    dice = random.Random(number)
    person = Person(transport, instance.study.slug, name=f"page-{number}").begin()
    page = transport.send("GET", person.here)
    reply = person.look()
    n_cookies = sum(name.lower() == "set-cookie" for name, _ in (*page.headers, *reply.headers))
    announced: list[str] = []
    known: dict[str, SeenPicture] = {}
    trials: list[SeenTrial] = []
    while person.turn["trial"]:
        trial = person.turn["trial"]
        urls = [picture["url"] for picture in trial["pictures"]]
        wanted = announced or dice.sample(urls, 2)
        known = {url: _look_at(person, url, announced, place) for place, url in enumerate(wanted)}
        first, second = (known[url] for url in urls)
        turn = {k: v for k, v in person.turn.items() if k != "feedback"}
        announced = list(person.turn["prefetch"])
        response = dice.choice(("left", "right"))
        before, reply = reply, person.answer(response)
        told = person.turn["feedback"]
        trials.append(
            SeenTrial(
                session=number,
                index=len(trials),
                is_practice=trial["is_practice"],
                is_instructed=trial["instruction"] is not None,
                trial_id=trial["trial_id"],
                pictures=(first, second),
                first_side=trial["pictures"][0]["side"],
                turn_chars=len(json.dumps(turn)),
                turn_headers=_comparable(before),
                turn_ms=before.ms,
                page_chars=len(page.body),
                n_cookies=n_cookies,
                response=response,
                feedback=None if told is None else told["correct"],
            )
        )
    person.fill_in(**required_answers(instance.study.definition))
    return person.token, trials


def _look_at(person: Person, url: str, announced: Sequence[str], place: int) -> SeenPicture:
    reply = person.fetch(url)
    return SeenPicture(
        address=url.rsplit("/", 1)[1],
        length=len(reply.body),
        headers=_comparable(reply),
        ms=reply.ms,
        place_in_prefetch=announced.index(url) if url in announced else -1,
        place_in_fetching=place,
        fingerprint=zlib.crc32(reply.body),
    )


def _comparable(reply: Reply) -> tuple[tuple[str, str], ...]:
    # gunicorn's own Date is the time of the request, which the adversary has anyway.
    return tuple(pair for pair in reply.headers if pair[0].lower() != "date")


def watch(
    instance: Instance,
    n_sessions: int,
    *,
    port: int | None = None,
    transport: Transport | None = None,
    n_threads: int = 4,
) -> list[Watched]:
    """Watch sessions over HTTP (`port`) or in this process (`transport`) and join the truth to them."""

    def one(number: int) -> tuple[str, list[SeenTrial]]:
        return watch_session(transport or Http(port or 0), instance, number)

    with ThreadPoolExecutor(n_threads if port else 1) as pool:
        seen = list(tqdm(pool.map(one, range(n_sessions)), total=n_sessions, unit="session", disable=n_sessions < 50))
    truths = read_truth(instance)
    return [Watched(t, truths[token, t.index]) for token, trials in seen for t in trials]


def read_truth(instance: Instance) -> dict[tuple[str, int], Truth]:
    """Read what was true, keyed by the hash of the session's token and the trial's place."""
    from study.sessions.names import hash_token

    with instance.desk.database.reading() as connection:
        s, t = SessionRow.__table__.c, TrialRow.__table__.c
        rows = connection.execute(
            select(
                s.token_sha256, t.trial_index, t.kind, t.control, t.order_of_a, t.side_of_a, t.condition_b
            ).join_from(SessionRow.__table__, TrialRow.__table__, s.id == t.session_id)
        ).all()
    found = {}
    for row in rows:
        assert row.condition_b == REAL
        truth = Truth(row.kind, row.control, row.order_of_a == "first", row.side_of_a == "left")
        found[row.token_sha256, row.trial_index] = truth

    class ByToken(dict[tuple[str, int], Truth]):
        def __missing__(self, key: tuple[str, int]) -> Truth:
            return found[hash_token(key[0]), key[1]]

    return ByToken()
