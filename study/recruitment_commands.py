"""`flask --app study recruit` and `invite`: where participants may come from."""

import click
from flask.cli import with_appcontext

from study import audit
from study.oneline import one_line_errors, open_desk
from study.recruitment.invitations import invite
from study.recruitment.platforms import PLATFORMS
from study.recruitment.platforms.base import RecruitmentError
from study.recruitment.platforms.mturk import external_question
from study.recruitment.registry import configure, forget, read_platforms
from study.studies import find_row
from study.web import now


@click.command("recruit")
@click.argument("slug")
@click.option("--from", "platform", help=f"one of {', '.join(PLATFORMS)}")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="a setting of the platform, e.g. codes.COMPLETED=C1AB; repeatable",
)
@click.option("--stop", is_flag=True, help="let nobody in from this platform any more")
@click.option("--url", default="https://YOUR-HOST", show_default=True, help="the server as the world sees it")
@with_appcontext
@one_line_errors
def recruit(slug: str, platform: str | None, settings: tuple[str, ...], stop: bool, url: str) -> None:
    """Say where participants of the study SLUG come from, and print what to paste there."""
    desk = open_desk()
    with desk.database.reading_session() as session:
        slug = find_row(session, slug).slug
    if platform is not None and stop:
        forget(desk.database, slug, platform)
    elif platform is not None:
        configure(desk.database, slug, platform, _parse(settings), now=now())
    elif settings or stop:
        raise RecruitmentError("--set and --stop need --from PLATFORM")
    if platform is not None:
        with desk.database.writing() as connection:
            audit.note(
                connection,
                actor=audit.COMMAND_LINE,
                action="recruitment stopped" if stop else "recruitment changed",
                subject=slug,
                now=now(),
                details={"platform": platform},
            )
    address = f"{url.rstrip('/')}/s/{slug}/"
    with desk.database.reading() as connection:
        for name, values in read_platforms(connection, slug).items():
            text = PLATFORMS[name].study_address(address)
            if name == "mturk":
                text = external_question(address, frame_height_px=values["frame_height_px"] or 0)
            click.echo(f"{name}: {text}")


def _parse(settings: tuple[str, ...]) -> dict[str, object]:
    parsed: dict[str, object] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise RecruitmentError(f"--set: expected KEY=VALUE, got {text!r}")
        outer, dot, inner = name.partition(".")
        if dot:
            group = parsed.setdefault(outer, {})
            if not isinstance(group, dict):
                raise RecruitmentError(f"--set: {outer} is set twice in two ways")
            group[inner] = value
        else:
            parsed[name] = value
    return parsed


@click.command("invite")
@click.argument("slug")
@click.option("--n", type=int, default=1, show_default=True, help="how many")
@click.option("--label", default="", help="for your own records")
@click.option("--url", default="https://YOUR-HOST", show_default=True, help="the server as the world sees it")
@with_appcontext
@one_line_errors
def invite_(slug: str, n: int, label: str, url: str) -> None:
    """Make single-use links into the study SLUG; they are printed once and not stored."""
    desk = open_desk()
    with desk.database.reading_session() as session:
        slug = find_row(session, slug).slug
    with desk.database.reading() as connection:
        allowed = read_platforms(connection, slug)
    if "invitation" not in allowed:
        raise RecruitmentError(
            f"{slug} does not take invitations; run: flask --app study recruit {slug} --from invitation"
        )
    for name in invite(desk.database, slug, n, now=now(), label=label):
        click.echo(f"{url.rstrip('/')}/s/{slug}/?invitation={name}")


COMMANDS = (recruit, invite_)
