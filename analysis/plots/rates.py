"""Rates and differences with their intervals, row by row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.compare import Difference
from analysis.estimate import CHANCE, FoolRate
from analysis.estimators import Estimate
from analysis.plots.style import BLUE, GREEN, GREY, INK, ORANGE, VERMILION, named_rows, new_figure, percent_axis
from analysis.preference import Ability
from analysis.published import Published
from analysis.ratings import MeanRating
from analysis.studies import Row
from analysis.thresholds import Threshold


def forest(
    rates: Sequence[FoolRate],
    anchors: Sequence[FoolRate],
    targets: Sequence[float],
    band: Published | None,
    truth: dict[str, float] | None = None,
    *,
    noun: str = "fool rate",
    chance: str = "",
) -> Figure:
    """Rates with their intervals; for pairs, also chance, the targets and a published rate ± its standard error.

    `band` is None where nothing published compares; `chance` names the line at 50 %, empty where it means nothing.
    """
    rows = [*rates, *anchors]
    figure, (axes,) = new_figure(1.5 + 0.45 * len(rows))
    top = len(rows) - 0.35
    if band is not None:
        low, high = 100 * (band.fool_rate - band.se), 100 * (band.fool_rate + band.se)
        axes.axvspan(low, high, color=ORANGE, alpha=0.22, linewidth=0)
        axes.text(
            100 * band.fool_rate,
            top + 0.28,  # a line above the other labels, which may stand close by
            f"{band.source}: {100 * band.fool_rate:.1f} ± {100 * band.se:.1f} (s.e.)",
            ha="center",
            va="bottom",
            fontsize=8,
        )
    if chance:
        axes.axvline(100 * CHANCE, color=INK, linewidth=1)
        axes.text(100 * CHANCE, top + 0.05, chance, ha="center", va="bottom", fontsize=8)
    for target in targets:
        axes.axvline(100 * target, color=GREEN, linewidth=1.2, linestyle="--")
        axes.text(100 * target, top + 0.05, f"target {100 * target:g}%", ha="center", va="bottom", fontsize=8)
    for place, rate in enumerate(reversed(rows)):
        is_anchor = rate in anchors
        colour = GREY if is_anchor else BLUE
        axes.plot([100 * rate.ci_low, 100 * rate.ci_high], [place, place], color=colour, linewidth=2.2)
        axes.plot(100 * rate.fool_rate, place, "s" if is_anchor else "o", color=colour, markersize=7)
        if truth and rate.condition in truth:
            axes.plot(100 * truth[rate.condition], place, "D", mfc="none", mec=VERMILION, markersize=9)
        axes.text(
            101,
            place,
            f"{100 * rate.fool_rate:.1f} [{100 * rate.ci_low:.1f}, {100 * rate.ci_high:.1f}]",
            va="center",
            fontsize=8.5,
        )
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([f"{rate.condition}{' (low anchor)' if rate in anchors else ''}" for rate in reversed(rows)])
    axes.set_ylim(-0.6, top)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    percent_axis(axes)
    axes.set_xlabel(noun)
    return figure


def against_published(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Found rates with our interval (blue) and the pooled Wilson one (grey, dashed) over the published ± s.e. (orange).

    A row has condition, published, published_se, fool_rate, ci_low, ci_high, naive_low, naive_high; rates in [0, 1].
    """
    figure, (axes,) = new_figure(1.3 + 0.52 * len(rows))
    for place, row in enumerate(reversed(rows)):
        middle, se = 100 * row["published"], 100 * row["published_se"]
        axes.fill_between([middle - se, middle + se], place - 0.34, place + 0.34, color=ORANGE, alpha=0.28, linewidth=0)
        axes.plot([middle, middle], [place - 0.34, place + 0.34], color=VERMILION, linewidth=1.4)
        axes.plot([100 * row["ci_low"], 100 * row["ci_high"]], [place + 0.13] * 2, color=BLUE, linewidth=2.4)
        axes.plot(100 * row["fool_rate"], place + 0.13, "o", color=BLUE, markersize=6.5)
        ends = [100 * row["naive_low"], 100 * row["naive_high"]]
        axes.plot(ends, [place - 0.17] * 2, color=GREY, linewidth=1.8, linestyle="--")
        axes.plot(100 * row["fool_rate"], place - 0.17, "s", color=GREY, markersize=4.5)
    named_rows(axes, [row["condition"] for row in reversed(rows)])
    axes.legend(
        handles=[
            Line2D([], [], color=BLUE, marker="o", linewidth=2.4, label="found, two-way 95 % interval"),
            Line2D([], [], color=GREY, marker="s", linewidth=1.8, linestyle="--", label="found, pooled Wilson"),
            Line2D([], [], color=VERMILION, linewidth=1.4, label="published (true), ± s.e."),
        ],
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=7.8, handlelength=1.8, columnspacing=1.2,
    )  # fmt: skip
    percent_axis(axes, 0, 10 * math.ceil(10 * max(max(row["ci_high"], row["naive_high"]) for row in rows)))
    axes.set_xlabel("fool rate")
    return figure


def methods(estimates: dict[str, tuple[Estimate, ...]], *, noun: str) -> Figure:
    """Every method's interval of the same rate, condition by condition; naive ones are dashed and grey."""
    rows = [(condition, one) for condition, several in estimates.items() for one in several]
    figure, (axes,) = new_figure(0.9 + 0.24 * len(rows) + 0.1 * len(estimates))
    place, ticks, labels, previous = 0.0, [], [], None
    for condition, one in rows:
        if condition != previous:
            place -= 0.6
            axes.text(0, place, condition, fontweight="bold", fontsize=9, va="center", transform=_rows(axes))
            place -= 1
        is_naive, is_primary = one.note == "naive", one.note == "primary"
        colour = GREY if is_naive else BLUE if is_primary else GREEN
        axes.plot(
            [100 * one.ci_low, 100 * one.ci_high],
            [place, place],
            color=colour,
            linewidth=2.4 if is_primary else 1.6,
            linestyle=(0, (2, 1.2)) if is_naive else "-",
        )
        axes.plot(100 * one.rate, place, "o" if is_primary else "s", color=colour, markersize=6 if is_primary else 4)
        ticks.append(place)
        labels.append(one.short)
        previous, place = condition, place - 1
    axes.set_yticks(ticks)
    axes.set_yticklabels(labels, fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(place + 0.3, -0.1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    axes.margins(x=0.06)
    axes.set_xlabel(f"{noun} (dashed: ignores clustering)")
    return figure


def _rows(axes: Axes) -> Any:
    """Coordinates: share of the axes across, data upwards."""
    return axes.get_yaxis_transform()


def ratings(rows: Sequence[MeanRating]) -> Figure:
    """Mean ratings with their intervals, on their own scale."""
    figure, (axes,) = new_figure(1.1 + 0.42 * len(rows))
    for place, one in enumerate(reversed(rows)):
        axes.plot([one.ci_low, one.ci_high], [place, place], color=BLUE, linewidth=2.2)
        axes.plot(one.mean, place, "o", color=BLUE, markersize=7)
    named_rows(axes, [one.condition for one in reversed(rows)])
    axes.set_xlabel("mean rating")
    return figure


def comparison(rows: Sequence[Row]) -> Figure:
    """Rates of several studies with their intervals, published ones as grey squares ± one standard error."""
    figure, (axes,) = new_figure(1.1 + 0.3 * len(rows))
    for place, row in enumerate(reversed(rows)):
        colour, marker = (BLUE, "o") if row.is_ours else (GREY, "s")
        axes.plot([100 * row.ci_low, 100 * row.ci_high], [place, place], color=colour, linewidth=2)
        axes.plot(100 * row.fool_rate, place, marker, color=colour, markersize=6)
    axes.axvline(100 * CHANCE, color=INK, linewidth=1)
    named_rows(axes, [f"{row.condition} · {row.study}" for row in reversed(rows)], fontsize=8.5)
    percent_axis(axes)
    axes.set_xlabel("fool rate")
    return figure


def differences(pairs: Sequence[Difference], *, is_percent: bool = True) -> Figure:
    """Differences between conditions with their intervals, in percentage points or on the rating scale."""
    scale = 100 if is_percent else 1
    figure, (axes,) = new_figure(1.1 + 0.42 * len(pairs))
    for place, pair in enumerate(reversed(pairs)):
        axes.plot([scale * pair.ci_low, scale * pair.ci_high], [place, place], color=BLUE, linewidth=2.2)
        axes.plot(scale * pair.difference, place, "o", color=BLUE, markersize=7)
    axes.axvline(0, color=INK, linewidth=1)
    named_rows(axes, [f"{pair.condition_a} − {pair.condition_b}" for pair in reversed(pairs)])
    axes.set_xlabel("difference (percentage points)" if is_percent else "difference in mean rating")
    return figure


def thresholds(rows: Sequence[Threshold], truth: dict[str, float]) -> Figure:
    """Fitted 75 % points (circles) and published modes (squares, dashed) with intervals, ms; diamonds: the truth."""
    figure, (axes,) = new_figure(1.2 + 0.6 * len(rows))
    for row, one in enumerate(reversed(rows)):
        place = row - 0.16
        if one.fit:
            axes.plot([one.fit.ci_low_ms, one.fit.ci_high_ms], [row + 0.16] * 2, color=BLUE, linewidth=2.2)
            axes.plot(one.fit.threshold_ms, row + 0.16, "o", color=BLUE, markersize=7)
        if one.hype:
            axes.plot(
                [one.hype.ci_low_ms, one.hype.ci_high_ms], [place, place], color=GREY, linewidth=1.8, linestyle="--"
            )
        axes.plot(one.threshold_ms, place, "s", color=GREY, markersize=6)
        if one.condition in truth:
            axes.plot(truth[one.condition], row, "D", mfc="none", mec=VERMILION, markersize=9)
    named_rows(axes, [one.condition for one in reversed(rows)])
    axes.set_xlim(left=0)
    axes.set_xlabel("exposure threshold (ms)")
    return figure


def abilities(rows: Sequence[Ability]) -> Figure:
    """Abilities on the logit with their intervals; the reference is 0."""
    figure, (axes,) = new_figure(1.1 + 0.42 * len(rows))
    axes.axvline(0, color=INK, linewidth=1)
    for place, one in enumerate(reversed(rows)):
        axes.plot([one.ci_low, one.ci_high], [place, place], color=BLUE, linewidth=2.2)
        axes.plot(one.ability, place, "s" if one.se == 0 else "o", color=GREY if one.se == 0 else BLUE, markersize=7)
    named_rows(axes, [one.system for one in reversed(rows)])
    axes.set_xlabel(f"ability (logit; {rows[0].system} = 0)")
    return figure
