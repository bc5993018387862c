"""jsPsych running the same two-picture trial, from its registry packages, for `make timing`.

The packages come by `npm pack` into a cache outside the repository and are only ever read there.
"""

import json
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from painted import Measured, busy_core, read_trace
from playwright.sync_api import Browser

PACKAGES = {
    "jspsych": "8.3.0",
    "@jspsych/plugin-html-keyboard-response": "2.2.0",
    "@jspsych/plugin-image-keyboard-response": "2.2.0",
    "@jspsych/plugin-preload": "2.1.0",
}
PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>jsPsych</title>
{scripts}<link rel="stylesheet" href="jspsych.css"><style>body {{ background: #808080; }}</style></head>
<body></body><script type="module" src="run.js"></script></html>
"""
# As its documentation shows it; `data-phase` and the observer are the probe, which jsPsych does not know.
RUN = """
const { exposure, blank, hold, pairs } = await (await fetch("run.json")).json();
const jsPsych = initJsPsych({ on_finish: () => { document.body.dataset.phase = "over"; } });
const preload = { type: jsPsychPreload, images: pairs.flat() };
const wait = (phase, ms) => ({ type: jsPsychHtmlKeyboardResponse, stimulus: `<p data-phase="${phase}">+</p>`,
  choices: "NO_KEYS", trial_duration: ms });
const picture = (phase, src) => ({ type: jsPsychImageKeyboardResponse, stimulus: src, choices: "NO_KEYS",
  trial_duration: exposure, data: { phase }, prompt: `<i data-phase="${phase}"></i>` });
const answer = { type: jsPsychHtmlKeyboardResponse, stimulus: '<p data-phase="answering">Which? F or J</p>',
  choices: ["f", "j"], data: { phase: "answering" } };
const NEXT = { first: "gap", second: "hold" };
let phase = "";
new MutationObserver(() => {
  const element = document.querySelector("[data-phase]:not(body)");
  const now = element ? element.dataset.phase : NEXT[phase] ?? phase;      // emptied: the picture is gone
  if (now === phase) return;
  phase = now;
  performance.mark("phase " + phase);
  document.documentElement.dataset.now = phase;
}).observe(document.body, { childList: true, subtree: true });
addEventListener("keydown", (event) => performance.mark("key", { detail: event.timeStamp }), true);
await jsPsych.run([preload, ...pairs.flatMap(([a, b]) =>
  [wait("blank", blank), picture("first", a), wait("gap", blank), picture("second", b), wait("hold", hold), answer])]);
window.answers = jsPsych.data.get().filter({ phase: "answering" }).values().map(({ rt }) => rt);
window.pictures = jsPsych.data.get().values().filter((d) => d.trial_type === "image-keyboard-response").length;
document.documentElement.dataset.now = "over";
"""


def fetch(cache: Path) -> Path:
    """Give the folder with jsPsych's browser builds, downloading them once."""
    folder = cache / "jspsych"
    if (folder / "complete").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, version in PACKAGES.items():
        subprocess.run(["npm", "pack", f"{name}@{version}", "--silent"], cwd=folder, check=True, capture_output=True)
        stem = name.replace("@", "").replace("/", "-")
        with tarfile.open(folder / f"{stem}-{version}.tgz") as archive:
            build = archive.extractfile("package/dist/index.browser.min.js")
            assert build is not None
            (folder / f"{stem}.js").write_bytes(build.read())
            if name == "jspsych":
                style = archive.extractfile("package/css/jspsych.css")
                assert style is not None
                (folder / "jspsych.css").write_bytes(style.read())
    (folder / "complete").touch()
    return folder


@contextmanager
def serving(packages: Path, pictures: list[Path], folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve the experiment's folder; give its address and the pictures' names there."""
    for path in packages.glob("*.*s"):
        if path.suffix in {".js", ".css"}:
            shutil.copyfile(path, folder / path.name)
    names = [f"{number:03d}.png" for number in range(len(pictures))]
    for path, name in zip(pictures, names, strict=True):
        shutil.copyfile(path, folder / name)
    stems = [name.replace("@", "").replace("/", "-") for name in PACKAGES]
    scripts = "".join(f'<script src="{stem}.js"></script>' for stem in stems)
    (folder / "index.html").write_text(PAGE.format(scripts=scripts))
    (folder / "run.js").write_text(RUN)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", names
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def measure_jspsych(
    browser: Browser,
    url: str,
    folder: Path,
    names: list[str],
    *,
    n_trials: int,
    exposure_ms: float,
    throttle: float = 1.0,
    is_busy: bool = False,
) -> Measured:
    """Take `n_trials` trials; each picture is shown in the first half and once more in the second."""
    half = (n_trials + 1) // 2
    pairs = [[names[2 * i], names[2 * i + 1]] for i in range(half)]
    pairs = [*pairs, *pairs[: n_trials - half]]
    (folder / "run.json").write_text(json.dumps({"exposure": exposure_ms, "blank": 200, "hold": 100, "pairs": pairs}))
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(60_000)
    page = context.new_page()
    session = context.new_cdp_session(page)
    if throttle != 1:
        session.send("Emulation.setCPUThrottlingRate", {"rate": throttle})
    browser.start_tracing(page=page, categories=["viz", "blink.user_timing"])
    with busy_core(is_busy):
        page.goto(url)
        for _ in range(n_trials):
            page.locator("html[data-now=answering]").wait_for()
            page.keyboard.press("f")
            page.locator("html:not([data-now=answering])").wait_for(state="attached")
        page.locator("html[data-now=over]").wait_for()
    trace = json.loads(browser.stop_tracing())["traceEvents"]
    times = page.evaluate("() => window.answers")
    context.close()
    # It reports no exposure of its own; what it was asked for stands in its place.
    told = [{"achieved_ms": exposure_ms, "dropped_frames": 0}] * 2
    found = read_trace(trace, [{"rt_ms": rt, "exposures": told} for rt in times])
    return found.with_first([i // 2 < half for i in range(2 * n_trials)])
