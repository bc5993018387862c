"""The whole chain without a person: render → create → a browser session → simulated participants → export → report.

    python tools/smoke.py [--out DIR]

Runs the real commands in a folder of its own, then counts everything again from the database by plain SQL and fails if
a number in the report's tables or sentences differs. Prints the report's path.
"""

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from study.simulate import asking
from study.simulate.chromium import launch
from tools.proof.server import HOST, serving

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_MS = 180_000
DEFINITION = """
preset = "zhang2016"
[study]
title = "Smoke test: which colours are fake?"
contact = "nobody@example.org"
[timing]
first_blank_ms = 100
blank_before_ms = 100
exposure_ms = 200
blank_between_ms = 100
feedback_ms = 100
[practice]
n_trials = 2
n_spare = 1
[test]
n_trials = 12
[catch]
n_low_anchor = 2
n_instructed = 1
n_spare = 0
"""


class SmokeError(RuntimeError):
    """A step failed or a number differs."""


def run(step: str, *command: str, instance: Path) -> None:
    """Run one command of the project as a person would, and stop at the first that fails."""
    print(f"— {step}", flush=True)
    environment = {**os.environ, "TRUEHUE_INSTANCE": str(instance)}
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, check=False)  # noqa: S603 - our own commands
    if done.returncode != 0:
        raise SmokeError(f"{step}: python -m {' '.join(command)} ended with status {done.returncode}")


def take_part(page: Page, address: str) -> None:
    """One complete session by clicking what the pages offer."""
    page.set_default_timeout(PATIENCE_MS)
    asking.watch(page)
    page.goto(address)
    page.get_by_role("button", name="I agree and start").click()
    page.get_by_role("button", name="Start").click()
    side = 0
    gate = page.locator(".gate:not([hidden])")
    over = page.locator("form[action$='/answers'], .score")
    while True:
        page.locator(".answer[aria-disabled=false]").or_(gate).or_(over).first.wait_for()
        if over.count():
            break
        if gate.count():
            asking.pass_gate(page)
            continue
        number = asking.painted(page)
        line = page.locator("[data-part=line]")
        told = line.inner_text() if line.get_attribute("data-kind") == "instruction" else ""
        name = "Left" if "left" in told or ("right" not in told and side % 2) else "Right"
        side += 1
        page.get_by_role("button", name=name).click()
        asking.wait_for_end(page, number)
    for group in page.get_by_role("group").all():
        group.get_by_role("radio").first.check()
    page.get_by_role("button", name="Finish").click()
    page.get_by_role("heading", name="Your result").wait_for()


def browser_session(instance: Path, slug: str) -> None:
    """Start the server, send a headless Chromium through the study, stop the server."""
    print("— a person at a browser takes part", flush=True)
    environment = {"TRUEHUE_INSTANCE": str(instance)}
    with serving(environment, n_workers=1) as server, sync_playwright() as playwright:
        browser = launch(playwright)
        take_part(browser.new_page(), f"http://{HOST}:{server.port}/s/{slug}/")
        browser.close()


def trials_from_database(instance: Path, slug: str) -> pd.DataFrame:
    """Every answered test and low-anchor trial of a complete session, scored here and not by the project's code."""
    database = next(instance.glob("*.db"), None) or next(instance.glob("*.sqlite*"))
    query = """
        SELECT s.session_id AS session, s.participant_id, t.kind, t.control, t.image_id, t.condition_a AS condition,
               (t.response = t.side_of_a) = (t.question = 'real') AS fooled
        FROM trial t JOIN session s ON s.id = t.session_id JOIN study y ON y.id = s.study_id
        WHERE y.slug = ? AND s.status = 'complete' AND t.response <> '' AND t.void_reason = ''
          AND (t.kind = 'test' OR t.control = 'low_anchor')
    """
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return pd.read_sql_query(query, connection, params=(slug,))
    finally:
        connection.close()


def two_way_variance(fooled: np.ndarray, participant: np.ndarray, image: np.ndarray) -> float:
    """The formula of the statistics notes, written out a second time with pandas for this check."""
    rate, n = fooled.mean(), len(fooled)

    def part(key: pd.Series) -> float:
        sums = pd.Series(fooled - rate).groupby(key.to_numpy()).sum()
        return float((sums**2).sum() / n**2 * len(sums) / (len(sums) - 1))

    people, photos = pd.Series(participant), pd.Series(image)
    by_people, by_photos = part(people), part(photos)
    return max(by_people + by_photos - part(people.astype(str) + "|" + photos.astype(str)), by_people, by_photos)


def holds_rate(row: pd.Series, *, n_fooled: int, n_trials: int) -> bool:
    """Whether the rate lies inside its interval; where none or all were fooled it is the interval's end, 0 or 1."""
    above = row["ci_low"] == 0 if n_fooled == 0 else row["ci_low"] < row["fool_rate"]
    below = row["ci_high"] == 1 if n_fooled == n_trials else row["fool_rate"] < row["ci_high"]
    return bool(above and below)


def compare(report: Path, trials: pd.DataFrame) -> int:
    """Hold every row of the report's tables against the database; returns how many numbers were compared."""
    n_compared = 0

    def same(what: str, reported: float, counted: float) -> None:
        nonlocal n_compared
        n_compared += 1
        if not np.isclose(reported, counted, rtol=1e-9, atol=1e-12):
            raise SmokeError(f"{what}: the report has {reported}, the database {counted}")

    rates = pd.read_csv(report / "tables" / "fool_rates.csv").set_index("condition")
    if set(rates.index) != set(trials["condition"]):
        raise SmokeError(f"conditions differ: {sorted(rates.index)} and {sorted(set(trials['condition']))}")
    html = (report / "report.html").read_text(encoding="utf-8")
    for condition, group in trials.groupby("condition"):
        row = rates.loc[condition]
        fooled = group["fooled"].to_numpy(dtype=float)
        same(f"{condition} n_trials", row["n_trials"], len(group))
        same(f"{condition} n_fooled", row["n_fooled"], fooled.sum())
        same(f"{condition} fool_rate", row["fool_rate"], fooled.mean())
        same(f"{condition} n_participants", row["n_participants"], group["participant_id"].nunique())
        same(f"{condition} n_images", row["n_images"], group["image_id"].nunique())
        variance = two_way_variance(fooled, group["participant_id"].to_numpy(), group["image_id"].to_numpy())
        if 0 < fooled.sum() < len(fooled):
            same(f"{condition} se", row["se"], variance**0.5)
        if not holds_rate(row, n_fooled=int(fooled.sum()), n_trials=len(group)):
            raise SmokeError(f"{condition}: the interval does not hold the rate")
        if f"{int(fooled.sum()):,}/{len(group):,}" not in html:
            raise SmokeError(f"{condition}: {int(fooled.sum())}/{len(group)} does not stand in report.html")
    test = trials[trials["kind"] == "test"]
    for table, key in (("images.csv", "image_id"), ("participants.csv", "participant_id")):
        rows = pd.read_csv(report / "tables" / table)
        for (name, condition), group in test.groupby([key, "condition"]):
            row = rows[(rows[key] == name) & (rows["condition"] == condition)]
            if len(row) != 1:
                raise SmokeError(f"{table}: expected one row for {name}, {condition}, got {len(row)}")
            same(f"{table} {name} n", row["n_trials"].iloc[0], len(group))
            same(f"{table} {name} k", row["n_fooled"].iloc[0], group["fooled"].sum())
    if html.count("SIMULATED") < 3:
        raise SmokeError("a report of simulated participants must say SIMULATED on every figure and table")
    return n_compared


def main() -> int:
    """Run the chain in `--out` and print the report's path."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "smoke", help="emptied first")
    parser.add_argument("--participants", type=int, default=40)
    arguments = parser.parse_args()
    out: Path = arguments.out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / "smoke.toml").write_text(DEFINITION, encoding="utf-8")
    instance, slug = out / "instance", "smoke"
    flask = ("flask", "--app", "study")
    try:
        render = ("--model", "truehue-lite", "random", "--n-random", "6", "--seed", "1", "--out", str(out / "stimuli"))
        run("render the stimuli", "colorizer", "stimuli", "--real", "samples/photos", *render, instance=instance)
        run("make the database", *flask, "upgrade", instance=instance)
        run("create the study", *flask, "create", str(out / "smoke.toml"), str(out / "stimuli"), "--slug", slug,
            "--seed", "1", instance=instance)  # fmt: skip
        run("open it", *flask, "open", slug, instance=instance)
        browser_session(instance, slug)
        people = ("--among-people", "--participants", str(arguments.participants), "--fool-rate", "0.32", "--seed", "7")
        run(f"{arguments.participants} simulated participants", *flask, "simulate", slug, *people, instance=instance)
        run("export", *flask, "export", slug, "--out", str(out / "export"), instance=instance)
        run("report", "analysis", "report", str(out / "export"), "--out", str(out / "report"), instance=instance)
        trials = trials_from_database(instance, slug)
        n_sessions = trials["session"].nunique()
        if n_sessions != arguments.participants + 1:
            raise SmokeError(f"expected {arguments.participants + 1} complete sessions, got {n_sessions}")
        n_compared = compare(out / "report", trials)
    except SmokeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{n_compared} numbers of the report agree with the database ({n_sessions} sessions, {len(trials)} trials)")
    print(out / "report" / "report.html")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
