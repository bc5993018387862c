"""Take a picture of every console page, empty, in use, refused, and with 10,000 participants.

    python tools/screenshots_console.py [--out docs/screenshots] [--participants 10000]

Fills a temporary instance through the commands, copies simulated sessions inside the database up to the number asked
for, signs in with Debian's Chromium at the size of a laptop and of a phone, and writes console-<page>-<size>.webp. Then
prints how long the page of the large study and its progress part take (each looked at anew, median of five), and fails
above the budget.
"""

import argparse
import io
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from flask import Flask
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from sqlalchemy import text

from study import create_app
from study.config import read_settings
from study.models import JobRow
from study.serving import in_thread
from study.simulate.chromium import launch
from study.web import now

ROOT = Path(__file__).resolve().parent.parent
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
BUDGET_BYTES = 620_000
PAGE_BUDGET_S = 1.0
EMAIL, PASSWORD = "owner@example.org", "a long enough password"
MAX_HEIGHT_PX = 1800
DEFINITION = """preset = "zhang2016"
[study]
title = "{title}"
contact = "lab@example.org"
[practice]
n_trials = 4
n_spare = 2
[test]
n_trials = 16
[catch]
n_low_anchor = 2
n_instructed = 2
n_spare = 2
"""
N_SEEDS = 40  # simulated sessions that are copied


def command(app: Flask, *arguments: str, typed: str = "") -> None:
    """Run a command of the study, or stop with its message."""
    result = app.test_cli_runner().invoke(args=list(arguments), input=typed)
    if result.exit_code:
        sys.exit(result.output)


def copy_sessions(app: Flask, slug: str, n_wanted: int) -> None:
    """Copy a study's sessions with their trials and answers until there are `n_wanted`."""
    database = app.extensions["truehue"].desk.database
    with database.writing() as connection:
        study = connection.execute(text("SELECT id FROM study WHERE slug = :slug"), {"slug": slug}).scalar_one()
        low, high = connection.execute(
            text("SELECT min(id), max(id) FROM session WHERE study_id = :study"), {"study": study}
        ).one()
        top = connection.execute(text("SELECT max(id) FROM session")).scalar_one()
        for copy in range(1, -(-n_wanted // (high - low + 1))):
            n = top - low + 1 + (copy - 1) * (high - low + 1)
            for table, new in (
                ("session", {
                    "id": "id + :n", "session_id": "printf('s-%016x', (id + :n) * 7919)",
                    "token_sha256": "'copy' || (id + :n)", "participant_id": "printf('p-%016x', (id + :n) * 6007)",
                    "arm_slot": "arm_slot + :n",
                    "screen_width_px": "CASE (id + :n) % 3 WHEN 0 THEN 1440 WHEN 1 THEN 390 ELSE 1920 END",
                    "user_agent": "CASE (id + :n) % 4 WHEN 0 THEN 'Mozilla/5.0 (Macintosh; Mac OS X) Safari/17' "
                    "WHEN 1 THEN 'Mozilla/5.0 (iPhone) Safari/17' ELSE 'Mozilla/5.0 (Windows NT) Chrome/130' END",
                }),
                ("trial", {"session_id": "session_id + :n"}),
                ("answer", {"session_id": "session_id + :n"}),
            ):  # fmt: skip
                names = [row[1] for row in connection.execute(text(f"PRAGMA table_info({table})"))]
                values = ", ".join(new.get(name, name) for name in names)
                key = "id" if table == "session" else "session_id"
                query = (
                    f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} "  # noqa: S608
                    f"WHERE {key} BETWEEN :low AND :high"
                )
                connection.execute(text(query), {"n": n, "low": low, "high": high})


def instance(folder: Path) -> Flask:
    """Make an application over an instance with an owner."""
    app = create_app(read_settings({"TRUEHUE_INSTANCE": str(folder), "TRUEHUE_CONTACT": "lab@example.org"}))
    command(app, "upgrade")
    command(app, "researcher", "add", EMAIL, "--password-stdin", typed=f"{PASSWORD}\n")
    return app


def fill(app: Flask, scratch: Path, n_participants: int) -> None:
    """Make studies in their states, jobs that failed and one that is done."""
    stimuli = str(ROOT / "study" / "demo" / "stimuli")
    for slug, title in (("draft", "A study in the making"), ("large", "Many people"), ("colours", "Which is fake?")):
        file = scratch / f"{slug}.toml"
        file.write_text(DEFINITION.format(title=title), encoding="utf-8")
        command(app, "create", str(file), stimuli, "--slug", slug, *(["--draft"] if slug == "draft" else []))
    command(app, "simulate", "large", "--participants", str(N_SEEDS), "--drop-out", "0.15")
    copy_sessions(app, "large", n_participants)
    command(app, "recruit", "colours", "--from", "prolific", "--set", "codes.COMPLETED=C1AB")
    command(app, "recruit", "colours", "--from", "invitation")
    with app.extensions["truehue"].desk.database.session() as session:
        for title, status, message, progress in (
            ("Render 40 photographs", "failed", "kitchen.jpg is no picture; send JPEG, PNG, WebP or TIFF files", None),
            ("Take in demo.zip", "done", "62 photographs in 3 conditions: set 1", 1.0),
            ("Render 300 photographs", "running", "colouring", 0.4),
        ):
            session.add(JobRow(
                kind="render", title=title, status=status, message=message, progress=progress, arguments={},
                created_by=EMAIL, created_at_utc=now(), started_at_utc=now(),
                finished_at_utc=None if status == "running" else now(),
            ))  # fmt: skip


class Album:
    """Where pictures of one window size go."""

    def __init__(self, page: Page, folder: Path, size: str) -> None:
        """Pictures of `page` in `folder`."""
        self.page, self.folder, self.size = page, folder, size

    def keep(self, name: str) -> None:
        """Keep the whole page, in 24 greys and colours, at most MAX_HEIGHT_PX high; it must not be wider than shown."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            sys.exit(f"console-{name}-{self.size}: the page is {wide} px wider than the window")
        self.page.evaluate("for (const image of document.images) image.loading = 'eager'")
        self.page.wait_for_load_state("networkidle")
        picture = Image.open(io.BytesIO(self.page.screenshot(full_page=True))).convert("RGB")
        picture = picture.crop((0, 0, picture.width, min(picture.height, MAX_HEIGHT_PX)))
        picture = picture.quantize(24, dither=Image.Dither.NONE).convert("RGB")
        picture.save(self.folder / f"console-{name}-{self.size}.webp", lossless=True, quality=100, method=6)


def sign_in(page: Page, url: str) -> None:
    """Sign in as the owner."""
    page.goto(f"{url}/console/sign-in")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Studies").wait_for()


def take_empty(album: Album, url: str) -> None:
    """Pages of an instance in which nothing has happened."""
    page = album.page
    page.goto(f"{url}/console/sign-in")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    album.keep("sign-in-refused")
    sign_in(page, url)
    for name, path in (("studies-empty", ""), ("sets-empty", "sets"), ("jobs-empty", "jobs")):
        page.goto(f"{url}/console/{path}")
        album.keep(name)


def take_used(album: Album, url: str) -> None:
    """Pages of an instance in use."""
    page = album.page
    sign_in(page, url)
    page.goto(f"{url}/console/study/large/")
    page.locator("[data-monitor]:not(:has([data-unfinished]))").wait_for()  # the trials have been counted
    paths = {
        "studies": "", "study-draft": "study/draft/", "study-running": "study/colours/", "study-large": "study/large/",
        "people": "study/colours/people", "prolific": "study/colours/prolific", "sets": "sets", "set": "sets/1/",
        "jobs": "jobs", "audit": "audit", "accounts": "accounts", "new": "new",
    }  # fmt: skip
    for name, path in paths.items():
        page.goto(f"{url}/console/{path}")
        album.keep(name)
    page.locator("#slug").fill("colours")
    page.locator("details summary", has_text="Numbers").click()
    page.locator("[name='test.n_trials']").fill("4000")
    page.locator("form.form button").last.click()
    page.get_by_role("alert").wait_for()
    album.keep("new-refused")


def measure(app: Flask) -> dict[str, float]:
    """Time the large study's page and its progress part, seconds, median of five."""
    client = app.test_client()
    app.config["WTF_CSRF_ENABLED"] = False
    client.post("/console/sign-in", data={"email": EMAIL, "password": PASSWORD})
    found = {}
    for name, path in (("page", "/console/study/large/"), ("progress", "/console/study/large/monitor")):
        times = []
        client.get(path)  # the first look begins the counting of trials
        app.extensions["truehue watch"].wait()
        for _ in range(5):
            app.extensions["truehue watch"].forget()
            begun = time.perf_counter()
            if client.get(path).status_code != 200:
                sys.exit(f"{path}: not answered")
            times.append(time.perf_counter() - begun)
        found[name] = statistics.median(times)
    return found


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--participants", type=int, default=10_000)
    parser.add_argument("--only-measure", action="store_true")
    args = parser.parse_args()
    if shutil.which("chromium") is None:
        sys.exit("needs Chromium: sudo apt-get install -y chromium")
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="truehue-console-") as name:
        scratch = Path(name)
        empty, used = instance(scratch / "empty"), instance(scratch / "used")
        fill(used, scratch, args.participants)
        if not args.only_measure:
            for old in args.out.glob("console-*.webp"):
                old.unlink()
            with in_thread(empty) as empty_url, in_thread(used) as used_url, sync_playwright() as playwright:
                browser = launch(playwright)
                for size, (width, height) in SIZES.items():
                    is_phone = width < 600
                    for url, take in ((empty_url, take_empty), (used_url, take_used)):
                        context = browser.new_context(
                            viewport={"width": width, "height": height}, is_mobile=is_phone, has_touch=is_phone
                        )
                        page = context.new_page()
                        page.set_default_timeout(60_000)
                        take(Album(page, args.out, size), url)
                        context.close()
                browser.close()
            files = list(args.out.glob("console-*.webp"))
            n_bytes = sum(path.stat().st_size for path in files)
            print(f"{len(files)} pictures, {n_bytes / 1000:.0f} KB, in {args.out}")
            if n_bytes > BUDGET_BYTES:
                sys.exit(f"expected at most {BUDGET_BYTES / 1000:.0f} KB together")
        found = measure(used)
    print(f"{args.participants} participants: " + ", ".join(f"{name} {s:.2f} s" for name, s in found.items()))
    if max(found.values()) > PAGE_BUDGET_S:
        sys.exit(f"expected at most {PAGE_BUDGET_S} s")


if __name__ == "__main__":
    main()
