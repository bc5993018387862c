"""`flask --app study prolific …`: Prolific's submissions beside our sessions, and approving them."""

import sys

import click
from flask.cli import AppGroup, with_appcontext
from tqdm import tqdm

from study import audit
from study.oneline import one_line_errors, open_desk
from study.recruitment.payment import approve, read_payments
from study.recruitment.prolific_api import ProlificApi
from study.studies import find_row
from study.web import now, truehue

prolific = AppGroup("prolific", help="Prolific's API: list submissions, approve them. Nobody is ever rejected.")


def _api() -> ProlificApi:
    settings = truehue().settings
    return ProlificApi(settings.prolific_url, settings.prolific_token)


def _slug(name: str) -> str:
    with open_desk().database.reading_session() as session:
        return find_row(session, name).slug


@prolific.command("token")
@click.option("--stdin", "is_piped", is_flag=True, help="read it from standard input")
@click.option("--delete", is_flag=True, help="delete the one that is kept")
@with_appcontext
@one_line_errors
def token(is_piped: bool, delete: bool) -> None:
    """Keep a token for Prolific's API in the instance, in a file that only its owner may read."""
    if delete:
        given = ""
    elif is_piped:
        given = sys.stdin.readline().strip()
    else:
        given = click.prompt("Token", hide_input=True).strip()
    desk, settings = open_desk(), truehue().settings
    settings.keep_prolific_token(given)
    with desk.database.writing() as connection:
        action = "Prolific token deleted" if not given else "Prolific token kept"
        audit.note(connection, actor=audit.COMMAND_LINE, action=action, subject="", now=now())
    click.echo("deleted" if not given else "kept; it is not shown again")


@prolific.command("list")
@click.argument("slug")
@with_appcontext
@one_line_errors
def list_(slug: str) -> None:
    """List the submissions of the study SLUG, and what is to be done with each."""
    payments = read_payments(open_desk(), _api(), _slug(slug))
    for one in payments.all:
        text = f"{one.submission.submission_id}  {one.submission.status:<15}  {one.session or '-':<13}  {one.verdict}"
        click.echo(f"{text}: {one.reason}" if one.reason else text)
    counts = ", ".join(f"{n} {status.lower()}" for status, n in payments.statuses) or "no submission yet"
    click.echo(f"{counts}; {len(payments.of('ready'))} ready to approve, {len(payments.of('look'))} to look at")


@prolific.command("approve")
@click.argument("slug")
@click.option("--submission", "only", multiple=True, help="only this one; repeatable  [default: all that are ready]")
@click.option("--dry-run", is_flag=True, help="only say how many")
@with_appcontext
@one_line_errors
def approve_(slug: str, only: tuple[str, ...], dry_run: bool) -> None:
    """Approve, and so pay, who gave every answer and waits for review."""
    desk, api, name = open_desk(), _api(), _slug(slug)
    if dry_run:
        click.echo(f"{len(read_payments(desk, api, name).of('ready'))} would be approved")
        return
    with tqdm(unit=" submissions", leave=False, disable=None) as bar:
        done = approve(
            desk, api, name, actor=audit.COMMAND_LINE, now=now(), only=only, tell=lambda *_: bool(bar.update())
        )
    click.echo(f"{done.n_approved} approved")
    for problem in done.problems:
        click.echo(f"error: {problem}", err=True)
    if done.problems:
        sys.exit(1)


COMMANDS = (prolific,)
