"""`make class`: a study for everybody in the room, a recorded class beside it, and a server in the local network."""

import os
import re
import threading
import webbrowser
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import click

from study import db, lifecycle
from study.classroom.room import RECORDED, key_of
from study.config import Settings, read_settings
from study.db import Database
from study.definition import StudyDefinition, parse_definition
from study.demo.command import adapt, build_ahead, current, find_stimuli, simulate_up_to
from study.demo.errors import DemoError
from study.demo.hosting import address_in_network, check_port, has_display, host_until_ctrl_c
from study.manifest import read_manifest
from study.oneline import one_line_errors
from study.sessions import Desk
from study.simulate import Parameters
from study.studies import Study

N_RECORDED = 30
RATES = (0.30, 0.22, 0.36, 0.26, 0.40)
"""Of the recorded class's colorizers, in turn; stated, not measured."""
SAMPLES = Path("samples/photos")
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?")


def host_class(
    *,
    name: str,
    language: str,
    host: str,
    port: int,
    photos: Path | None,
    fakes: dict[str, Path],
    is_browser_wanted: bool,
) -> None:
    """Bring a class up and keep it up until Ctrl-C."""
    if not NAME.fullmatch(name):
        raise DemoError(f"NAME: expected small letters, digits and hyphens, got {name!r}; e.g. make class NAME=8b")
    check_port("0.0.0.0", port, command="make class")  # noqa: S104 - the class is in the local network
    if fakes and photos is None:
        photos = SAMPLES
    host = host or address_in_network()
    environment = {"TRUEHUE_INSTANCE": ".class", "TRUEHUE_STARTS_PER_MINUTE": "0", **os.environ, "TRUEHUE_CLASS": name}
    settings = read_settings(environment)
    settings.prepare()
    desk = Desk(Database(settings.database_url), settings.secret_key, settings.lasting_key)
    db.upgrade(desk.database)
    stimuli = find_stimuli(settings, photos, fakes)
    _, recorded = prepare(desk, settings, name, language, stimuli)
    there, key = f"http://{host}:{port}/", key_of(settings.lasting_key, name)

    def begin() -> None:
        click.echo(f"\n  The class:   {there}")
        click.echo(f"  Projector:   {there}class/{key}/   (yours alone: whoever has it can open the result)")
        if host.startswith("127."):
            click.echo(
                "\n  No local network was found, so only this machine can come; name its address: make class HOST=…"
            )
        click.echo(f"\n  Ctrl-C ends it; the answers stay in {settings.instance} under the name {name}\n")
        # So that the recorded class is there when somebody opens it.
        threading.Thread(target=build_ahead, args=(desk, settings, recorded), daemon=True).start()
        if is_browser_wanted and has_display():
            webbrowser.open(f"{there}class/{key}/")

    host_until_ctrl_c(environment, host="0.0.0.0", port=port, threads=16, is_worker_wanted=False, begin=begin)  # noqa: S104


def definition_of(language: str) -> StudyDefinition:
    """Read what a class takes, in English or German."""
    file = "class.toml" if language == "en" else f"class-{language}.toml"
    return parse_definition(files("study").joinpath("classroom", file).read_text(encoding="utf-8"), where=file)


def prepare(
    desk: Desk, settings: Settings, name: str, language: str, stimuli: Path, *, n_recorded: int = N_RECORDED
) -> tuple[Study, Study]:
    """Make the class's study and the recorded class what they should be."""
    manifest = read_manifest(stimuli)
    definition = adapt(definition_of(language), manifest)
    own = current(desk, settings, name, definition, manifest, stimuli)
    recorded = current(desk, settings, name + RECORDED, definition, manifest, stimuli, seed=2016)
    lifecycle.change(desk.database, recorded.name, "closed", actor="class", now=datetime.now(UTC))
    rates = {one.name: RATES[i % len(RATES)] for i, one in enumerate(recorded.pools.compared)}
    simulate_up_to(desk, recorded, n_recorded, rates, Parameters(seed=2016))
    return own, recorded


@click.command("class")
@click.option("--name", default="class", show_default=True, help="of the class; the same name goes on where it stopped")
@click.option("--language", type=click.Choice(["en", "de"]), default="en", show_default=True)
@click.option("--host", default="", help="this machine's address in the local network; found by itself unless given")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--photos", type=click.Path(path_type=Path), help="use the photographs of this folder")
@click.option(
    "--fakes", multiple=True, metavar="NAME=DIR", help="a student's coloured pictures, named like the photographs"
)
@click.option("--no-browser", is_flag=True, help="only print the addresses")
@one_line_errors
def class_(
    name: str, language: str, host: str, port: int, photos: Path | None, fakes: tuple[str, ...], no_browser: bool
) -> None:
    """Let a class take the test on its phones, with a page for the projector."""
    given: dict[str, Path] = {}
    for text in fakes:
        student, is_there, folder = text.partition("=")
        if not is_there or not NAME.fullmatch(student) or student in given:
            raise DemoError(
                f"FAKES: expected NAME=DIR with each name once, in small letters, got {text!r}; e.g. ann=out/ann"
            )
        given[student] = Path(folder)
    host_class(
        name=name, language=language, host=host, port=port, photos=photos, fakes=given, is_browser_wanted=not no_browser
    )
