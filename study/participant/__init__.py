"""What participants see."""

from flask import Flask

from study.participant.views import blueprint


def init_app(app: Flask) -> None:
    """Add the participant's pages."""
    app.register_blueprint(blueprint)
