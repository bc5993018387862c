"""What must hold between the tables of an export; docs/formats.md says each."""

from __future__ import annotations

import hashlib
import json

import pandas as pd

from analysis.archive import AGAIN, ExportError
from analysis.exports import Export
from analysis.parsing import refuse


def check(export: Export) -> None:
    """Raise ExportError at the first thing that cannot be right."""
    _check_counts(export)
    _check_hashes(export)
    _check_identities(export)
    _check_stimuli(export)
    _check_derived(export.trials)


def _check_counts(export: Export) -> None:
    """Rows as study.json counts them: a table cut short would otherwise pass unseen."""
    for name, table, key in (
        ("trials.csv", export.trials, "n_trials"),
        ("sessions.csv", export.sessions, "n_sessions"),
    ):
        if len(table) != export.study[key]:
            raise ExportError(
                f"{name}: expected {export.study[key]} rows as study.json says, got {len(table)}; {AGAIN}"
            )


def _check_hashes(export: Export) -> None:
    """The stimulus set and the definition are those that study.json names."""
    canonical = json.dumps(export.study["definition"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for name, key, found in (
        ("manifest.json", "manifest_sha256", export.sha256["manifest.json"]),
        ("study.json: definition", "definition_sha256", hashlib.sha256(canonical.encode()).hexdigest()),
    ):
        if found != export.study[key]:
            raise ExportError(
                f"{name}: expected SHA-256 {export.study[key][:12]}… ({key} of study.json), got {found[:12]}…; "
                f"it was changed after the export: {AGAIN}"
            )


def _check_identities(export: Export) -> None:
    """Every trial once, in a known session, and each place of a plan answered once."""
    trials, sessions = export.trials, export.sessions
    bad = sessions.duplicated("session_id")
    if bad.any():
        refuse("sessions.csv", "session_id", bad, sessions["session_id"], "each session once")
    bad = ~trials["session_id"].isin(sessions["session_id"])
    if bad.any():
        refuse("trials.csv", "session_id", bad, trials["session_id"], "a session of sessions.csv")
    bad = trials.duplicated(["session_id", "trial_index"])
    if bad.any():
        pairs = trials["session_id"] + " " + trials["trial_index"].astype(str)
        refuse("trials.csv", "trial_index", bad, pairs, "each (session_id, trial_index) once")
    answered = trials[(trials["response"] != "") & (trials["void_reason"] == "")]
    again = answered.duplicated(["session_id", "plan_index"])
    if again.any():
        bad = again.reindex(trials.index, fill_value=False)
        pairs = trials["session_id"] + " " + trials["plan_index"].astype(str)
        refuse("trials.csv", "plan_index", bad, pairs, "each place of a session's plan answered once")


def _check_stimuli(export: Export) -> None:
    """Conditions and stimuli are those of the manifest."""
    conditions, stimuli = export.manifest["conditions"], export.manifest["stimuli"]
    for entries, key, wanted in (
        (stimuli, "stimuli", ("stimulus_id", "image_id", "condition", "file")),
        (export.manifest["images"], "images", ("image_id",)),
    ):
        for entry in entries:
            for field in wanted:
                if not isinstance(entry, dict) or not isinstance(entry.get(field), str):
                    raise ExportError(f"manifest.json: {key}: expected the field {field} in every entry; {AGAIN}")
    files = export.files.names()
    for stimulus in stimuli:
        if stimulus["file"] not in files:
            raise ExportError(
                f"manifest.json: stimulus {stimulus['stimulus_id']}: expected the file {stimulus['file']}, "
                f"found none; {AGAIN}"
            )
    condition_of = {stimulus["stimulus_id"]: stimulus["condition"] for stimulus in stimuli}
    image_of = {stimulus["stimulus_id"]: stimulus["image_id"] for stimulus in stimuli}
    trials = export.trials
    for which in ("a", "b"):
        # A single picture has no b, and nothing else may lack it.
        rows = trials[trials["design"] != "single"] if which == "b" else trials
        condition, stimulus = rows[f"condition_{which}"], rows[f"stimulus_{which}"]
        bad = ~condition.isin(list(conditions))
        if bad.any():
            known = ", ".join(conditions)
            refuse("trials.csv", f"condition_{which}", bad, condition, f"a condition of manifest.json ({known})")
        bad = ~stimulus.isin(list(condition_of))
        if bad.any():
            refuse("trials.csv", f"stimulus_{which}", bad, stimulus, "a stimulus of manifest.json")
        # Looked up once per stimulus, not once per trial.
        codes, names = pd.factorize(stimulus)
        of_condition, of_image = (
            pd.Series([of[name] for name in names], dtype="str").take(codes).set_axis(rows.index)
            for of in (condition_of, image_of)
        )
        bad = (of_condition != condition) | (of_image != rows["image_id"])
        if bad.any():
            refuse("trials.csv", f"stimulus_{which}", bad, stimulus, "the row's image_id and condition")


def _check_derived(trials: pd.DataFrame) -> None:
    """`chosen_stimulus`, `said_real` and `fooled` follow from the raw response; docs/formats.md says how."""
    is_single = trials["design"] == "single"
    _check_singles(trials[is_single])
    _check_pairs(trials[~is_single])


def _check_singles(trials: pd.DataFrame) -> None:
    """One picture: the judgement says all."""
    answered = (trials["response"] != "") & (trials["void_reason"] == "")
    bad = answered & ~trials["response"].isin(["real", "fake"])
    if bad.any():
        refuse("trials.csv", "response", bad, trials["response"], "real or fake for a single picture")
    judged = answered & (trials["control"] != "instructed")
    said_real = trials["stimulus_a"].where(trials["response"] == "real", "")
    bad = judged & (trials["said_real"] != said_real)
    if bad.any():
        refuse("trials.csv", "said_real", bad, trials["said_real"], "what the response implies")
    scorable = judged & (trials["condition_a"] != "real")
    fooled = trials["fooled"]
    is_fooled = trials["response"] == "real"
    bad = (scorable & (fooled.isna() | (fooled.fillna(value=False).astype(bool) != is_fooled))) | (
        ~scorable & fooled.notna()
    )
    if bad.any():
        refuse("trials.csv", "fooled", bad, fooled.astype(object), "what the response implies, and empty for originals")


def _check_pairs(trials: pd.DataFrame) -> None:
    """Two pictures: the chosen side and the question say all."""
    for name in ("side_of_a", "stimulus_b"):
        bad = trials[name] == ""
        if bad.any():
            refuse("trials.csv", name, bad, trials[name], "a value for a pair")
    answered = (trials["response"] != "") & (trials["void_reason"] == "")
    a, b = trials["stimulus_a"], trials["stimulus_b"]
    chosen = a.where(trials["response"] == trials["side_of_a"], b)
    other = b.where(trials["response"] == trials["side_of_a"], a)
    said_real = chosen.where(trials["question"] == "real", other)
    bad = answered & (trials["chosen_stimulus"] != chosen)
    if bad.any():
        refuse("trials.csv", "chosen_stimulus", bad, trials["chosen_stimulus"], "the stimulus on the chosen side")
    instructed = trials["control"] == "instructed"
    judged = answered & ~instructed & (trials["control"] != "same") & (trials["question"] != "natural")
    bad = judged & (trials["said_real"] != said_real)
    if bad.any():
        refuse("trials.csv", "said_real", bad, trials["said_real"], "what response and question imply")
    scorable = judged & (trials["condition_b"] == "real") & (trials["condition_a"] != "real")
    fooled = trials["fooled"]
    bad = scorable & (fooled.isna() | (fooled.fillna(value=False).astype(bool) != (said_real == a)))
    if bad.any():
        refuse("trials.csv", "fooled", bad, fooled.astype(object), "what response, side and question imply")
    bad = ~judged & fooled.notna()
    if bad.any():
        refuse(
            "trials.csv",
            "fooled",
            bad,
            fooled.astype(object),
            "empty for void, unanswered, instructed, same and natural trials",
        )
