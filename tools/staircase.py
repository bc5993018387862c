"""How well HYPE-time's staircases find the truth: the published mode beside the fitted 75 % point, by simulation.

    python tools/staircase.py        # a minute; writes docs/results/staircase.md

30 people, 3 blocks of 150 looks from 500 ms on, 10 ms down after a right answer and 30 ms up after a wrong one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "analysis"))
N_STUDIES = 200
SD_PEOPLE = 0.3
PAGE = """\
# Staircases that begin far from the truth

`python tools/staircase.py` writes this page: {n} simulated studies a line, each of 30 people with 3 blocks of 150 looks
from 500 ms on (HYPE-time; 10 ms down after a right answer, 30 ms up after a wrong one, 100 to 1,000 ms). People's own
75 % points are lognormal (sd {sd} of ln T) around the truth; `slope` is that of the logistic in ln t. `mode`: the
published threshold, its mean over studies and how far that is from the truth; `fitted`:
`analysis.psychometric_threshold`; `coverage`: of its 95 % interval; `no fit`: studies that it refused.

| truth, ms | slope | mode, ms | off by | fitted, ms | off by | coverage | mode's 95 % interval covers | no fit |
|---|---|---|---|---|---|---|---|---|
{lines}

The mode is pulled towards the start and stops at the staircase's limits; more people do not mend it. The report prints
both.
"""


def main() -> None:
    """Simulate every line and write the page."""
    from test_thresholds import looks  # the simulation that the tests use

    from analysis import hype_time, psychometric_threshold

    lines = []
    for truth_ms in (150, 250, 400, 600, 800):
        for slope in (2.0, 4.0):
            modes, fits, covered, mode_covered, refused = [], [], 0, 0, 0
            for seed in tqdm(range(N_STUDIES), desc=f"{truth_ms} ms, slope {slope:g}"):
                rows = looks(truth_ms, slope=slope, seed=seed, sd=SD_PEOPLE)
                mode = hype_time(rows["level_ms"], rows["participant"], rows["block"], n_draws=400)
                modes.append(mode.threshold_ms)
                mode_covered += mode.ci_low_ms < truth_ms < mode.ci_high_ms
                try:
                    fit = psychometric_threshold(rows["correct"], rows["level_ms"], rows["participant"])
                except ValueError:
                    refused += 1
                    continue
                fits.append(fit.threshold_ms)
                covered += fit.ci_low_ms < truth_ms < fit.ci_high_ms
            mode_ms, fitted_ms = float(np.mean(modes)), float(np.mean(fits))
            lines.append(
                f"| {truth_ms} | {slope:g} | {mode_ms:.0f} | {100 * (mode_ms / truth_ms - 1):+.1f} % | "
                f"{fitted_ms:.0f} | {100 * (fitted_ms / truth_ms - 1):+.1f} % | {covered / max(len(fits), 1):.3f} | "
                f"{mode_covered / N_STUDIES:.3f} | {refused} |"
            )
    page = PAGE.format(n=N_STUDIES, sd=SD_PEOPLE, lines="\n".join(lines))
    (ROOT / "docs/results/staircase.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
