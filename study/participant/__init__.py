"""What participants see (docs/participant-http.md): one module per group of pages, all on one blueprint.

Thin: every decision is made in `study.sessions`.
"""

from flask import Flask

from study.participant import api, entrance, leaving, stages
from study.participant.pages import blueprint

# Importing them puts their addresses on the blueprint.
PAGES = (api, entrance, leaving, stages)


def init_app(app: Flask) -> None:
    """Add the participant's pages."""
    app.register_blueprint(blueprint)
