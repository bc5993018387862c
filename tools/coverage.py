"""How often the intervals cover the truth: `make coverage` writes docs/results/coverage.json and docs/coverage.md.

    python tools/coverage.py [--studies 20000] [--jobs 2] [--only TEXT] [--fresh]

Each design draws studies with new people and new photographs; the truth is the marginal rate, by quadrature.  A design
that is done is kept in the JSON file, so the command goes on where it was stopped; --fresh begins again.
"""

import argparse
import json
import math
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special
from tqdm import tqdm

from analysis.compare import contrast_variance
from analysis.estimate import ASSUMED_CORRELATION
from analysis.interval import pivot_of, t_quantile
from analysis.proportions import wilson
from analysis.sequential import log_capital
from analysis.simulation import Sheet, Simulator, Spreads, grid, pool, unbalanced

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "docs/results/coverage.json"
PAGE = ROOT / "docs/coverage.md"
NOTES = ROOT / "docs/results/coverage_notes.md"
SEED = 20261122
TRIALS_AT_ONCE = 3_000_000
PEOPLE, PHOTOS, NONE = Spreads(0.5, 1.0, 0.0), Spreads(0.5, 0.6, 0.8), Spreads(0, 0, 0)


@dataclass(frozen=True)
class Design:
    """One row: a sheet, the true rates, and the share of covering intervals that is asked for."""

    name: str
    kind: str
    sheet: Sheet
    rates: tuple[float, ...]
    spreads: Spreads
    band: tuple[float, float] = (0.94, 0.96)


def arms(n_each: int, n_images: int, n_trials: int, seed: int = 1) -> Sheet:
    """Two arms of separate people, each with trials of its own condition only."""
    sheet = pool(2 * n_each, n_trials, n_images, seed=seed)
    return Sheet(sheet.participant_n, sheet.image_n, (sheet.participant_n >= n_each).astype(np.int64))


ACCEPTED = (0.94, 0.975)
DESIGNS = [
    Design("40 × 40, p = .32", "rate", grid(40, 40), (0.32,), PEOPLE),
    Design("40 × 40, p = .10", "rate", grid(40, 40), (0.10,), PEOPLE),
    Design("40 people × 40 of 1,000 photos, p = .32", "rate", pool(40, 40, 1000), (0.32,), PEOPLE),
    Design("12 × 20, p = .32", "rate", grid(12, 20), (0.32,), PEOPLE),
    Design("100 × 100, p = .32", "rate", grid(100, 100), (0.32,), PEOPLE),
    Design("40 × 40, p = .03", "rate", grid(40, 40), (0.03,), PEOPLE),
    Design("40 × 40, p = .32, no clustering", "rate", grid(40, 40), (0.32,), NONE, ACCEPTED),
    Design("40 × 40, p = .50", "rate", grid(40, 40), (0.50,), PEOPLE),
    Design("40 × 40, p = .01", "rate", grid(40, 40), (0.01,), PEOPLE),
    Design("20 × 20, p = .005 (often none fooled)", "rate", grid(20, 20), (0.005,), PEOPLE),
    Design("8 × 10, p = .02 (often none fooled)", "rate", grid(8, 10), (0.02,), PEOPLE),
    Design("8 × 10, p = .98 (often all fooled)", "rate", grid(8, 10), (0.98,), PEOPLE),
    Design("30 × 60 unbalanced, p = .32", "rate", unbalanced(30, 60), (0.32,), PEOPLE),
    Design("30 × 60 unbalanced, p = .10", "rate", unbalanced(30, 60), (0.10,), PEOPLE),
    Design("15 × 25 unbalanced, p = .32", "rate", unbalanced(15, 25), (0.32,), PEOPLE),
    Design("8 × 10, p = .32", "rate", grid(8, 10), (0.32,), PEOPLE),
    Design("8 × 10, p = .10", "rate", grid(8, 10), (0.10,), PEOPLE),
    Design("6 × 6, p = .50", "rate", grid(6, 6), (0.50,), PEOPLE),
    Design("5 × 40, p = .32", "rate", grid(5, 40), (0.32,), PEOPLE),
    Design("3 × 30, p = .32", "rate", grid(3, 30), (0.32,), PEOPLE),
    Design("40 × 5, p = .32", "rate", grid(40, 5), (0.32,), PEOPLE),
    Design("40 × 4, p = .13 (a low anchor)", "rate", grid(40, 4), (0.13,), PEOPLE),
    Design("40 × 40, p = .32, people vary more (1.0, .3)", "rate", grid(40, 40), (0.32,), Spreads(1.0, 0.3, 0.0)),
    Design("12 × 20, p = .32, no clustering", "rate", grid(12, 20), (0.32,), NONE, ACCEPTED),
    Design("8 × 10, p = .10, no clustering", "rate", grid(8, 10), (0.10,), NONE, ACCEPTED),
    Design("within, 8 × 10, photos alike in both", "difference", grid(8, 10, 2), (0.3, 0.4), PEOPLE),
    Design("within, 8 × 10, image × condition .8", "difference", grid(8, 10, 2), (0.3, 0.4), PHOTOS),
    Design("within, 12 × 20, photos alike in both", "difference", grid(12, 20, 2), (0.3, 0.4), PEOPLE),
    Design("within, 12 × 20, image × condition .8", "difference", grid(12, 20, 2), (0.3, 0.4), PHOTOS),
    Design("within, 40 × 40, photos alike in both", "difference", grid(40, 40, 2), (0.3, 0.4), PEOPLE),
    Design("within, 40 × 40, image × condition .8", "difference", grid(40, 40, 2), (0.3, 0.4), PHOTOS),
    Design("within, 40 × 40 of 1,000, image × condition .8", "difference", pool(40, 40, 1000, 2), (0.3, 0.4), PHOTOS),
    Design("within, 40 × 40, rare: .05 and .10", "difference", grid(40, 40, 2), (0.05, 0.10), PHOTOS),
    Design("between, 2 × 6 people × 20", "difference", arms(6, 20, 20), (0.3, 0.4), PHOTOS),
    Design("between, 2 × 20 people × 40", "difference", arms(20, 40, 40), (0.3, 0.4), PHOTOS),
    Design("between, 2 × 20 people × 40, photos alike in both", "difference", arms(20, 40, 40), (0.3, 0.4), PEOPLE),
    Design("within, 40 × 40, no difference", "type I", grid(40, 40, 2), (0.32, 0.32), PHOTOS),
    Design("within, 12 × 20, no difference", "type I", grid(12, 20, 2), (0.32, 0.32), PHOTOS),
    Design("between, 2 × 20 people × 40, no difference", "type I", arms(20, 40, 40), (0.32, 0.32), PHOTOS),
    Design("between, 2 × 100 × 36 of 40 photos, .37 and .32", "power", arms(100, 40, 36), (0.37, 0.32), PHOTOS),
    Design("between, 2 × 100 × 36 of 200 photos, .37 and .32", "power", arms(100, 200, 36), (0.37, 0.32), PHOTOS),
    Design("between, 2 × 100 × 36 of 1,000 photos, .37 and .32", "power", arms(100, 1000, 36), (0.37, 0.32), PHOTOS),
    Design("within, 100 × 36 of 200 photos, .37 and .32", "power", pool(100, 36, 200, 2), (0.37, 0.32), PHOTOS),
    Design("100 × 100, the truth .55 lies at the margin of .05", "equivalence", grid(100, 100), (0.55,), PEOPLE),
    Design("200 × 200, truth .50, margin .05", "equivalence", grid(200, 200), (0.50,), PEOPLE),
    Design("sequence, 60 people × 30 photos, a look after every 5", "sequence", grid(60, 30), (0.32,), PEOPLE),
]


def measure(at: int, n_studies: int) -> dict[str, Any]:
    """Simulate one design."""
    design = DESIGNS[at]
    simulator = Simulator(design.sheet, design.rates, design.spreads)
    rng = np.random.default_rng([SEED, at])
    sums: dict[str, list[np.ndarray]] = {}
    done = 0
    step = max(1, TRIALS_AT_ONCE // design.sheet.n_trials)
    while done < n_studies:
        size = min(step, n_studies - done)
        for name, values in _one(design, simulator, rng, size).items():
            sums.setdefault(name, []).append(values)
        done += size
    found = {name: float(np.concatenate(values).mean()) for name, values in sums.items()}
    share = found[next(iter(found))]
    return {
        "name": design.name, "kind": design.kind, "n_studies": n_studies, "seed": [SEED, at],
        "n_trials": design.sheet.n_trials, "n_participants": simulator.P, "n_images": simulator.I,
        "rates": design.rates, "sds": [design.spreads.participant, design.spreads.image, design.spreads.interaction],
        "band": design.band, "monte_carlo_se": math.sqrt(max(share * (1 - share), 1e-9) / n_studies),
        **{name: round(value, 5) for name, value in found.items()},
    }  # fmt: skip


def _one(design: Design, simulator: Simulator, rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    P, I, n = simulator.P, simulator.I, design.sheet.n_trials  # noqa: E741 -- participants and images
    if design.kind == "sequence":
        return _sequence(design, simulator, rng, size)
    y = simulator.outcomes(rng, size)
    if design.kind in {"rate", "equivalence"}:
        p, parts = simulator.rate(y)
        assumed = 1 + (n / P - 1 + n / I - 1) * ASSUMED_CORRELATION
        pivot = pivot_of(p, n, [(parts.by_participant, P), (parts.by_image, I)], parts.by_cell, assumed)
        truth = design.rates[0]
        if design.kind == "equivalence":
            low, high = pivot.ends(0.90)
            return {"declared": (low > 0.45) & (high < 0.55)}
        low, high = pivot.ends()
        plain = wilson(p * n, n)
        return {
            "coverage": (low <= truth) & (truth <= high), "below": truth < low, "above": truth > high,
            "width": high - low, "wilson": (plain.low <= truth) & (truth <= plain.high),
            "all_or_none": (p == 0) | (p == 1),
        }  # fmt: skip
    gap, parts = simulator.difference(y)
    arms_ = [set(design.sheet.participant_n[design.sheet.condition_n == k].tolist()) for k in (0, 1)]
    people = P if arms_[0] & arms_[1] else min(map(len, arms_))
    variance, df = contrast_variance(parts, people, I)
    half = t_quantile(df, 0.95) * np.sqrt(variance)
    truth = design.rates[0] - design.rates[1]
    if design.kind == "difference":
        return {
            "coverage": np.abs(gap - truth) <= half,
            "below": truth < gap - half,
            "above": truth > gap + half,
            "width": 2 * half,
        }
    return {"rejected": np.abs(gap) > half}


def _sequence(design: Design, simulator: Simulator, rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    """One set of photographs per study: the sequence is about these photographs and new people."""
    P, I = simulator.P, simulator.I  # noqa: E741 -- participants and images
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    photo = simulator.intercept_K[0] + rng.normal(0, design.spreads.image, (size, I))
    truth = (special.expit(photo[..., None] + design.spreads.participant * nodes) @ weights).mean(axis=1)
    person = rng.normal(0, design.spreads.participant, (size, P))
    y = rng.random((size, P, I), dtype=np.float32) < special.expit(person[:, :, None] + photo[:, None, :])
    mean_SP = y.mean(axis=2, dtype=np.float64)
    looks = np.arange(P) % 5 == 4
    capital = log_capital(mean_SP, truth)[:, looks]
    share = np.cumsum(mean_SP, axis=1)[:, looks] / np.arange(1, P + 1)[looks]
    ends = wilson(share * (np.arange(1, P + 1)[looks] * I), np.arange(1, P + 1)[looks] * I)
    outside = (truth[:, None] < ends.low) | (truth[:, None] > ends.high)
    return {"false_alarms": (capital >= np.log(20)).any(axis=1), "wilson_false_alarms": outside.any(axis=1)}


PAGE_HEAD = """\
# What the intervals cover

`make coverage` writes this page and `docs/results/coverage.json` (every number, with its seed). Each row draws studies
with new people and new photographs; the truth is the marginal rate by quadrature; `sds` are those of people, photos and
photo × condition on the logit; `±` is one Monte-Carlo standard error; (!) is outside the band that was asked for.
"""
SECTIONS = {
    "## Fool rates, 95 % interval\n\n`below`: the truth lies below the interval; `above`: above it.\n\n"
    "| design | sds | coverage | ± | below / above | mean width | Wilson over trials | asked for | studies |\n"
    "|---|---|---|---|---|---|---|---|---|": ("rate",),
    "## Differences, 95 % interval\n\n| design | true rates | sds | coverage | ± | mean width | studies |\n"
    "|---|---|---|---|---|---|---|": ("difference",),
    "## Tests at .05\n\nEquivalence is declared when the 90 % interval lies inside 50 % ± margin: at the margin in at "
    "most 5 of 100.\n\n| what | design | sds | rejected or declared | ± | studies |\n|---|---|---|---|---|---|": (
        "type I",
        "power",
        "equivalence",
    ),
    "## Looking while the data comes in\n\n| design | the sequence ever leaves the truth | Wilson does | studies |\n"
    "|---|---|---|---|": ("sequence",),
}


def write_page(rows: list[dict[str, Any]]) -> None:
    """Write docs/coverage.md from the JSON rows."""
    lines = [PAGE_HEAD]
    for head, kinds in SECTIONS.items():
        lines += [head, *(_line(row) for kind in kinds for row in rows if row["kind"] == kind), ""]
    lines += ["## Not reached", ""]
    outside = [
        f"- {row['name']} ({row['kind']}): {row['coverage']:.4f} ± {row['monte_carlo_se']:.4f}, asked for "
        f"{row['band'][0]:g} to {row['band'][1]:g}"
        for row in rows
        if _flag(row)
    ]
    lines += outside or ["Nothing."]
    PAGE.write_text("\n".join([*lines, "", NOTES.read_text()]))


def _line(row: dict[str, Any]) -> str:
    sds = ", ".join(f"{sd:g}" for sd in row["sds"])
    error, studies = f"{row['monte_carlo_se']:.4f}", f"{row['n_studies']:,}"
    if row["kind"] == "rate":
        cells = [
            row["name"],
            sds,
            f"**{row['coverage']:.4f}**{_flag(row)}",
            error,
            f"{row['below']:.3f} / {row['above']:.3f}",
            f"{row['width']:.3f}",
            f"{row['wilson']:.3f}",
            f"{row['band'][0]:g} to {row['band'][1]:g}",
            studies,
        ]
    elif row["kind"] == "difference":
        rates = ", ".join(f"{rate:g}" for rate in row["rates"])
        cells = [
            row["name"],
            rates,
            sds,
            f"**{row['coverage']:.4f}**{_flag(row)}",
            error,
            f"{row['width']:.3f}",
            studies,
        ]
    elif row["kind"] == "sequence":
        cells = [row["name"], f"**{row['false_alarms']:.4f}**", f"{row['wilson_false_alarms']:.3f}", studies]
    else:
        share = row.get("rejected", row.get("declared"))
        cells = [row["kind"], row["name"], sds, f"**{share:.4f}**", error, studies]
    return f"| {' | '.join(cells)} |"


def _flag(row: dict[str, Any]) -> str:
    return "" if "coverage" not in row or row["band"][0] <= row["coverage"] <= row["band"][1] else " (!)"


def main() -> None:
    """Read the command line, simulate what is missing, write after each design."""
    parser = argparse.ArgumentParser(description="Coverage of every interval, by simulation.")
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="only designs whose name contains this")
    parser.add_argument("--fresh", action="store_true", help="forget what was simulated before")
    options = parser.parse_args()
    known = (
        {}
        if options.fresh or not RESULT.exists()
        else {row["name"]: row for row in json.loads(RESULT.read_text())["rows"]}
    )
    todo = [
        at
        for at, design in enumerate(DESIGNS)
        if options.only in design.name and known.get(design.name, {}).get("n_studies") != options.studies
    ]
    order = sorted(todo, key=lambda at: -DESIGNS[at].sheet.n_trials)
    with ProcessPoolExecutor(options.jobs) as workers, tqdm(total=len(todo), desc="designs") as progress:
        for row in workers.map(measure, order, [options.studies] * len(order)):
            known[str(row["name"])] = row
            rows = [known[design.name] for design in DESIGNS if design.name in known]
            RESULT.write_text(json.dumps({"command": "make coverage", "rows": rows}, indent=1) + "\n")
            write_page(rows)
            progress.update()
    write_page([known[design.name] for design in DESIGNS if design.name in known])


if __name__ == "__main__":
    main()
