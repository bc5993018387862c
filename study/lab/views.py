"""The lab's pages: colour patches for a colorimeter, flashes for a photodiode. They store nothing and know no study."""

from flask import Blueprint, Flask, render_template

blueprint = Blueprint("lab", __name__, template_folder="templates")


@blueprint.get("/lab/patches")
def patches() -> str:
    """Show patches of known colour, one after the other."""
    return render_template("lab/patches.html", study=None, contact="")


@blueprint.get("/lab/photodiode")
def photodiode() -> str:
    """Show a picture and a corner square together, many times, and keep when."""
    return render_template("lab/photodiode.html", study=None, contact="")


def init_app(app: Flask) -> None:
    """Add the pages."""
    app.register_blueprint(blueprint)
