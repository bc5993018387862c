"""`make demo`: an instance in .demo/, two studies, a server on this machine, a browser.

Started again it takes seconds: pictures, studies and simulated participants are kept, and only what changed is made
anew, as the next version of its study.
"""

import dataclasses
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Mapping
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
from study.demo.hosting import check_port, has_display, host_until_ctrl_c
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


def demo(*, port: int, photos: Path | None, is_browser_wanted: bool) -> None:
    """Bring the demonstration up and keep it up until Ctrl-C."""
    check_port(HOST, port, command="make demo")
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


def find_stimuli(settings: Settings, photos: Path | None, fakes: Mapping[str, Path] | None = None) -> Path:
    """Find the shipped set, or render somebody's photographs, with `fakes` (name → folder) of other colorizers."""
    if photos is None:
        shipped = Path(str(files("study").joinpath("demo", "stimuli")))
        if not (shipped / "manifest.json").is_file():
            raise DemoError(f"{shipped}/manifest.json is missing; run make stimuli-demo, or make demo PHOTOS=DIR")
        return shipped
    if not photos.is_dir():
        raise DemoError(f"{photos} is not a folder; name a folder of photographs: make demo PHOTOS=DIR")
    for name, folder in (fakes or {}).items():
        if not folder.is_dir():
            raise DemoError(f"{name}: {folder} is not a folder; name a folder of coloured pictures: FAKES='{name}=DIR'")
    out = (
        settings.instance
        / "photos"
        / "-".join([_folder_name(photos), *(_folder_name(f) for f in (fakes or {}).values())])
    )
    if _is_whole(out):
        click.echo(f"using the pictures rendered before from {photos}")
        return out
    shutil.rmtree(out, ignore_errors=True)
    click.echo(f"colouring the photographs of {photos} …")
    command = [sys.executable, "-m", "colorizer", "stimuli", "--real", str(photos), "--model", MODEL, "random"]
    for name, folder in (fakes or {}).items():
        command += ["--fake", f"{name}={folder}"]
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
    current(desk, settings, "demo", definition, manifest, stimuli)
    about = dataclasses.replace(definition.study, title="The demonstration with simulated participants")
    told = dataclasses.replace(definition, study=about)
    simulated = current(desk, settings, "demo-simulated", told, manifest, stimuli, seed=2016)
    lifecycle.change(desk.database, simulated.name, "closed", actor="demo", now=_now())
    rates = dict.fromkeys(simulated.pools.arms, SIMULATED_RATE)
    if definition.catch.n_low_anchor:
        rates[definition.catch.low_anchor_condition] = LOW_ANCHOR_RATE
    simulate_up_to(desk, simulated, n_simulated, rates, Parameters(seed=2016))
    return simulated


def simulate_up_to(desk: Desk, study: Study, n: int, rates: dict[str, float], parameters: Parameters) -> None:
    """Let simulated people take part until there are `n` sessions."""
    with desk.database.reading() as connection:
        query = select(func.count()).select_from(SessionRow).where(SessionRow.study_id == study.id)
        done = connection.scalar(query) or 0
    if done < n:
        simulate(desk, study, n_participants=n - done, rates=rates, parameters=parameters, now=_now())


def current(
    desk: Desk,
    settings: Settings,
    slug: str,
    definition: StudyDefinition,
    manifest: Manifest,
    stimuli: Path,
    *,
    seed: int | None = None,
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
        seed=seed,
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

    def begin() -> None:
        click.echo(f"\n  Take the test:   {address}")
        click.echo(f"  Console:         {address}console/enter/{link}   (this link works once)")
        click.echo("\n  Ctrl-C ends it; the answers stay in " + str(settings.instance) + "\n")
        if is_browser_wanted and has_display():
            webbrowser.open(address)
        # The simulated report is built ahead, so that it is there when somebody opens it.
        threading.Thread(target=build_ahead, args=(desk, settings, simulated), daemon=True).start()

    host_until_ctrl_c(environment, host=HOST, port=port, threads=8, is_worker_wanted=True, begin=begin)


def build_ahead(desk: Desk, settings: Settings, simulated: Study) -> None:
    """Build a study's report unless somebody does or has."""
    state, folder, is_mine = reports.claim(desk, settings, simulated.id, now=_now())
    if is_mine:
        reports.build(desk, settings, simulated.id, folder, state, now=_now())
