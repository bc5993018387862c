"""The address without a path: the demo's two buttons, or a neutral page; and the demo's reports."""

from flask import Flask

from study.home.views import blueprint, report_response

__all__ = ["blueprint", "init_app", "report_response"]


def init_app(app: Flask) -> None:
    """Add the landing page."""
    app.register_blueprint(blueprint)
