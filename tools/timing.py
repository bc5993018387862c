"""`make timing`: how long pictures are really painted, ours and jsPsych's, in three conditions.

    python tools/timing.py --trials 500 --jspsych-trials 100

Every trial shows two pictures, so 500 trials are 1,000 exposures. Raw exposures are kept in `--raw` after each thirty
trials, so that an interrupted run goes on where it was and several runs add up; --fresh begins anew. What is there
is summarised into docs/results/timing.json and the table of docs/timing.md.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "browser"))

import jspsych_page
from painted import Exposure, Measured, measure, summarise, timing_study
from playwright.sync_api import Browser, sync_playwright
from study_server import running_server
from tqdm import tqdm

from study.simulate.chromium import launch

ROOT = Path(__file__).resolve().parent.parent
CHUNK = 30
CONDITIONS: dict[str, dict[str, Any]] = {
    "idle": {},
    "busy": {"is_busy": True},
    "throttled": {"throttle": 4.0},
}
TITLES = {"idle": "idle", "busy": "one core kept busy", "throttled": "page throttled four times"}
SYSTEMS = {"truehue": "Truehue", "jspsych": "jsPsych 8.3.0"}
TARGETS = {
    "within_one_frame": {"idle": 0.995, "busy": 0.995, "throttled": 0.95},
    "within_half_frame": {"idle": 0.96, "busy": 0.96},
}
LIMITS = {"mean_ms": 3.0, "rt_bias_ms": 8.0, "rt_sd_ms": 4.0}
BEGIN, END = "<!-- make timing: begin -->", "<!-- make timing: end -->"


def main() -> int:
    """Measure what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=500, help="of ours in each condition (500: 1,000 exposures)")
    parser.add_argument("--jspsych-trials", type=int, default=100)
    parser.add_argument("--exposure-ms", type=float, default=1000)
    parser.add_argument("--condition", choices=CONDITIONS, action="append", help="only this one; repeatable")
    parser.add_argument("--raw", type=Path, default=ROOT / "out" / "timing")
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results" / "timing.json")
    parser.add_argument("--table", type=Path, default=ROOT / "docs" / "timing.md")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    options = parser.parse_args()
    options.raw.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        for path in options.raw.glob("*.json"):
            path.unlink()
    wanted = {"truehue": options.trials, "jspsych": options.jspsych_trials}
    try:
        with sync_playwright() as playwright:
            for condition in options.condition or CONDITIONS:
                for system, n in wanted.items():
                    browser = launch(playwright)
                    _measure(browser, system, condition, n, options)
                    browser.close()
    except KeyboardInterrupt:
        print("stopped; what was measured is kept, the same command goes on", file=sys.stderr)
    rows = _summaries(options.raw, options.exposure_ms)
    if not rows:
        print("error: nothing is measured yet", file=sys.stderr)
        return 2
    about = {
        "command": "make timing",
        "measured_on": datetime.now(UTC).date().isoformat(),
        "exposure_ms": options.exposure_ms,
        "n_cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "rows": rows,
    }
    options.results.write_text(json.dumps(about, indent=1) + "\n")
    table = _table(rows)
    print(table)
    _write_table(options.table, table, about)
    return 0


def _measure(browser: Browser, system: str, condition: str, n: int, options: argparse.Namespace) -> None:
    kept = options.raw / f"{system}-{condition}-{options.exposure_ms:g}.json"
    data = json.loads(kept.read_text()) if kept.exists() else {"exposures": [], "rt_bias_ms": [], "browser": ""}
    done = len(data["rt_bias_ms"])
    if done >= n:
        return
    with _ready(system, options.exposure_ms) as run, tqdm(total=n, initial=done, desc=f"{system} {condition}") as bar:
        while done < n:
            found = run(browser, min(CHUNK, n - done), **CONDITIONS[condition])
            data["exposures"] += [asdict(e) for e in found.exposures]
            data["rt_bias_ms"] += found.rt_bias_ms
            data["browser"] = browser.version
            part = kept.with_suffix(".part")
            part.write_text(json.dumps(data))
            part.replace(kept)
            bar.update(len(found.rt_bias_ms))
            done = len(data["rt_bias_ms"])


@contextmanager
def _ready(system: str, exposure_ms: float) -> Iterator[Any]:
    """Give what measures a number of trials of a system."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        studies = {"timing": timing_study(exposure_ms, CHUNK)} if system == "truehue" else {}
        with running_server(folder / "instance", studies) as server:
            if system == "truehue":

                def run(browser: Browser, n: int, **how: Any) -> Measured:
                    return measure(browser, server, "timing", n_trials=n, **how)

                yield run
                return
            cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "truehue"
            pictures = sorted((server.stimuli / "images").iterdir())[: 2 * CHUNK]
            page = folder / "page"
            page.mkdir()
            with jspsych_page.serving(jspsych_page.fetch(cache), pictures, page) as (url, names):

                def run_jspsych(browser: Browser, n: int, **how: Any) -> Measured:
                    return jspsych_page.measure_jspsych(
                        browser, url, page, names, n_trials=n, exposure_ms=exposure_ms, **how
                    )

                yield run_jspsych


def _summaries(raw: Path, exposure_ms: float) -> list[dict[str, Any]]:
    rows = []
    for condition in CONDITIONS:
        for system in SYSTEMS:
            path = raw / f"{system}-{condition}-{exposure_ms:g}.json"
            if not path.exists():
                continue
            data = json.loads(path.read_text())
            run = Measured([Exposure(**e) for e in data["exposures"]], data["rt_bias_ms"])
            summary = asdict(summarise(run, exposure_ms))
            row = {"system": system, "condition": condition, "browser": data["browser"], **summary}
            row["misses"] = _misses(row)
            rows.append(row)
    return rows


def _misses(row: dict[str, Any]) -> list[str]:
    """Name the targets that a row misses."""
    condition = row["condition"]
    missed = [
        name for name in ("within_one_frame", "within_half_frame") if row[name] < TARGETS[name].get(condition, 0.0)
    ]
    return missed + [name for name, most in LIMITS.items() if abs(row[name]) > most]


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| system | condition | exposures | mean (SD), ms | ±1 frame | ±½ frame | first / later, ms "
        "| reported within 1 frame | off by more, not recorded | reaction-time bias (SD), ms | targets missed |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        ours = r["system"] == "truehue"
        reported = f"{r['reported_within_one_frame']:.1%} | {r['unrecorded']}" if ours else "none | –"
        lines.append(
            f"| {SYSTEMS[r['system']]} | {TITLES[r['condition']]} | {r['n']:,} "
            f"| {r['mean_ms']:+.1f} ({r['sd_ms']:.1f}) "
            f"| {r['within_one_frame']:.1%} | {r['within_half_frame']:.1%} "
            f"| {r['first_ms']:+.1f} / {r['later_ms']:+.1f} "
            f"| {reported} | {r['rt_bias_ms']:+.1f} ({r['rt_sd_ms']:.1f}) "
            f"| {', '.join(m.removesuffix('_ms').replace('_', ' ') for m in r['misses']) or 'none'} |"
        )
    return "\n".join(lines)


def _write_table(path: Path, table: str, about: dict[str, Any]) -> None:
    text = path.read_text()
    browser = about["rows"][0]["browser"]
    sentence = (
        f"{about['measured_on']}, Chromium {browser}, headless, software compositor, 60 Hz, {about['n_cores']} "
        f"cores, load average {about['load_average']} at the end; exposures of {about['exposure_ms']:g} ms, "
        "blanks of 200 ms. "
        "Errors are painted minus asked for."
    )
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    path.write_text(f"{before}{BEGIN}\n{sentence}\n\n{table}\n\n{END}{after}")


if __name__ == "__main__":
    raise SystemExit(main())
