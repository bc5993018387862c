"""Simulated participants, data only, through the same session functions as people: every design, a stated truth."""

from study.simulate.run import simulate
from study.simulate.truth import (
    Parameters,
    SimulationError,
    expit,
    latent_rate,
    observed_rate,
    solve_intercept,
    solve_threshold,
    state_truth,
    stated_names,
)

__all__ = [
    "Parameters",
    "SimulationError",
    "expit",
    "latent_rate",
    "observed_rate",
    "simulate",
    "solve_intercept",
    "solve_threshold",
    "state_truth",
    "stated_names",
]
