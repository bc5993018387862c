"""A photodiode's recording without a photodiode: a real Chromium takes a study, and its corner is watched.

    python tools/photodiode_rehearsal.py --out rehearsal

Writes export.zip, recording.csv (samples, 2 kHz), session (its name) and late (the trial_index of the onset that was
made 30 ms late). What `import-photodiode` must find again stands in docs/lab.md.
"""

import argparse
import random
import sys
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from study import create_app, lifecycle
from study.config import read_settings
from study.definition import parse_definition
from study.export import write_export
from study.serving import in_thread
from study.simulate import asking
from study.simulate.chromium import launch
from study.studies import create_study

STIMULI = Path(__file__).resolve().parent.parent / "study" / "demo" / "stimuli"
DRIFT_PPM, LATE_MS, NOISE, STEP_MS = 150, 30.0, 0.03, 0.5
START_MS = 4321.0  # the recorder was switched on before the page
N_FLASHES = 12  # of six trials
DEFINITION = """
preset = "zhang2016"
[study]
contact = "lab@example.org"
[lab]
photodiode = true
[practice]
n_trials = 0
n_spare = 0
[test]
n_trials = 6
[catch]
n_low_anchor = 0
n_instructed = 0
n_spare = 2
[timing]
first_blank_ms = 200
blank_before_ms = 200
exposure_ms = 200
blank_between_ms = 200
"""
# When the corner changed, by the time of its frame: what a photodiode would see at the next refresh of a machine with
# nothing else to do. The recording is of this one's drift and one late onset alone, however busy the machine is.
WATCH = """
addEventListener("DOMContentLoaded", () => {
  const corner = document.querySelector('[data-part="photodiode"]');
  if (!corner) return;
  globalThis.edges = [];
  let before = "0";
  new MutationObserver(() => {
    if (corner.style.opacity === before) return;
    before = corner.style.opacity;
    globalThis.edges.push([document.timeline.currentTime, Number(before || 0)]);
  }).observe(corner, { attributes: true, attributeFilter: ["style"] });
});
"""


def watch(page: Page, address: str) -> list[tuple[float, int]]:
    """Take the study at an address, whatever it shows, and give the corner's edges: ms of the page's clock, 0 or 1."""
    page.add_init_script(WATCH)
    asking.watch(page)
    page.goto(address)
    page.get_by_role("button", name="I agree and start").click()
    page.get_by_role("button", name="Start").click()
    asked = page.locator(".gate:not([hidden]) button, .answer[aria-disabled=false], form[action$='/answers']")
    edges: list[tuple[float, int]] = []
    while True:
        asked.first.wait_for()
        if page.locator("form[action$='/answers']").count():
            return edges
        edges = page.evaluate("() => globalThis.edges ?? []")
        if page.locator(".gate:not([hidden])").count():
            asking.pass_gate(page)
        else:
            number = asking.painted(page)
            page.keyboard.press("f")
            asking.wait_for_end(page, number)


def record(edges: list[tuple[float, int]], late: int, *, seed: int = 1) -> list[str]:
    """Sample what a photodiode saw of the edges, with the onset of flash `late` too late; lines of recording.csv."""
    rng, lines = random.Random(seed), ["time_ms,level"]
    ons = [t for t, is_on in edges if is_on]
    told = sorted((t + LATE_MS * (is_on and t == ons[late]), is_on) for t, is_on in edges)
    slope = 1 - DRIFT_PPM * 1e-6
    moments = [(START_MS + slope * (t - told[0][0]), is_on) for t, is_on in told]
    level, at, t = 0, 0, 0.0
    while t < moments[-1][0] + 500:
        while at < len(moments) and moments[at][0] <= t:
            level, at = moments[at][1], at + 1
        lines.append(f"{t:.1f},{0.2 + 2.9 * level + rng.gauss(0, NOISE):.4f}")
        t += STEP_MS
    return lines


def rehearse(out: Path, browser: Any) -> tuple[str, int]:
    """Write the rehearsal's files into an empty folder; give the session and the trial whose onset is late."""
    out.mkdir(parents=True)
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as instance:
        app = create_app(read_settings({"TRUEHUE_INSTANCE": instance}))
        if app.test_cli_runner().invoke(args=["upgrade"]).exit_code:
            raise RuntimeError("the database could not be made")
        here = app.extensions["truehue"]
        desk, settings = here.desk, here.settings
        study = create_study(
            desk.database, settings.stimuli, parse_definition(DEFINITION), STIMULI, slug="rehearsal", now=now, seed=1
        )
        lifecycle.change(desk.database, study.name, "running", actor="rehearsal", now=now)
        with in_thread(app) as address:
            edges: list[tuple[float, int]] = []
            while len(edges) != 2 * N_FLASHES:  # more: the machine slept, and a trial is void
                context = browser.new_context(viewport={"width": 1280, "height": 800})
                edges = watch(context.new_page(), f"{address}/s/rehearsal/")
                context.close()
        data = write_export(desk.database, settings.stimuli, study.id, out / "export.zip", now=datetime.now(UTC))
        session = next(line.split(",")[0] for line in _member(data, "sessions.csv")[-1:])
        desk.database.dispose()
    late = 3  # the fourth flash is the second trial's second picture
    (out / "recording.csv").write_text("\n".join(record(edges, late)) + "\n", encoding="utf-8")
    (out / "session").write_text(f"{session}\n", encoding="utf-8")
    (out / "late").write_text(f"{late // 2}\n", encoding="utf-8")
    return session, late // 2


def _member(archive: Path, name: str) -> list[str]:
    with zipfile.ZipFile(archive) as file:
        member = next(one for one in file.namelist() if one.endswith(name))
        return file.read(member).decode().splitlines()


def main() -> int:
    """Rehearse once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
    out = parser.parse_args().out
    if out.exists():
        print(f"error: {out}: expected a new folder, got an existing one; name another with --out", file=sys.stderr)
        return 2
    with sync_playwright() as playwright:
        browser = launch(playwright)
        session, late = rehearse(out, browser)
        browser.close()
    print(
        f"{out}: session {session}; an onset of trial {late} is {LATE_MS:g} ms late, the clock drifts {DRIFT_PPM} ppm"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
