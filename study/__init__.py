"""Truehue's study server: shows pairs of pictures, and keeps every answer."""

from importlib.util import find_spec

if find_spec("flask") is None:  # the wheel alone brings the code and nothing that it needs
    raise ModuleNotFoundError(
        "study needs packages that are not installed; in a checkout run: pip install '.[study]'", name="flask"
    )

from flask import Flask

from study import classroom, cli, console, health, home, lab, participant, web, words
from study.config import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Make the application; the settings come from the environment unless given."""
    settings = settings or cli.read_settings_or_exit()
    app = web.App(__name__)
    app.config.update(
        MAX_CONTENT_LENGTH=web.MAX_BODY_BYTES,
        SESSION_COOKIE_NAME="truehue_console",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_PATH="/console",
    )
    app.extensions["truehue"] = web.Truehue(settings)
    for part in (words, web, health, console, participant, home, lab, classroom, cli):
        part.init_app(app)
    return app
