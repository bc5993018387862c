"""The figures of a report.  This package draws and computes nothing: every number arrives computed."""

from __future__ import annotations

from analysis.plots.rates import (
    abilities,
    against_published,
    comparison,
    differences,
    forest,
    methods,
    ratings,
    thresholds,
)  # fmt: skip
from analysis.plots.style import CYCLE, GREY, INK, STYLE, WIDTH_IN, save, watermark
from analysis.plots.times import courses, exposures, reaction_times
from analysis.plots.units import caterpillar, colour, participants

__all__ = [
    "CYCLE", "GREY", "INK", "STYLE", "WIDTH_IN", "abilities", "against_published", "caterpillar", "colour",
    "comparison", "courses", "differences", "exposures", "forest", "methods", "participants", "ratings",
    "reaction_times", "save", "thresholds", "watermark",
]  # fmt: skip
