"""The look of every figure, and how it is saved.

Colours are Okabe and Ito's, which people with any colour vision can tell apart; shape or a label always says the
same thing as the colour.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

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


def new_figure(height_in: float, columns: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    """Open a figure of the report's width with a row of axes."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, **options)
    return figure, list(axes[0])


def percent_axis(axes: Axes, low: float = 0, high: float = 100) -> None:
    """Make the axis across one of percentages."""
    axes.set_xlim(low, high)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}%")


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
        # The canvases themselves: savefig draws every figure once more, for sizes that are known here.
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        FigureCanvasSVG(figure).print_svg(text, metadata=nothing)  # type: ignore[no-untyped-call]
        figure.dpi = 200
        png = directory / f"{name}.png"
        FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})  # type: ignore[no-untyped-call]
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


def named_rows(axes: Axes, names: list[str], *, fontsize: float | None = None) -> None:
    """Name the rows of a forest plot from the bottom up, without a line or ticks beside them."""
    axes.set_yticks(range(len(names)))
    axes.set_yticklabels(names, fontsize=fontsize)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(-0.6, len(names) - 0.4)
