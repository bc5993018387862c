"""A photodiode's recording of a session, trial by trial: its onset and exposure beside those that the page reported."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.photodiode import LEAST_FLASHES, Comparison, Flashes, PhotodiodeError, compare_with_page

TOLERANCE_MS = 250.0
"""How far a flash may lie from where the page's clock puts it: less than a blank, more than minutes of drift."""


@dataclass(frozen=True)
class Joined:
    """`rows`: one per picture shown; `comparison`: over all of them; `n_flashes_unused`: of void pictures."""

    rows: pd.DataFrame
    comparison: Comparison
    n_flashes_unused: int


def pictures_of(trials: pd.DataFrame, session_id: str) -> pd.DataFrame:
    """Give a session's reported exposures, one row for each time the corner was white, in order.

    Columns: session_id, trial_index, picture (a, b, or ab at once), page_id, onset_ms, exposure_ms (page's clock).
    Raises PhotodiodeError for an unknown session, and where no onsets were exported.
    """
    mine = trials[trials["session_id"] == session_id].sort_values("trial_index")
    if mine.empty:
        known = ", ".join(trials["session_id"].drop_duplicates().head(5))
        raise PhotodiodeError(f"--session: there is no session {session_id!r} with trials; there are {known} …")
    if "onset_a_ms" not in mine or mine["onset_a_ms"].isna().all():
        raise PhotodiodeError(
            f"--session: {session_id} has no onsets (exported or simulated before they were kept); leave out --out"
        )
    rows = []
    for row in mine.itertuples():
        # One corner for both pictures where they are shown at once; a single picture is a.
        is_at_once = not row.order_of_a
        for picture in ("a",) if is_at_once else ("a", "b"):
            onset, exposure = getattr(row, f"onset_{picture}_ms"), getattr(row, f"exposure_{picture}_ms_achieved")
            if np.isfinite(onset) and np.isfinite(exposure):
                name = "ab" if is_at_once and row.stimulus_b else picture
                rows.append((session_id, row.trial_index, name, str(row.page_id), float(onset), float(exposure)))
    columns = ["session_id", "trial_index", "picture", "page_id", "onset_ms", "exposure_ms"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["trial_index", "onset_ms"], kind="stable").reset_index(drop=True)


def join(seen: Flashes, pictures: pd.DataFrame, frame_ms: float) -> Joined:
    """Find each picture's flash, tie the clocks of each page load by a straight line, and give the differences.

    Errors are photodiode minus page, in ms of the recorder's clock; the constant part of the onsets (how late a panel
    lights up in all) is in the tie: only a recorder that shares the page's clock could tell it.
    """
    parts, begin, slopes = [], 0, []
    for _, page in pictures.groupby("page_id", sort=False):
        onset = page["onset_ms"].to_numpy(float)
        if len(onset) < LEAST_FLASHES:
            continue  # too few to tie a clock
        found = _match(seen.onset_ms[begin:], onset) + begin
        slope, start = np.polyfit(onset, seen.onset_ms[found], 1)
        expected = start + slope * onset
        slopes.append(slope)
        parts.append(
            page.assign(
                onset_photodiode_ms=((seen.onset_ms[found] - start) / slope).round(3),
                onset_error_ms=(seen.onset_ms[found] - expected).round(3),
                exposure_photodiode_ms=(seen.duration_ms[found] / slope).round(3),
                exposure_error_ms=(seen.duration_ms[found] / slope - page["exposure_ms"]).round(3),
            )
        )
        begin = int(found[-1]) + 1
    if not parts:
        raise PhotodiodeError(f"expected {LEAST_FLASHES} pictures or more of one page load, got fewer")
    rows = pd.concat(parts, ignore_index=True)
    told = Flashes(_onsets(rows, "onset_ms"), _onsets(rows, "onset_ms") + rows["exposure_ms"].to_numpy(float))
    first = _onsets(rows, "onset_ms") + rows["onset_error_ms"].to_numpy(float)
    back = Flashes(first, first + rows["exposure_photodiode_ms"].to_numpy(float))
    comparison = compare_with_page(back, told, frame_ms)
    drift = float(1e6 * (1 / np.mean(slopes) - 1))
    return Joined(rows, Comparison(**{**vars(comparison), "drift_ppm": drift}), len(seen.onset_ms) - len(rows))


def _onsets(rows: pd.DataFrame, column: str) -> NDArray[np.float64]:
    return rows[column].to_numpy(float)


def _match(seen: NDArray[np.float64], onset: NDArray[np.float64]) -> NDArray[np.intp]:
    """Index the flash of each onset: the shift at which every picture has one, flashes of void pictures left over."""
    best = 0
    for shift in range(len(seen) - len(onset) + 1):
        at, found = seen[shift] - onset[0], [shift]
        for told in onset[1:]:
            nearest = int(np.abs(seen - (told + at)).argmin())
            if nearest <= found[-1] or abs(seen[nearest] - (told + at)) > TOLERANCE_MS:
                break
            found.append(nearest)
            at = seen[nearest] - told  # follows the drift
        if len(found) == len(onset):
            return np.array(found)
        best = max(best, len(found))
    raise PhotodiodeError(
        f"expected a flash for each of {len(onset)} pictures, the recording fits {best} ({len(seen)} flashes); record "
        "from before the first trial to after the last"
    )
