"""The figure of `python -m analysis power`: draws, computes nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from analysis.plots import CYCLE, GREY, INK, STYLE, WIDTH_IN, save
from analysis.power import Plan, Point

TITLES = {"between": "Between participants (two arms)", "within": "Within participants", "single": "One condition"}
MEASURES = {
    "difference": "Power",
    "precision": "Studies as precise as asked for",
    "target": "Power against the target",
    "equivalence": "Studies that may declare equivalence",
}


def draw(plan: Plan, points: Sequence[Point], directory: Path) -> None:
    """Write power.svg and power.png: a panel per layout, a line per number of photographs, its limit at ∞."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 3.6), layout="constrained")
        panels = figure.subplots(1, len(plan.comparisons), squeeze=False, sharey=True)[0]
        images = sorted({point.n_images for point in points})
        sizes = sorted({point.n_participants for point in points if math.isfinite(point.n_participants)})
        end = 1.8 * max(sizes)
        for axes, comparison in zip(panels, plan.comparisons, strict=True):
            for colour, n_images in zip(CYCLE * len(images), images, strict=False):
                rows = [row for row in points if row.comparison == comparison and row.n_images == n_images]
                finite = [row for row in rows if math.isfinite(row.n_participants)]
                axes.plot(
                    [row.n_participants for row in finite],
                    [100 * row.power for row in finite],
                    marker="o",
                    markersize=4,
                    color=colour,
                    label=f"{n_images:,} photographs",
                )
                limit = [row for row in rows if math.isinf(row.n_participants)]
                axes.plot(
                    [finite[-1].n_participants, end],
                    [100 * finite[-1].power, 100 * limit[0].power],
                    linestyle=":",
                    marker="_",
                    markersize=9,
                    markevery=[1],
                    color=colour,
                )
            axes.axhline(100 * plan.asked_power, color=GREY, linestyle=":", linewidth=1)
            axes.set_xscale("log")
            axes.set_xticks([*sizes, end], [*(f"{size:g}" for size in sizes), "∞"])
            axes.minorticks_off()
            axes.set_xlim(min(sizes) / 1.15, end * 1.1)
            axes.set_ylim(0, 102)
            axes.set_title(TITLES[comparison])
        figure.supxlabel("participants in all (∞: as far as the photographs allow)", fontsize=9.5)
        panels[0].set_ylabel(MEASURES[plan.question])
        panels[0].yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(images)), labelcolor=INK)
        save(figure, directory, "power")
