"""The data-protection sheet: what a study stores, why, for how long, and how it is deleted.

It is made from what the code really stores (the export's columns, the definition, the platforms), so that it cannot
fall behind.
"""

from collections.abc import Mapping
from typing import Any

from study.definition import StudyDefinition
from study.export import TABLES, Column
from study.recruitment.platforms import PLATFORMS

_TITLES = {
    "trials": ("Answers and their timing", "to compute how often people are fooled, and to show that timing held"),
    "sessions": ("The session and the device", "to count who took part, and to describe screens and exposure"),
    "checks": (
        "Eyes, screen and place",
        "to say on what the pictures were seen and by whom, and to leave out only whom the definition leaves out",
    ),
    "answers": ("Answers to the questionnaire", "to describe the sample; each question is in the study's definition"),
}
_HEALTH = ("colour_vision", "colour vision", "vision", "plates")


def data_protection_sheet(
    definition: StudyDefinition, platforms: Mapping[str, Mapping[str, Any]], *, slug: str, definition_sha256: str
) -> str:
    """Write the sheet as Markdown."""
    parts = [
        f"# Data protection: {definition.study.title}",
        f"Study `{slug}`, definition `{definition_sha256}`. Contact: {definition.study.contact or 'not set'}.",
        "Generated from the running code by `flask --app study privacy`; what is not listed here is not stored.",
        "## What is not stored",
        "Names, e-mail addresses and network addresses of participants. No cookies are set for participants, nothing "
        "is loaded from other sites, and no program of a third party runs on the pages.",
        "## Consent",
        f"The consent text is shown before anything is stored. Its SHA-256 (`{definition.consent_sha256}`) and the "
        "time of agreement are stored with the session.",
    ]
    for name, (title, purpose) in _TITLES.items():
        if name == "answers" and not definition.questionnaire.items:
            continue
        parts += [f"## {title}", f"Purpose: {purpose}. Kept with the study's data and published with them.", ""]
        parts.append(_table(TABLES[name]))
    parts += _health(definition)
    parts += _questions(definition)
    parts += ["## Where people come from", _platforms(platforms)]
    parts += [
        "## Rights",
        "A participant can have the data deleted on the last page, or later with the withdrawal code shown there, or "
        "through the contact above. Deleting removes trials, answers, device, pseudonym and the platform's name of "
        "the person; that a session existed, when it was deleted and why stay. Exports made before name the session, "
        "so that its rows can be struck. Data that were published cannot be called back.",
        "Researchers' actions on these data are written to an audit log.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(columns: tuple[Column, ...]) -> str:
    rows = ["| what | meaning |", "|---|---|"]
    rows += [f"| `{column.name}` | {column.description} |" for column in columns]
    return "\n".join(rows)


def _health(definition: StudyDefinition) -> list[str]:
    asked = [kind for kind in ("vision", "plates") if kind in definition.readiness.checks]
    if not asked:
        return []
    actions = ", ".join(f"{kind}: {definition.readiness.action(kind)}" for kind in asked)
    return [
        f"Before the trials this study asks about eyes or shows plates ({actions}). The answers concern health: in the "
        "European Union they fall under Article 9 of the GDPR and need explicit consent, which the consent text must "
        "ask for. They are a screen on an unknown display, never a diagnosis."
    ]


def _questions(definition: StudyDefinition) -> list[str]:
    items = definition.questionnaire.items
    if not items:
        return []
    lines = [f"- {item.question}{'' if item.required else ' (may be left empty)'}" for item in items]
    text = ["The questions:", "\n".join(lines)]
    if any(item.item_id in _HEALTH or "colour" in item.question.casefold() for item in items):
        text.append(
            "A question about colour vision concerns health: in the European Union it falls under Article 9 of the "
            "GDPR and needs explicit consent, which the consent text must ask for."
        )
    return text


def _platforms(platforms: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for name, settings in platforms.items():
        if name in ("direct", "lab", "invitation"):
            lines.append(f"- {PLATFORMS[name].title}: nothing that names a person.")
            continue
        lines.append(
            f"- {PLATFORMS[name].title}: its own name of the person, as a keyed hash (so that one person takes part "
            f"once) and, in a table apart and for payment only, as it is; the latter is deleted "
            f"{settings.get('retention_days') or 0} days after entry."
        )
    return "\n".join(lines)
