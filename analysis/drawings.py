"""Which figures a report has, and what each says to those who see it and to those who cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from analysis.about import JUDGED_REAL, PREFERENCE, THRESHOLD
from analysis.colour import FACTS
from analysis.preference import abilities
from analysis.published import FULL_2016
from analysis.results import Results
from analysis.sentences import ends, level, number, percent
from analysis.studies import Row

# What the two kinds of answer are called beside reaction times.
ANSWERS = {
    PREFERENCE.key: ("first of the pair preferred", "second"),
    THRESHOLD.key: ("right", "wrong"),
    JUDGED_REAL.key: ("fake judged real", "fake found"),
}


@dataclass(frozen=True)
class Drawing:
    """A figure inside the page: its SVG, what it shows for eyes, and for those who cannot see it."""

    name: str
    svg: Markup
    caption: str
    alt: str


def draw(results: Results, directory: Path) -> dict[str, Drawing]:
    """Draw every figure, save it as PNG and SVG, and return them by name."""
    # Imported here: matplotlib takes longer than everything else, and errors should not wait for it.
    import matplotlib as mpl

    from analysis import plots

    drawings: dict[str, Drawing] = {}
    is_simulated = results.about.is_simulated
    mark = "SIMULATED DATA. " if is_simulated else ""

    def add(name: str, figure: Any, caption: str, alt: str) -> None:
        if is_simulated:
            plots.watermark(figure)
        svg = plots.save(figure, directory, name)
        drawings[name] = Drawing(
            name,
            Markup(svg),  # noqa: S704 - matplotlib drew it, and it escapes text
            mark + caption,
            mark + alt,
        )

    with mpl.rc_context(plots.STYLE):
        if results.fool_rates:
            _rates(results, add, plots)
            _units(results, add, plots)
        if results.thresholds:
            _thresholds(results, add, plots)
        if results.bradley_terry is not None:
            rows = abilities(results.bradley_terry, results.plan.confidence)
            add(
                "abilities",
                plots.abilities(rows),
                f"Bradley–Terry abilities with {level(results.plan.confidence)}; square: the reference.",
                " ".join(f"{one.system}: {number(one.ability)}." for one in rows),
            )
        if results.ratings:
            add(
                "ratings",
                plots.ratings(results.ratings),
                f"Mean ratings with {level(results.plan.confidence)}.",
                " ".join(f"{one.condition}: {number(one.mean)}, "
                         f"[{number(one.ci_low)}, {number(one.ci_high)}]." for one in results.ratings),
            )  # fmt: skip
        _times(results, add, plots)
        if results.differences:
            show = number if results.ratings else percent
            add(
                "differences",
                plots.differences(results.differences, is_percent=not results.ratings),
                f"Differences between conditions with {level(results.plan.confidence)}.",
                " ".join(
                    f"{pair.condition_a} minus {pair.condition_b}: {show(pair.difference)}, "
                    f"[{show(pair.ci_low)}, {show(pair.ci_high)}]."
                    for pair in results.differences
                ),
            )
    return drawings


def draw_comparison(rows: Sequence[Row], directory: Path, *, is_simulated: bool) -> Drawing:
    """Draw the rates of several studies and the published ones, and save the figure."""
    import matplotlib as mpl

    from analysis import plots

    with mpl.rc_context(plots.STYLE):
        figure = plots.comparison(rows)
        if is_simulated:
            plots.watermark(figure)
        svg = plots.save(figure, directory, "compare")
    mark = "SIMULATED DATA. " if is_simulated else ""
    return Drawing(
        "compare",
        Markup(svg),  # noqa: S704 - matplotlib drew it, and it escapes text
        f"{mark}Circles: studies, with their intervals. Squares: published rates ± one standard error. Line: chance.",
        mark + " ".join(f"{row.study}, {row.condition}: {percent(row.fool_rate)}%." for row in rows),
    )


def _rates(results: Results, add: Any, plots: Any) -> None:
    rates = (*results.fool_rates, *results.anchors)
    outcome, truth = results.about.outcome, results.about.truth
    is_pair = outcome.is_fool_rate
    caption = f"{outcome.noun.capitalize()} with {level(results.plan.confidence)}."
    if outcome.has_chance and not is_pair:
        caption += " Line: neither is preferred."
    if is_pair:
        caption += (
            " Line: chance. Dashed: the target. Band: the published rate of Zhang et al. 2016 ± its standard error, "
            "from other people and other photographs."
        )
    add(
        "forest",
        plots.forest(
            results.fool_rates,
            results.anchors,
            results.plan.targets if is_pair else (),
            FULL_2016 if is_pair else None,
            truth,
            noun=outcome.noun,
            chance="" if not outcome.has_chance else "chance" if is_pair else "no preference",
        ),
        caption + (" Diamonds: the truth that the simulation was given." if truth else ""),
        "Forest plot. "
        + " ".join(f"{one.condition}: {percent(one.fool_rate)}%, {ends(one.ci_low, one.ci_high)}." for one in rates),
    )
    add(
        "secondary",
        plots.methods(results.secondary, noun="share"),
        "The same rates by other methods. Those that ignore clustering are too short for new people and photographs.",
        " ".join(
            f"{condition}: " + ", ".join(f"{one.method} {ends(one.ci_low, one.ci_high)}" for one in estimates) + "."
            for condition, estimates in results.secondary.items()
        ),
    )


def _units(results: Results, add: Any, plots: Any) -> None:
    noun = results.about.outcome.noun
    for rate in results.fool_rates:
        images = results.images[results.images["condition"] == rate.condition]
        add(
            f"images-{rate.condition}",
            plots.caterpillar(images, rate, has_chance=results.about.outcome.has_chance, noun=noun),
            f"{rate.condition}: every photograph's rate with its 95% Wilson interval (ignores clustering) and its "
            "rate shrunken towards the mean. Band: the interval of the mean.",
            f"Rates of {len(images)} photographs from {percent(images['fool_rate'].max())}% to "
            f"{percent(images['fool_rate'].min())}%.",
        )
        facts = [one for one in results.colour if one.condition == rate.condition]
        if facts:
            add(
                f"colour-{rate.condition}",
                plots.colour(images, facts, FACTS, noun),
                f"{rate.condition}: every photograph's rate against the colours of its pair; larger dots have more "
                "trials (darker cells: more photographs).",
                " ".join(
                    f"Spearman's rho with the {one.reads}: {number(one.rho)}, "
                    f"[{number(one.ci_low)}, {number(one.ci_high)}], {one.n_images} photographs."
                    for one in facts
                ),
            )
    people = results.participants
    has_sides = "left_share" in people.columns
    caption = "Left: every participant's rate" if has_sides else "Every participant's rate"
    if has_sides:
        caption += "; hollow: failed an instructed trial. Right: the same against how often that person chose the left "
        caption += "picture"
    add(
        "participants",
        plots.participants(people, has_chance=results.about.outcome.has_chance),
        f"{caption}.",
        f"Rates of {people['participant_id'].nunique()} participants from "
        f"{percent(people['fool_rate'].min())}% to {percent(people['fool_rate'].max())}%.",
    )


def _thresholds(results: Results, add: Any, plots: Any) -> None:
    truth, target = results.about.truth, results.plan.staircase_target
    add(
        "thresholds",
        plots.thresholds(results.thresholds, truth),
        "Exposure thresholds. Circles: the 75% points of the fitted curves, with "
        f"{level(results.plan.confidence)}. Squares, dashed: the modes that HYPE-time prints, with bootstrap intervals."
        + (" Diamonds: the truth that the simulation was given." if truth else ""),
        " ".join(
            f"{one.condition}: mode {number(one.threshold_ms, 0)} ms"
            + (f", 75% point {number(one.fit.threshold_ms, 0)} ms." if one.fit else ".")
            for one in results.thresholds
        ),
    )
    aim = "" if target is None else f"aims at {percent(target, 0)}% right answers"
    add(
        "courses",
        plots.courses(results.courses, aim),
        "Where the staircases stood: median (line) and quartiles (band) over participants and blocks.",
        "Level of the staircase by trial of the block; "
        + " ".join(
            f"{one.condition}: median {number(one.median_level_ms, 0)} ms in the later halves."
            for one in results.thresholds
        ),
    )


def _times(results: Results, add: Any, plots: Any) -> None:
    if "rt_ms" in results.test.columns and not results.ratings:
        test = results.test[results.test["rt_ms"] > 0]
        if len(test):
            is_fooled = test["fooled"].astype(bool)
            add(
                "reaction-times",
                plots.reaction_times(
                    test.loc[is_fooled, "rt_ms"],
                    test.loc[~is_fooled, "rt_ms"],
                    ANSWERS.get(results.about.outcome.key, ("fooled", "not fooled")),
                ),
                "Reaction times of scored test trials.",
                f"Histogram; median {number(test['rt_ms'].median(), 0)} ms.",
            )
    if results.detail and results.detail.exposure.n_measured:
        exposure = results.detail.exposure
        add(
            "exposure",
            plots.exposures(exposure.errors_ms),
            "Achieved minus nominal exposure of every picture of the scored test trials.",
            f"Histogram; mean {number(exposure.mean_error_ms, 1)} ms, standard deviation "
            f"{number(exposure.sd_ms, 1)} ms.",
        )
