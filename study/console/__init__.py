"""What researchers see: one module per page or group of pages, all on one blueprint."""

from flask import Flask, request
from flask_wtf.csrf import CSRFProtect

from study.console import accounts, bundles, jobs, making, payment, people, sets, studies
from study.console.doors import blueprint
from study.console.monitor import Watch
from study.jobs.uploads import MAX_UPLOAD_BYTES
from study.participant.pages import blueprint as participant

# Importing them puts their addresses on the blueprint.
PAGES = (accounts, bundles, jobs, making, payment, people, sets, studies)
UPLOADS = frozenset({"console.upload_set", "console.render_set"})


def init_app(app: Flask) -> None:
    """Add the console; its forms carry a token against cross-site requests."""
    app.before_request(_allow_uploads)  # before the token is looked for, which reads the form
    app.extensions["truehue watch"] = Watch()
    app.register_blueprint(blueprint, url_prefix="/console")
    # A participant's requests carry no cookie that could be abused: their secret is in the address.
    csrf = CSRFProtect(app)
    csrf.exempt(participant)


def _allow_uploads() -> None:
    if request.endpoint in UPLOADS:
        request.max_content_length = MAX_UPLOAD_BYTES
