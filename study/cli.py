"""`flask --app study …`: what a researcher types. Every mistake is one line, `error: …`, and exit status 2."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from tqdm import tqdm

from study import definition, lifecycle, researchers, upkeep
from study.audit import COMMAND_LINE, note_unblinding
from study.config import ConfigError, Settings, read_settings
from study.dataout import FORMATS, write_bundle
from study.dataout import commands as dataout_commands
from study.definition import DefinitionError
from study.demo.command import demo
from study.export import write_export
from study.jobs import make_consumer
from study.lab import commands as lab_commands
from study.manifest import read_manifest
from study.oneline import one_line_errors, open_desk
from study.preflight import command as preflight_command
from study.preregistration import as_markdown
from study.recruitment import commands as recruitment_commands
from study.recruitment import prolific_commands
from study.rights import commands as rights_commands
from study.simulate import Manner, Parameters, SimulationError, simulate, simulate_visibly, stated_names
from study.studies import StudyError, check_design, create_study, find_row, find_study, list_studies
from study.web import now, truehue

FILE = click.Path(path_type=Path)
DEFAULT_RATE = 0.32
DEFAULT_SHARE = 0.6
DEFAULT_THRESHOLD_MS = 400.0
DEFAULT_OBVIOUS_RATE = 0.02
DEFAULT_LOW_ANCHOR_RATE = 0.13  # 13 % of the random colourings were missed in 2016


def read_settings_or_exit() -> Settings:
    """Read the settings; a wrong one is one line on standard error."""
    try:
        return read_settings()
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def init_app(app: Flask) -> None:
    """Add the commands."""
    own = (upgrade, create, list_, simulate_, export, validate, diff, work, demo_, researcher)
    states = (pilot, open_, pause, close, preregistration)
    for command in (
        *own,
        *states,
        *recruitment_commands.COMMANDS,
        *prolific_commands.COMMANDS,
        *rights_commands.COMMANDS,
        *upkeep.COMMANDS,
        *dataout_commands.COMMANDS,
        *lab_commands.COMMANDS,
        *preflight_command.COMMANDS,
    ):
        app.cli.add_command(command)


@click.command("upgrade")
@with_appcontext
@one_line_errors
def upgrade() -> None:
    """Create the tables, or bring them to this version."""
    open_desk()
    click.echo("the database is ready")


@click.command("create")
@click.argument("definition_file", type=FILE, metavar="DEFINITION")
@click.argument("stimuli", type=FILE)
@click.option("--slug", help="short name in addresses and files; by default the definition's file name")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="seed of arms and photo roles; by default random")
@click.option("--new-version", is_flag=True, help="make the next version of a study that exists")
@click.option("--draft", is_flag=True, help="let nobody in yet")
@with_appcontext
@one_line_errors
def create(
    definition_file: Path, stimuli: Path, slug: str | None, seed: int | None, new_version: bool, draft: bool
) -> None:
    """Create a study from a DEFINITION (TOML, or a preset's name) and a folder of STIMULI."""
    read = _definition(definition_file)
    if not read.study.contact:
        raise DefinitionError(f'{definition_file}: study.contact: missing; set [study] contact = "you@example.org"')
    desk = open_desk()
    study = create_study(
        desk.database,
        truehue().settings.stimuli,
        read,
        stimuli,
        slug=slug or definition_file.stem.lower().replace("_", "-"),
        now=now(),
        seed=seed,
        is_new_version=new_version,
    )
    if draft:
        click.echo(f"{study.name} is a draft; let people in with: flask --app study open {study.slug}")
    else:
        _change(study.name, "running")
    click.echo(_outline(read, study.pools.arms, {role: len(ids) for role, ids in study.pools.photos.items()}))


def _definition(file: Path) -> definition.StudyDefinition:
    if not file.exists() and str(file) in definition.presets():
        return definition.load_preset(str(file))
    return definition.read_definition(file)


def _outline(read: definition.StudyDefinition, arms: tuple[str, ...], n_photos: dict[str, int]) -> str:
    catch = read.catch
    counts = {
        "practice": read.practice.n_trials,
        "test": read.test.n_trials,
        "low-anchor": catch.n_low_anchor,
        "obvious": catch.n_obvious,
        "instructed": catch.n_instructed,
        "same": catch.n_same,
    }
    trials = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
    measure = f"{read.outcome.measure.replace('_', ' ')}, by guessing {read.outcome.chance:g}"
    roles = ", ".join(f"{n} {role.replace('_', '-')}" for role, n in n_photos.items() if n)
    photos = roles or f"{read.practice.n_trials + read.n_main} or more needed; name the stimulus set to check"
    return (
        f"  protocol: {read.protocol.source}\n  outcome: {measure}; {read.test.n_trials} scored trials\n"
        f"  trials: {trials}; about {read.minutes} minutes\n"
        f"  conditions: {', '.join(arms)}\n  photos: {photos}\n  definition: {read.sha256}"
    )


@click.command("list")
@with_appcontext
@one_line_errors
def list_() -> None:
    """List the studies."""
    with open_desk().database.reading_session() as session:
        for row, n, n_complete in list_studies(session):
            name = f"{row.slug}@{row.version}"
            click.echo(f"{name:<32} {row.state:<7} {n:>6} started {n_complete:>6} complete   {row.title}")


@click.command("simulate")
@click.argument("slug")
@click.option("--participants", type=int, default=40, show_default=True)
@click.option(
    "--fool-rate",
    "fool_rates",
    multiple=True,
    help=f"RATE for every model, or CONDITION=RATE; repeatable  [default: {DEFAULT_RATE}]",
)
@click.option("--low-anchor-rate", type=float, default=DEFAULT_LOW_ANCHOR_RATE, show_default=True)
@click.option("--obvious-rate", type=float, default=DEFAULT_OBVIOUS_RATE, show_default=True)
@click.option(
    "--preference",
    "preferences",
    multiple=True,
    help=f"SHARE of the first condition of every pair, or 'A vs B=SHARE'; repeatable  [default: {DEFAULT_SHARE}]",
)
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    help=f"staircase: MS for every model, or CONDITION=MS; repeatable  [default: {DEFAULT_THRESHOLD_MS:g}]",
)
@click.option("--hit-rate", type=float, default=0.8, show_default=True, help="single pictures: originals called real")
@click.option("--sd-participant", type=float, default=0.5, show_default=True, help="on the logit")
@click.option("--sd-image", type=float, default=1.0, show_default=True, help="on the logit")
@click.option("--slope", type=float, default=2.0, show_default=True, help="staircase: on the logit, per ln ms")
@click.option("--lapse", type=float, default=0.0, show_default=True)
@click.option("--side-bias", type=float, default=0.0, show_default=True, help="on the logit, to the left if positive")
@click.option("--drop-out", type=float, default=0.0, show_default=True, help="share that leaves before the end")
@click.option("--rt-median", "rt_median_ms", type=float, default=735.0, show_default=True, help="ms")
@click.option("--rt-sd", type=float, default=0.35, show_default=True, help="of ln ms, within a participant")
@click.option("--rt-sd-participant", type=float, default=0.25, show_default=True, help="of ln ms, between participants")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--among-people", is_flag=True, help="also in a study in which people took part: for trying the whole chain"
)
@click.option("--visible", is_flag=True, help="in a real browser, in real time (needs playwright and chromium)")
@click.option("--reloads", type=float, default=0.02, show_default=True, help="visible: share of trials reloaded")
@click.option("--slips", type=float, default=0.05, show_default=True, help="visible: share of keys pressed too early")
@click.option("--headed", "is_headed", is_flag=True, help="visible: in a window that can be watched")
@with_appcontext
@one_line_errors
def simulate_(
    slug: str,
    participants: int,
    fool_rates: tuple[str, ...],
    low_anchor_rate: float,
    obvious_rate: float,
    preferences: tuple[str, ...],
    thresholds: tuple[str, ...],
    among_people: bool,
    visible: bool,
    reloads: float,
    slips: float,
    is_headed: bool,
    **parameters: Any,
) -> None:
    """Add simulated participants with a stated truth to the study SLUG."""
    desk = open_desk()
    study = find_study(desk.database, slug)
    definition = study.definition
    option, stated, default = ("fool-rate", fool_rates, DEFAULT_RATE)
    if definition.is_preference:
        option, stated, default = ("preference", preferences, DEFAULT_SHARE)
    elif definition.staircase.is_on:
        option, stated, default = ("threshold", thresholds, DEFAULT_THRESHOLD_MS)
    for other, given in (("fool-rate", fool_rates), ("preference", preferences), ("threshold", thresholds)):
        if given and other != option:
            raise SimulationError(f"--{other}: {study.slug} measures {definition.outcome.measure}; use --{option}")
    compared, controls = stated_names(study)
    rates = dict.fromkeys(compared, default)
    if definition.catch.low_anchor_condition in controls:
        rates[definition.catch.low_anchor_condition] = low_anchor_rate
    if definition.catch.obvious_condition in controls:
        rates[definition.catch.obvious_condition] = obvious_rate
    for text in stated:
        name, _, value = text.rpartition("=")
        try:
            rate = float(value)
        except ValueError:
            raise SimulationError(f"--{option}: expected NUMBER or CONDITION=NUMBER, got {text!r}") from None
        rates.update({name: rate} if name else dict.fromkeys(compared, rate))
    with tqdm(total=participants, unit=" participants", leave=False, disable=None) as bar:
        same: dict[str, Any] = {
            "n_participants": participants,
            "rates": rates,
            "parameters": Parameters(**parameters),
            "among_people": among_people,
            "tell": lambda _: bar.update(),
        }
        if visible:
            app = current_app._get_current_object()  # type: ignore[attr-defined]
            manner = Manner(reloads, slips, is_headed)
            truth = simulate_visibly(app, desk, study, manner=manner, clock=now, **same)
        else:
            truth = simulate(desk, study, now=now(), **same)
    click.echo(f"{participants} SIMULATED participants added to {study.name}")
    for line in _truth_lines(truth):
        click.echo(f"  {line}")


def _truth_lines(truth: dict[str, Any]) -> Iterator[str]:
    latent = truth["parameters"]
    for key, label in (
        ("fool_rate", "fool rate"),
        ("preference", "preference"),
        ("control_rate", "rate of the control"),
    ):
        for name, rate in truth.get(key, {}).items():
            yield f"{name}: true {label} {rate:.4f} (latent {latent['latent_fool_rate'][name]:.4f})"
    if "hit_rate" in truth:
        yield f"originals: true hit rate {truth['hit_rate']:.4f} (latent {latent['latent_hit_rate']:.4f})"
    for name, rate in truth.get("error_rate", {}).items():
        yield f"{name}: true error rate {rate:.4f}"
    for name, ms in truth.get("threshold_ms", {}).items():
        yield f"{name}: true threshold {ms:.1f} ms (latent {latent['latent_threshold_ms'][name]:.1f} ms)"


@click.command("work")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="jobs at once")
@with_appcontext
@one_line_errors
def work(workers: int) -> None:
    """Do the jobs that the console puts into the queue, until Ctrl-C."""
    desk = open_desk()
    consumer = make_consumer(desk, truehue().settings, workers=workers)
    click.echo("waiting for jobs; Ctrl-C ends it")
    consumer.run()


@click.command("export")
@click.argument("slug")
@click.option("--out", type=FILE, required=True, help="a new folder, or a file that ends in .zip")
@click.option(
    "--format",
    "kind",
    type=click.Choice(("csv", *FORMATS)),
    default="csv",
    show_default=True,
    help="how it is arranged",
)
@click.option(
    "--describe",
    "described",
    multiple=True,
    metavar="KEY=TEXT",
    help="psych-ds: license, author, citation, funder, url …; repeatable",
)
@click.option("--no-results", is_flag=True, help="psych-ds: without the report's tables")
@with_appcontext
@one_line_errors
def export(slug: str, out: Path, kind: str, described: tuple[str, ...], no_results: bool) -> None:
    """Write the data of the study SLUG as docs/formats.md says."""
    desk = open_desk()
    with desk.database.reading_session() as session:
        row = find_row(session, slug)
    if row.state in lifecycle.BLIND and row.simulation is None:
        with desk.database.writing() as connection:
            note_unblinding(connection, row, actor=COMMAND_LINE, what="export", now=now())
    stimuli = truehue().settings.stimuli
    if kind == "csv":
        write_export(desk.database, stimuli, row.id, out, now=now())
    else:
        words = {key: text for key, _, text in (one.partition("=") for one in described)}
        write_bundle(desk.database, stimuli, row.id, out, kind=kind, described=words, with_results=not no_results)
    click.echo(out)


@click.command("validate")
@click.argument("definition_file", type=FILE, metavar="DEFINITION")
@click.argument("stimuli", type=FILE, required=False)
@one_line_errors
def validate(definition_file: Path, stimuli: Path | None) -> None:
    """Check a DEFINITION, and whether the STIMULI can serve it."""
    read = _definition(definition_file)
    arms, n_photos = read.conditions.models, {}
    if stimuli is not None:
        pools = check_design(read, read_manifest(stimuli))
        arms, n_photos = pools.arms, {role: len(ids) for role, ids in pools.photos.items()}
    click.echo(f"{definition_file} is valid")
    click.echo(_outline(read, arms or ("every model of the stimulus set",), n_photos))


@click.command("diff")
@click.argument("a", type=FILE, metavar="A")
@click.argument("b", type=FILE, metavar="B")
@one_line_errors
def diff(a: Path, b: Path) -> None:
    """Print every setting in which the definition (or preset) B differs from A, with the reason where one is given."""
    one, two = _definition(a), _definition(b)
    for deviation in definition.deviations(one, two):
        click.echo(deviation.text)
    if one.sha256 == two.sha256:
        click.echo("the definitions are the same")
    click.echo(f"A {a}: {one.sha256}\nB {b}: {two.sha256}", err=True)


def _change(slug: str, state: str) -> None:
    desk = open_desk()
    row = lifecycle.change(desk.database, slug, state, actor=COMMAND_LINE, now=now())
    where = f": /s/{row.slug}/" if state in lifecycle.TAKES_PARTICIPANTS else ""
    click.echo(f"{row.slug}@{row.version} is {state}{where}")


@click.command("close")
@click.argument("slug")
@with_appcontext
@one_line_errors
def close(slug: str) -> None:
    """Close the study SLUG to new participants; those inside may finish."""
    _change(slug, "closed")


@click.command("pause")
@click.argument("slug")
@with_appcontext
@one_line_errors
def pause(slug: str) -> None:
    """Let nobody new into the study SLUG for a while; those inside may finish."""
    _change(slug, "paused")


@click.command("pilot")
@click.argument("slug")
@with_appcontext
@one_line_errors
def pilot(slug: str) -> None:
    """Let people into the draft SLUG whose sessions are marked and never analysed."""
    _change(slug, "pilot")


@click.command("open")
@click.argument("slug")
@with_appcontext
@one_line_errors
def open_(slug: str) -> None:
    """Let participants into the study SLUG; the first time, freeze it and write its preregistration."""
    _change(slug, "running")


@click.command("preregistration")
@click.argument("slug")
@click.option("--json", "is_json", is_flag=True, help="the file itself instead of text")
@with_appcontext
@one_line_errors
def preregistration(slug: str, is_json: bool) -> None:
    """Print what was fixed when the study SLUG was launched."""
    desk = open_desk()
    with desk.database.reading_session() as session:
        row = find_row(session, slug)
    with desk.database.reading() as connection:
        launch = lifecycle.read_launch(connection, row.id)
    if launch is None:
        raise StudyError(f"{row.slug}@{row.version} has not been launched; run: flask --app study open {row.slug}")
    text = launch.preregistration.decode()
    click.echo(text if is_json else as_markdown(lifecycle.read_preregistration(launch)), nl=False)


researcher = AppGroup("researcher", help="Accounts of the console.")


@researcher.command("add")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="read the password from standard input")
@one_line_errors
def researcher_add(email: str, password_stdin: bool) -> None:
    """Add a researcher, or set a new password."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    researchers.add(open_desk().database, email, password, now=now())
    click.echo(f"{email} may sign in at /console/")


@researcher.command("link")
@click.argument("email")
@one_line_errors
def researcher_link(email: str) -> None:
    """Print a link that signs a researcher in once."""
    desk = open_desk()
    click.echo(f"/console/enter/{researchers.link_token(desk.database, desk.key, email)}")


@click.command("demo")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--photos", type=FILE, help="use the photographs of this folder")
@click.option("--no-browser", is_flag=True, help="only print the address")
@one_line_errors
def demo_(port: int, photos: Path | None, no_browser: bool) -> None:
    """Take the test on this machine."""
    demo(port=port, photos=photos, is_browser_wanted=not no_browser)
