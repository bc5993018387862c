"""What is fixed before the first participant: one file, ready for a registry such as OSF or AsPredicted.

It is written once, at launch, and its SHA-256 stands in exports. The seed of the plan is named by its hash only, since
a public file must not let anybody compute the order of conditions.
"""

import hashlib
import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from study.definition import StudyDefinition

FORMAT = "truehue-preregistration/1"
PRIMARY = {
    "fool_rate": (
        "Share of scored test trials on which the fake was taken for the real one, per condition; Wilson interval at "
        "the effective sample size of a two-way (participant x image) cluster-robust variance, t quantile with "
        "min(participants, images) - 1 degrees of freedom. Differences by the same variance, Holm within the family."
    ),
}
EXCLUSIONS = (
    "Not scored: practice, control, void and unanswered trials; sessions of pilots, simulations and withdrawals. "
    "Sessions that were not completed are counted and analysed as the declared rules say. Results are given with and "
    "without the rules that the definition switches on. Perceptual failures never exclude anybody."
)


def preregistration(
    definition: StudyDefinition,
    *,
    slug: str,
    version: int,
    manifest_sha256: str,
    seed: int,
    n_photos: int,
    arms: tuple[str, ...],
    software: str,
    launched_at: datetime,
) -> bytes:
    """Write the file: JSON, sorted keys, the same bytes for the same facts."""
    plan = {
        "outcome": asdict(definition.outcome),
        "primary": PRIMARY.get(definition.outcome.measure, definition.outcome.measure),
        "exclusions": EXCLUSIONS,
        "declared": asdict(definition.analysis),
    }
    data = {
        "format": FORMAT,
        "study": slug,
        "version": version,
        "title": definition.study.title,
        "protocol": asdict(definition.protocol),
        "conditions": list(arms),
        "n_photos": n_photos,
        "analysis_plan": plan,
        "analysis_plan_sha256": sha256(json.dumps(plan, sort_keys=True).encode()),
        "definition": json.loads(definition.canonical),
        "definition_sha256": definition.sha256,
        "manifest_sha256": manifest_sha256,
        "study_seed_sha256": sha256(str(seed).encode()),
        "software": software,
        "launched_at_utc": launched_at.isoformat(timespec="seconds"),
    }
    return (json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def as_markdown(data: dict[str, Any]) -> str:
    """Write the same for people: the questions that registries ask, answered."""
    plan, protocol, definition = data["analysis_plan"], data["protocol"], data["definition"]
    trial, outcome = definition["trial"], plan["outcome"]
    declared = (f"- {key}: {value}" for key, value in sorted(plan["declared"].items()) if value is not None)
    parts = (
        f"# Preregistration: {data['title']}",
        f"Study `{data['study']}`, version {data['version']}, launched {data['launched_at_utc']}.",
        "## Question",
        "How often do people take a picture of each condition for the real one? "
        f"Conditions: {', '.join(data['conditions'])}. Outcome: {outcome['measure']}, chance {outcome['chance']}.",
        "## Design",
        f"Protocol `{protocol['name']}` ({protocol['source']}); {trial['design'].replace('_', ' ')}, "
        f"“{trial['prompt']}”, {definition['test']['n_trials']} scored trials per session from "
        f"{data['n_photos']} photographs.",
        "## Analysis",
        plan["primary"],
        "Declared beforehand:",
        "\n".join(declared),
        "## Exclusions",
        plan["exclusions"],
        "## What is frozen",
        f"- definition `{data['definition_sha256']}`",
        f"- stimulus set `{data['manifest_sha256']}`",
        f"- analysis plan `{data['analysis_plan_sha256']}`",
        f"- seed of the plan, hashed `{data['study_seed_sha256']}`",
        f"- software {data['software']}",
    )
    return "\n\n".join(parts).replace("`\n\n- ", "`\n- ") + "\n"


def sha256(data: bytes) -> str:
    """Name bytes."""
    return hashlib.sha256(data).hexdigest()
