"""Colorizers: Zhang, Isola and Efros's network and its siblings, behind two calls.

    model = colorizer.load_model("truehue-lite")          # a name, with its own or given weights
    picture = colorizer.colorize("grey.jpg", model=model)  # a PIL image, full size

`model.predict_ab(L_B1HW)` is the call underneath: L in [0, 100] in, ab in CIE units out.
"""

from importlib.util import find_spec

if find_spec("torch") is None:  # the wheel alone brings the code and nothing that it needs
    raise ModuleNotFoundError(
        "colorizer needs packages that are not installed; in a checkout run: pip install '.[colorizer]'", name="torch"
    )

from colorizer.checkpoints import load_model
from colorizer.render import colorize

__all__ = ["load_model", "colorize"]
