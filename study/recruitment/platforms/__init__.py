"""The recruitment platforms: every subclass of `Platform` in a module of this folder (docs/extending.md)."""

import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from inspect import isabstract

from study.recruitment.platforms.base import Platform


def _platforms() -> Iterator[Platform]:
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for value in vars(import_module(module.name)).values():
            is_platform = isinstance(value, type) and issubclass(value, Platform) and not isabstract(value)
            if is_platform and value.__module__ == module.name:
                yield value()


PLATFORMS: Mapping[str, Platform] = {platform.name: platform for platform in _platforms()}
