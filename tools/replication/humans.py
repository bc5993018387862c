"""The study itself: render, create, open, take part, close, export, report; what is done is found done."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from tqdm import tqdm

from analysis import analyse, read_export, write_report
from study import db, lifecycle
from study.config import read_settings
from study.definition import parse_definition
from study.export import write_export
from study.models import SessionRow, StudyRow
from study.sessions import Desk
from study.simulate import simulate_over_http
from study.simulate.over_http import OVER, USER_AGENT
from study.studies import create_study, find_study
from tools.proof.server import ROOT
from tools.replication.coverage import DATABASE, parameters
from tools.replication.design import SD_IMAGE, SD_PARTICIPANT, SLUG, Places, ReplicationError, Scale
from tools.replication.photos import collect, stand_ins

FLASK = ("flask", "--app", "study")
VISIBLE = "simulated, visible"


def start(places: Places, *arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Start one of the project's commands on the run's instance."""
    return subprocess.Popen(  # noqa: S603 - our own program, no shell
        [sys.executable, "-m", *arguments], cwd=ROOT, env={**os.environ, **environment(places)}, **options
    )


def run(places: Places, *arguments: str) -> None:
    """Run one of the project's commands; what it says on failure stands above the line that this raises."""
    process = start(places, *arguments)
    try:
        status = process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if status:
        raise ReplicationError(f"python -m {' '.join(arguments[:2])} … ended with status {status}; see what it said")


def render(places: Places, photos: Path, *, seed: int) -> None:
    """Render the stimulus set: real, the six stand-ins, random."""
    if (places.stimuli / "manifest.json").is_file():
        return
    taken, coloured, fakes = (places.out / name for name in ("photos", "coloured", "fakes"))
    shutil.rmtree(taken, ignore_errors=True)
    shutil.rmtree(places.stimuli, ignore_errors=True)
    collect(photos, taken, seed=seed)
    run(places, "colorizer", "colorize", str(taken), "--out", str(coloured), "--skip-existing")
    fake = stand_ins(coloured, fakes)
    run(places, "colorizer", "stimuli", "--real", str(taken), "--model", "random", *fake,
        "--seed", str(seed), "--format", "png", "--name", SLUG, "--out", str(places.stimuli))  # fmt: skip


def create(places: Places, scale: Scale, *, seed: int) -> None:
    """Make the database and the study, open (freeze) it, and keep a copy of it without people."""
    if (places.out / DATABASE).is_file():
        return
    shutil.rmtree(places.instance, ignore_errors=True)
    settings = read_settings(environment(places))
    settings.prepare()
    now = datetime.now(UTC)
    with opened(places) as desk:
        db.upgrade(desk.database)
        definition = parse_definition(scale.definition)
        study = create_study(desk.database, settings.stimuli, definition, places.stimuli, slug=SLUG, now=now, seed=seed)
        lifecycle.change(desk.database, study.name, "running", actor="replication", now=now)
    # The last connection to close has written the log into the file.
    partial = places.out / f"{DATABASE}.part"
    shutil.copyfile(settings.database_url.removeprefix("sqlite:///"), partial)
    partial.rename(places.out / DATABASE)


def take_part(places: Places, scale: Scale, url: str, *, seed: int, n_at_once: int) -> None:
    """Send everybody but the visible ones, who are missing, through the server at `url`."""
    n_begun = _count(places, USER_AGENT)
    n_new = max(scale.n_participants - scale.n_visible - n_begun, 0)
    n_left = n_new + n_begun - _count(places, USER_AGENT, *OVER)
    with opened(places) as desk, tqdm(total=n_left, unit=" participants", disable=None) as bar:
        simulate_over_http(
            desk,
            find_study(desk.database, SLUG),
            url,
            n_participants=n_new,
            rates=scale.rates,
            parameters=parameters(seed, 0),
            clock=lambda: datetime.now(UTC),
            n_at_once=n_at_once,
            tell=lambda _: bar.update(),
        )


def is_anybody_missing(places: Places, scale: Scale) -> bool:
    """Whether somebody has to come over HTTP, or to go on."""
    return _count(places, USER_AGENT, *OVER) < scale.n_participants - scale.n_visible


@contextmanager
def visibly(places: Places, scale: Scale, *, seed: int) -> Iterator[None]:
    """Let the rest take part in Chromium, in real time, while the block runs; its end waits for them."""
    n_missing = scale.n_visible - _count(places, VISIBLE, "complete")
    if n_missing <= 0:
        yield
        return
    log = places.out / "visible.log"
    with log.open("wb") as told:
        process = start(
            places, *_simulate(scale, seed), "--participants", str(n_missing), "--visible",
            stdout=told, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield
            status = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if status:
        lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise ReplicationError(f"the participants in Chromium ended with status {status}: {lines[-1]}")


def _simulate(scale: Scale, seed: int) -> tuple[str, ...]:
    rates = [part for name, rate in scale.rates.items() for part in ("--fool-rate", f"{name}={rate}")]
    people = ("--sd-participant", str(SD_PARTICIPANT), "--sd-image", str(SD_IMAGE))
    return (*FLASK, "simulate", SLUG, *rates, *people, "--seed", str(parameters(seed, 0).seed))


def report(places: Places) -> dict[str, Any]:
    """Close, export, report; give report.json."""
    now = datetime.now(UTC)
    with opened(places) as desk:
        study = find_study(desk.database, SLUG)
        with desk.database.reading_session() as session:
            state = session.get_one(StudyRow, study.id).state
        if state == "running":
            lifecycle.change(desk.database, study.name, "closed", actor="replication", now=now)
        shutil.rmtree(places.export, ignore_errors=True)
        write_export(desk.database, imported(places), study.id, places.export, now=now)
    write_report(analyse(read_export(places.export)), places.report, command="make replication")
    found: dict[str, Any] = json.loads((places.report / "report.json").read_text(encoding="utf-8"))
    return found


def environment(places: Places) -> dict[str, str]:
    """Settings of the run's own instance."""
    return {"TRUEHUE_INSTANCE": str(places.instance), "TRUEHUE_STARTS_PER_MINUTE": "0"}


@contextmanager
def opened(places: Places) -> Iterator[Desk]:
    """Give the instance's desk."""
    settings = read_settings(environment(places))
    desk = Desk(db.Database(settings.database_url), settings.secret_key, settings.lasting_key)
    try:
        yield desk
    finally:
        desk.database.dispose()


def imported(places: Places) -> Path:
    """Give the folder of the instance's imported stimuli."""
    return read_settings(environment(places)).stimuli


def _count(places: Places, user_agent: str, *status: str) -> int:
    """Count the sessions of one way, with one of these status if any are named."""
    mine = select(func.count()).select_from(SessionRow).where(SessionRow.user_agent == user_agent)
    with opened(places) as desk, desk.database.reading_session() as session:
        return session.scalar(mine.where(SessionRow.status.in_(status)) if status else mine) or 0
