"""`flask --app study preflight`."""

import sys
import urllib.parse

import click
from flask.cli import with_appcontext

from study.oneline import fail, one_line_errors, open_desk
from study.preflight.checks import Pay, preflight
from study.studies import find_row, find_study
from study.web import now, truehue


@click.command("preflight")
@click.argument("study")
@click.option("--url", help="the server as the world sees it  [default: https:// and the first of TRUEHUE_HOSTS]")
@click.option("--pay", type=click.FloatRange(0), help="what a participant gets")
@click.option("--minimum", type=click.FloatRange(0), help="the platform's minimum per hour, in the same currency")
@with_appcontext
@one_line_errors
def preflight_(study: str, url: str | None, pay: float | None, minimum: float | None) -> None:
    """Check from outside whether the STUDY can begin: one line each, red ones with a remedy (exit status 1)."""
    settings = truehue().settings
    if url is None:
        url = f"https://{settings.hosts[0]}" if settings.hosts else "http://127.0.0.1:8000"
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        fail(f"--url: expected https://HOST, got {url!r}")
    desk = open_desk()
    found = find_study(desk.database, study)
    with desk.database.reading_session() as session:
        row = find_row(session, study)
    n_red = 0
    for line in preflight(desk, settings, found, row, url=url, pay=Pay(pay, minimum), now=now):
        n_red += not line.is_good
        click.echo(
            click.style("green" if line.is_good else "RED  ", fg="green" if line.is_good else "red")
            + f" {line.name}: {line.message}"
            + (f"; remedy: {line.remedy}" if line.remedy else "")
        )
    click.echo(f"{n_red} to mend" if n_red else "ready")
    if n_red:
        sys.exit(1)


COMMANDS = (preflight_,)
