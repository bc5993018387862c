"""Take a picture of every participant screen, for the documentation.

    python tools/screenshots.py [--stimuli DIR] [--out docs/screenshots]

Starts the demonstration's server in a temporary instance, takes a session in Debian's Chromium at the size of a laptop
and at the size of a phone, and writes small WebP files: docs/screenshots/<screen>-<size>.webp, and trial.webp, a trial
as a strip of its moments: of those met, the one with the strongest colours. Pages without a photograph keep 24 greys.
"""

import argparse
import io
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageStat
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as TooSlow

from study import create_app
from study.config import read_settings
from study.definition import parse_definition
from study.demo.command import adapt
from study.manifest import read_manifest
from study.serving import in_thread
from study.simulate.chromium import launch

ROOT = Path(__file__).resolve().parent.parent
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
BUDGET_BYTES = 1_500_000
QUALITY = 88  # of WebP, where a photograph is on the screen
N_TRIES = 4


@contextmanager
def demo_server(stimuli: Path) -> Iterator[str]:
    """Serve the demonstration from a temporary instance."""
    manifest = read_manifest(stimuli)
    demo = (ROOT / "study" / "demo" / "demo.toml").read_text(encoding="utf-8")
    fitted = adapt(parse_definition(demo), manifest)
    # The numbers of trials that fit the pictures, in the demonstration's own words.
    numbers = {
        "practice": f"n_trials = {fitted.practice.n_trials}\nn_spare = {fitted.practice.n_spare}",
        "test": f"n_trials = {fitted.test.n_trials}",
        "catch": f"n_low_anchor = {fitted.catch.n_low_anchor}\nn_instructed = {fitted.catch.n_instructed}\n"
        f"n_spare = {fitted.catch.n_spare}",
    }
    text = f'preset = "zhang2016"\n[study]\ntitle = "{fitted.study.title}"\ncontact = "lab@example.org"\n'
    text += "".join(f"[{table}]\n{keys}\n" for table, keys in numbers.items())
    with tempfile.TemporaryDirectory(prefix="truehue-screenshots-") as folder:
        definition = Path(folder) / "demo.toml"
        definition.write_text(text, encoding="utf-8")
        environment = {"TRUEHUE_INSTANCE": folder, "TRUEHUE_DEMO": "1", "TRUEHUE_CONTACT": "lab@example.org"}
        app = create_app(read_settings(environment))
        commands = [["upgrade"], ["close", "closed"]]
        commands[1:1] = [["create", str(definition), str(stimuli), "--slug", slug] for slug in ("demo", "closed")]
        for command in commands:
            result = app.test_cli_runner().invoke(args=command)
            if result.exit_code:
                sys.exit(result.output)
        with in_thread(app) as address:
            yield address


class Album:
    """Where pictures go."""

    def __init__(self, folder: Path, size: str) -> None:
        """Pictures of one window size."""
        self.folder, self.size = folder, size
        self.kept: dict[str, Image.Image] = {}

    def keep(self, name: str, png: bytes, *, has_photograph: bool = False) -> None:
        """Write one picture; without a photograph 24 greys are enough."""
        picture = Image.open(io.BytesIO(png)).convert("RGB")
        self.kept[name] = picture
        target = self.folder / f"{name}-{self.size}.webp"
        if has_photograph:
            picture.save(target, quality=QUALITY, method=6)
        else:
            picture.quantize(24, dither=Image.Dither.NONE).convert("RGB").save(target, lossless=True, method=6)


def take_session(page: Page, url: str, album: Album) -> None:
    """Go through every screen once."""

    def snap(name: str, *, is_whole_page: bool = True) -> None:
        album.keep(name, page.screenshot(full_page=is_whole_page))

    def phase(name: str) -> None:
        page.locator(f"#stage[data-phase={name}]").wait_for()

    def is_in(name: str) -> bool:
        return page.locator(f"#stage[data-phase={name}]").count() == 1

    page.goto(url)
    snap("landing")
    page.goto(f"{url}/s/closed/")
    snap("closed")
    page.goto(f"{url}/p/no-such-session/")
    snap("error")
    page.goto(f"{url}/s/demo/")
    snap("door")
    page.get_by_role("link", name="No, thank you").click()
    snap("declined")
    page.goto(f"{url}/s/demo/")
    page.get_by_role("button", name="I agree and start").click()
    page.get_by_role("heading", name="How it goes").wait_for()
    snap("instructions")
    page.get_by_role("button", name="Start").click()
    gate = page.locator(".gate:not([hidden])")
    gate.wait_for()
    snap("ready", is_whole_page=False)

    has_all: set[str] = set()
    strongest = -1.0
    while True:
        page.locator("#stage[data-phase=first]").or_(gate).or_(
            page.get_by_role("button", name="Finish")
        ).first.wait_for()
        if page.get_by_role("button", name="Finish").count():
            break
        if gate.count():
            if "practice" in gate.inner_text().lower() and "practice-over" not in has_all:
                snap("practice-over", is_whole_page=False)
                has_all.add("practice-over")
            gate.get_by_role("button").click()
            page.locator(".gate[hidden]").wait_for(state="attached")
            continue
        is_practice = page.locator("[data-part=practice]").evaluate("(e) => e.style.opacity") == "1"
        instruction = page.locator("[data-part=line][data-kind=instruction]")
        wanted = "instructed" if instruction.count() else "trial"
        # A screenshot may come too late for its moment: it counts only if the moment lasted.
        shots: dict[str, bytes] = {}
        for moment in ("first", "second", "answering"):
            phase(moment)
            png = page.screenshot()
            if is_in(moment):
                shots[moment] = png
        if wanted == "instructed":
            for moment in ("second", "answering"):
                if moment in shots:
                    album.keep(f"instructed-{moment}", shots[moment], has_photograph=moment == "second")
        elif len(shots) == 3 and (colour := colourfulness(shots["first"]) + colourfulness(shots["second"])) > strongest:
            strongest = colour
            for moment, png in shots.items():
                album.keep(f"trial-{moment}", png, has_photograph=moment != "answering")
        side = "right" if instruction.count() and "right" in instruction.inner_text() else "left"
        page.get_by_role("button", name=side.title()).click()
        if is_practice and "feedback" not in has_all:
            phase("feedback")
            page.wait_for_timeout(150)
            snap("feedback", is_whole_page=False)
            has_all.add("feedback")
        page.locator("#stage:not([data-phase=answering]), form").first.wait_for()
    if strongest < 0:
        sys.exit("the machine was too busy to catch a trial; run make screenshots again")

    snap("questionnaire")
    page.get_by_role("button", name="Finish").click()
    page.locator(".error").first.wait_for()
    snap("questionnaire-errors")
    for group in page.get_by_role("group").all():
        group.get_by_role("radio").first.check()
    page.get_by_role("button", name="Finish").click()
    page.get_by_role("heading", name="Your result").wait_for()
    snap("debrief")


def colourfulness(png: bytes) -> float:
    """Spread of a screen's colours; none on a grey page."""
    chroma = Image.open(io.BytesIO(png)).convert("RGB").convert("YCbCr").split()[1:]
    return sum(ImageStat.Stat(channel).stddev[0] for channel in chroma)


def compose_strip(album: Album, out: Path) -> None:
    """Put the three moments of one trial side by side."""
    moments = [album.kept[f"trial-{moment}"] for moment in ("first", "second", "answering")]
    width = moments[0].width
    box = (width // 2 - 400, 190, width // 2 + 400, 610)
    crops = [moment.crop(box) for moment in moments]
    crops = [crop.resize((crop.width * 5 // 9, crop.height * 5 // 9), Image.Resampling.LANCZOS) for crop in crops]
    gap = 10
    strip = Image.new("RGB", (3 * crops[0].width + 2 * gap, crops[0].height), (255, 255, 255))
    for number, crop in enumerate(crops):
        strip.paste(crop, (number * (crop.width + gap), 0))
    strip.save(out, quality=QUALITY, method=6)


def with_retry(act: Callable[[], None]) -> None:
    """Take a session again if the machine was too busy to catch its moments."""
    for attempt in range(N_TRIES):
        try:
            return act()
        except (SystemExit, TooSlow):
            if attempt + 1 == N_TRIES:
                raise
    return None


def take_all(folder: Path, stimuli: Path) -> None:
    """Take a session in each size."""
    with demo_server(stimuli) as url, sync_playwright() as playwright:
        browser: Browser = launch(playwright)
        for size, (width, height) in SIZES.items():
            album = Album(folder, size)

            def visit(album: Album = album, width: int = width, height: int = height) -> None:
                is_phone = width < 600
                context = browser.new_context(
                    viewport={"width": width, "height": height}, is_mobile=is_phone, has_touch=is_phone
                )
                take_session(context.new_page(), url, album)
                context.close()

            with_retry(visit)
            if size == "desktop":
                compose_strip(album, folder / "trial.webp")
        browser.close()


def own_pictures(folder: Path) -> list[Path]:
    """What this command wrote there: the console's pages and the strip are other commands'."""
    return [p for p in folder.glob("*.webp") if not p.name.startswith("console-") and p.name != "strip.webp"]


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stimuli", type=Path, default=ROOT / "study" / "demo" / "stimuli")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    args = parser.parse_args()
    if shutil.which("chromium") is None:
        sys.exit("needs Chromium: sudo apt-get install -y chromium")
    # Into a folder of their own first: a run that fails leaves the pictures that there are.
    with tempfile.TemporaryDirectory(prefix="truehue-album-") as name:
        take_all(Path(name), args.stimuli)
        args.out.mkdir(parents=True, exist_ok=True)
        for old in own_pictures(args.out):
            old.unlink()
        for picture in sorted(Path(name).iterdir()):
            shutil.move(picture, args.out / picture.name)
    pictures = own_pictures(args.out)
    n_bytes = sum(path.stat().st_size for path in pictures)
    print(f"{len(pictures)} pictures, {n_bytes / 1000:.0f} KB, in {args.out}")
    if n_bytes > BUDGET_BYTES:
        sys.exit(f"expected at most {BUDGET_BYTES / 1000:.0f} KB together; lower the number of screens or colours")


if __name__ == "__main__":
    main()
