"""`make demo`: an instance in .demo/, two studies, a server on this machine, a browser.

Started again it takes seconds: pictures, studies and simulated participants are kept, and only what changed is made
anew, as the next version of its study.
"""

import dataclasses
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import click
from sqlalchemy import func, select

from study import db, lifecycle, reports, researchers
from study.config import Settings, read_settings
from study.db import Database
from study.definition import StudyDefinition, parse_definition
from study.demo.errors import DemoError
from study.manifest import REAL, Manifest, ManifestError, read_manifest
from study.models import SessionRow, StudyRow
from study.sessions import Desk
from study.simulate import Parameters, simulate
from study.studies import Study, create_study, load_study

HOST = "127.0.0.1"
MIN_PHOTOS = 8
MODEL = "truehue-lite"
N_RANDOM = 4
N_SIMULATED = 40
SIMULATED_RATE = 0.30
LOW_ANCHOR_RATE = 0.13
RESEARCHER = "demo@localhost"
START_TIMEOUT_S = 30


def demo(*, port: int, photos: Path | None, is_browser_wanted: bool) -> None:
    """Bring the demonstration up and keep it up until Ctrl-C."""
    _check_port(port)
    environment = {"TRUEHUE_INSTANCE": ".demo", **os.environ, "TRUEHUE_DEMO": "1"}
    settings = read_settings(environment)
    settings.prepare()
    desk = Desk(Database(settings.database_url), settings.secret_key, settings.lasting_key)
    db.upgrade(desk.database)
    stimuli = find_stimuli(settings, photos)
    simulated = prepare(desk, settings, stimuli)
    researchers.add(desk.database, RESEARCHER, "", now=_now())
    link = researchers.link_token(desk.database, desk.key, RESEARCHER)
    _serve(desk, settings, simulated, environment, port=port, link=link, is_browser_wanted=is_browser_wanted)


def _now() -> datetime:
    return datetime.now(UTC)


def _check_port(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DemoError(
                f"port {port} of {HOST} cannot be used ({error.strerror}); choose another: make demo PORT={port + 1}"
            ) from None


def find_stimuli(settings: Settings, photos: Path | None) -> Path:
    """Find the shipped stimulus set, or render the person's photographs."""
    if photos is None:
        shipped = Path(str(files("study").joinpath("demo", "stimuli")))
        if not (shipped / "manifest.json").is_file():
            raise DemoError(f"{shipped}/manifest.json is missing; run make stimuli-demo, or make demo PHOTOS=DIR")
        return shipped
    if not photos.is_dir():
        raise DemoError(f"{photos} is not a folder; name a folder of photographs: make demo PHOTOS=DIR")
    out = settings.instance / "photos" / _folder_name(photos)
    if _is_whole(out):
        click.echo(f"using the pictures rendered before from {photos}")
        return out
    shutil.rmtree(out, ignore_errors=True)
    click.echo(f"colouring the photographs of {photos} …")
    command = [sys.executable, "-m", "colorizer", "stimuli", "--real", str(photos), "--model", MODEL, "random"]
    options = ["--n-random", str(N_RANDOM), "--name", "your-photographs", "--out", str(out)]
    # It writes the set whole or not at all.
    if subprocess.run([*command, *options], check=False).returncode != 0:  # noqa: S603 - our own program, no shell
        raise DemoError(f"the photographs of {photos} could not be coloured; the lines above say why")
    return out


def _is_whole(folder: Path) -> bool:
    """Tell whether a set that was rendered before can be used; what an older or interrupted run left cannot."""
    try:
        read_manifest(folder)
    except ManifestError:
        return False
    return True


def _folder_name(photos: Path) -> str:
    """Name a folder of photographs by its content, so that a changed one is rendered again."""
    digest = hashlib.sha256(str(photos.resolve()).encode())
    for path in sorted(photos.rglob("*")):
        if path.is_file():
            digest.update(f"{path.name}:{path.stat().st_size}:{path.stat().st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def adapt(definition: StudyDefinition, manifest: Manifest) -> StudyDefinition:
    """Fit the numbers of trials to the photographs: as declared where there are enough, less where not."""
    cells = {(s.image_id, s.condition) for s in manifest.stimuli}
    arms = definition.conditions.models or manifest.models
    complete = [p.image_id for p in manifest.photos if all((p.image_id, c) in cells for c in (REAL, *arms))]
    n = len(complete)
    if n < MIN_PHOTOS:
        raise DemoError(f"{n} photographs can be used, the demonstration needs {MIN_PHOTOS} or more; add photographs")
    catch, practice = definition.catch, definition.practice
    anchored = sum((p.image_id, catch.low_anchor_condition) in cells for p in manifest.photos)
    is_small = n < 16
    n_practice = min(practice.n_trials, 2) if is_small else practice.n_trials
    n_low_anchor = min(catch.n_low_anchor, 1 if is_small else catch.n_low_anchor, anchored)
    left = n - n_practice - n_low_anchor - catch.n_instructed
    n_test = min(definition.test.n_trials, left - n // 10)
    return dataclasses.replace(
        definition,
        practice=dataclasses.replace(practice, n_trials=n_practice),
        catch=dataclasses.replace(catch, n_low_anchor=n_low_anchor),
        test=dataclasses.replace(definition.test, n_trials=n_test - n_test % 2),
    )


def prepare(desk: Desk, settings: Settings, stimuli: Path, *, n_simulated: int = N_SIMULATED) -> Study:
    """Make the two studies what they should be and return the simulated one."""
    text = files("study").joinpath("demo", "demo.toml").read_text(encoding="utf-8")
    manifest = read_manifest(stimuli)
    definition = adapt(parse_definition(text, where="demo.toml"), manifest)
    _current(desk, settings, "demo", definition, manifest, stimuli)
    about = dataclasses.replace(definition.study, title="The demonstration with simulated participants")
    told = dataclasses.replace(definition, study=about)
    simulated = _current(desk, settings, "demo-simulated", told, manifest, stimuli)
    lifecycle.change(desk.database, simulated.name, "closed", actor="demo", now=_now())
    with desk.database.reading() as connection:
        done = connection.scalar(
            select(func.count()).select_from(SessionRow).where(SessionRow.study_id == simulated.id)
        )
    if (done or 0) < n_simulated:
        rates = dict.fromkeys(simulated.pools.arms, SIMULATED_RATE)
        if definition.catch.n_low_anchor:
            rates[definition.catch.low_anchor_condition] = LOW_ANCHOR_RATE
        simulate(
            desk,
            simulated,
            n_participants=n_simulated - (done or 0),
            rates=rates,
            parameters=Parameters(seed=2016),
            now=_now(),
        )
    return simulated


def _current(
    desk: Desk, settings: Settings, slug: str, definition: StudyDefinition, manifest: Manifest, stimuli: Path
) -> Study:
    """Give the newest version of a study if it is what it should be; make the next one if not."""
    with desk.database.reading_session() as session:
        newest = session.scalars(
            select(StudyRow).where(StudyRow.slug == slug).order_by(StudyRow.version.desc()).limit(1)
        ).one_or_none()
        if newest is not None and newest.definition_sha256 == definition.sha256:
            study = load_study(session, newest.id)
            if study.manifest.sha256 == manifest.sha256 and (settings.stimuli / study.folder).is_dir():
                return study
    made = create_study(
        desk.database,
        settings.stimuli,
        definition,
        stimuli,
        slug=slug,
        now=_now(),
        seed=2016 if slug == "demo-simulated" else None,
        is_new_version=newest is not None,
    )
    lifecycle.change(desk.database, made.name, "running", actor="demo", now=_now())
    return made


def _serve(
    desk: Desk,
    settings: Settings,
    simulated: Study,
    environment: dict[str, str],
    *,
    port: int,
    link: str,
    is_browser_wanted: bool,
) -> None:
    address = f"http://{HOST}:{port}/"
    for ending in (signal.SIGINT, signal.SIGTERM):  # also where a script started us with Ctrl-C ignored
        signal.signal(ending, _end)
    worker = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "study", "work"], env=environment, stdout=subprocess.DEVNULL
    )
    server = subprocess.Popen(  # noqa: S603 - our own program, no shell
        [sys.executable, "-m", "gunicorn", "study:create_app()", "--bind", f"{HOST}:{port}", "--workers", "1",
         "--worker-class", "gthread", "--threads", "8", "--log-level", "warning", "--no-control-socket"],
        env=environment,
    )  # fmt: skip
    try:
        _wait_for(server, address)
        click.echo(f"\n  Take the test:   {address}")
        click.echo(f"  Console:         {address}console/enter/{link}   (this link works once)")
        click.echo("\n  Ctrl-C ends it; the answers stay in " + str(settings.instance) + "\n")
        if is_browser_wanted and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            webbrowser.open(address)
        # The simulated report is built ahead, so that it is there when somebody opens it.
        threading.Thread(target=_build_ahead, args=(desk, settings, simulated), daemon=True).start()
        code = server.wait()
        if code:
            raise DemoError(f"the server ended with status {code}; the lines above say why")
    except KeyboardInterrupt:
        click.echo("\nbye")
    finally:
        for process in (server, worker):
            if process.poll() is None:
                process.terminate()
        for process in (server, worker):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _end(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(number)


def _build_ahead(desk: Desk, settings: Settings, simulated: Study) -> None:
    state, folder, is_mine = reports.claim(desk, settings, simulated.id, now=_now())
    if is_mine:
        reports.build(desk, settings, simulated.id, folder, state, now=_now())


def _wait_for(server: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise DemoError(f"the server ended with status {server.returncode}; the lines above say why")
        try:
            with urllib.request.urlopen(address, timeout=2):  # noqa: S310 - our own address
                return
        except OSError:
            time.sleep(0.1)
    raise DemoError(f"the server did not answer within {START_TIMEOUT_S} s")
