"""The default model beside gray, random and other networks: one page of tables from what `evaluate` and `table` wrote.

    python -m colorizer evaluate --data VAL256.zip --model truehue-lite gray random real \\
        --json docs/results/truehue-lite-val256.json
    python -m colorizer evaluate --data VAL.zip --model truehue-lite gray random \\
        --json docs/results/truehue-lite-val.json
    python -m colorizer machine-judge --data VAL256.zip --model truehue-lite gray random \\
        --json docs/results/machine-judge-val256.json
    python tools/judgement.py

The last line reads these, the equally trained networks of docs/results/table and, if it is there, what
`python -m tools.bench_default --out docs/results/default-speed.json` wrote, and makes docs/results/judgement.md.
"""

import argparse
import json
from pathlib import Path
from typing import Any

RESULTS = Path("docs/results")
METRICS = {
    "auc_raw": ("AuC raw", ".3f"),
    "auc_rebalanced": ("AuC rebalanced", ".3f"),
    "psnr_db": ("PSNR, dB", ".2f"),
    "ssim": ("SSIM", ".3f"),
    "delta_e00": ("ΔE00", ".2f"),
    "colourfulness_ratio": ("colourfulness / original's", ".2f"),
    "colourfulness_difference": ("colourfulness − original's", "+.1f"),
    "same_class_efficientnet_lite0": ("taken for the original's class", ".2f"),
}
SHOWN = ("truehue-lite", "gray", "random")
EQUALLY_TRAINED = ("truehue-lite-small", "zhang2016-small", "zhang2016-l2-small")


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _cell(estimate: dict[str, float | None], form: str) -> str:
    low, high = estimate["ci_low"], estimate["ci_high"]
    return f"{estimate['mean']:{form}}" + ("" if low is None or high is None else f" [{low:{form}}, {high:{form}}]")


def table(rows: dict[str, dict[str, Any]]) -> list[str]:
    """One line per metric, one column per colorizer."""
    lines = ["| | " + " | ".join(rows) + " |", "|---|" + "---|" * len(rows)]
    for metric, (label, form) in METRICS.items():
        if all(metric in row for row in rows.values()):
            lines.append(f"| {label} | " + " | ".join(_cell(row[metric], form) for row in rows.values()) + " |")
    return lines


def page(results: Path) -> str:
    """docs/results/judgement.md."""
    wide, near = _read(results / "truehue-lite-val256.json"), _read(results / "truehue-lite-val.json")
    judge, trained = _read(results / "machine-judge-val256.json"), _read(results / "table" / "table.json")
    rates = {name: row["machine_fool_rate"] for name, row in judge["models"].items()}
    lines = [
        "# The default model, judged",
        "",
        "Written by `python tools/judgement.py` from the files beside it; the commands for those are at its top. "
        "Means with 95 % bootstrap intervals over images.",
        "",
        f"## {wide['n_images']} photographs of another source ({', '.join(wide['data'])}, 256 × 256)",
        "",
        *table({name: wide["models"][name] for name in SHOWN}),
        "| machine fool rate (a screen, not people) | "
        + " | ".join(_cell(rates[name], ".3f") if name in rates else "–" for name in SHOWN)
        + " |",
        "",
        "## The same photographs, networks trained equally long on the same photographs",
        "",
        "Small recipes, at most 15 minutes each by statement ([all of them](table/table.md)).",
        "",
        *table({name: trained["rows"][name]["metrics"] for name in EQUALLY_TRAINED}),
        "",
        f"## {near['n_images']} photographs like those it learnt from ({', '.join(near['data'])}, 128 × 128)",
        "",
        *table({name: near["models"][name] for name in SHOWN}),
    ]
    if (results / "default-speed.json").is_file():
        lines += _speed(_read(results / "default-speed.json"))
    return "\n".join(lines) + "\n"


def _speed(told: dict[str, Any]) -> list[str]:
    """What tools/bench_default.py measured."""
    way = told["ways"]["default"]
    return [
        "",
        "## Speed",
        "",
        f"{way['photos_per_s']:.1f} photographs of {told['side_px']} × {told['side_px']} per second file to file, "
        f"{way['cpu_s_per_photo'] * 1000:.0f} ms of processor time each, on {told['cores']} cores "
        f"({told['processor']}; {told['threads']} thread(s) of torch; wanted: {told['wanted_per_s']:g}). `colorize` "
        f"takes {told['convolution']} convolutions there. In bfloat16 the colours are in the mean "
        f"{told['ab_apart']['direct']:.2f} (direct) and {told['ab_apart']['winograd']:.2f} (winograd) CIE units of ab "
        "away from fp32's. Ways that took turns:",
        "",
        "| | photographs per second | processor time each, ms |",
        "|---|---|---|",
        *(
            f"| {name} | {one['photos_per_s']:.1f} | {one['cpu_s_per_photo'] * 1000:.0f} |"
            for name, one in told["ways"].items()
        ),
    ]


def main() -> int:
    """Read, write, say where."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    try:
        text = page(given.results)
    except OSError as error:
        parser.error(f"{error.filename}: expected what the commands at this file's top write; run them first")
    path = given.results / "judgement.md"
    path.write_text(text, encoding="utf-8")
    print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
