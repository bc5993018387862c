"""Commands of whoever keeps an instance alive: backup, restore, rotate-key."""

from pathlib import Path

import click
from flask.cli import with_appcontext

from study import backup, db
from study.config import rotate_key
from study.oneline import one_line_errors
from study.web import now, truehue

FILE = click.Path(path_type=Path)


@click.command("backup")
@click.argument("folder", type=FILE)
@with_appcontext
@one_line_errors
def backup_(folder: Path) -> None:
    """Write a backup of everything to the new FOLDER while the server runs on."""
    here = truehue()
    db.require_current(here.desk.database)
    about = backup.write_backup(here.desk.database, here.settings, folder, now=now())
    click.echo(f"{folder}: " + ", ".join(f"{n} {name} rows" for name, n in about["n_rows"].items()))


@click.command("restore")
@click.argument("folder", type=FILE)
@with_appcontext
@one_line_errors
def restore(folder: Path) -> None:
    """Bring the backup in FOLDER back into an empty instance."""
    settings = truehue().settings
    settings.prepare()
    database = db.Database(settings.database_url)
    about = backup.read_backup(database, settings, folder)
    click.echo(f"restored what was saved at {about['made_at_utc']}; the server may be started")


@click.command("rotate-key")
@with_appcontext
@one_line_errors
def rotate_key_() -> None:
    """Make a new secret key; the present one's signatures stay valid until the next rotation."""
    rotate_key(truehue().settings)
    click.echo("there is a new secret key; restart the server's workers (systemctl reload, or SIGHUP to gunicorn)")


COMMANDS = (backup_, restore, rotate_key_)
