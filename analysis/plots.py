"""The figures of a report.  This module draws and computes nothing: every number arrives computed.

Colours are Okabe and Ito's, which people with any colour vision can tell apart; shape or a label always says the
same thing as the colour.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.colour import Association
from analysis.compare import Difference
from analysis.estimate import CHANCE, FoolRate
from analysis.published import Published
from analysis.ratings import MeanRating
from analysis.secondary import Estimate

if TYPE_CHECKING:
    from analysis.studies import Row

BLUE, VERMILION, GREEN, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#8a8f98", "#22262b"
CYCLE = (BLUE, VERMILION, GREEN, "#CC79A7", ORANGE, "#56B4E9")
WIDTH_IN = 6.6
MANY_PEOPLE = 400

# Any, because matplotlib's stubs want a dict of some 400 literal keys.
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "figure.dpi": 96,
}


def _figure(height_in: float, columns: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, **options)
    return figure, list(axes[0])


def _percent_axis(axes: Axes, low: float = 0, high: float = 100) -> None:
    axes.set_xlim(low, high)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}%")


def forest(
    rates: Sequence[FoolRate],
    anchors: Sequence[FoolRate],
    targets: Sequence[float],
    band: Published | None,
    truth: dict[str, float] | None = None,
    *,
    noun: str = "fool rate",
) -> Figure:
    """Rates with their intervals; for pairs, also chance, the targets and a published rate ± its standard error.

    `band` is None where 50 % is not chance and nothing published compares.
    """
    rows = [*rates, *anchors]
    figure, (axes,) = _figure(1.5 + 0.45 * len(rows))
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
        axes.axvline(100 * CHANCE, color=INK, linewidth=1)
        axes.text(100 * CHANCE, top + 0.05, "chance", ha="center", va="bottom", fontsize=8)
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
    _percent_axis(axes)
    axes.set_xlabel(noun)
    return figure


def methods(estimates: dict[str, tuple[Estimate, ...]], *, noun: str) -> Figure:
    """Every method's interval of the same rate, condition by condition; naive ones are dashed and grey."""
    rows = [(condition, one) for condition, several in estimates.items() for one in several]
    figure, (axes,) = _figure(0.9 + 0.24 * len(rows) + 0.1 * len(estimates))
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
    figure, (axes,) = _figure(1.1 + 0.42 * len(rows))
    for place, one in enumerate(reversed(rows)):
        axes.plot([one.ci_low, one.ci_high], [place, place], color=BLUE, linewidth=2.2)
        axes.plot(one.mean, place, "o", color=BLUE, markersize=7)
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([one.condition for one in reversed(rows)])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("mean rating")
    return figure


def colour(images: pd.DataFrame, facts: Sequence[Association], labels: dict[str, str]) -> Figure:
    """Rates of photographs against facts of their colours, one panel a fact."""
    figure, panels = _figure(2.9, len(facts), sharey=True)
    for axes, one in zip(panels, facts, strict=True):
        rows = images[images[one.fact].notna()]
        size = 8 + 40 * rows["n_trials"] / rows["n_trials"].max()
        axes.scatter(rows[one.fact], 100 * rows["fool_rate"], s=size, color=BLUE, alpha=0.55, linewidth=0)
        axes.set_xlabel(labels[one.fact], fontsize=8.5)
        axes.set_ylim(-3, 103)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
        axes.set_title(f"ρ = {one.rho:.2f} [{one.ci_low:.2f}, {one.ci_high:.2f}]".replace("-", "−"), fontsize=9)
    panels[0].set_ylabel("fool rate")
    return figure


def comparison(rows: Sequence[Row]) -> Figure:
    """Rates of several studies with their intervals, published ones as grey squares ± one standard error."""
    figure, (axes,) = _figure(1.1 + 0.3 * len(rows))
    for place, row in enumerate(reversed(rows)):
        colour, marker = (BLUE, "o") if row.is_ours else (GREY, "s")
        axes.plot([100 * row.ci_low, 100 * row.ci_high], [place, place], color=colour, linewidth=2)
        axes.plot(100 * row.fool_rate, place, marker, color=colour, markersize=6)
    axes.axvline(100 * CHANCE, color=INK, linewidth=1)
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([f"{row.condition} · {row.study}" for row in reversed(rows)], fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    _percent_axis(axes)
    axes.set_xlabel("fool rate")
    return figure


def caterpillar(images: pd.DataFrame, rate: FoolRate, *, has_chance: bool = True) -> Figure:
    """Every photograph's rate, its Wilson interval and its shrunken rate, from most to least fooling."""
    n = len(images)
    figure, (axes,) = _figure(3.4)
    places = range(n)
    axes.axhspan(100 * rate.ci_low, 100 * rate.ci_high, color=BLUE, alpha=0.12, linewidth=0)
    axes.axhline(100 * rate.fool_rate, color=BLUE, linewidth=1)
    if has_chance:
        axes.axhline(100 * CHANCE, color=INK, linewidth=1)
        axes.text(n - 0.3, 100 * CHANCE, "chance", va="bottom", ha="right", fontsize=8)
    axes.vlines(places, 100 * images["ci_low"], 100 * images["ci_high"], color=GREY, linewidth=1)
    size = 4.5 if n <= 80 else 2
    axes.plot(places, 100 * images["fool_rate"], "o", color=BLUE, markersize=size, label="k of n")
    axes.plot(places, 100 * images["shrunken_rate"], "_", color=VERMILION, markersize=size + 3, label="shrunken")
    axes.text(n - 0.3, 100 * rate.fool_rate, f"mean {100 * rate.fool_rate:.1f}%", va="bottom", ha="right", fontsize=8)
    axes.set_ylim(-2, 102)
    axes.set_xlim(-0.8, n - 0.2)
    axes.set_xticks([])
    axes.set_xlabel(f"{n} photographs, from most to least fooling")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    axes.set_ylabel("fool rate")
    axes.legend(loc="upper right", ncols=2, fontsize=8)
    return figure


def participants(table: pd.DataFrame, *, has_chance: bool = True) -> Figure:
    """Every participant's rate, stacked; and against it how often that person chose the left picture, if known.

    Beyond MANY_PEOPLE the dots become bars and the cloud of sides a grid of counts.
    """
    has_sides = "left_share" in table.columns
    figure, panels = _figure(3.1, 2, width_ratios=(1.25, 1)) if has_sides else _figure(3.1)
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
    _percent_axis(stacked, -3, 103)
    stacked.set_xlabel("rate (rounded to 5%)")
    stacked.set_title("Participants")
    if has_sides:
        _sides(panels[1], table, conditions, is_many=is_many)
    return figure


def _dots(axes: Axes, rows: pd.DataFrame, place: int, colour: str) -> None:
    heights: dict[int, int] = {}
    tallest = max(rows["fool_rate"].mul(20).round().value_counts().max(), 1)
    failures = rows["n_instructed_failed"] if "n_instructed_failed" in rows.columns else [0] * len(rows)
    for rate, failed in zip(rows["fool_rate"], failures, strict=True):
        column = round(20 * rate)
        heights[column] = heights.get(column, 0) + 1
        height = place + 0.8 * (heights[column] - 0.5) / max(tallest, 6)
        axes.plot(5 * column, height, "o", mec=colour, mfc="none" if failed else colour, markersize=5)


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
    axes.set_ylabel("fool rate")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    axes.set_title("Side")


def reaction_times(fooled_ms: pd.Series[float], not_fooled_ms: pd.Series[float]) -> Figure:
    """Reaction times of fooled and not fooled test trials, shares per bin on a logarithmic axis."""
    figure, (axes,) = _figure(2.6)
    both = pd.concat([fooled_ms, not_fooled_ms])
    low, high = both.min() * 0.95, both.max() * 1.05
    bins = [low * (high / low) ** (i / 30) for i in range(31)]
    for values, colour, style, name in (
        (not_fooled_ms, BLUE, "-", "not fooled"),
        (fooled_ms, VERMILION, "--", "fooled"),
    ):
        if len(values):
            weights = [100 / len(values)] * len(values)
            axes.hist(
                values,
                bins=bins,
                weights=weights,
                histtype="step",
                color=colour,
                linestyle=style,
                linewidth=1.6,
                label=f"{name} ({len(values):,})",
            )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    ticks = [t for t in (50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 60000) if low <= t <= high]
    axes.set_xticks(ticks)
    axes.set_xlabel("reaction time (s, from the painted buttons)")
    axes.set_ylabel("share of trials (%)")
    axes.legend(fontsize=8)
    return figure


def exposures(errors_ms: pd.Series[float]) -> Figure:
    """How much longer or shorter than asked for pictures were painted."""
    figure, (axes,) = _figure(2.2)
    axes.hist(errors_ms.clip(-50, 50), bins=50, range=(-50, 50), color=BLUE)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yscale("symlog", linthresh=10)
    axes.set_xlabel("achieved − nominal exposure (ms; beyond ± 50 drawn at the edge)")
    axes.set_ylabel("pictures")
    return figure


def differences(pairs: Sequence[Difference], *, is_percent: bool = True) -> Figure:
    """Differences between conditions with their intervals, in percentage points or on the rating scale."""
    scale = 100 if is_percent else 1
    figure, (axes,) = _figure(1.1 + 0.42 * len(pairs))
    for place, pair in enumerate(reversed(pairs)):
        axes.plot([scale * pair.ci_low, scale * pair.ci_high], [place, place], color=BLUE, linewidth=2.2)
        axes.plot(scale * pair.difference, place, "o", color=BLUE, markersize=7)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(pairs)))
    axes.set_yticklabels([f"{pair.condition_a} − {pair.condition_b}" for pair in reversed(pairs)])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(-0.6, len(pairs) - 0.4)
    axes.set_xlabel("difference (percentage points)" if is_percent else "difference in mean rating")
    return figure


def watermark(figure: Figure) -> None:
    """Write SIMULATED across a figure: it must not pass for data from people, wherever it is copied to."""
    figure.text(
        0.5,
        0.5,
        "SIMULATED",
        ha="center",
        va="center",
        rotation=18,
        fontsize=44,
        fontweight="bold",
        color=VERMILION,
        alpha=0.14,
        zorder=10,
    )


def save(figure: Figure, directory: Path, name: str) -> str:
    """Write NAME.png and NAME.svg and return the SVG for use inside HTML."""
    directory.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    # A fixed salt makes the file the same for the same data; the name in it keeps ids apart in one page.
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        # Laid out once, not once per file: the layout is most of the drawing.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        figure.savefig(directory / f"{name}.png", dpi=200, metadata={"Software": None})
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = text.getvalue()
    (directory / f"{name}.svg").write_text(svg, encoding="utf-8")
    return inline_svg(svg, name)


def inline_svg(svg: str, name: str) -> str:
    """Return an SVG without what only a file of its own needs, its ids made unique by the name."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", body)
    body = re.sub(r'\s(width|height)="[\d.]+pt"', "", body, count=2)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
    return body.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)
