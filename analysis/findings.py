"""Bad data: each kind found, named, counted, and what was done about it; nothing is dropped in silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.history import read_history

if TYPE_CHECKING:
    from analysis.exclusions import Selection
    from analysis.exports import Export

N_EXAMPLES = 3

# With at least this share of people in one condition only, the others look like a mistake.
BETWEEN_SHARE = 0.8


@dataclass(frozen=True)
class Finding:
    """One kind of trouble: `n` things of `unit`, what it means, what was done, and the first places."""

    name: str
    n: int
    unit: str
    reads: str
    done: str
    examples: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One line for a terminal or a page."""
        unit = self.unit if self.n == 1 else f"{self.unit}s"
        where = f" (first: {', '.join(self.examples)})" if self.examples else ""
        return f"{self.n:,} {unit}: {self.reads}; {self.done}{where}."


def lines(mask: pd.Series[bool], line: pd.Series[int]) -> tuple[str, ...]:
    """Name the first places of a mask by their line in the file."""
    return tuple(f"line {number}" for number in line[mask].head(N_EXAMPLES))


def in_several_arms(participant: pd.Series[Any], arm: pd.Series[Any]) -> list[str]:
    """Name the participants that occur in more than one arm."""
    pairs = pd.DataFrame({"participant": participant.to_numpy(), "arm": arm.to_numpy()}).drop_duplicates()
    again = pairs["participant"].duplicated(keep=False)
    return sorted({str(name) for name in pairs.loc[again, "participant"]})


def found_in_export(export: Export, selection: Selection) -> tuple[Finding, ...]:
    """What an export may hold but a reader must know; what cannot be right at all was refused on reading."""
    trials, sessions = export.trials, selection.sessions
    line = pd.Series(np.arange(2, len(trials) + 2), index=trials.index)
    found = [
        Finding(
            "two_arms",
            len(names := in_several_arms(sessions["participant_id"], sessions["arm"])),
            "participant",
            "in two arms of a between-participants design",
            "kept; differences take the participant as one cluster",
            tuple(names[:N_EXAMPLES]),
        )
        if _is_between(export)
        else None,
        _repeaters(sessions),
        *(
            Finding(
                "mixed_versions",
                sessions[name].nunique(),
                f"version of the {what}",
                "among the analysed sessions",
                "kept and pooled",
                tuple(digest[:12] for digest in sessions[name].unique()[:N_EXAMPLES]),
            )
            for name, what in (("definition_sha256", "study definition"), ("manifest_sha256", "stimulus set"))
            if len(sessions[name].unique()) > 1
        ),
        _mixed_simulation(sessions),
        Finding(
            "photograph_again",
            int((again := selection.test.duplicated(["participant_id", "image_id"])).sum()),
            "test trial",
            "show a photograph that the participant had seen before",
            "kept; they share a cell of the variance",
            lines(again, line.loc[selection.test.index]),
        ),
        _finding_of(
            "answered_before_shown",
            trials["answered_at_utc"] < trials["shown_at_utc"],
            line,
            "answered before they were shown, by the server's clock",
        ),
        _finding_of("out_of_order", _goes_back(trials), line, "shown before the trial that precedes them"),
        _ended_early(export.sessions),
        _withdrawn(export),
    ]
    return tuple(finding for finding in found if finding is not None and finding.n)


def _withdrawn(export: Export) -> Finding:
    """Trials of sessions that study.json lists as withdrawn: their data should have been deleted."""
    gone = [one.session_id for one in read_history(export.study).withdrawals]
    there = export.trials["session_id"].isin(gone)
    return Finding(
        "withdrawn_but_there",
        int(export.trials.loc[there, "session_id"].nunique()),
        "session",
        "whose data should have been deleted still with trials",
        "left out if its status is withdrawn; export again, and delete this copy",
        tuple(export.trials.loc[there, "session_id"].unique()[:N_EXAMPLES]),
    )


def _is_between(export: Export) -> bool:
    conditions = export.definition.get("conditions", {})
    return isinstance(conditions, dict) and conditions.get("assignment") == "between"


def _finding_of(name: str, mask: pd.Series[bool], line: pd.Series[int], reads: str) -> Finding:
    return Finding(name, int(mask.sum()), "trial", reads, "kept; reaction times are the browser's", lines(mask, line))


def _repeaters(sessions: pd.DataFrame) -> Finding | None:
    again = sessions["participant_id"].duplicated(keep=False)
    people = sessions.loc[again, "participant_id"].unique()
    return Finding(
        "repeated_participant",
        len(people),
        "participant",
        "with more than one analysed session",
        "kept; their trials share a cluster",
        tuple(map(str, people[:N_EXAMPLES])),
    )


def _mixed_simulation(sessions: pd.DataFrame) -> Finding | None:
    is_simulated = sessions["is_simulated"].astype(bool)
    if is_simulated.all() or not is_simulated.any():
        return None
    names = tuple(sessions.loc[is_simulated, "session_id"].head(N_EXAMPLES))
    return Finding(
        "simulated_among_real",
        int(is_simulated.sum()),
        "session",
        f"of {len(sessions)} analysed ones made by a program",
        "kept; everything is marked SIMULATED",
        names,
    )


def _goes_back(trials: pd.DataFrame) -> pd.Series[bool]:
    """Mark trials whose time is before that of the trial with the next lower index in the session."""
    session = pd.factorize(trials["session_id"])[0]
    order = np.lexsort((trials["trial_index"].to_numpy(), session))
    shown = trials["shown_at_utc"].to_numpy(dtype="datetime64[us]")[order]
    back = np.zeros(len(trials), dtype=bool)
    # No time (NaT) is neither before nor after anything.
    back[order[1:]] = (session[order][1:] == session[order][:-1]) & (shown[1:] < shown[:-1])
    return pd.Series(back, index=trials.index, dtype=bool)


def _ended_early(sessions: pd.DataFrame) -> Finding:
    bad = sessions["completed_at_utc"] < sessions["started_at_utc"]
    return Finding(
        "ended_before_start",
        int(bad.sum()),
        "session",
        "completed before it started",
        "kept; no duration is computed from it",
        tuple(sessions.loc[bad, "session_id"].head(N_EXAMPLES)),
    )


def found_in_rows(rows: pd.DataFrame, given: dict[str, pd.Series[Any]], design: str) -> list[Finding]:
    """What is odd about the analysed rows of a foreign table, which stay in.

    `rows` has line, participant, item, condition and perhaps rt_ms; `given` may hold arm, version and time (a number).
    """
    people, line = rows["participant"], rows["line"]

    def of_rows(name: str, mask: pd.Series[bool], reads: str, done: str) -> Finding:
        return Finding(name, int(mask.sum()), "row", reads, done, lines(mask, line))

    found = []
    if design != "rating":
        found.append(
            of_rows(
                "photograph_again",
                rows.duplicated(["participant", "item"]),
                "showing an item that the participant had judged before",
                "kept; they share a cell of the variance",
            )
        )
    several = in_several_arms(people, given.get("arm", rows["condition"]))
    if "arm" in given or (design == "pair" and len(several) <= (1 - BETWEEN_SHARE) * people.nunique()):
        found.append(
            Finding(
                "two_arms",
                len(several),
                "participant",
                "in two arms, where the others are in one",
                "kept; differences take the participant as one cluster",
                tuple(several[:N_EXAMPLES]),
            )
        )
    versions = [str(name) for name in given["version"].unique()] if "version" in given else []
    if len(versions) > 1:
        reads, done = "among the analysed rows", "kept and pooled"
        found.append(Finding("mixed_versions", len(versions), "version", reads, done, tuple(versions[:N_EXAMPLES])))
    if "time" in given:
        back = given["time"] < given["time"].groupby(people, observed=True).shift()
        reads = "earlier than the participant's row before it"
        found.append(of_rows("out_of_order", back, reads, "kept; no duration is computed from it"))
    if "rt_ms" in rows.columns:
        reads = "with a reaction time of zero or less"
        found.append(of_rows("impossible_rt", rows["rt_ms"] <= 0, reads, "kept; the time is not drawn"))
    counts = people.value_counts()
    short = counts[counts < counts.median() / 2]
    reads = "with less than half the usual number of rows"
    found.append(
        Finding("unfinished", len(short), "participant", reads, "kept", tuple(map(str, short.index[:N_EXAMPLES])))
    )
    return [finding for finding in found if finding.n]
