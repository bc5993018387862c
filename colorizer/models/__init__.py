"""The registry: every colorizer by its name.  A new one is one file here and one line in `MODELS`."""

from collections.abc import Callable

from colorizer.models.base import ClassifyingColorizer, Colorizer
from colorizer.models.truehue_lite import TruehueLite
from colorizer.models.zhang2016 import Zhang2016

MODELS: dict[str, Callable[..., ClassifyingColorizer]] = {
    "truehue-lite": TruehueLite,
    "zhang2016": Zhang2016,
}

__all__ = ["MODELS", "Colorizer", "ClassifyingColorizer"]
