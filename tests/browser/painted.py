"""When Chromium's compositor really painted, from its own trace, beside what the page reported.

`tools/timing.py` makes the table of docs/timing.md from it. The trace's `DirectRenderer::DrawRenderPass` is the moment
at which the compositor draws a frame; on a page at rest it draws only when something changed. A probe that the page
does not know marks each change of phase, and the first draw after a mark is its paint. None of the page's own
timestamps is used.
"""

import bisect
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from person import Person
from playwright.sync_api import Browser
from study_server import Server, define

FRAME_MS = 1000 / 60
PROBE = """
document.addEventListener("DOMContentLoaded", () => {
    const stage = document.getElementById("stage");
    if (!stage) return;
    new MutationObserver(() => performance.mark("phase " + stage.dataset.phase))
        .observe(stage, { attributes: true, attributeFilter: ["data-phase"] });
    addEventListener("keydown", (event) => performance.mark("key", { detail: event.timeStamp }), true);
});
"""
BUSY = "while True: sum(range(10000))"


@dataclass(frozen=True)
class Exposure:
    """One picture: painted by the trace, and as the page reported it."""

    painted_ms: float
    reported_ms: float
    dropped_frames: int
    is_first: bool


@dataclass(frozen=True)
class Measured:
    """All exposures of a run, and for each answer by how much the reported reaction time is off."""

    exposures: list[Exposure]
    rt_bias_ms: list[float]

    def with_first(self, is_first: list[bool]) -> "Measured":
        """The same with another sense of `is_first`: a picture's first showing."""
        marked = [replace(e, is_first=first) for e, first in zip(self.exposures, is_first, strict=True)]
        return Measured(marked, self.rt_bias_ms)


def measure(
    browser: Browser, server: Server, slug: str, *, n_trials: int, throttle: float = 1.0, is_busy: bool = False
) -> Measured:
    """Take `n_trials` trials by keyboard while Chromium writes its trace."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(60_000)
    context.add_init_script(PROBE)
    page = context.new_page()
    person = Person(page, server)
    person.enter(slug)
    if throttle != 1:
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": throttle})
    browser.start_tracing(page=page, categories=["viz", "blink.user_timing"])
    with busy_core(is_busy):
        person.do_trials("letter", n=n_trials)
    trace = json.loads(browser.stop_tracing())["traceEvents"]
    context.close()
    return read_trace(trace, [report for report in person.reports if report["response"]])


@contextmanager
def busy_core(is_busy: bool = True) -> Iterator[None]:
    """Keep one core busy, if it is to be."""
    if not is_busy:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def read_trace(trace: list[dict[str, object]], reports: list[dict[str, object]]) -> Measured:
    """Match marks, draws and reports."""
    draws = sorted(
        (float(e["ts"]) + float(e.get("dur", 0))) / 1000  # type: ignore[arg-type]
        for e in trace
        if e["name"] == "DirectRenderer::DrawRenderPass"
    )
    marks = sorted(
        (float(e["ts"]) / 1000, str(e["name"]), e)  # type: ignore[arg-type]
        for e in trace
        if e.get("cat") == "blink.user_timing" and str(e["name"]).startswith(("phase ", "key"))
    )

    def paint_after(t: float) -> float:
        return draws[min(bisect.bisect_left(draws, t), len(draws) - 1)]

    exposures: list[Exposure] = []
    biases: list[float] = []
    painted: dict[str, float] = {}
    waiting = list(reports)
    for t, name, event in marks:
        if name.startswith("phase "):
            painted[name.removeprefix("phase ")] = paint_after(t)
        if name == "key" and "answering" in painted and waiting:
            report = waiting.pop(0)
            shown: list[dict[str, float]] = report["exposures"]  # type: ignore[assignment]
            for (begin, end), told in zip((("first", "gap"), ("second", "hold")), shown, strict=True):
                duration = painted[end] - painted[begin]
                is_first = begin == "first"
                exposures.append(Exposure(duration, told["achieved_ms"], int(told["dropped_frames"]), is_first))
            # The mark's own time on the page's clock ties that clock to the trace's.
            data = event["args"]["data"]  # type: ignore[index]
            pressed = t - float(data["startTime"]) + float(data["detail"])
            biases.append(float(report["rt_ms"]) - (pressed - painted["answering"]))  # type: ignore[arg-type]
            painted = {}
    return Measured(exposures, biases)


@dataclass(frozen=True)
class Summary:
    """A row of the table."""

    n: int
    mean_ms: float
    sd_ms: float
    within_one_frame: float
    within_half_frame: float
    first_ms: float
    later_ms: float
    reported_within_one_frame: float
    unrecorded: int
    """Exposures that were off by more than a frame and whose record does not say so."""
    rt_bias_ms: float
    rt_sd_ms: float


def summarise(measured: Measured, nominal_ms: float) -> Summary:
    """Reduce a run to its row."""
    errors = [e.painted_ms - nominal_ms for e in measured.exposures]
    n = len(errors)

    def share(limit: float) -> float:
        return sum(abs(error) <= limit for error in errors) / n

    off = [e for e in measured.exposures if abs(e.painted_ms - e.reported_ms) > FRAME_MS]
    return Summary(
        n=n,
        mean_ms=statistics.mean(errors),
        sd_ms=statistics.pstdev(errors),
        within_one_frame=share(FRAME_MS),
        within_half_frame=share(FRAME_MS / 2),
        first_ms=statistics.mean(e.painted_ms - nominal_ms for e in measured.exposures if e.is_first),
        later_ms=statistics.mean(e.painted_ms - nominal_ms for e in measured.exposures if not e.is_first),
        reported_within_one_frame=1 - len(off) / n,
        unrecorded=sum(e.dropped_frames == 0 for e in off),
        rt_bias_ms=statistics.mean(measured.rt_bias_ms),
        rt_sd_ms=statistics.pstdev(measured.rt_bias_ms),
    )


def timing_study(exposure_ms: float, n_trials: int) -> str:
    """Define a study of nothing but trials, with blanks cut short."""
    timing = (
        f"first_blank_ms = 300\nblank_before_ms = 200\nexposure_ms = {exposure_ms}\n"
        "blank_between_ms = 200\nbuttons_after_ms = 100\nfeedback_ms = 0\n"
    )
    return define(timing=timing, n_practice=0, n_test=n_trials, n_low_anchor=0, n_instructed=0)
