"""Times: reaction times, exposures, staircases."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.plots.style import BLUE, CYCLE, INK, VERMILION, new_figure


def reaction_times(
    fooled_ms: pd.Series[float], not_fooled_ms: pd.Series[float], names: tuple[str, str] = ("fooled", "not fooled")
) -> Figure:
    """Reaction times of fooled and not fooled test trials, shares per bin on a logarithmic axis."""
    figure, (axes,) = new_figure(2.6)
    both = pd.concat([fooled_ms, not_fooled_ms])
    low, high = both.min() * 0.95, both.max() * 1.05
    bins = [low * (high / low) ** (i / 30) for i in range(31)]
    for values, colour, style, name in (
        (not_fooled_ms, BLUE, "-", names[1]),
        (fooled_ms, VERMILION, "--", names[0]),
    ):
        if len(values):
            counts, edges = np.histogram(values, bins=bins)
            axes.stairs(
                100 * counts / len(values),
                edges,
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
    figure, (axes,) = new_figure(2.2)
    axes.hist(errors_ms.clip(-50, 50), bins=50, range=(-50, 50), color=BLUE)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yscale("symlog", linthresh=10)
    axes.set_xlabel("achieved − nominal exposure (ms; beyond ± 50 drawn at the edge)")
    axes.set_ylabel("pictures")
    return figure


def courses(table: pd.DataFrame, target: str) -> Figure:
    """Where staircases stood along their blocks: median and quartiles by condition; `target` is said in the title."""
    figure, (axes,) = new_figure(2.9)
    for place, (condition, rows) in enumerate(table.groupby("condition", sort=False)):
        colour = CYCLE[place % len(CYCLE)]
        axes.fill_between(rows["place"] + 1, rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
        style = ("-", "--", ":", "-.")[place % 4]
        axes.plot(rows["place"] + 1, rows["median"], color=colour, linestyle=style, linewidth=1.8, label=str(condition))
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=1)
    axes.set_xlabel("trial of the block")
    axes.set_ylabel("exposure (ms)")
    axes.set_title(target)
    axes.legend(fontsize=8)
    return figure
