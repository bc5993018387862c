"""The Methods paragraph: what was done, from the study definition and the rows, as a paper would say it."""

from __future__ import annotations

from typing import Any

from analysis.about import PREFERENCE
from analysis.estimate import BOTH
from analysis.history import History
from analysis.results import Results
from analysis.sentences import counted, percent

QUESTIONS = {
    "fake": "chose which picture had the fake colours",
    "real": "chose which picture was the real one",
    "real_or_fake": "said whether it was real or fake",
    "natural": "chose which one looked more natural",
}
CONTROLS = {
    "low_anchor": "low-anchor (colours of another photograph)",
    "obvious": "obviously wrong",
    "same": "identical-pair",
    "instructed": "instructed",
}


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
    said += _presentation(results, timing, _section(definition, "staircase"))
    size_px = results.about.manifest.get("settings", {}).get("size_px")
    if size_px:
        unit = {"css_px": "CSS pixels"}.get(str(trial.get("size_unit")), "pixels")
        said.append(f"Pictures were {size_px} × {size_px} {unit}, losslessly encoded.")
    if practice.get("n_trials") is not None:
        feedback = " with feedback" if practice.get("feedback") else ""
        said.append(f"{counted(practice['n_trials'], 'practice trial')}{feedback} came first and were not scored.")
        if practice.get("pass_share"):
            said.append(
                f"Who was right on fewer than {percent(practice['pass_share'], 0)}% of either kind there took no "
                "further part."
            )
    if test.get("n_trials") is not None:
        told = "with" if test.get("feedback") else "without"
        blocks = f" in {test['n_blocks']} blocks" if test.get("n_blocks", 1) > 1 else ""
        said.append(f"{counted(test['n_trials'], 'scored test trial')} {told} feedback followed{blocks}.")
    controls = [counted(catch[f"n_{key}"], f"{name} trial") for key, name in CONTROLS.items() if catch.get(f"n_{key}")]
    if controls:
        said.append(f"Among them were {' and '.join(controls)}, none of them part of a condition's score.")
    excluded = [step for step in flow.steps if step.excludes and step.unit == "session" and step.n_sessions]
    if excluded:
        out = ", ".join(f"{step.n_sessions} {step.reads}" for step in excluded)
        said.append(f"Sessions left out: {out}.")
    said += _history(results.about.history)
    if results.about.deviations:
        said.append(
            "It deviates from the preset in "
            + ", ".join(
                f"{one.key} ({one.study} instead of {one.preset}{': ' + one.reason if one.reason else ''})"
                for one in results.about.deviations
            )
            + "."
        )
    return (*said, *analysis_sentences(results))


def _presentation(results: Results, timing: dict[str, Any], staircase: dict[str, Any]) -> list[str]:
    """What a trial showed and asked, by its design."""
    assert results.export is not None
    trials = results.export.trials
    question, design = str(trials["question"].iloc[0]), str(trials["design"].iloc[0])
    exposure_ms, nominal_ms = timing.get("exposure_ms"), trials["exposure_ms_nominal"]
    if exposure_ms is None and not nominal_ms.isna().all():
        exposure_ms = nominal_ms.median()
    if question == "natural":
        shown = "On each trial the same photograph was shown in the colours of two conditions"
    elif design == "single":
        shown = "On each trial one picture was shown, a photograph in its own colours or with colours from a colorizer"
    else:
        shown = "On each trial the original photograph and the same photograph with colours from a colorizer were shown"
    if design != "single":
        shown += " one after the other" if design == "sequential_pair" else " side by side"
    each = " each" if design == "sequential_pair" else ""
    if results.thresholds:
        levels = (staircase.get(name) for name in ("start_ms", "down_ms", "up_ms", "min_ms", "max_ms"))
        start, down, up, low, high = (f"{ms:g}" if ms is not None else "?" for ms in levels)
        shown += (
            f", {start} ms at first, {down} ms shorter after a right answer and {up} ms longer after a wrong one, from "
            f"{low} to {high} ms"
        )
        if timing.get("n_masks"):
            shown += f", followed by {counted(timing['n_masks'], 'mask')} of {timing.get('mask_ms', 0):g} ms"
    elif exposure_ms:
        shown += f", {exposure_ms:g} ms{each}"
        if design == "sequential_pair" and timing.get("blank_between_ms") is not None:
            shown += f" with {timing['blank_between_ms']:g} ms between them"
    elif exposure_ms is not None or design != "sequential_pair":
        shown += ", until the answer"
    said = [f"{shown}; participants {QUESTIONS.get(question, question)}, without a time limit."]
    if question == "natural":
        said.append("Sides varied from trial to trial.")
    elif design == "single":
        said.append("Each photograph was seen once by a participant, as an original or as a fake.")
    else:
        order = " and the order" if design == "sequential_pair" else ""
        said.append(f"The side{order} of the fake varied from trial to trial.")
    return said


def _history(history: History) -> list[str]:
    """Launch, preregistration, looks and withdrawals, as a paper has to say them."""
    if not history.is_known:
        return []
    said = []
    if history.preregistration_sha256:
        said.append(
            f"Definition and analysis were written down at the launch ({history.launched_at_utc[:10]}; preregistration "
            f"SHA-256 {history.preregistration_sha256[:12]}…)."
        )
    else:
        said.append("There was no preregistration by the platform: the study was never launched.")
    if history.unblindings:
        looks = counted(len(history.unblindings), "time")
        why = "; ".join(dict.fromkeys(f"{one.at_utc[:10]}, {one.reason or one.what}" for one in history.unblindings))
        said.append(f"Answers were looked at {looks} while the study ran ({why}).")
    elif history.launched_at_utc:
        said.append("Nobody looked at the answers while the study ran.")
    if history.withdrawals:
        said.append(f"{counted(len(history.withdrawals), 'session')} withdrew consent, and the data were deleted.")
    return said


def analysis_sentences(results: Results) -> list[str]:
    """How the numbers were computed, as a paper says it."""
    rates = results.fool_rates
    confidence = percent(results.plan.confidence, 0)
    said = []
    if results.about.outcome.is_fool_rate:
        said.append("The fool rate is the share of scored test trials on which the fake was taken for the real one.")
    if results.about.outcome.key == PREFERENCE.key:
        said.append("The outcome is the share of trials on which the first of two conditions was chosen.")
    if results.thresholds:
        said.append(
            "A participant's threshold is the mean over blocks of the exposure at which the staircase stood most often "
            "(Zhou et al., 2019); intervals are from a bootstrap of participants, for these pictures."
        )
        if any(one.fit for one in results.thresholds):
            said.append(
                "The exposure of 75% right answers was also estimated by maximum likelihood from logistic psychometric "
                "functions of log exposure with a guessing rate of 50%, a common slope and normally distributed "
                f"participants (Wichmann and Hill, 2001); its {confidence}% interval is clustered by participant."
            )
        return said
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
    if results.judged and any(one.hype for one in results.judged):
        said.append("Error rates with a bootstrap of participants are those of HYPE∞ (Zhou et al., 2019).")
    if results.bradley_terry is not None:
        said.append(f"Abilities are from a Bradley–Terry model: {results.bradley_terry.method}.")
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
