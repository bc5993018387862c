"""An export's trials as one table that every estimator knows: condition, participant, image, outcome."""

from __future__ import annotations

import pandas as pd

from analysis.designs import PAIR, PREFERENCE, SINGLE, STAIRCASE
from analysis.exclusions import Selection, is_answered
from analysis.exports import Export

REAL = "real"
VERSUS = " vs "


def long_table(trials: pd.DataFrame, kind: str) -> pd.DataFrame:
    """An export's scored trials with the columns that every estimator knows: condition, participant, image, fooled."""
    _, outcome = _outcome(trials, kind)
    table = pd.DataFrame(
        {
            "condition": _condition(trials, kind),
            "participant": trials["participant_id"],
            "image": trials["image_id"],
            "fooled": outcome,
            "rt_ms": trials["rt_ms"],
        }
    )
    if kind == SINGLE:
        table["is_fake"] = trials["condition_a"] != REAL
    if kind == PREFERENCE:
        return _same_way_round(table)
    if kind == STAIRCASE:
        order = trials[["session_id", "trial_index"]].sort_values(["session_id", "trial_index"], kind="stable").index
        block = trials["session_id"] + " " + trials["block"].astype(str)
        return table.assign(correct=table["fooled"], level_ms=trials["staircase_level_ms"], block=block).loc[order]
    return table


def _outcome(trials: pd.DataFrame, kind: str) -> tuple[str, pd.Series[float]]:
    """Name and values (0/1, NaN without an answer) of what a design's trials count."""
    if kind == PAIR:
        return "fooled", trials["fooled"].astype("Float64").astype(float)
    if kind == STAIRCASE:
        return "correct", trials["correct"].astype("Float64").astype(float)
    if kind == SINGLE:
        name, yes = "judged_real", trials["response"] == REAL
    else:
        name, yes = "first_preferred", trials["response"] == trials["side_of_a"]
    return name, yes.astype(float).where(is_answered(trials))


def _condition(trials: pd.DataFrame, kind: str) -> pd.Series[str]:
    """The condition that a trial speaks about: under test, compared ("a vs b"), or (staircase) of its session."""
    if kind == PREFERENCE:
        return trials["condition_a"] + VERSUS + trials["condition_b"]
    if kind != STAIRCASE:
        return trials["condition_a"]
    fakes = trials[trials["condition_a"] != REAL]
    names = fakes.groupby("session_id")["condition_a"].agg(lambda one: " + ".join(sorted(set(one))))
    return trials["session_id"].map(names).fillna("none")


def _same_way_round(table: pd.DataFrame) -> pd.DataFrame:
    """Turn "b vs a" into "a vs b", the way round that came first, with the answer turned over."""
    first: dict[frozenset[str], str] = {}
    for name in table["condition"].unique():
        first.setdefault(frozenset(name.split(VERSUS)), name)
    name = table["condition"].map({name: first[frozenset(name.split(VERSUS))] for name in table["condition"].unique()})
    is_turned = name != table["condition"]
    return table.assign(condition=name, fooled=table["fooled"].where(~is_turned, 1 - table["fooled"]))


def trace(export: Export, selection: Selection, kind: str) -> pd.DataFrame:
    """Every test trial presented, by its line in trials.csv, and which rule left it out."""
    trials = export.trials.loc[selection.left_out_by.index]
    name, outcome = _outcome(trials, kind)
    pair = {"condition_b": trials["condition_b"]} if kind == PREFERENCE else {}
    return pd.DataFrame(
        {
            "line": trials.index.to_numpy() + 2,  # the header is line 1, so row 0 is line 2
            **{column: trials[column] for column in ("session_id", "trial_index", "participant_id")},
            "condition": trials["condition_a"],
            **pair,
            "image_id": trials["image_id"],
            name: outcome.map({1.0: True, 0.0: False}).astype("boolean"),
            "left_out_by": selection.left_out_by,
        }
    )
