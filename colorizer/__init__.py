"""Colorizers: Zhang, Isola and Efros's network and its siblings, behind two calls.

    model = colorizer.load_model("truehue-lite")          # a name, with its own or given weights
    picture = colorizer.colorize("grey.jpg", model=model)  # a PIL image, full size

`model.predict_ab(L_B1HW)` is the call underneath: L in [0, 100] in, ab in CIE units out.
"""

from colorizer.checkpoints import load_model
from colorizer.render import colorize

__all__ = ["load_model", "colorize"]
