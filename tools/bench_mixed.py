"""Time the mixed model against glmmTMB, side by side, and compare what they find.

    python tools/bench_mixed.py [--sizes 20000 200000] [--repeats 1] [--lme4] [--out docs/results/mixed_speed.json]

Each fit is a whole process (start, reading the table, fit, standard errors), the two in turn on the same machine; the
table of ratios goes to docs/mixed-speed.md.  Needs R with glmmTMB (apt-get install r-cran-glmmtmb r-cran-lme4).
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
SHAPES = {20_000: (400, 300), 200_000: (2000, 1000)}
SEED = 20261122
OURS = """
import json, sys, pandas as pd
from analysis import mixed_model
d = pd.read_csv(sys.argv[1])
fit = mixed_model(d.y, d.participant, d.image, d.condition)
print(json.dumps({"estimates": list(fit.estimates), "se": list(fit.se[:4]), "loglik": fit.log_likelihood,
                  "is_converged": fit.is_converged, "warnings": fit.warnings}))
"""
GLMMTMB = """
suppressMessages(library(glmmTMB))
d <- read.csv(commandArgs(TRUE)[1], stringsAsFactors = TRUE)
d$participant <- factor(d$participant); d$image <- factor(d$image)
m <- glmmTMB(y ~ 0 + condition + (1 | participant) + (1 | image), data = d, family = binomial)
e <- c(fixef(m)$cond, sapply(VarCorr(m)$cond, function(x) sqrt(x[1])))
cat(sprintf('{"estimates": [%s], "se": [%s], "loglik": %.10g}\\n', paste(sprintf("%.10g", e), collapse = ","),
  paste(sprintf("%.10g", sqrt(diag(vcov(m)$cond))), collapse = ","), as.numeric(logLik(m))))
"""
LME4 = GLMMTMB
for _theirs, _lme4 in (("library(glmmTMB)", "library(lme4)"), ("glmmTMB(y", "glmer(y"), (")$cond", ")")):
    LME4 = LME4.replace(_theirs, _lme4)
LME4 = LME4.replace("diag(vcov(m))", "diag(as.matrix(vcov(m)))")


PAGE = """\
# How fast the mixed model is

`make bench-mixed` writes this page and `docs/results/mixed_speed.json`. Each time is a whole process on one table:
start, reading, fit, standard errors; the programs take turns on the same machine. Ratios count, seconds do not.

| trials | participants × images | ours, s | glmmTMB, s | ours / glmmTMB | farthest apart: estimates, SEs, log-lik. |
|---|---|---|---|---|---|
"""


def simulate(n_trials: int) -> pd.DataFrame:
    """Draw trials of 4 conditions; participants' sd .5 and images' .8 on the logit."""
    n_people, n_images = SHAPES[n_trials]
    rng = np.random.default_rng(SEED)
    each = n_trials // n_people
    person = np.repeat(np.arange(n_people), each)
    image = np.concatenate([rng.choice(n_images, each, replace=False) for _ in range(n_people)])
    condition = rng.integers(0, 4, len(person))
    eta = (
        np.linspace(-1.5, -0.3, 4)[condition]
        + rng.normal(0, 0.5, n_people)[person]
        + rng.normal(0, 0.8, n_images)[image]
    )
    y = (rng.random(len(eta)) < expit(eta)).astype(int)
    return pd.DataFrame({"participant": person, "image": image, "condition": [f"c{c}" for c in condition], "y": y})


def run(command: list[str]) -> tuple[float, dict[str, Any]]:
    """Run a command of this file; return its wall time in seconds and the JSON it prints."""
    # As anyone runs it: Python keeps what it has compiled, as R does.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(ROOT)
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 -- R and Python with scripts from this file
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"error: {command[0]} failed: {done.stderr.strip().splitlines()[-1]}")
    return seconds, json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    """Read the command line, time, and write both files."""
    parser = argparse.ArgumentParser(description="Time the mixed model against glmmTMB.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 200_000], choices=sorted(SHAPES))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--lme4", action="store_true", help="time lme4, too (three times as slow as glmmTMB)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/results/mixed_speed.json")
    options = parser.parse_args()
    if not shutil.which("Rscript"):
        raise SystemExit("error: Rscript is missing; apt-get install r-cran-glmmtmb r-cran-lme4")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        scripts = {"ours.py": OURS, "glmmTMB.R": GLMMTMB, "lme4.R": LME4}
        for name, text in scripts.items():
            (Path(folder) / name).write_text(text)
        for size in options.sizes:
            table = Path(folder) / f"{size}.csv"
            simulate(size).to_csv(table, index=False)
            commands = {
                "ours": [sys.executable, f"{folder}/ours.py", str(table)],
                "glmmTMB": ["Rscript", f"{folder}/glmmTMB.R", str(table)],
            }
            if options.lme4:
                commands["lme4"] = ["Rscript", f"{folder}/lme4.R", str(table)]
            seconds: dict[str, list[float]] = {name: [] for name in commands}
            found: dict[str, dict[str, Any]] = {}
            for _ in tqdm(range(options.repeats), desc=f"{size:,} trials"):
                for name, command in commands.items():
                    took, found[name] = run(command)
                    seconds[name].append(round(took, 2))
            apart = {
                key: float(np.abs(np.subtract(found["ours"][key], found["glmmTMB"][key])).max())
                for key in ("estimates", "se", "loglik")
            }
            people, images = SHAPES[size]
            ratios = [a / b for a, b in zip(seconds["ours"], seconds["glmmTMB"], strict=True)]
            rows.append(
                {
                    "n_trials": size,
                    "n_participants": people,
                    "n_images": images,
                    "n_conditions": 4,
                    "seed": SEED,
                    "seconds": seconds,
                    "largest_distance_from_glmmTMB": apart,
                    "is_converged": found["ours"]["is_converged"],
                    "ratio_to_glmmTMB": round(statistics.median(ratios), 4),
                }
            )
    result = {"command": "make bench-mixed", "machine": f"{platform.machine()}, {os.cpu_count()} cores", "rows": rows}
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    lines = PAGE.splitlines()
    for row in rows:
        far = row["largest_distance_from_glmmTMB"]
        ours, theirs = (statistics.median(row["seconds"][name]) for name in ("ours", "glmmTMB"))
        lines.append(
            f"| {row['n_trials']:,} | {row['n_participants']:,} × {row['n_images']:,} | {ours:.1f} | {theirs:.1f} | "
            f"{row['ratio_to_glmmTMB']:.3f} | {far['estimates']:.1e}, {far['se']:.1e}, {far['loglik']:.1e} |"
        )
    (ROOT / "docs/mixed-speed.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines[-len(rows) :]))


if __name__ == "__main__":
    main()
