"""A study from a folder of photographs to a published dataset, in a browser, as its researcher goes; timed.

    python tools/console_flow.py [--photos samples/photos] [--out docs/results/console-flow.json] [--keep FOLDER]

Starts the server as deploy/serve.sh does (gunicorn and the job worker, here without TLS), makes the first account by
command, and from then on clicks: photographs → rendered set → study → pilot → launch → participants → monitor → close
→ report → bundle. Then reproduces the bundle that was downloaded. Stops at the first page that is not as
docs/console.md says. Times are the machine's: what a person reads and types comes on top.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from study.definition import load_preset  # noqa: E402
from study.simulate.chromium import launch  # noqa: E402
from tools.proof.person import Http, Person, required_answers  # noqa: E402
from tools.proof.server import Server  # noqa: E402

EMAIL, PASSWORD = "owner@example.org", "a long enough password"
WAIT_MS = 300_000
N_PHOTOS, N_PEOPLE = 24, 6


class Clock:
    """Steps with their seconds."""

    def __init__(self) -> None:
        self.begun = self.last = time.perf_counter()
        self.steps: list[dict[str, object]] = []

    def step(self, what: str) -> None:
        """Note what was done since the last step."""
        now = time.perf_counter()
        took, at = now - self.last, now - self.begun
        self.steps.append({"step": what, "seconds": round(took, 1), "at_seconds": round(at, 1)})
        print(f"{at:6.1f} s  {what} ({took:.1f} s)", flush=True)
        self.last = now


@contextmanager
def running(instance: Path) -> Iterator[Server]:
    """Run server and job worker."""
    environment = {"TRUEHUE_INSTANCE": str(instance), "TRUEHUE_CONTACT": "lab@example.org"}
    flask = [sys.executable, "-m", "flask", "--app", "study"]
    for arguments, typed in (["upgrade"], ""), (["researcher", "add", EMAIL, "--password-stdin"], f"{PASSWORD}\n"):
        subprocess.run(  # noqa: S603 - our own program
            [*flask, *arguments], env=os.environ | environment, input=typed, text=True, check=True, cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
    worker = subprocess.Popen(  # noqa: S603 - our own program
        [*flask, "work"], env=os.environ | environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    server = Server(environment)
    try:
        yield server
    finally:
        server.stop()
        worker.terminate()
        worker.wait(20)


def wait_for_job(page: Page, words: str) -> str:
    """Wait on the page of jobs until the newest is over, and give its line; `words` stand in its title."""
    first = page.locator("ul.studies > li").first
    expect(first).to_contain_text(words)
    done = first.locator(".state", has_text=re.compile("done|failed"))
    done.wait_for(timeout=WAIT_MS)
    if done.inner_text() == "failed":
        sys.exit(f"job {words!r} failed: {first.inner_text()}")
    return first.locator("p").first.inner_text()


def take_part(server: Server, slug: str, number: int) -> None:
    """Take part over HTTP with a device of one's own, left and right in turn."""
    person = Person(Http(server.port), slug, name=f"person-{number}")
    person.begin()
    while person.turn["trial"]:
        person.answer("left" if (person.n_sent + number) % 3 else "right")
    person.fill_in(**required_answers(load_preset("zhang2016")))


def walk(page: Page, server: Server, photos: list[Path], scratch: Path, clock: Clock) -> Path:
    """Click through it all; give the bundle that was downloaded."""
    url = f"http://127.0.0.1:{server.port}"
    page.goto(f"{url}/console/")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Stimulus sets").first.click()
    clock.step("signed in")
    page.get_by_label("Photographs JPEG").set_input_files(photos)
    page.get_by_label("Name of the set").fill("my-photos")
    page.get_by_role("button", name="Upload and colour").click()
    clock.step(f"{len(photos)} photographs uploaded")
    print("          " + wait_for_job(page, "colour photographs"))
    clock.step("set rendered by truehue-lite and random")
    page.get_by_role("link", name="Stimulus sets").click()
    page.get_by_role("link", name="my-photos").click()
    expect(page.locator(".checks")).to_contain_text("Every photograph has every model")
    clock.step("set looked over")

    page.get_by_role("link", name="Studies", exact=True).click()
    page.get_by_role("link", name="New study").first.click()
    page.get_by_label("Title, the participants").fill("Which picture has the fake colours?")
    page.get_by_label("Short name in addresses").fill("my-study")
    page.locator("details summary", has_text="Numbers").click()
    for name, value in (("test.n_trials", "10"), ("practice.n_trials", "4"), ("catch.n_low_anchor", "2"),
                        ("catch.n_instructed", "2")):  # fmt: skip
        page.locator(f"[name='{name}']").fill(value)
    page.locator("[name=more]").fill("[practice]\nn_spare = 1\n[catch]\nn_spare = 1")
    page.locator("[name=models]").fill("truehue-lite")
    page.locator("#estimate strong", has_text="points").wait_for(timeout=WAIT_MS)
    print("          " + " | ".join(page.locator("#estimate dd").all_inner_texts()))
    clock.step("form filled in; time, cost and precision beside it")
    page.get_by_role("button", name="Show what this amounts to").click()
    page.get_by_role("button", name="Play one trial").click()
    page.get_by_role("button", name="Make the draft").click()
    page.get_by_role("button", name="Start a pilot").click()
    expect(page.get_by_role("main")).to_contain_text("Pilot:")
    take_part(server, "my-study", 0)
    page.reload()
    expect(page.locator(".numbers")).to_contain_text("complete")
    clock.step("draft, pilot, one pilot session")
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_role("main")).to_contain_text("Frozen at launch")
    expect(page.get_by_role("main")).to_contain_text("1 pilot session")
    clock.step("running: people can come")

    people = [threading.Thread(target=take_part, args=(server, "my-study", n)) for n in range(1, N_PEOPLE + 1)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    complete = page.locator(".numbers div", has_text="complete").locator("dd")
    expect(complete).to_have_text(str(N_PEOPLE), timeout=30_000)
    clock.step(f"{N_PEOPLE} participants; the monitor followed by itself")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Build a report").click()
    page.locator(".reports a").first.wait_for(timeout=WAIT_MS)
    page.locator(".reports a").first.click()
    expect(page.locator("h1").first).to_be_visible()
    clock.step("closed; report built and opened")
    page.go_back()
    page.locator("details summary", has_text="For publication").click()
    page.get_by_label("Author").fill("A. Researcher")
    page.get_by_label("License").fill("CC-BY-4.0")
    page.get_by_role("button", name="Build the bundle").click()
    print("          " + wait_for_job(page, "psych-ds bundle"))
    page.goto(f"{url}/console/study/my-study/")
    with page.expect_download() as download:
        page.locator("a[href*='/bundle/']").first.click()
    bundle = scratch / "my-study.zip"
    download.value.save_as(bundle)
    clock.step("Psych-DS bundle built, made again, downloaded")
    return bundle


def check(bundle: Path, clock: Clock) -> None:
    """Check and reproduce the bundle as its reader would."""
    for command in ("check-dataset", "reproduce"):
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "flask", "--app", "study", command, str(bundle)],
            capture_output=True, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
        print("          " + done.stdout.strip().replace("\n", "\n          "))
        if done.returncode:
            sys.exit(f"{command}: {done.stdout}{done.stderr}")
    clock.step("bundle checked and reproduced")


def main() -> None:
    """Walk and write the times down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=ROOT / "samples" / "photos")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "console-flow.json")
    args = parser.parse_args()
    if shutil.which("chromium") is None:
        sys.exit("needs Chromium: sudo apt-get install -y chromium")
    photos = sorted(p for p in args.photos.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png"})[:N_PHOTOS]
    with tempfile.TemporaryDirectory(prefix="truehue-flow-") as name, sync_playwright() as playwright:
        scratch = Path(name)
        with running(scratch / "instance") as server:
            browser = launch(playwright)
            page = browser.new_page()
            page.set_default_timeout(60_000)
            clock = Clock()
            bundle = walk(page, server, photos, scratch, clock)
            browser.close()
        check(bundle, clock)
    launched = next(step["at_seconds"] for step in clock.steps if str(step["step"]).startswith("running"))
    result = {
        "command": "python tools/console_flow.py",
        "n_photos": len(photos),
        "n_participants": N_PEOPLE,
        "from_photographs_to_running_s": launched,
        "steps": clock.steps,
    }
    args.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"from photographs to a running study: {launched} s of the machine's time; {args.out}")


if __name__ == "__main__":
    main()
