"""`flask --app study withdraw`, `retention`, `privacy` and `audit`: what people may ask of us."""

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from study import audit
from study.jobs.bundles import delete_old
from study.models import RecruitRow, SessionRow
from study.oneline import one_line_errors, open_desk
from study.recruitment.people import person_hmac
from study.recruitment.platforms import PLATFORMS
from study.recruitment.registry import read_platforms
from study.rights.retention import delete_due_identities
from study.rights.sheet import data_protection_sheet
from study.rights.withdrawal import WithdrawalError, read_code, withdraw_on
from study.sessions import Desk
from study.studies import find_row, find_study
from study.web import now, truehue
from study.words import counted


@click.command("withdraw")
@click.option("--code", help="the participant's withdrawal code")
@click.option("--session", "session_id", help="the session's name in an export")
@click.option("--person", nargs=3, metavar="STUDY PLATFORM NAME", help="the platform's name of the person")
@click.option("--reason", default="", help="kept with the tombstone; name nobody")
@with_appcontext
@one_line_errors
def withdraw_(code: str | None, session_id: str | None, person: tuple[str, str, str] | None, reason: str) -> None:
    """Delete a participant's data; what is left says only that there was a session."""
    desk = open_desk()
    if sum(given is not None for given in (code, session_id, person)) != 1:
        raise WithdrawalError("expected one of --code, --session and --person")
    if code is not None:
        session_id = read_code(desk, code)
    elif person is not None:
        session_id = session_of(desk, *person)
    assert session_id is not None
    with desk.database.writing() as connection:
        gone = withdraw_on(connection, session_id, by="researcher", now=now(), reason=reason)
        audit.note(
            connection,
            actor=audit.COMMAND_LINE,
            action="data withdrawn",
            subject=gone.study,
            now=now(),
            details={"session_id": session_id, "reason": reason},
        )
    n_trials, n_answers = counted(gone.n_trials, "trial"), counted(gone.n_answers, "answer")
    click.echo(f"{session_id} of {gone.study}: {n_trials} and {n_answers} are deleted")


def session_of(desk: Desk, slug: str, platform: str, name: str) -> str:
    """Find the session of somebody by the platform's name of the person."""
    if platform not in PLATFORMS:
        raise WithdrawalError(f"platform: expected one of {', '.join(PLATFORMS)}, got {platform!r}")
    with desk.database.reading() as connection:
        found: str | None = connection.execute(
            select(SessionRow.session_id)
            .join(RecruitRow, RecruitRow.session_id == SessionRow.id)
            .where(RecruitRow.slug == slug, RecruitRow.person_hmac == person_hmac(desk, platform, name))
        ).scalar_one_or_none()
    if found is None:
        raise WithdrawalError(f"{platform} sent nobody of this name to {slug}, or the data are deleted already")
    return found


@click.command("retention")
@with_appcontext
@one_line_errors
def retention() -> None:
    """Delete the platforms' names of people whose time has come, and old bundles; run it every night."""
    desk = open_desk()
    delete_old(truehue().settings.bundles, now=now())
    n = delete_due_identities(desk.database, now=now())
    if n:
        with desk.database.writing() as connection:
            audit.note(
                connection,
                actor=audit.COMMAND_LINE,
                action="identities deleted",
                subject="",
                now=now(),
                details={"n": n},
            )
    click.echo(f"{counted(n, 'platform name')} deleted")


@click.command("privacy")
@click.argument("slug")
@with_appcontext
@one_line_errors
def privacy(slug: str) -> None:
    """Print the data-protection sheet of the study SLUG (Markdown): what is stored, why, how long."""
    desk = open_desk()
    study = find_study(desk.database, slug)
    with desk.database.reading() as connection:
        platforms = read_platforms(connection, study.slug)
    click.echo(
        data_protection_sheet(study.definition, platforms, slug=study.slug, definition_sha256=study.definition_sha256),
        nl=False,
    )


@click.command("audit")
@click.argument("slug", default="")
@with_appcontext
@one_line_errors
def audit_(slug: str) -> None:
    """Print what researchers did, newest first; of the study SLUG or of all."""
    desk = open_desk()
    if slug:
        with desk.database.reading_session() as session:
            slug = find_row(session, slug).slug
    with desk.database.reading() as connection:
        for row in audit.read(connection, slug):
            details = " ".join(f"{key}={value}" for key, value in row.details.items() if value not in ("", None))
            click.echo(f"{row.at_utc:%Y-%m-%d %H:%M:%S}  {row.actor}  {row.action}  {row.subject}  {details}".rstrip())


COMMANDS = (withdraw_, retention, privacy, audit_)
