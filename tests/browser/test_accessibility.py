"""WCAG 2.2 AA by axe-core, on every page that a participant or a researcher sees; keyboard, zoom and reduced motion.

Not checked: the stimuli themselves, which are the measurement.
"""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from person import Person
from playwright.sync_api import Page
from sqlalchemy import select, update
from study_server import Server, define, running_server

from study import lifecycle, researchers, sessions
from study.lab import add_display, read_profile
from study.models import SessionRow, StudyRow
from study.recruitment import configure
from tools.proof.material import display_profile

pytestmark = pytest.mark.chromium
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
SHORT = define(n_practice=1, n_test=1, n_low_anchor=0, n_instructed=0)
STUDIES = {
    "quick": SHORT,
    "full": SHORT.replace("[study]", "[study]\nn_participants = 1"),
    "closed": SHORT,
    "checked": define(n_practice=0, n_test=2, n_low_anchor=0, n_instructed=0)
    + """
[readiness]
checks = ["vision", "plates", "display", "night_light"]
n_plates = 3
display = "exclude"
gamut = "any"
[device]
full_screen = true
""",
}
# In the lab, in German, and nearly everything can go wrong.
STUDIES["seat"] = (
    SHORT.replace('"zhang2016"', '"zhang2016-de"').replace('title = "Which colours are real?"', "n_participants = 1")
    + """
[lab]
profile = "refuse"
return_after_s = 3600
[device]
phones = "refused"
[readiness]
checks = ["vision"]
vision = "exclude"
"""
)
STUDIES["checked"] = STUDIES["checked"].replace("[study]", '[trial]\nsize_unit = "degrees"\nsize_degrees = 5\n[study]')
NOW = datetime.now(UTC)
PROFILE = display_profile(measured_on=f"{NOW:%Y-%m-%d}", viewing_distance_mm=600)
EMAIL, PASSWORD = "me@example.org", "a long enough password"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
ZOOMED = {"width": 640, "height": 400}  # 1280 by 800 at 200 %
CONSOLE = (
    "",
    "new",
    "sets",
    "sets/1/",
    "jobs",
    "accounts",
    "audit",
    "study/quick/",
    "study/quick/people",
    "study/quick/privacy",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("instance"), STUDIES) as server:
        yield server


def look(page: Page) -> list[str]:
    """Name what axe finds: rule, element, why; and whether the page scrolls sideways."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE)
    found = page.evaluate(
        """async (tags) => {
            const rules = { "target-size": { enabled: true } };
            const { violations } = await axe.run(document, { runOnly: { type: "tag", values: tags }, rules });
            return violations.flatMap(({ id, nodes }) =>
                nodes.map((node) => `${id}: ${node.target} ${node.failureSummary} ${node.html}`));
        }""",
        list(RULES),
    )
    if page.evaluate("() => document.scrollingElement.scrollWidth > innerWidth"):
        found.append("the page scrolls sideways")
    return [f"{page.url.rsplit('/', 3)[-2:]} {problem}" for problem in found]


def tab_to(page: Page, name: str) -> None:
    """Reach a control by the Tab key alone."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement?.textContent?.trim()") == name:
            return
    pytest.fail(f"{name} cannot be reached by Tab")


def choose_all(page: Page) -> None:
    """Fill in the questionnaire by keyboard: the space bar at the first answer of each group."""
    for group in page.locator("fieldset").all():
        group.locator("input").first.focus()
        page.keyboard.press("Space")


def test_a_whole_session_by_keyboard_is_without_barriers(chromium: Any, server: Server) -> None:
    """From consent to withdrawal without a pointer, with reduced motion; pages have room at 200 % as well."""
    context = chromium.new_context(viewport=DESKTOP, reduced_motion="reduce")
    person = Person(context.new_page(), server)
    page, problems = person.page, []

    def check(*, is_trial: bool = False) -> None:
        problems.extend(look(page))
        if not is_trial:  # the window's size is part of a trial
            page.set_viewport_size(ZOOMED)
            problems.extend(look(page))
            page.set_viewport_size(DESKTOP)

    person.arrive("quick")
    check()
    assert page.evaluate("() => document.getAnimations().length") == 0
    tab_to(page, "I agree and start")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="How it goes").wait_for()
    check()
    tab_to(page, page.get_by_role("button").inner_text())
    page.keyboard.press("Enter")
    person.gate.wait_for()
    check(is_trial=True)
    has_looked, practice_is_hidden = False, []
    while (at := person.look()) != "over":
        if at == "gate":
            person.press_gate()
            continue
        practice_is_hidden.append(page.locator("[data-part=practice]").get_attribute("aria-hidden"))
        if not has_looked:
            check(is_trial=True)
            has_looked = True
        person.answer("left", "letter")
    assert practice_is_hidden[0] == "false", "nobody reads out that this is practice"
    assert practice_is_hidden[-1] == "true", "it is still read out that this is practice"
    check()
    tab_to(page, "Finish")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    check()
    choose_all(page)
    tab_to(page, "Finish")
    page.keyboard.press("Enter")
    page.locator(".score").wait_for()
    check()
    tab_to(page, "Take my answers back")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Delete my answers").wait_for()
    check()
    tab_to(page, "Delete my answers")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Your answers are deleted").wait_for()
    check()
    assert problems == []
    assert person.complaints == []
    context.close()


def test_the_checks_before_the_trials_are_without_barriers(person: Person, server: Server) -> None:
    """By keyboard, at 200 % and on a phone; then the trials begin in full screen with the size that was asked for."""
    page, problems = person.page, []
    person.agree("checked")
    page.get_by_role("heading", name="Before you begin").wait_for()
    for size in (PHONE, ZOOMED, DESKTOP):
        page.set_viewport_size(size)
        problems.extend(look(page))
    tab_to(page, "Go on")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    problems.extend(look(page))
    for name in ("vision", "colour_deficiency", "night_light"):
        page.locator(f"[name={name}]").first.focus()
        page.keyboard.press("Space")
    session = server.newest_session("checked")
    desk = server.app.extensions["truehue"].desk
    state = sessions.read_state(desk, page.url.split("/p/")[1].split("/")[0])
    assert state.session_id == session["session_id"]
    for plate in sessions.plates_of(desk, state):
        page.locator(f"#plate-{plate.number}").focus()
        page.keyboard.type(plate.digit)
    page.locator("#card-width").focus()
    page.keyboard.press("ArrowRight")  # 325 CSS px for 85.6 mm
    page.locator("#viewing_distance_cm").focus()
    page.keyboard.type("60")
    tab_to(page, "Go on")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="How it goes").wait_for()
    found = {check.check_id: check for check in sessions.read_checks(desk, state)}
    assert found["plates"].is_passed
    assert (found["screen_width_px"].answer, found["fine_pointer"].answer) == ("1280", "yes")
    expected = 2 * 600 * math.tan(math.radians(2.5)) * 325 / 85.6
    assert float(found["picture_width_device_px"].answer) == pytest.approx(expected, rel=1e-3)
    page.get_by_role("button", name="Start").click()
    person.gate.wait_for()
    # Written when it is answered; the facts of the display go the same way.
    with page.expect_response(lambda reply: "full_screen" in (reply.request.post_data or "")) as told:
        page.keyboard.press("Enter")
    assert told.value.status == 200
    person.question()
    assert {c.check_id: c.answer for c in sessions.read_checks(desk, state)}["full_screen"] == "allowed"
    assert page.evaluate("() => document.fullscreenElement !== null")
    left, right = (page.locator(f"[data-part={side}]").bounding_box() for side in ("left", "right"))
    assert left is not None
    assert right is not None
    assert (left["width"], left["height"], left["y"]) == (right["width"], right["height"], right["y"])
    assert left["width"] == int(expected)
    page.evaluate("""() => new Promise((done) => {
        document.addEventListener("fullscreenchange", done, { once: true });
        document.exitFullscreen();
    })""")
    page.keyboard.press("f")
    page.get_by_role("heading", name="Full screen, please").wait_for()
    problems.extend(look(page))
    assert problems == []
    assert person.complaints == []


def test_every_dead_end_is_without_barriers(person: Person, server: Server) -> None:
    page, problems = person.page, []

    def check(path: str) -> None:
        page.goto(server.url + path)
        problems.extend(look(page))

    person.agree("full")
    here = "/p/" + page.url.split("/p/")[1]
    for path in ("/s/full/", "/s/closed/", "/s/nowhere/", "/withdraw", f"{here}unsuited", "/s/quick/#no-thank-you"):
        check(path)
    assert "This study is full" in page.request.get(f"{server.url}/s/full/").text()
    page.goto(f"{server.url}/withdraw")
    page.get_by_label("Withdrawal code").fill("nonsense")
    page.get_by_role("button", name="Delete my answers").click()
    page.get_by_role("alert").wait_for()
    problems.extend(look(page))
    with server.database.writing() as connection:
        connection.execute(update(SessionRow).values(status="unqualified"))
    check(here)
    assert problems == []


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_labs_benches_are_without_barriers(chromium: Any, server: Server, language: str) -> None:
    """Patches and flashes: in both languages, at three sizes, with reduced motion, by keyboard alone."""
    context = chromium.new_context(viewport=DESKTOP, locale=language, reduced_motion="reduce")
    page, problems = context.new_page(), []
    begin = {"en": "Begin in full screen", "de": "Im Vollbild beginnen"}[language]
    for path in ("patches", "photodiode"):
        page.goto(f"{server.url}/lab/{path}")
        assert page.locator("html").get_attribute("lang") == language
        for size in (PHONE, ZOOMED, DESKTOP) if language == "de" else (DESKTOP,):
            page.set_viewport_size(size)
            problems.extend(look(page))
        if path == "photodiode":
            for name, value in {"n": "2", "exposure": "60", "pause": "50"}.items():
                page.locator(f"[data-part={name}]").fill(value)
        tab_to(page, begin)
        page.keyboard.press("Enter")
        if path == "patches":
            page.locator("[data-part=screen]:not([hidden])").wait_for()
            assert page.locator("[data-part=patch]").evaluate("e => getComputedStyle(e).backgroundColor") == (
                "rgb(255, 255, 255)"
            )
            page.keyboard.press("ArrowRight")
            assert page.locator("[data-part=name]").inner_text().split()[3] == {"en": "red", "de": "Rot"}[language]
            problems.extend(look(page))
            page.keyboard.press("Escape")
            page.locator("[data-part=screen]").wait_for(state="hidden")
    page.locator("[data-part=save]:focus").wait_for()
    with page.expect_download() as saved:
        page.keyboard.press("Enter")  # the link has the focus
    lines = saved.value.path().read_text().splitlines()
    times = [[float(number) for number in line.split(",")] for line in lines[1:]]
    assert times[1][0] - times[0][0] > 320, "two flashes are a third of a second apart, whatever was asked for"
    assert page.locator("[role=status]").last.inner_text().startswith({"en": "2 flashes", "de": "2 Blitze"}[language])
    assert problems == []
    context.close()


def test_every_dead_end_of_a_lab_is_without_barriers_in_german(chromium: Any, server: Server, tmp_path: Path) -> None:
    """No display, phone, excluded, last page of the kiosk, full, closed: on a phone's width and at 200 %."""
    context = chromium.new_context(viewport=PHONE, reduced_motion="reduce")
    page, problems = context.new_page(), []
    configure(server.database, "seat", "lab", {}, now=NOW)
    seat = f"{server.url}/s/seat/?seat=3&display=seat-1"

    def check(heading: str) -> None:
        assert page.locator("h1").inner_text() == heading
        assert page.locator("html").get_attribute("lang") == "de"
        problems.extend(look(page))
        page.set_viewport_size(ZOOMED)
        problems.extend(look(page))
        page.set_viewport_size(PHONE)

    page.goto(seat)
    check("Der Bildschirm dieses Platzes ist nicht bereit")
    (tmp_path / "seat.toml").write_text(PROFILE)
    add_display(server.database, read_profile(tmp_path / "seat.toml"), now=NOW)
    page.set_extra_http_headers({"Sec-CH-UA-Mobile": "?1"})
    page.goto(seat)
    check("Diese Studie braucht einen größeren Bildschirm")
    page.set_extra_http_headers({})
    page.goto(seat)
    tab_to(page, "Ich stimme zu und beginne")
    page.keyboard.press("Enter")
    page.locator("[name=vision][value=not_corrected]").focus()
    page.keyboard.press("Space")
    page.locator("[name=colour_deficiency]").first.focus()
    page.keyboard.press("Space")
    tab_to(page, "Weiter")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Danke, dass Sie gekommen sind").wait_for()
    check("Danke, dass Sie gekommen sind")
    with server.database.writing() as connection:
        of_this = select(StudyRow.id).where(StudyRow.slug == "seat").scalar_subquery()
        connection.execute(
            update(SessionRow).where(SessionRow.study_id == of_this).values(status="complete", completed_at_utc=NOW)
        )
    page.reload()
    check("Ihr Ergebnis")
    tab_to(page, "Bereit für die nächste Person")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Diese Studie ist voll").wait_for()
    check("Diese Studie ist voll")
    lifecycle.change(server.database, "seat", "closed", actor="test", now=NOW)
    page.goto(seat)
    check("Diese Studie ist zurzeit nicht geöffnet")
    assert problems == []
    context.close()


def test_the_console_is_without_barriers(person: Person, server: Server) -> None:
    page, problems = person.page, []
    researchers.add(server.database, EMAIL, PASSWORD, now=datetime.now(UTC))
    page.goto(f"{server.url}/console/sign-in")
    problems.extend(look(page))
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/")
    for path in CONSOLE:
        reply = page.goto(f"{server.url}/console/{path}")
        assert reply is not None
        assert reply.status == 200, path
        problems.extend(look(page))
    assert problems == []


def test_axe_finds_what_is_planted(person: Person) -> None:
    """The check can fail: a picture without a text, a button without a name, grey on grey."""
    person.arrive("quick")
    person.page.evaluate(
        """() => { const main = document.querySelector("main");
            main.append(document.createElement("img"), document.createElement("button"));
            main.querySelector("h1").setAttribute("class", "planted");
            document.querySelector(".planted").style.color = "#ddd"; }"""
    )
    found = {problem.split("] ", 1)[1].split(":")[0] for problem in look(person.page)}
    assert {"image-alt", "button-name", "color-contrast"} <= found
