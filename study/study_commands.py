"""`flask --app study create`, `list`, `export`, and the states of a study from `pilot` to `close`."""

from pathlib import Path

import click
from flask.cli import with_appcontext

from study import lifecycle
from study.audit import COMMAND_LINE, note_unblinding
from study.dataout import FORMATS, write_bundle
from study.definition import DefinitionError
from study.definition_commands import outline, read_named
from study.export import write_export
from study.oneline import one_line_errors, open_desk
from study.preregistration import as_markdown
from study.studies import StudyError, create_study, find_row, list_studies
from study.web import now, truehue

FILE = click.Path(path_type=Path)


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
    read = read_named(definition_file)
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
    click.echo(outline(read, study.pools.arms, {role: len(ids) for role, ids in study.pools.photos.items()}))


@click.command("list")
@with_appcontext
@one_line_errors
def list_() -> None:
    """List the studies."""
    with open_desk().database.reading_session() as session:
        for row, n, n_complete in list_studies(session):
            name = f"{row.slug}@{row.version}"
            click.echo(f"{name:<32} {row.state:<7} {n:>6} started {n_complete:>6} complete   {row.title}")


def _change(slug: str, state: str) -> None:
    desk = open_desk()
    row = lifecycle.change(desk.database, slug, state, actor=COMMAND_LINE, now=now())
    where = f": /s/{row.slug}/" if state in lifecycle.TAKES_PARTICIPANTS else ""
    click.echo(f"{row.slug}@{row.version} is {state}{where}")


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


@click.command("pause")
@click.argument("slug")
@with_appcontext
@one_line_errors
def pause(slug: str) -> None:
    """Let nobody new into the study SLUG for a while; those inside may finish."""
    _change(slug, "paused")


@click.command("close")
@click.argument("slug")
@with_appcontext
@one_line_errors
def close(slug: str) -> None:
    """Close the study SLUG to new participants; those inside may finish."""
    _change(slug, "closed")


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


COMMANDS = (create, list_, pilot, open_, pause, close, preregistration, export)
