"""Two questions that machines ask: whether this process is alive, and whether it may be sent participants."""

from flask import Blueprint, Flask, Response, make_response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from study import db
from study.web import log, truehue

blueprint = Blueprint("health", __name__)


def init_app(app: Flask) -> None:
    """Add the two addresses."""
    app.register_blueprint(blueprint)


@blueprint.get("/healthz")
def healthz() -> Response:
    """Say that the process answers; touches neither database nor disk, so that neither gets a healthy one killed."""
    return _plain("ok", 200)


@blueprint.get("/readyz")
def readyz() -> Response:
    """Say whether the database answers, has this version's tables and takes writes, and the pictures are there."""
    here = truehue()
    try:
        database = here.desk.database
        if not db.is_current(database):
            return _plain("the database is not at this version's tables; run: flask --app study upgrade", 503)
        # A write that changes nothing: a disk that is full or a replica that only reads is not ready.
        with database.writing() as connection:
            connection.execute(text("UPDATE study SET state = state WHERE 1 = 0"))
    except SQLAlchemyError as error:
        log.warning("not ready: %s", type(error).__name__)
        return _plain("the database does not answer", 503)
    if not here.settings.stimuli.is_dir():
        return _plain("no stimulus set has been imported; run: flask --app study create", 503)
    return _plain("ready", 200)


def _plain(words: str, status: int) -> Response:
    response = make_response(words + "\n", status)
    response.mimetype = "text/plain"
    return response
