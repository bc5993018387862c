"""The checks; each gives lines that are green, or red with a remedy."""

import hashlib
import shutil
import socket
import ssl
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from PIL import Image

from study.config import Settings
from study.lifecycle import TAKES_PARTICIPANTS
from study.models import StudyRow
from study.preflight.client import TIMEOUT_S, Client
from study.preflight.dummy import DummyError, take_part
from study.recruitment import PLATFORMS, RecruitmentError, read_platforms
from study.recruitment.platforms.base import Entry, EntryError, Person, check_settings
from study.sessions import Desk, SessionError
from study.studies import Study

MAX_CLOCK_S = 5
MIN_CERTIFICATE_DAYS = 14
MIN_FREE_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Line:
    """One thing looked at."""

    name: str
    is_good: bool
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Pay:
    """Figures of a person: amounts in one currency."""

    per_participant: float | None = None
    minimum_per_hour: float | None = None


def preflight(
    desk: Desk, settings: Settings, study: Study, row: StudyRow, *, url: str, pay: Pay, now: Callable[[], datetime]
) -> Iterator[Line]:
    """Look at everything, one line after the other."""
    client = Client(url)
    yield _state(row)
    yield _tls(url)
    reached, line = _server(client)
    yield line
    if reached is not None:
        yield _clock(reached, now)
    yield _disk(settings.instance)
    yield from _platforms(client if reached is not None else None, desk, study, row)
    yield _pay(desk, study, pay)
    yield _pictures(settings.stimuli / study.folder / "served", study)
    if reached is None:
        yield Line("session", False, "not tried: the server does not answer", "see the line `server`")
    else:
        yield _session(client, desk, study, now)


def _state(row: StudyRow) -> Line:
    name = f"{row.slug}@{row.version}"
    is_good = row.state in TAKES_PARTICIPANTS
    remedy = f"flask --app study open {row.slug} (or pilot {row.slug})"
    return Line("state", is_good, f"{name} is {row.state}", "" if is_good else remedy)


def _tls(url: str) -> Line:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https":
        return Line("tls", False, f"{url} is not encrypted", "make serve DOMAIN=…, and give --url https://…")
    host, port = parts.hostname or "", parts.port or 443
    try:
        with (
            socket.create_connection((host, port), timeout=TIMEOUT_S) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure,
        ):
            certificate, version = secure.getpeercert(), secure.version()
    except OSError as error:
        reason = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else str(error)
        return Line(
            "tls", False, reason, "let Caddy get a certificate: ports 80 and 443 open, DOMAIN's DNS points here"
        )
    ends = ssl.cert_time_to_seconds(str((certificate or {})["notAfter"]))
    days = (ends - datetime.now(UTC).timestamp()) / 86400
    # Short-lived certificates are renewed at a third of their life.
    begins = ssl.cert_time_to_seconds(str((certificate or {})["notBefore"]))
    is_good = days > min(MIN_CERTIFICATE_DAYS, (ends - begins) / 86400 / 10)
    remedy = "" if is_good else "renew the certificate; look at Caddy's log"
    return Line("tls", is_good, f"{version}, certificate valid for {days:.1f} days", remedy)


def _server(client: Client) -> tuple[str | None, Line]:
    try:
        reply = client.get("/readyz")
    except OSError as error:
        return None, Line("server", False, f"{client.url}: {error}", "start it (make serve), or give another --url")
    words = reply.body[:200].decode(errors="replace").strip()
    if reply.status != 200:
        return None, Line("server", False, f"/readyz answers {reply.status}: {words}", "do what it says")
    return str(reply.headers["Date"] or ""), Line("server", True, "ready: database, tables, writes, pictures")


def _clock(told: str, now: Callable[[], datetime]) -> Line:
    try:
        off_s = abs((parsedate_to_datetime(told) - now()).total_seconds())
    except (TypeError, ValueError):
        return Line(
            "clock", False, f"the server's Date cannot be read: {told!r}", "look at what answers at this address"
        )
    remedy = "" if off_s <= MAX_CLOCK_S else "timedatectl set-ntp true on both machines; signed addresses need it"
    return Line("clock", not remedy, f"the server's clock is {off_s:.0f} s from this machine's", remedy)


def _disk(instance: Path) -> Line:
    free = shutil.disk_usage(instance).free
    remedy = "" if free >= MIN_FREE_BYTES else "free space: old backups and reports first"
    return Line("disk", not remedy, f"{free / (1 << 30):.1f} GB free", remedy)


def _platforms(client: Client | None, desk: Desk, study: Study, row: StudyRow) -> Iterator[Line]:
    door = f"/s/{row.slug}/"
    with desk.database.reading() as connection:
        platforms = read_platforms(connection, row.slug)
    for name, settings in platforms.items():
        platform = PLATFORMS[name]
        try:
            values = check_settings(platform, settings)
            finish = platform.finish(
                Person(Entry(name, person="x", submission="x", return_to="https://x"), "", code="x"),
                values,
                outcome="COMPLETED",
            )
        except RecruitmentError as error:
            yield Line(name, False, str(error), f"flask --app study recruit {row.slug} --from {name} --set …")
            continue
        if (platform.pays and finish.kind == "none") or (finish.kind == "code" and not finish.code):
            text = "people who finish get no code to hand in"
            yield Line(name, False, text, f"flask --app study recruit {row.slug} --from {name} --set codes.COMPLETED=…")
            continue
        if client is None or platform.example is None or values.get("is_signed"):
            yield Line(name, True, "settings are whole; its door needs a real address of the platform")
            continue
        try:
            reply = client.get(door, **platform.example)
        except OSError as error:
            yield Line(name, False, str(error), "see the line `server`")
            continue
        is_good = reply.status == 200
        remedy = "" if is_good else "open the study; then look at what the page says"
        yield Line(name, is_good, f"settings are whole; its door answers {reply.status}", remedy)


def _pay(desk: Desk, study: Study, pay: Pay) -> Line:
    minutes = study.definition.minutes
    if pay.per_participant is None or pay.minimum_per_hour is None:
        with desk.database.reading() as connection:
            paid = [PLATFORMS[p].title for p in read_platforms(connection, study.slug) if PLATFORMS[p].pays]
        if not paid:
            return Line("pay", True, f"no platform that pays; a session takes about {minutes} minutes")
        text = f"{' and '.join(paid)} pays people, and nobody said how much"
        return Line("pay", False, text, "give --pay AMOUNT and --minimum AMOUNT_PER_HOUR")
    hourly = pay.per_participant * 60 / minutes
    needed = pay.minimum_per_hour * minutes / 60
    is_good = hourly >= pay.minimum_per_hour
    text = f"{pay.per_participant:.2f} for {minutes} minutes is {hourly:.2f} an hour"
    text += f", the minimum {pay.minimum_per_hour:.2f}"
    return Line("pay", is_good, text, "" if is_good else f"pay at least {needed:.2f}")


def _pictures(folder: Path, study: Study) -> Line:
    """Decode every file that browsers may get and compare its pixels with the manifest's."""
    bad = []
    for stimulus in study.manifest.stimuli:
        try:
            with Image.open(folder / study.served[stimulus.stimulus_id]) as image:
                size = f"{image.width}x{image.height}:RGB:".encode()
                if hashlib.sha256(size + image.convert("RGB").tobytes()).hexdigest() != stimulus.pixels_sha256:
                    bad.append(stimulus.stimulus_id)
        except (OSError, KeyError, SyntaxError):
            bad.append(stimulus.stimulus_id)
    n = len(study.manifest.stimuli)
    if bad:
        remedy = "take the stimulus set in again, or restore the backup"
        return Line("pictures", False, f"{len(bad)} of {n} are damaged or missing, first {bad[0]}", remedy)
    return Line("pictures", True, f"all {n} have the pixels that their hashes name")


def _session(client: Client, desk: Desk, study: Study, now: Callable[[], datetime]) -> Line:
    try:
        taken = take_part(client, desk, study, now=now())
    except (DummyError, OSError, SessionError, EntryError) as error:
        return Line("session", False, str(error), "look at the server's log at this time; is this machine its host?")
    text = f"{taken.n_trials} trials, {taken.n_pictures} pictures over HTTP, {taken.status}; a pilot's, withdrawn again"
    is_good = taken.status == "complete"
    return Line(
        "session", is_good, text, "" if is_good else "take the study yourself from the console and see where it ends"
    )
