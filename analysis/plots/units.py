"""Single photographs and single participants."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.colour import Association
from analysis.estimate import CHANCE, FoolRate
from analysis.plots.style import BLUE, CYCLE, GREY, INK, VERMILION, new_figure, percent_axis

# Beyond so many people, dots become bars.
MANY_PEOPLE = 400

# More photographs than this cannot be told apart in a figure's width; a cloud of more becomes a grid of counts.
MANY_IMAGES = 400


def colour(
    images: pd.DataFrame, facts: Sequence[Association], labels: dict[str, str], noun: str = "fool rate"
) -> Figure:
    """Rates of photographs against facts of their colours, one panel a fact."""
    figure, panels = new_figure(2.9, len(facts), sharey=True)
    for axes, one in zip(panels, facts, strict=True):
        rows = images[images[one.fact].notna()]
        if len(rows) > MANY_IMAGES:
            axes.hexbin(rows[one.fact], 100 * rows["fool_rate"], gridsize=25, cmap="Blues", mincnt=1)
        else:
            size = 8 + 40 * rows["n_trials"] / rows["n_trials"].max()
            axes.scatter(rows[one.fact], 100 * rows["fool_rate"], s=size, color=BLUE, alpha=0.55, linewidth=0)
        axes.set_xlabel(labels[one.fact], fontsize=8.5)
        axes.set_ylim(-3, 103)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
        axes.set_title(f"ρ = {one.rho:.2f} [{one.ci_low:.2f}, {one.ci_high:.2f}]".replace("-", "−"), fontsize=9)
    panels[0].set_ylabel(noun)
    return figure


def caterpillar(images: pd.DataFrame, rate: FoolRate, *, has_chance: bool = True, noun: str = "fool rate") -> Figure:
    """Every photograph's rate, its Wilson interval and its shrunken rate, from most to least fooling."""
    n = len(images)
    figure, (axes,) = new_figure(3.4)
    axes.axhspan(100 * rate.ci_low, 100 * rate.ci_high, color=BLUE, alpha=0.12, linewidth=0)
    axes.axhline(100 * rate.fool_rate, color=BLUE, linewidth=1)
    if has_chance:
        axes.axhline(100 * CHANCE, color=INK, linewidth=1)
        axes.text(n - 0.3, 100 * CHANCE, "chance", va="bottom", ha="right", fontsize=8)
    step = -(-n // MANY_IMAGES)
    shown = images.iloc[::step]
    places = range(0, n, step)
    axes.vlines(places, 100 * shown["ci_low"], 100 * shown["ci_high"], color=GREY, linewidth=1)
    size = 4.5 if n <= 80 else 2
    axes.plot(places, 100 * shown["fool_rate"], "o", color=BLUE, markersize=size, label="k of n")
    axes.plot(places, 100 * shown["shrunken_rate"], "_", color=VERMILION, markersize=size + 3, label="shrunken")
    axes.text(n - 0.3, 100 * rate.fool_rate, f"mean {100 * rate.fool_rate:.1f}%", va="bottom", ha="right", fontsize=8)
    axes.set_ylim(-2, 102)
    axes.set_xlim(-0.8, n - 0.2)
    axes.set_xticks([])
    every = f", one in {step} drawn" if step > 1 else ""
    axes.set_xlabel(f"{n} photographs{every}, from the highest rate to the lowest")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    axes.set_ylabel(noun)
    axes.legend(loc="upper right", ncols=2, fontsize=8)
    return figure


def participants(table: pd.DataFrame, *, has_chance: bool = True) -> Figure:
    """Every participant's rate, stacked; and against it how often that person chose the left picture, if known.

    Beyond MANY_PEOPLE the dots become bars and the cloud of sides a grid of counts.
    """
    has_sides = "left_share" in table.columns
    figure, panels = new_figure(3.1, 2, width_ratios=(1.25, 1)) if has_sides else new_figure(3.1)
    stacked = panels[0]
    conditions = list(dict.fromkeys(table["condition"]))[::-1]
    is_many = len(table) > MANY_PEOPLE
    for place, condition in enumerate(conditions):
        rows = table[table["condition"] == condition]
        (_bars if is_many else _dots)(stacked, rows, place, CYCLE[place % len(CYCLE)])
    if has_chance:
        stacked.axvline(100 * CHANCE, color=INK, linewidth=1)
    stacked.set_yticks([place + 0.4 for place in range(len(conditions))])
    stacked.set_yticklabels(conditions)
    stacked.tick_params(axis="y", length=0)
    stacked.set_ylim(0, len(conditions))
    percent_axis(stacked, -3, 103)
    stacked.set_xlabel("rate (rounded to 5%)")
    stacked.set_title("Participants")
    if has_sides:
        _sides(panels[1], table, conditions, is_many=is_many)
    return figure


def _dots(axes: Axes, rows: pd.DataFrame, place: int, colour: str) -> None:
    column = rows["fool_rate"].mul(20).round()
    tallest = max(column.value_counts().max(), 1)
    height = place + 0.8 * (column.groupby(column).cumcount() + 0.5) / max(tallest, 6)
    failed = rows["n_instructed_failed"] > 0 if "n_instructed_failed" in rows.columns else column < 0
    for which, fill in ((failed, "none"), (~failed, colour)):
        axes.plot(5 * column[which], height[which], "o", mec=colour, mfc=fill, markersize=5)


def _bars(axes: Axes, rows: pd.DataFrame, place: int, colour: str) -> None:
    counts = rows["fool_rate"].mul(20).round().value_counts()
    axes.bar(5 * counts.index, 0.8 * counts / counts.max(), width=4, bottom=place, color=colour)


def _sides(axes: Axes, table: pd.DataFrame, conditions: Sequence[str], *, is_many: bool) -> None:
    if is_many:
        axes.hexbin(100 * table["left_share"], 100 * table["fool_rate"], gridsize=25, cmap="Blues", mincnt=1)
    else:
        for place, condition in enumerate(conditions):
            rows = table[table["condition"] == condition]
            axes.plot(
                100 * rows["left_share"],
                100 * rows["fool_rate"],
                "osD^vP"[place % 6],
                color=CYCLE[place % len(CYCLE)],
                markersize=4.5,
                alpha=0.8,
                linestyle="none",
            )
    axes.axvline(100 * CHANCE, color=INK, linewidth=1)
    axes.set_xlim(0, 100)
    axes.set_ylim(-3, 103)
    axes.set_xlabel("left picture chosen")
    axes.set_ylabel("rate")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    axes.set_title("Side")
