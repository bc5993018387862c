"""Before the trials: eyes, screen, night light, sizes. Pure but for the drawing of plates; `sessions` stores."""

from study.readiness.answers import fitting_answers
from study.readiness.checks import Check, has_page, judge_display, judge_form
from study.readiness.plates import Plate, deal, draw
from study.readiness.sizes import needs_calibration, sizes

__all__ = [
    "Check",
    "Plate",
    "deal",
    "draw",
    "fitting_answers",
    "has_page",
    "judge_display",
    "judge_form",
    "needs_calibration",
    "sizes",
]
