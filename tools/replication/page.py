"""What was found, as JSON, as the page's tables and as its figure."""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

from analysis import plots
from tools.replication.coverage import covered, naive
from tools.replication.design import PUBLISHED, SD_IMAGE, SD_PARTICIPANT, SYSTEMS, Scale

BEGIN, END = "<!-- results: make replication writes from here -->", "<!-- to here -->"
FIGURE = Path("replication.png")


def summarise(
    report: dict[str, Any],
    manifest: dict[str, Any],
    repeats: dict[int, dict[str, Any]],
    scale: Scale,
    *,
    seed: int,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """Put everything that the page says into one table of numbers."""
    rows = []
    for rate in report["fool_rates"]:
        one = PUBLISHED[rate["condition"]]
        low, high = naive(rate["n_fooled"], rate["n_trials"])
        rows.append(
            {
                "condition": rate["condition"],
                "system": SYSTEMS[rate["condition"]],
                "published": one.fool_rate,
                "published_se": one.se,
                "is_from_memory": one.is_from_memory,
                **{
                    key: rate[key]
                    for key in ("n_fooled", "n_trials", "n_participants", "n_images", "fool_rate", "ci_low", "ci_high")
                },
                "design_effect": round(rate["design_effect"], 2),
                "naive_low": low,
                "naive_high": high,
                "ours_covers": rate["ci_low"] <= one.fool_rate <= rate["ci_high"],
                "naive_covers": low <= one.fool_rate <= high,
            }
        )
    return {
        "command": "make replication",
        "seed": seed,
        "is_simulated": True,
        "sd_participant": SD_PARTICIPANT,
        "sd_image": SD_IMAGE,
        "n_participants": scale.n_participants,
        "n_visible": scale.n_visible,
        "n_photos_rendered": len(manifest["images"]),
        "rows": rows,
        "n_repeats": len(repeats),
        "coverage": covered(repeats, scale.rates),
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def write(result: dict[str, Any], folder: Path) -> None:
    """Write replication.json and the figure into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "replication.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with mpl.rc_context(plots.STYLE):
        figure = plots.against_published(result["rows"])
        plots.watermark(figure)
        plots.save(figure, folder, FIGURE.stem)
    (folder / FIGURE).with_suffix(".svg").unlink()  # the page shows one of the two


def tables(result: dict[str, Any]) -> str:
    """Write the page's part between the markers."""
    n_http = result["n_participants"] - result["n_visible"]
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in result["seconds"].items())
    lines = [
        BEGIN,
        "",
        f"One run, seed {result['seed']}: {result['n_participants']} simulated participants, {n_http} of them over "
        f"HTTP and {result['n_visible']} in Chromium; {result['n_photos_rendered']} photographs rendered. Percent; "
        "the true rates are the published ones; † from memory of the paper. **Bold** intervals cover the truth.",
        "",
        "| condition | true (published ± s.e.) | found | trials | people | photos | design effect | our interval | "
        "pooled Wilson |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        mark = "†" if row["is_from_memory"] else ""
        lines.append(
            f"| {row['condition']} | {_percent(row['published'])} ± {_percent(row['published_se'])}{mark} | "
            f"{_percent(row['fool_rate'])} | {row['n_fooled']:,} of {row['n_trials']:,} | {row['n_participants']} | "
            f"{row['n_images']} | {row['design_effect']:.1f} | "
            f"{_interval(row['ci_low'], row['ci_high'], is_bold=row['ours_covers'])} | "
            f"{_interval(row['naive_low'], row['naive_high'], is_bold=row['naive_covers'])} |"
        )
    lines += [
        "",
        f"![Fool rates of the run beside the published ones](results/{FIGURE})",
        "",
        f"{result['n_repeats']} whole studies, data only: the share in which the 95 % interval covers the truth, ± one "
        f"Monte-Carlo standard error (people's sd {result['sd_participant']:g}, photographs' {result['sd_image']:g}, "
        "on the logit), and the interval's mean width in points.",
        "",
        "| condition | true rate | mean found | ours covers | width | pooled Wilson covers | width |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['condition']} | {_percent(row['truth'])} | {_percent(row['mean_rate'])} | "
        f"**{row['ours_coverage']:.3f}** ± {row['ours_monte_carlo_se']:.3f} | {100 * row['ours_mean_width']:.1f} | "
        f"{row['naive_coverage']:.3f} ± {row['naive_monte_carlo_se']:.3f} | {100 * row['naive_mean_width']:.1f} |"
        for row in result["coverage"]
    ]
    lines += ["", f"Time: {times}.", "", END]
    return "\n".join(lines)


def put_into(page: Path, text: str) -> None:
    """Replace what stands between the page's markers."""
    old = page.read_text(encoding="utf-8")
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page}: expected the markers {BEGIN!r} and {END!r}, found them not; put them back")
    page.write_text(before + text + after, encoding="utf-8")


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _interval(low: float, high: float, *, is_bold: bool) -> str:
    text = f"[{_percent(low)}, {_percent(high)}]"
    return f"**{text}**" if is_bold else text
