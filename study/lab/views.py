"""The lab's pages: colour patches for a colorimeter, flashes for a photodiode. They store nothing and know no study.

They speak the browser's language, for no study stands behind them.
"""

from dataclasses import dataclass

from flask import Blueprint, Flask, render_template

from study.words import say

blueprint = Blueprint("lab", __name__, template_folder="templates")


@dataclass(frozen=True, slots=True)
class Patch:
    """A colour to measure: its name in the page's language and its 8-bit sRGB codes."""

    name: str
    code: tuple[int, int, int]


def patch_list() -> list[Patch]:
    """Give the patches in the order of measuring; white comes again at the end, for drift."""

    def grey(code: int) -> tuple[int, int, int]:
        return (code, code, code)

    tenths = [Patch(say("grey %(n)s %%", n=10 * n), grey(round(25.5 * n))) for n in range(1, 10)]
    return [
        Patch(say("white"), grey(255)),
        Patch(say("red"), (255, 0, 0)),
        Patch(say("green"), (0, 255, 0)),
        Patch(say("blue"), (0, 0, 255)),
        Patch(say("black"), grey(0)),
        *tenths,
        Patch(say("the study’s field"), grey(128)),
        Patch(say("cyan"), (0, 255, 255)),
        Patch(say("magenta"), (255, 0, 255)),
        Patch(say("yellow"), (255, 255, 0)),
        Patch(say("white again: has the display drifted?"), grey(255)),
    ]


@blueprint.get("/lab/patches")
def patches() -> str:
    """Show patches of known colour, one after the other."""
    return render_template("lab/patches.html", study=None, contact="", patches=patch_list())


@blueprint.get("/lab/photodiode")
def photodiode() -> str:
    """Show a picture and a corner square together, many times, and keep when."""
    return render_template("lab/photodiode.html", study=None, contact="")


def init_app(app: Flask) -> None:
    """Add the pages."""
    app.register_blueprint(blueprint)
