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
    """Curves of the plain cross-entropy on the left; what each knob changed, with intervals, on the right."""
    runs = results["runs"]
    colours = mpl.colormaps["tab20"]
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, *right = figure.subplots(1, 1 + len(_FOREST), width_ratios=[1.5, *(1.0 for _ in _FOREST)])
    for i, run in enumerate(runs):
        curve = run["curve"]
        left.plot(curve["step"], curve["cross_entropy"], color=colours(i % 20), linewidth=2.0 if i == 0 else 1.1)
    left.set_xlabel("step")
    left.set_title("held-out cross-entropy, nats per pixel", fontsize=9)
    for axes, metric in zip(right, _FOREST, strict=True):
        axes.axvline(0, color="0.7", linewidth=1)
        for i, run in enumerate(runs):
            middle, low, high = run["judged"][metric]["difference"]
            axes.plot([low, high], [-i, -i], color=colours(i % 20), linewidth=2)
            axes.plot(middle, -i, "o", color=colours(i % 20), markersize=4)
        axes.set_yticks([-i for i in range(len(runs))], [r["name"] for r in runs] if metric == _FOREST[0] else [])
        axes.set_title(f"{METRICS[metric][0]}: difference to base", fontsize=9)
    for axes in (left, *right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "truehue"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


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
        "| | " + " | ".join(label for label, _ in METRICS.values()) + " |",
        "|---|" + "---|" * len(METRICS),
        _row("the weights before", start),
        *(_row(run["name"], run["judged"]) for run in results["runs"]),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, judged: dict[str, Any]) -> str:
    cells = []
    for metric, (_, form) in METRICS.items():
        difference = " ".join(f"{x:+{form}}" for x in judged[metric]["difference"][:1])
        low, high = (f"{x:+{form}}" for x in judged[metric]["difference"][1:])
        own = f"{judged[metric]['mean']:{form}}"
        cells.append(own if name == "base" else f"{own} ({difference} [{low}, {high}])")
    return f"| {name} | " + " | ".join(cells) + " |"
