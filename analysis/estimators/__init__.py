"""Other estimates of a rate, for the report's table of methods: every module of this folder with `estimates`.

A new one is one file here and its test: docs/extending.md shows one. They stand in the order of their modules' names.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from analysis.estimators.base import Estimate, Estimator

_MODULES = [import_module(module.name) for module in pkgutil.iter_modules(__path__, f"{__name__}.")]
ESTIMATORS: tuple[Estimator, ...] = tuple(module for module in _MODULES if hasattr(module, "estimates"))

__all__ = ["ESTIMATORS", "Estimate", "Estimator"]
