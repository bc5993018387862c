"""`flask --app study display`: the lab's measured displays."""

from pathlib import Path

import click
from flask.cli import AppGroup, with_appcontext

from study.lab.displays import add_display, list_displays, read_profile
from study.oneline import one_line_errors, open_desk
from study.web import now

display = AppGroup("display", help="Measured displays of the lab (docs/lab.md).")


@display.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@with_appcontext
@one_line_errors
def add(file: Path) -> None:
    """Store the display profile FILE (TOML); the newest of a name is in force."""
    profile = read_profile(file)
    sha256 = add_display(open_desk().database, profile, now=now())
    click.echo(f"{profile['name']}, measured on {profile['measured_on']}: {sha256}")


@display.command("list")
@with_appcontext
@one_line_errors
def list_() -> None:
    """List the profiles with their age."""
    today = now().date()
    with open_desk().database.reading() as connection:
        for row in list_displays(connection):
            age = (today - type(today).fromisoformat(row.measured_on)).days
            click.echo(f"{row.name:<24} {row.measured_on}  {age:>5} days  {row.sha256[:12]}")


COMMANDS = (display,)
