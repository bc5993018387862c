"""What the study declared beforehand about its analysis: the `analysis` section of its definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# The project's proposal: a colorizer that fools people in one trial of ten would be worth having.
DEFAULT_TARGETS = (0.10,)


@dataclass(frozen=True)
class Plan:
    """Targets and rules; rates in [0, 1].

    `margin`: half-width around .5 within which "indistinguishable" would be claimed; None if not declared.
    `max_instructed_failed`: sessions that failed more instructed trials are excluded; None records only.
    `max_exposure_error_frames`: a picture shown longer or shorter by more frames counts as badly timed;
    such trials are left out only if `exclude_badly_timed`.
    `staircase_target`: share of right answers at which the staircase rests; None without one.
    """

    targets: tuple[float, ...] = DEFAULT_TARGETS
    are_targets_declared: bool = False
    margin: float | None = None
    confidence: float = 0.95
    max_instructed_failed: int | None = None
    max_exposure_error_frames: float = 1.5
    exclude_badly_timed: bool = False
    staircase_target: float | None = None


def read_plan(definition: dict[str, Any]) -> Plan:
    """Read the plan of a canonical study definition; what is absent takes the defaults above."""
    section = definition.get("analysis", {})
    default = Plan()
    targets, margin = section.get("targets"), section.get("margin")
    max_failed = section.get("max_instructed_failed")
    staircase = definition.get("staircase") or {}
    steps_ms = float(staircase.get("up_ms") or 0), float(staircase.get("down_ms") or 0)
    plan = Plan(
        targets=default.targets if targets is None else tuple(float(target) for target in targets),
        are_targets_declared=targets is not None,
        margin=None if margin is None else float(margin),
        confidence=float(section.get("confidence", default.confidence)),
        max_instructed_failed=None if max_failed is None else int(max_failed),
        max_exposure_error_frames=float(section.get("max_exposure_error_frames", default.max_exposure_error_frames)),
        exclude_badly_timed=bool(section.get("exclude_badly_timed", default.exclude_badly_timed)),
        # Kaernbach 1991: the level rests where down × P(right) = up × P(wrong).
        staircase_target=steps_ms[0] / sum(steps_ms) if all(steps_ms) else None,
    )
    for name, rate in (*(("targets", target) for target in plan.targets), ("confidence", plan.confidence)):
        if not 0 < rate < 1:
            raise ValueError(
                f"definition: analysis.{name}: expected a rate between 0 and 1, got {rate:g}; write 10 % as 0.1"
            )
    if plan.margin is not None and not 0 < plan.margin < 0.5:
        raise ValueError(
            f"definition: analysis.margin: expected a number between 0 and 0.5, got {plan.margin:g}; "
            "write ± 5 points as 0.05"
        )
    return plan
