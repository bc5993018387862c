"""How well a study ran: attention, exposures, voids."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.exclusions import USUAL_REFRESH_HZ, Selection, exposure_error_frames
from analysis.exports import Export
from analysis.plan import Plan


@dataclass(frozen=True)
class Instructed:
    """Instructed trials of the analysed sessions, and how many went against the instruction."""

    n_trials: int
    n_failed: int
    n_participants_failed: int


@dataclass(frozen=True)
class Exposure:
    """How long pictures of scored test trials were seen; errors are achieved − nominal, per picture.

    `n_measured` pictures carry a measured exposure; shares are of those.
    """

    n_measured: int
    mean_error_ms: float
    sd_ms: float
    share_within_half_frame: float
    share_within_one_frame: float
    n_trials_badly_timed: int
    n_trials_dropped_frames: int
    n_trials_void: int
    errors_ms: pd.Series[float]


def instructed(trials: pd.DataFrame) -> Instructed:
    """Count the instructed trials of a table of answered trials."""
    asked = trials[trials["control"] == "instructed"]
    wrong = asked[~asked["correct"].fillna(value=True).astype(bool)]
    return Instructed(len(asked), len(wrong), int(wrong["participant_id"].nunique()))


def exposure(export: Export, selection: Selection, plan: Plan) -> Exposure:
    """Compare achieved with nominal exposures of the analysed test trials."""
    test = selection.test
    nominal, refresh_hz = test["exposure_ms_nominal"], test["refresh_hz"]
    errors = pd.concat([test["exposure_a_ms_achieved"] - nominal, test["exposure_b_ms_achieved"] - nominal])
    frames = errors.abs() * pd.concat([refresh_hz, refresh_hz]).fillna(USUAL_REFRESH_HZ) / 1000
    measured = errors.notna()
    is_shown = export.trials["session_id"].isin(selection.sessions["session_id"]) & (export.trials["kind"] == "test")
    return Exposure(
        n_measured=int(measured.sum()),
        mean_error_ms=float(errors.mean()),
        sd_ms=float(errors.std()),
        share_within_half_frame=float((frames[measured] <= 0.5).mean()),
        share_within_one_frame=float((frames[measured] <= 1).mean()),
        n_trials_badly_timed=int((exposure_error_frames(test) > plan.max_exposure_error_frames).sum()),
        n_trials_dropped_frames=int((test["dropped_frames"] > 0).sum()),
        n_trials_void=int((is_shown & (export.trials["void_reason"] != "")).sum()),
        errors_ms=errors[measured],
    )
