"""What researchers see."""

from flask import Flask
from flask_wtf.csrf import CSRFProtect

from study.console.views import blueprint
from study.participant.views import blueprint as participant


def init_app(app: Flask) -> None:
    """Add the console; its forms carry a token against cross-site requests."""
    app.register_blueprint(blueprint, url_prefix="/console")
    # A participant's requests carry no cookie that could be abused: their secret is in the address.
    csrf = CSRFProtect(app)
    csrf.exempt(participant)
