"""Every colorizer by its name: the classes with a `name` of their own in the modules of this folder.

A new one is one file here and its test: docs/extending.md shows one.
"""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from colorizer.defaults import DEFAULT_MODEL
from colorizer.models.base import ClassifyingColorizer, Colorizer, RegressingColorizer


def _colorizers() -> Iterator[type[Colorizer]]:
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for value in vars(import_module(module.name)).values():
            is_colorizer = isinstance(value, type) and issubclass(value, Colorizer) and value.__module__ == module.name
            if is_colorizer and vars(value).get("name"):
                yield value


MODELS: dict[str, type[Colorizer]] = {
    model.name: model for model in sorted(_colorizers(), key=lambda model: (model.name != DEFAULT_MODEL, model.name))
}

__all__ = ["MODELS", "Colorizer", "ClassifyingColorizer", "RegressingColorizer"]
