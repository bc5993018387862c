"""The figure and the table of tools/experiments.py, from its results alone."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

METRICS = {
    "auc_raw": ("AuC raw", ".4f"),
    "auc_rebalanced": ("AuC rebalanced", ".4f"),
    "psnr_db": ("PSNR, dB", ".2f"),
    "colourfulness_ratio": ("colourfulness / original's", ".2f"),
}
_FOREST = ("auc_raw", "auc_rebalanced", "colourfulness_ratio")


def draw(results: dict[str, Any], path: Path) -> None:
    """Curves of the plain cross-entropy on the left; what each knob changed, with intervals, on the right.

    Runs that go on from trained weights stand above, those that begin anew below.
    """
    groups = _groups(results)
    figure = Figure(figsize=(11, 1.2 + 0.27 * len(results["runs"])), layout="constrained")
    parts = figure.subfigures(len(groups), 1, height_ratios=[len(g) + 3 for g in groups], squeeze=False)
    for runs, part in zip(groups, parts[:, 0], strict=True):
        left, *right = part.subplots(1, 1 + len(_FOREST), width_ratios=[1.4, *(1.0 for _ in _FOREST)])
        colours = mpl.colormaps["tab20"](range(len(runs)))
        for run, colour in zip(runs, colours, strict=True):
            left.plot(run["curve"]["step"], run["curve"]["cross_entropy"], color=colour, linewidth=1.3)
        left.set_xlabel("step", fontsize=8)
        left.set_title("held-out cross-entropy, nats per pixel", fontsize=9)
        rows = [-i for i in range(len(runs))]
        for axes, metric in zip(right, _FOREST, strict=True):
            middle, low, high = zip(*(run["judged"][metric]["difference"] for run in runs), strict=True)
            axes.axvline(0, color="0.75", linewidth=1)
            axes.hlines(rows, low, high, color=colours, linewidth=2)
            axes.scatter(middle, rows, color=colours, s=18, zorder=3)
            axes.set_yticks(rows, [r["name"] for r in runs] if metric == _FOREST[0] else [])
            axes.locator_params(axis="x", nbins=4)
            axes.set_title(METRICS[metric][0], fontsize=9)
        right[1].set_xlabel(f"difference to {runs[0]['name']}", fontsize=8)
        for axes in (left, *right):
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "truehue"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _groups(results: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The runs that go on, then those that begin anew; each with what it is compared with first."""
    both = ([r for r in results["runs"] if r["is_new"] is new] for new in (False, True))
    return [group for group in both if group]


def table(results: dict[str, Any]) -> str:
    """docs/results/experiments.md."""
    base, start = results["base"], results["start"]
    lines = [
        "# Short experiments with the default model",
        "",
        f"Written by `python -m tools.experiments` (`--draw` writes it again from experiments.json). Every run starts "
        f"from the same weights ({results['init']}) and takes {results['steps']} steps of {base['batch']} crops of "
        f"{base['crop_px']} pixels, or as many pixels in larger crops, from {results['n_training']:,} photographs "
        f"({' and '.join(results['data'])}); λ = {base['lam']:g}, learning rate {base['learning_rate']:g} (encoder "
        f"{base['encoder_learning_rate']:g}), cosine, EMA {base['ema_decay']:g}, the encoder's first three stages "
        f"frozen. Judged on {results['n_judged']} photographs of {' and '.join(results['val'])} at the model's default "
        f"temperature, saturation and working size. In brackets: difference to *base* with its interval "
        f"({results['interval']}). *another seed* differs from *base* by chance alone, which the intervals do not "
        "hold: what is not clearly larger than that row decides nothing.",
        "",
        "![Curves and differences](../figures/experiments.svg)",
        "",
        *_head(),
        _row("the weights before", start),
        *(_row(run["name"], run["judged"], is_reference=i == 0) for i, run in enumerate(_groups(results)[0])),
    ]
    for group in _groups(results)[1:]:
        lines += [
            "",
            f"Decoders of other shapes have no trained weights: these begin with the encoder that ImageNet taught, at "
            f"learning rate {group[0]['overrides']['learning_rate']:g} (encoder "
            f"{group[0]['overrides']['encoder_learning_rate']:g}), and are compared with *new*.",
            "",
            *_head(),
            *(_row(run["name"], run["judged"], is_reference=i == 0) for i, run in enumerate(group)),
        ]
    return "\n".join(lines) + "\n"


def _head() -> list[str]:
    return ["| | " + " | ".join(label for label, _ in METRICS.values()) + " |", "|---|" + "---|" * len(METRICS)]


def _row(name: str, judged: dict[str, Any], *, is_reference: bool = False) -> str:
    cells = []
    for metric, (_, form) in METRICS.items():
        difference, low, high = (f"{x:+{form}}" for x in judged[metric]["difference"])
        own = f"{judged[metric]['mean']:{form}}"
        cells.append(own if is_reference else f"{own} ({difference} [{low}, {high}])")
    return f"| {name} | " + " | ".join(cells) + " |"
