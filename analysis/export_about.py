"""What an export is about: its title, outcome, deviations, simulated truth, and where everything came from."""

from __future__ import annotations

from typing import Any

from analysis.about import PREFERENCE, THRESHOLD, About, Deviation, Outcome
from analysis.exports import Export
from analysis.history import read_history


def about_export(export: Export, outcome: Outcome, design: str) -> About:
    """Describe an export for its report."""
    study, manifest = export.study, export.manifest
    history = read_history(study)
    listed = study.get("deviations")
    return About(
        title=study["title"],
        study=study["study"],
        source=export.source,
        outcome=outcome,
        design=design,
        rows="rows of trials.csv with kind = test, a response and no void_reason, of sessions with status = complete",
        is_simulated=export.is_simulated,
        exported=str(study.get("exported_at_utc", "")),
        definition=export.definition,
        manifest=manifest,
        truth=_truth(study.get("simulation"), outcome),
        deviations=None
        if listed is None
        else tuple(
            Deviation(str(one["key"]), _shown(one["preset"]), _shown(one["study"]), str(one.get("reason") or ""))
            for one in listed
        ),
        provenance={
            "export": export.source,
            **{f"SHA-256 of {name}": digest for name, digest in export.sha256.items()},
            "definition SHA-256": study["definition_sha256"],
            "stimulus set": f"{manifest.get('name', '')}, SHA-256 {study['manifest_sha256']}",
            "study seed": str(study.get("study_seed", "")),
            "study ran on": f"truehue {study.get('truehue_version', '')}, commit {study.get('commit') or 'unknown'}",
            "stimuli made at commit": str(manifest.get("commit") or "unknown"),
            "exported": str(study.get("exported_at_utc", "")),
            **history.provenance(),
        },
        history=history,
    )


def _shown(value: Any) -> str:
    """Write a value of a definition for a reader."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(one.get("item_id", one) if isinstance(one, dict) else one) for one in value) + "]"
    return str(value)


def _truth(simulation: Any, outcome: Outcome) -> dict[str, float]:
    """What the simulation was given, under the names that the results have."""
    field = {PREFERENCE.key: "preference", THRESHOLD.key: "threshold_ms"}.get(outcome.key, "fool_rate")
    stated = simulation.get(field) if isinstance(simulation, dict) else None
    return {name: float(value) for name, value in (stated or {}).items()}
