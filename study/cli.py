"""`flask --app study …`: what a researcher types. Every mistake is one line, `error: …`, and exit status 2."""

import sys
from pathlib import Path

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from study import (
    definition_commands,
    prolific_commands,
    recruitment_commands,
    researchers,
    study_commands,
    upkeep,
)
from study.config import ConfigError, Settings, read_settings
from study.dataout import commands as dataout_commands
from study.demo.command import demo
from study.jobs import make_consumer
from study.lab import commands as lab_commands
from study.oneline import one_line_errors, open_desk
from study.preflight import command as preflight_command
from study.rights import commands as rights_commands
from study.simulate import commands as simulate_commands
from study.web import now, truehue


def read_settings_or_exit() -> Settings:
    """Read the settings; a wrong one is one line on standard error."""
    try:
        return read_settings()
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def init_app(app: Flask) -> None:
    """Add the commands."""
    for command in (
        *(upgrade, work, demo_, researcher),
        *study_commands.COMMANDS,
        *definition_commands.COMMANDS,
        *simulate_commands.COMMANDS,
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
@click.option("--photos", type=click.Path(path_type=Path), help="use the photographs of this folder")
@click.option("--no-browser", is_flag=True, help="only print the address")
@one_line_errors
def demo_(port: int, photos: Path | None, no_browser: bool) -> None:
    """Take the test on this machine."""
    demo(port=port, photos=photos, is_browser_wanted=not no_browser)
