"""The figures of a report.  This module draws and computes nothing: every number arrives computed.

Colours are Okabe and Ito's, which people with any colour vision can tell apart; shape or a label always says the
same thing as the colour.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.compare import Difference
from analysis.estimate import CHANCE, FoolRate
from analysis.published import Published

BLUE, VERMILION, GREEN, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#8a8f98", "#22262b"
CYCLE = (BLUE, VERMILION, GREEN, "#CC79A7", ORANGE, "#56B4E9")
WIDTH_IN = 6.6

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
    band: Published,
    truth: dict[str, float] | None = None,
) -> Figure:
    """Fool rates with their intervals, chance, the targets and a published rate ± its standard error."""
    rows = [*rates, *anchors]
    figure, (axes,) = _figure(1.5 + 0.45 * len(rows))
    top = len(rows) - 0.35
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
    axes.set_xlabel("fool rate")
    return figure


def caterpillar(images: pd.DataFrame, rate: FoolRate) -> Figure:
    """Every photograph's rate, its Wilson interval and its shrunken rate, from most to least fooling."""
    n = len(images)
    figure, (axes,) = _figure(3.4)
    places = range(n)
    axes.axhspan(100 * rate.ci_low, 100 * rate.ci_high, color=BLUE, alpha=0.12, linewidth=0)
    axes.axhline(100 * rate.fool_rate, color=BLUE, linewidth=1)
    axes.axhline(100 * CHANCE, color=INK, linewidth=1)
    axes.vlines(places, 100 * images["ci_low"], 100 * images["ci_high"], color=GREY, linewidth=1)
    size = 4.5 if n <= 80 else 2
    axes.plot(places, 100 * images["fool_rate"], "o", color=BLUE, markersize=size, label="k of n")
    axes.plot(places, 100 * images["shrunken_rate"], "_", color=VERMILION, markersize=size + 3, label="shrunken")
    axes.text(n - 0.3, 100 * CHANCE, "chance", va="bottom", ha="right", fontsize=8)
    axes.text(n - 0.3, 100 * rate.fool_rate, f"mean {100 * rate.fool_rate:.1f}%", va="bottom", ha="right", fontsize=8)
    axes.set_ylim(-2, 102)
    axes.set_xlim(-0.8, n - 0.2)
    axes.set_xticks([])
    axes.set_xlabel(f"{n} photographs, from most to least fooling")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    axes.set_ylabel("fool rate")
    axes.legend(loc="upper right", ncols=2, fontsize=8)
    return figure


def participants(table: pd.DataFrame) -> Figure:
    """Every participant's rate, stacked; and against it how often that person chose the left picture."""
    figure, (stacked, sides) = _figure(3.1, 2, width_ratios=(1.25, 1))
    conditions = list(dict.fromkeys(table["condition"]))[::-1]
    for place, condition in enumerate(conditions):
        rows = table[table["condition"] == condition]
        heights: dict[int, int] = {}
        tallest = max(rows["fool_rate"].mul(20).round().value_counts().max(), 1)
        for rate, failed in zip(rows["fool_rate"], rows["n_instructed_failed"], strict=True):
            column = round(20 * rate)
            heights[column] = heights.get(column, 0) + 1
            colour = CYCLE[place % len(CYCLE)]
            stacked.plot(
                5 * column,
                place + 0.8 * (heights[column] - 0.5) / max(tallest, 6),
                "o",
                mec=colour,
                mfc="none" if failed else colour,
                markersize=5,
            )
        sides.plot(
            100 * rows["left_share"],
            100 * rows["fool_rate"],
            "osD^vP"[place % 6],
            color=CYCLE[place % len(CYCLE)],
            markersize=4.5,
            alpha=0.8,
            linestyle="none",
        )
    stacked.axvline(100 * CHANCE, color=INK, linewidth=1)
    stacked.set_yticks([place + 0.4 for place in range(len(conditions))])
    stacked.set_yticklabels(conditions)
    stacked.tick_params(axis="y", length=0)
    stacked.set_ylim(0, len(conditions))
    _percent_axis(stacked, -3, 103)
    stacked.set_xlabel("fool rate (rounded to 5%)")
    stacked.set_title("Participants")
    sides.axvline(100 * CHANCE, color=INK, linewidth=1)
    sides.set_xlim(0, 100)
    sides.set_ylim(-3, 103)
    sides.set_xlabel("left picture chosen")
    sides.set_ylabel("fool rate")
    sides.xaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    sides.yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
    sides.set_title("Side")
    return figure


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


def differences(pairs: Sequence[Difference]) -> Figure:
    """Differences between conditions with their intervals, in percentage points."""
    figure, (axes,) = _figure(1.1 + 0.42 * len(pairs))
    for place, pair in enumerate(reversed(pairs)):
        axes.plot([100 * pair.ci_low, 100 * pair.ci_high], [place, place], color=BLUE, linewidth=2.2)
        axes.plot(100 * pair.difference, place, "o", color=BLUE, markersize=7)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(pairs)))
    axes.set_yticklabels([f"{pair.condition_a} − {pair.condition_b}" for pair in reversed(pairs)])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(-0.6, len(pairs) - 0.4)
    axes.set_xlabel("difference in fool rate (percentage points)")
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
