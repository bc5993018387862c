"""What a photodiode saw beside what the page said: onsets and exposures, once the two clocks are tied together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

HYSTERESIS = 0.2
"""Share of the range between dark and bright that a signal must pass beyond the middle, so that noise makes no edge."""
LEAST_FLASHES = 3


class PhotodiodeError(ValueError):
    """A recording that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Flashes:
    """Flashes in order: when each began and ended, in ms of one clock."""

    onset_ms: NDArray[np.float64]
    offset_ms: NDArray[np.float64]

    @property
    def duration_ms(self) -> NDArray[np.float64]:
        """How long each was, in ms."""
        return self.offset_ms - self.onset_ms


@dataclass(frozen=True)
class Comparison:
    """Errors are photodiode minus page, in ms."""

    n: int
    onset_sd_ms: float | None
    """Of the onsets around the line that ties the clocks; None where the page's onsets are not known."""
    onset_largest_ms: float | None
    drift_ppm: float | None
    """By how much the page's clock is faster than the recorder's."""
    exposure_mean_ms: float
    exposure_sd_ms: float
    exposure_largest_ms: float
    within_one_frame: float
    """Share of exposures whose error is at most a frame."""
    frame_ms: float


def read_recording(path: Path) -> Flashes:
    """Read `time_ms,level`: samples of any rate and unit, or edges with level 0 and 1. Raises PhotodiodeError."""
    frame = _read(path, ("time_ms", "level"))
    time, level = frame["time_ms"].to_numpy(float), frame["level"].to_numpy(float)
    if len(time) < 2 or not np.all(np.diff(time) >= 0):
        raise PhotodiodeError(f"{path}: time_ms: expected times that never go back")
    dark, bright = np.quantile(level, [0.02, 0.98]) if len(level) > 1000 else (level.min(), level.max())
    if not bright > dark:
        raise PhotodiodeError(f"{path}: level: expected dark and bright samples, got {dark:g} throughout")
    share = (level - dark) / (bright - dark)
    return _flashes(time, share)


def _flashes(time: NDArray[np.float64], share: NDArray[np.float64]) -> Flashes:
    """Find where a signal of 0 (dark) to 1 (bright) crosses the middle; a flash cut off at an end is left out."""
    edges: list[float] = []
    is_bright = bool(share[0] > 0.5)
    started = is_bright
    middle: float | None = None
    for i in range(1, len(share)):
        before, now = share[i - 1], share[i]
        rises = not is_bright
        if (before < 0.5 <= now) if rises else (before >= 0.5 > now):
            step = (0.5 - before) / (now - before)
            # Steps between samples far apart are edges of a log: they happened when they were written down.
            middle = time[i] if abs(now - before) > 0.9 else time[i - 1] + step * (time[i] - time[i - 1])
        is_over = now >= 0.5 + HYSTERESIS if rises else now <= 0.5 - HYSTERESIS
        if is_over and middle is not None:
            edges.append(middle)
            is_bright, middle = not is_bright, None
    if started:
        edges = edges[1:]
    n = len(edges) // 2
    return Flashes(np.array(edges[0 : 2 * n : 2]), np.array(edges[1 : 2 * n : 2]))


def read_page(path: Path) -> tuple[Flashes, NDArray[np.float64]]:
    """Read the photodiode page's `flashes.csv`; return its flashes and the exposures that were asked for, in ms."""
    frame = _read(path, ("onset_ms", "offset_ms", "exposure_ms_nominal"))
    flashes = Flashes(frame["onset_ms"].to_numpy(float), frame["offset_ms"].to_numpy(float))
    return flashes, frame["exposure_ms_nominal"].to_numpy(float)


def exposures_of(trials: pd.DataFrame, session_id: str) -> NDArray[np.float64]:
    """Give a session's exposures in the order of presentation, in ms, as the page reported them."""
    mine = trials[trials["session_id"] == session_id].sort_values("trial_index")
    if mine.empty:
        known = ", ".join(trials["session_id"].drop_duplicates().head(5))
        raise PhotodiodeError(f"--session: there is no session {session_id!r} with trials; there are {known} …")
    found: list[float] = []
    for row in mine.itertuples():
        order = ("b", "a") if row.order_of_a == "second" else ("a", "b")
        columns = order if row.order_of_a else ("a",)
        found += [float(getattr(row, f"exposure_{c}_ms_achieved")) for c in columns]
    return np.array([ms for ms in found if np.isfinite(ms)])


def compare_with_page(seen: Flashes, page: Flashes, frame_ms: float) -> Comparison:
    """Compare with the page's own log: the clocks are tied by the straight line that fits the onsets best."""
    _same_number(seen, len(page.onset_ms))
    slope, start = np.polyfit(page.onset_ms, seen.onset_ms, 1)
    off = seen.onset_ms - (start + slope * page.onset_ms)
    return _comparison(
        seen.duration_ms - slope * page.duration_ms,
        frame_ms,
        onset_sd_ms=float(off.std(ddof=2)) if len(off) > 2 else 0.0,
        onset_largest_ms=float(np.abs(off).max()),
        drift_ppm=float(1e6 * (1 / slope - 1)),
    )


def compare_with_session(seen: Flashes, exposures_ms: NDArray[np.float64], frame_ms: float) -> Comparison:
    """Compare with the exposures that a session reported; nothing ties its onsets to the recorder's clock."""
    _same_number(seen, len(exposures_ms))
    return _comparison(seen.duration_ms - exposures_ms, frame_ms)


def _same_number(seen: Flashes, n: int) -> None:
    if len(seen.onset_ms) != n:
        raise PhotodiodeError(
            f"expected as many flashes as the page showed ({n}), the recording has {len(seen.onset_ms)}; record from "
            "before the first to after the last, and leave out trials that were void"
        )
    if n < LEAST_FLASHES:
        raise PhotodiodeError(f"expected {LEAST_FLASHES} flashes or more, got {n}")


def _comparison(
    errors_ms: NDArray[np.float64],
    frame_ms: float,
    *,
    onset_sd_ms: float | None = None,
    onset_largest_ms: float | None = None,
    drift_ppm: float | None = None,
) -> Comparison:
    return Comparison(
        n=len(errors_ms),
        onset_sd_ms=onset_sd_ms,
        onset_largest_ms=onset_largest_ms,
        drift_ppm=drift_ppm,
        exposure_mean_ms=float(errors_ms.mean()),
        exposure_sd_ms=float(errors_ms.std(ddof=1)),
        exposure_largest_ms=float(np.abs(errors_ms).max()),
        within_one_frame=float((np.abs(errors_ms) <= frame_ms).mean()),
        frame_ms=frame_ms,
    )


def sentences(found: Comparison) -> list[str]:
    """Say a comparison in lines for a terminal."""
    lines = [
        f"{found.n} exposures, photodiode minus page: mean {found.exposure_mean_ms:+.2f} ms, SD "
        f"{found.exposure_sd_ms:.2f}, largest {found.exposure_largest_ms:.2f}; {found.within_one_frame:.1%} within one "
        f"frame ({found.frame_ms:.2f} ms)"
    ]
    if found.onset_sd_ms is not None:
        lines.append(
            f"onsets around the line that ties the clocks: SD {found.onset_sd_ms:.2f} ms, largest "
            f"{found.onset_largest_ms:.2f}; the page's clock is {found.drift_ppm:+.0f} ppm fast"
        )
    return lines


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise PhotodiodeError(f"{path}: expected a CSV table with {', '.join(columns)}: {error}") from None
    for column in columns:
        if column not in frame.columns:
            raise PhotodiodeError(f"{path}: expected the column {column}, got {', '.join(map(str, frame.columns))}")
        frame[column] = pd.to_numeric(frame[column], errors="coerce")
        if frame[column].isna().any():
            line = int(frame[column].isna().to_numpy().argmax()) + 2
            raise PhotodiodeError(f"{path}: {column}: line {line} is no number")
    return frame
