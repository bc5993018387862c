"""Simulated participants with a stated truth: data only, over HTTP, or in a real browser."""

from study.simulate.over_http import simulate_over_http
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
from study.simulate.visible import Manner, simulate_visibly

__all__ = [
    "Manner",
    "Parameters",
    "SimulationError",
    "expit",
    "latent_rate",
    "observed_rate",
    "simulate",
    "simulate_over_http",
    "simulate_visibly",
    "solve_intercept",
    "solve_threshold",
    "state_truth",
    "stated_names",
]
