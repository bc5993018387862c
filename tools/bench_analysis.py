"""A million trials from file to page: time and memory at growing sizes, in processes of their own.

    python tools/bench_analysis.py --out docs/results/analysis-large.json

Writes a simulated export (one condition per person, 40 test trials each of 2,000 photographs) and a foreign table of
the same judgements, and runs `python -m analysis report` on each.  The table goes into a .md file beside --out.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "analysis"))
N_EACH, N_IMAGES = 40, 2000


def write_large(directory: Path, n_trials: int) -> None:
    """Repeat the layout of tests/analysis/export_tables.py, column by column instead of row by row."""
    from export_pictures import CONDITIONS, make_stimuli
    from export_tables import ANSWER_COLUMNS, SESSION_COLUMNS, TRIAL_COLUMNS
    from make_export import make_definition

    people = n_trials // N_EACH
    rng = np.random.default_rng(1)
    rng_stimuli = np.random.default_rng(2)
    names = {name: CONDITIONS[name] for name in ("real", "zhang2016", "regression")}
    images, stimuli, files = make_stimuli(rng_stimuli, names, N_IMAGES, 0, 4)
    manifest = {
        "format": "truehue-stimulus-set/1", "name": "large", "settings": {"size_px": 4}, "commit": "",
        "conditions": {n: {"kind": k, "model": m, "checkpoint_sha256": "", "settings": {}, "description": d}
                       for n, (k, m, d) in names.items()},
        "images": images, "stimuli": stimuli, "refused": [], "seen_in_training": [],
    }  # fmt: skip
    manifest_bytes = json.dumps(manifest).encode()
    definition = make_definition(N_EACH, 0, 0, 0, "A million trials")
    canonical = json.dumps(definition, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    hashes = {
        "definition_sha256": hashlib.sha256(canonical.encode()).hexdigest(),
        "manifest_sha256": hashlib.sha256(manifest_bytes).hexdigest(),
    }
    of = {(s["image_id"], s["condition"]): s["stimulus_id"] for s in stimuli}
    ids = np.array([image["image_id"] for image in images])
    person = np.repeat(np.arange(people), N_EACH)
    image = (rng.integers(N_IMAGES, size=people)[person] + np.tile(np.arange(N_EACH), people) * 47) % N_IMAGES
    condition = np.array(["zhang2016", "regression"])[person % 2]
    a = np.array([of[ids[i], c] for i, c in zip(image, condition, strict=True)])
    b = np.array([of[name, "real"] for name in ids])[image]
    logit = np.where(condition == "zhang2016", -0.9, -2.0) + rng.normal(0, 0.5, people)[person]
    fooled = rng.random(n_trials) < 1 / (1 + np.exp(-logit - rng.normal(0, 1, N_IMAGES)[image]))
    side = rng.choice(["left", "right"], n_trials)
    response = np.where(fooled, np.where(side == "left", "right", "left"), side)
    index = np.tile(np.arange(N_EACH), people)
    shown = pd.Timestamp("2026-11-22T10:00:00Z") + pd.to_timedelta(person * 500 + index * 8, unit="s")
    exposure = np.round(1000 + rng.normal(0, 3, (2, n_trials)), 1)
    stamp = "%Y-%m-%dT%H:%M:%S.000Z"
    words = np.array(["false", "true"])
    trials = pd.DataFrame(dict.fromkeys(TRIAL_COLUMNS, ""), index=range(n_trials)).assign(
        session_id=np.char.add("s", person.astype(str)), participant_id=np.char.add("p", person.astype(str)),
        study="large", **hashes, trial_index=index, plan_index=index, kind="test", design="sequential_pair",
        question="fake", image_id=ids[image], stimulus_a=a, stimulus_b=b, condition_a=condition, condition_b="real",
        side_of_a=side, order_of_a=rng.choice(["first", "second"], n_trials), response=response,
        chosen_stimulus=np.where(response == side, a, b), said_real=np.where(response == side, b, a),
        fooled=words[fooled.astype(int)], correct=words[(~fooled).astype(int)],
        rt_ms=np.round(np.exp(rng.normal(6.6, 0.4, n_trials)), 1), exposure_ms_nominal=1000.0,
        exposure_ms_achieved=exposure[0], exposure_a_ms_achieved=exposure[0], exposure_b_ms_achieved=exposure[1],
        frames_a=60, frames_b=60, dropped_frames=0, refresh_hz=60.0, visible="true",
        shown_at_utc=shown.strftime(stamp), answered_at_utc=(shown + pd.Timedelta(seconds=5)).strftime(stamp),
        is_simulated="true",
    )  # fmt: skip
    first = pd.DataFrame(dict.fromkeys(SESSION_COLUMNS, ""), index=range(people)).assign(
        session_id=[f"s{i}" for i in range(people)], participant_id=[f"p{i}" for i in range(people)], study="large",
        **hashes, arm=np.array(["zhang2016", "regression"])[np.arange(people) % 2], status="complete",
        source="simulated", is_simulated="true", is_pilot="false", consented_at_utc="2026-11-22T10:00:00.000Z",
    )  # fmt: skip
    directory.mkdir(parents=True)
    trials.to_csv(directory / "trials.csv", index=False, quoting=csv.QUOTE_NONE)
    first.to_csv(directory / "sessions.csv", index=False)
    (directory / "answers.csv").write_text(",".join(ANSWER_COLUMNS) + "\n")
    (directory / "manifest.json").write_bytes(manifest_bytes)
    study = {
        "format": "truehue-export/1", "study": "large", "title": "A million trials", "definition": definition, **hashes,
        "study_seed": 1, "truehue_version": "", "commit": "", "exported_at_utc": "2026-11-22T10:00:00.000Z",
        "is_simulated": True, "simulation": None, "n_sessions": people, "n_trials": n_trials, "allow_seen": False,
    }  # fmt: skip
    (directory / "study.json").write_text(json.dumps(study))
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    columns = ["participant_id", "image_id", "condition_a", "fooled", "rt_ms"]
    trials[columns].to_csv(directory.parent / f"{directory.name}.csv", index=False)


PAGE = """\
# A million trials

`make bench-analysis` writes this page and `{name}`. Each line is a process of its own, from the start of Python to
the finished report: reading, every check, primary estimators, differences, tables and figures. `export`: a study's
own folder with all 41 columns of its trials; `table`: anyone's table of five columns. Asked for: a million trials in
under 20 s and 2 GB.

| kind | trials | wall, s | processor, s | memory, MB | µs per trial beyond the smallest |
|---|---|---|---|---|---|
{lines}

{verdict}

Measured {when} on {machine}.
"""


def page(result: dict[str, Any], name: str) -> str:
    """Write the measurements for a reader, with the growth per trial beyond the smallest table."""
    lines, verdict = [], []
    for kind in ("export", "table"):
        rows = [row for row in result["rows"] if row["kind"] == kind]
        first, last = rows[0], rows[-1]
        for row in rows:
            more = row["n_trials"] - first["n_trials"]
            grown = f"{1e6 * (row['cpu_s'] - first['cpu_s']) / more:.1f}" if more else "–"
            lines.append(
                f"| {kind} | {row['n_trials']:,} | {row['wall_s']} | {row['cpu_s']} | {row['peak_mb']:,} | {grown} |"
            )
        ok = last["wall_s"] < 20 and last["peak_mb"] < 2000
        verdict.append(
            f"{kind.capitalize()}: {last['n_trials']:,} trials in {last['wall_s']} s and {last['peak_mb']:,} MB"
            f"{'' if ok else ' (more than asked for)'}."
        )
    return PAGE.format(
        name=name, lines="\n".join(lines), verdict=" ".join(verdict), when=result["when"], machine=result["machine"]
    )


def timed(arguments: list[str]) -> dict[str, float]:
    """Run a report in a process of its own: wall and processor seconds, peak memory."""
    # As anyone runs it: Python keeps what it has compiled.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, "-m", "analysis", "report", *arguments, "--quiet"],
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"error: the report failed with status {process.returncode}")
    return {
        "wall_s": round(time.perf_counter() - start, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": round(usage.ru_maxrss / 1024),
    }


def main() -> None:
    """Measure every size, print a line each, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[125_000, 250_000, 500_000, 1_000_000])
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            export = Path(folder) / f"export-{size}"
            # In a process of its own: a child's peak memory counts what its parent held when it was made.
            writer = multiprocessing.get_context("spawn").Process(target=write_large, args=(export, size))
            writer.start()
            writer.join()
            if writer.exitcode:
                raise SystemExit(f"error: writing {size:,} trials failed with status {writer.exitcode}")
            flags = ["--participant", "participant_id", "--item", "image_id", "--condition", "condition_a"]
            for kind, arguments in (
                ("export", [str(export)]),
                ("table", [f"{export}.csv", *flags, "--fooled", "fooled", "--rt-ms", "rt_ms"]),
            ):
                if not rows:
                    timed([*arguments, "--out", f"{folder}/out-first"])  # compiles the libraries, and is not counted
                row = {"n_trials": size, "kind": kind, **timed([*arguments, "--out", f"{folder}/out-{kind}-{size}"])}
                row["cpu_us_per_trial"] = round(1e6 * row["cpu_s"] / size, 1)
                rows.append(row)
                print(row, flush=True)
    result = {
        "command": f"python tools/bench_analysis.py --out {options.out}",
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}",
        "rows": rows,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    options.out.with_suffix(".md").write_text(page(result, options.out.name), encoding="utf-8")


if __name__ == "__main__":
    main()
