"""What the participant's pages show and send, pixel by pixel and byte by byte."""

import base64
import io
import re

import pytest
from person import Person
from PIL import Image
from playwright.sync_api import Browser, Page, Request, Response, Route, expect
from study_server import Server, pixels_sha256
from verdict import N_TRIALS, answered

pytestmark = pytest.mark.chromium


def test_the_painted_pixels_are_the_manifests(person: Person, server: Server) -> None:
    """What is painted (a screenshot) and what the canvas holds are the stimulus, level by level, at its side."""
    page = person.page
    person.enter("one")
    shots = {}
    person.proceed_to("first")
    shots["first"] = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    person.go_on("second")
    shots["second"] = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    person.go_on("answering")
    held, boxes = {}, {}
    for side in ("left", "right"):
        box = page.locator(f"[data-part={side}]").bounding_box()
        assert box
        boxes[side] = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
        rgba = page.evaluate(
            """(side) => {
                const canvas = document.querySelector(`[data-part=${side}] canvas`);
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                return btoa(Array.from(data, (level) => String.fromCharCode(level)).join(""));
            }""",
            side,
        )
        held[side] = pixels_sha256(Image.frombytes("RGBA", (256, 256), base64.b64decode(rgba)).convert("RGB"))
    person.go_on()
    person.answer("left")
    page.get_by_role("heading", name="A few questions").wait_for()
    (row,) = server.trials("one")
    sides = {"left": row["stimulus_a"], "right": row["stimulus_b"]}
    if row["side_of_a"] == "right":
        sides = {"left": row["stimulus_b"], "right": row["stimulus_a"]}
    first = row["side_of_a"] if row["order_of_a"] == "first" else {"left": "right", "right": "left"}[row["side_of_a"]]
    second = {"left": "right", "right": "left"}[first]
    assert held == {side: server.pixels_of(stimulus) for side, stimulus in sides.items()}
    for phase, shown, covered in (("first", first, second), ("second", second, first)):
        assert pixels_sha256(shots[phase].crop(boxes[shown])) == held[shown]
        nothing = shots[phase].crop(boxes[covered]).getcolors(2)
        assert nothing == [(256 * 256, (128, 128, 128))], "nothing shines through the cover"


def test_before_the_answer_nothing_tells_real_from_fake(person: Person, server: Server) -> None:
    """Everything that came over the wire before each answer, searched for what the database knows of the trial."""
    seen: list[str] = []
    pictures: dict[str, tuple[int, dict[str, str]]] = {}

    def read(route: Route) -> None:
        """A body is gone when a navigation follows, so it is read before the page has it."""
        response = route.fetch()
        is_picture = "/image/" in response.url
        seen.append(f"{response.url} {b'' if is_picture else response.body()!r}")
        if is_picture:
            headers = {k: v for k, v in response.headers.items() if k not in {"date"}}
            pictures[response.url] = (len(response.body()), headers)
        route.fulfill(response=response)

    for path in ("image", "api", "static"):
        person.page.route(f"**/{path}/**", read)
    person.page.on("response", lambda response: seen.append(f"{response.url} {sorted(response.headers.items())}"))
    person.enter()
    before: list[str] = []
    while (at := person.look()) != "over":  # the last answer is stored when the page has left the trials
        if at == "gate":
            person.proceed()
            continue
        # Pages are taken from the document.
        before.append(" ".join([person.page.content(), *seen]))
        person.answer("left")
    person.page.unroute_all(behavior="wait")
    rows = answered(server)
    assert len(rows) == len(before) == N_TRIALS
    for index, row in enumerate(rows):
        for key in ("image_id", "stimulus_a", "stimulus_b", "condition_a"):
            assert row[key] not in before[index], f"{key} of trial {index} was to be had before its answer"
        for word in ("condition", "stimulus_id", "is_fake", "order_of_a", "side_of_a", "low_anchor", "plan_index"):
            assert word not in before[index]
    assert len(pictures) == 2 * len(server.trials("quick"))
    assert len({size for size, _ in pictures.values()}) == 1, "all pictures have one length"
    assert len({str(headers) for _, headers in pictures.values()}) == 1, "and one set of headers"


def test_an_address_dies_with_its_trial(person: Person) -> None:
    urls: list[str] = []
    person.page.on("request", lambda request: urls.append(request.url) if "/image/" in request.url else None)
    person.enter()
    person.do_trials(n=1)
    person.wait("answering")
    assert person.page.request.get(urls[0]).status == 404
    assert person.page.request.get(urls[2]).status == 200


def test_nothing_scrolls_sideways_and_nothing_at_all_during_trials(chromium: Browser, server: Server) -> None:
    for width, height in ((320, 640), (390, 844), (1280, 800)):
        context = chromium.new_context(viewport={"width": width, "height": height})
        person = Person(context.new_page(), server)

        def check(page: Page = person.page, width: int = width) -> None:
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width

        person.arrive("brief")
        check()
        person.agree("brief")
        check()
        person.page.get_by_role("button", name="Start").click()
        person.gate.wait_for()
        check()
        person.proceed_to("first")
        for phase in ("answering", None):
            check()
            assert person.page.evaluate("() => document.documentElement.scrollHeight <= innerHeight")
            person.go_on(phase)
        person.do_trials()
        check()
        person.page.get_by_role("button", name="Finish").click()
        expect(person.page.locator(".error").first).to_be_visible()
        check()
        person.fill_in()
        check()
        for path in ("/s/closed/", "/s/nothing-here/"):
            person.page.goto(server.url + path)
            check()
        context.close()


def test_nothing_moves_from_the_first_blank_to_the_answer(person: Person) -> None:
    person.enter("one")
    places = "() => [...document.querySelectorAll('#stage > *')].map((e) => JSON.stringify(e.getBoundingClientRect()))"
    person.proceed_to("blank")
    seen = {str(person.page.evaluate(places))}
    for phase in ("first", "gap", "second", "answering"):
        person.go_on(phase)
        seen.add(str(person.page.evaluate(places)))
    assert len(seen) == 1


def test_without_javascript_the_pages_say_what_is_missing(person: Person) -> None:
    def spoken_without_scripts() -> str:
        html = person.page.request.get(person.page.url).text()
        return " ".join(re.findall(r"<noscript>(.*?)</noscript>", html, re.DOTALL))

    person.arrive()
    assert "This test needs JavaScript" in spoken_without_scripts()
    person.enter()
    assert "This test needs JavaScript" in spoken_without_scripts()


def test_the_pages_are_small_and_carry_no_inline_script_or_style(person: Person) -> None:
    sizes: dict[str, int] = {}
    documents: list[str] = []
    heard: list[Response] = []

    def read() -> None:
        """While the page is there; the bodies of one that was left are gone."""
        person.page.wait_for_load_state("networkidle")
        for response in heard:
            if response.status == 200 and "/image/" not in response.url:
                sizes[response.url] = len(response.body())
            if response.headers.get("content-type", "").startswith("text/html"):
                policy = response.headers["content-security-policy"]
                assert "unsafe" not in policy
                documents.append(response.text() if response.status == 200 else "")
        heard.clear()

    person.page.on("response", lambda response: heard.append(response))
    person.arrive()
    read()
    person.page.get_by_role("button", name="I agree and start").click()
    person.page.get_by_role("button", name="Start").wait_for()
    read()
    assert 0 < sum(sizes.values()) < 60_000
    person.page.get_by_role("button", name="Start").click()
    person.gate.wait_for()
    read()
    assert sum(sizes.values()) < 90_000, "door, instructions and trials together"
    assert len([text for text in documents if text]) == 3
    for document in documents:
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", document)
    assert not person.complaints


def test_requests_stay_on_the_studys_own_server(person: Person, server: Server) -> None:
    foreign: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith((server.url, "data:", "blob:")):
            foreign.append(request.url)

    person.page.on("request", note)
    person.enter("brief")
    person.do_trials()
    person.fill_in()
    assert not foreign
