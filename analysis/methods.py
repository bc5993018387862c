"""The Methods paragraph: what was done, from the study definition and the rows, as a paper would say it."""

from __future__ import annotations

from typing import Any

from analysis.estimate import BOTH
from analysis.results import Results
from analysis.sentences import counted, percent

QUESTIONS = {"fake": "which picture had the fake colours", "real": "which picture was the real one"}


def _section(definition: dict[str, Any], name: str) -> dict[str, Any]:
    section = definition.get(name, {})
    return section if isinstance(section, dict) else {}


def methods(results: Results) -> tuple[str, ...]:
    """Return the paragraph's sentences; what a definition does not say is left out, never guessed."""
    if results.export is None:
        return foreign_methods(results)
    definition = results.about.definition
    protocol, trial, timing = (_section(definition, name) for name in ("protocol", "trial", "timing"))
    practice, test, catch = (_section(definition, name) for name in ("practice", "test", "catch"))
    flow = results.flow
    said = [
        f"{counted(flow.n_participants_analysed, 'participant')} completed the test "
        f"({counted(flow.n_sessions_entered, 'session')} begun, {flow.n_sessions_analysed:,} analysed)."
    ]
    if protocol.get("name"):
        said.append(f"The procedure was the preset {protocol['name']} ({protocol.get('source', '')}).")
    exposure_ms = timing.get("exposure_ms")
    nominal_ms = results.export.trials["exposure_ms_nominal"]
    if exposure_ms is None and not nominal_ms.isna().all():
        exposure_ms = nominal_ms.median()
    question = str(results.export.trials["question"].iloc[0])
    shown = (
        "On each trial the original photograph and the same photograph with colours from a colorizer were "
        "shown one after the other"
    )
    if exposure_ms is not None:
        shown += f", {exposure_ms:g} ms each"
    if timing.get("blank_between_ms") is not None:
        shown += f" with {timing['blank_between_ms']:g} ms between them"
    said.append(f"{shown}; participants chose {QUESTIONS[question]}, without a time limit.")
    size_px = results.about.manifest.get("settings", {}).get("size_px")
    if size_px:
        unit = {"css_px": "CSS pixels"}.get(str(trial.get("size_unit")), "pixels")
        said.append(f"Pictures were {size_px} × {size_px} {unit}, losslessly encoded.")
    said.append("The side and the order of the fake varied from trial to trial.")
    if practice.get("n_trials") is not None:
        feedback = " with feedback" if practice.get("feedback") else ""
        said.append(f"{counted(practice['n_trials'], 'practice trial')}{feedback} came first and were not scored.")
    if test.get("n_trials") is not None:
        said.append(f"{counted(test['n_trials'], 'scored test trial')} without feedback followed.")
    if catch.get("n_low_anchor") is not None:
        said.append(
            f"Among them were {counted(catch['n_low_anchor'], 'low-anchor trial')} (colours of another photograph) "
            f"and {counted(catch.get('n_instructed', 0), 'instructed trial')}, neither of them part of a "
            "colorizer's score."
        )
    excluded = [step for step in flow.steps if step.excludes and step.unit == "session" and step.n_sessions]
    if excluded:
        out = ", ".join(f"{step.n_sessions} {step.reads}" for step in excluded)
        said.append(f"Sessions left out: {out}.")
    if results.about.deviations:
        said.append(
            "It deviates from the preset in "
            + ", ".join(f"{one.key} ({one.study} instead of {one.preset})" for one in results.about.deviations)
            + "."
        )
    return (*said, *analysis_sentences(results))


def analysis_sentences(results: Results) -> list[str]:
    """How the numbers were computed, as a paper says it."""
    rates = results.fool_rates
    confidence = percent(results.plan.confidence, 0)
    said = []
    if results.about.outcome.has_chance:
        said.append("The fool rate is the share of scored test trials on which the fake was taken for the real one.")
    if results.ratings:
        said.append(
            f"Mean ratings have {confidence}% confidence intervals from a two-way (participant × image) cluster-robust "
            "variance (Cameron, Gelbach and Miller, 2011) with t quantiles; they are about new participants and new "
            "photographs."
        )
    elif all(rate.estimand == BOTH for rate in rates):
        methods_used = "; ".join(dict.fromkeys(rate.method for rate in rates))
        said.append(
            f"{confidence}% confidence intervals of shares are from a two-way (participant × image) cluster-robust "
            f"variance (Cameron, Gelbach and Miller, 2011): {methods_used}. They are about new participants and new "
            "photographs; tests against fixed rates invert them."
        )
    else:
        estimands = "; ".join(dict.fromkeys(rate.estimand for rate in rates))
        said.append(f"{confidence}% confidence intervals are about {estimands}.")
    if results.yes_no is not None:
        said.append(
            "Sensitivity d′ and criterion c were computed from the shares of fakes and of originals called fake, with "
            "the log-linear correction (Hautus, 1995) and delta-method intervals from the same two-way variance."
        )
    if results.differences:
        said.append("Differences have the same two-way variance; p-values are adjusted by Holm's method.")
    return said


def foreign_methods(results: Results) -> tuple[str, ...]:
    """What a foreign table tells of its own methods: who, how many, and what was left out."""
    flow = results.flow
    kind = {
        "pair": "pairs of a real and a fake picture",
        "single": "single pictures, each real or fake",
        "rating": "pictures",
    }[results.about.design]
    n_images = results.images["image_id"].nunique() if results.yes_no is None else results.yes_no.accuracy.n_images
    said = [
        f"{counted(flow.n_participants_analysed, 'participant')} judged {kind} "
        f"({counted(flow.n_trials_analysed, 'judgement')}, {counted(n_images, 'photograph')})."
    ]
    out = [f"{step.n_trials:,} ({step.reads})" for step in flow.steps if step.n_trials]
    if out:
        said.append(f"Of {counted(flow.n_trials_entered, 'row')}, some were left out: {', '.join(out)}.")
    return (*said, *analysis_sentences(results))
