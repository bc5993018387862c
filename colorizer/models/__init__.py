"""The registry: every colorizer by its name.  A new one is one file here and one line in `MODELS`."""

from colorizer.models.base import ClassifyingColorizer, Colorizer, RegressingColorizer
from colorizer.models.pix2pix import Pix2Pix
from colorizer.models.siggraph17 import Siggraph17
from colorizer.models.truehue_lite import TruehueLite
from colorizer.models.wallner import WallnerAlpha, WallnerBeta
from colorizer.models.zhang2016 import Zhang2016, Zhang2016L2

MODELS: dict[str, type[Colorizer]] = {
    "truehue-lite": TruehueLite,
    "zhang2016": Zhang2016,
    "zhang2016-l2": Zhang2016L2,
    "siggraph17": Siggraph17,
    "pix2pix": Pix2Pix,
    "wallner-alpha": WallnerAlpha,
    "wallner-beta": WallnerBeta,
}

__all__ = ["MODELS", "Colorizer", "ClassifyingColorizer", "RegressingColorizer"]
