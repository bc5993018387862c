"""A participant's way through a study, in Chromium against the real server; the database is the judge."""

import base64
import io
import json
import re
from typing import Any

import pytest
from person import Person
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Request, Response, Route, expect
from study_server import Server, pixels_sha256

pytestmark = pytest.mark.chromium
N_TRIALS = 7  # of the study "quick": 2 practice, 3 test, 1 low anchor, 1 instructed


def hide(page: Page) -> None:
    """Let the page believe that another tab covers it."""
    page.evaluate("""() => {
        Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }""")


def reveal(page: Page) -> None:
    page.evaluate("""() => {
        delete document.visibilityState;
        document.dispatchEvent(new Event("visibilitychange"));
    }""")


def answered(server: Server) -> list[dict[str, Any]]:
    """The answered trials of the newest session."""
    return [row for row in server.trials("quick") if row["response"]]


def check_session(server: Server, person: Person, *, n_void: int = 0, slug: str = "quick", n: int = N_TRIALS) -> None:
    """Every answer is stored once and in order, and nothing else is but trials that the machine slept through."""
    rows = server.trials(slug)
    valid = [row for row in rows if not row["void_reason"]]
    assert [row["response"] for row in valid] == person.answers
    assert len(valid) == n
    assert n_void <= len(rows) - len(valid) <= n_void + person.naps
    assert len({row["plan_index"] for row in valid}) == n
    assert not person.complaints


def test_a_person_takes_a_session_by_clicking(person: Person, server: Server) -> None:
    with person.page.expect_request("**/api/trial") as asked:
        person.enter()
    person.do_trials()
    person.fill_in()
    check_session(server, person)
    session = server.newest_session("quick")
    assert session["status"] == "complete"
    assert session["viewport_width_px"] == 1280
    assert session["refresh_hz"] == asked.value.post_data_json["device"]["refresh_hz"] > 0
    for row in server.trials("quick"):
        assert row["rt_ms"] > 0
        assert row["visible"] is True
        if row["kind"] == "catch" and row["instructed_response"]:
            assert row["response"] == row["instructed_response"]


def test_the_debrief_tells_the_score_that_the_database_holds(person: Person, server: Server) -> None:
    person.enter()
    person.do_trials()
    person.fill_in()
    scored = [row for row in server.trials("quick") if row["kind"] == "test"]
    n_fooled = sum(row["response"] != row["side_of_a"] for row in scored)
    expect(person.page.locator(".score b")).to_have_text(f"{n_fooled} of {len(scored)}")
    expect(
        person.page.get_by_text(f"You told the two apart on {len(scored) - n_fooled} of {len(scored)}.")
    ).to_be_visible()


@pytest.mark.parametrize("how", ["letter", "arrow"])
def test_a_person_takes_a_session_by_keyboard_alone(person: Person, server: Server, how: Any) -> None:
    page = person.page
    person.arrive()

    def tab_to(name: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            focused = page.evaluate("() => document.activeElement.textContent || document.activeElement.value || ''")
            if name in str(focused):
                outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", "the focus is visible"
                return
        pytest.fail(f"the Tab key never reaches {name}")

    tab_to("I agree and start")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="How it goes").wait_for()
    tab_to("Start")
    page.keyboard.press("Enter")
    person.do_trials(how)
    page.get_by_role("heading", name="A few questions").wait_for()
    groups = page.get_by_role("group").count()
    done: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        name, kind = page.evaluate("() => [document.activeElement.name ?? '', document.activeElement.type ?? '']")
        if kind == "radio" and name not in done:
            page.keyboard.press("Space")
            done.add(name)
        if kind == "submit":
            break
    assert len(done) == groups
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Your result").wait_for()
    check_session(server, person)


def test_a_focused_button_answers_by_enter_and_keeps_the_focus(person: Person, server: Server) -> None:
    person.enter()
    person.proceed()
    person.question()
    person.page.get_by_role("button", name="Left").focus()
    for key in ("Enter", "Space"):
        number = person.question()
        expect(person.page.get_by_role("button", name="Left")).to_be_focused()
        with person.page.expect_response("**/api/response"):  # an answer is stored before it is acknowledged
            person.page.keyboard.press(key)
        person.end_of(number)
    assert [row["response"] for row in answered(server)] == ["left", "left"]


def test_a_phone_takes_a_session_by_tapping(chromium: Browser, server: Server) -> None:
    context = chromium.new_context(
        viewport={"width": 390, "height": 844}, device_scale_factor=3, is_mobile=True, has_touch=True
    )
    person = Person(context.new_page(), server)
    person.enter()
    person.do_trials("tap", n=1)
    sizes = person.page.evaluate("""() => [...document.querySelectorAll("canvas")].map((canvas) => {
        const box = canvas.getBoundingClientRect();
        return [box.width, box.height, box.y];
    })""")
    assert sizes[0] == sizes[1], "both pictures shrink alike"
    assert sizes[0][0] == person.reports[0]["shown_width_px"] < 195
    assert (sizes[0][0] * 3) % 1 == 0
    person.do_trials("tap")
    person.fill_in()
    check_session(server, person)
    context.close()


def test_a_double_click_sends_one_answer(person: Person, server: Server) -> None:
    """No answer leaves the page before the last click: however slow the machine, no later trial can take one."""
    held: list[Route] = []
    is_held = True
    person.page.route("**/api/response", lambda route: held.append(route) if is_held else route.continue_())
    person.enter()
    person.proceed()
    for n in range(3):
        if person.look() == "gate":
            person.proceed()
        number = person.question()
        button = person.page.get_by_role("button", name="Left").bounding_box()
        assert button
        x, y = button["x"] + button["width"] / 2, button["y"] + button["height"] / 2
        is_held = True
        for _ in range(4):
            person.page.mouse.click(x, y)
            person.page.keyboard.press("j")
        person.end_of(number)
        assert len(answered(server)) == n
        with person.page.expect_response("**/api/response"):  # an answer is stored before it is acknowledged
            is_held = False
            while held:
                held.pop().continue_()
        assert len(answered(server)) == n + 1
    assert [row["response"] for row in answered(server)] == ["left"] * 3
    # A request that gets no answer for long is sent again as it was; a second answer would be another report.
    assert len({json.dumps(report) for report in person.reports if report["response"]}) == 3


def test_a_key_that_is_held_down_answers_one_trial(person: Person, server: Server) -> None:
    person.enter()
    person.proceed()
    number = person.question()
    with person.page.expect_response("**/api/response"):
        person.page.keyboard.down("f")  # each further "down" is a repetition
        person.end_of(number)
        person.page.keyboard.down("f")
    while person.at("answering").count() == 0:
        person.page.keyboard.down("f")
    assert person.question() == number + 1
    for _ in range(5):
        person.page.keyboard.down("f")
    assert person.question() == number + 1
    assert len(person.reports) == len(answered(server)) == 1


def test_a_reload_before_anything_was_shown_costs_nothing(person: Person, server: Server) -> None:
    person.enter()
    person.page.reload()
    person.gate.wait_for()
    person.do_trials(n=2)
    assert person.look() == "gate"
    person.page.reload()
    person.gate.wait_for()
    expect(person.page.get_by_role("heading", name="Welcome back")).to_be_visible()
    person.do_trials()
    person.fill_in()
    check_session(server, person)


@pytest.mark.parametrize("phase", ["first", "gap", "second", "answering"])
def test_a_reload_after_a_picture_was_shown_voids_the_trial_and_replaces_it(
    person: Person, server: Server, phase: str
) -> None:
    person.enter("two")
    person.proceed_to(phase)
    person.page.reload()
    person.do_trials()
    person.fill_in()
    check_session(server, person, n_void=1, slug="two", n=2)
    assert server.trials("two")[0]["void_reason"] == "reloaded"


def test_the_back_button_leads_on(person: Person, server: Server) -> None:
    person.enter()
    person.do_trials(n=3)
    for _ in range(2):
        person.page.go_back()
    person.page.goto(person.page.url)
    if "/s/" in person.page.url:
        person.page.go_forward()
    person.do_trials()
    person.page.get_by_role("heading", name="A few questions").wait_for()
    person.page.go_back()
    person.page.go_forward()
    person.fill_in()
    person.page.go_back()
    expect(person.page.get_by_role("heading", name="Your result")).to_be_visible()
    rows = server.trials("quick")
    assert len({row["plan_index"] for row in rows if not row["void_reason"]}) == N_TRIALS
    assert [row["response"] for row in rows if not row["void_reason"]] == person.answers


def test_a_second_tab_takes_over_and_the_first_says_so(person: Person, context: BrowserContext, server: Server) -> None:
    person.enter()
    person.proceed()
    person.question()
    other = Person(context.new_page(), server)
    other.page.goto(person.page.url)
    other.gate.wait_for()
    person.page.bring_to_front()
    person.page.keyboard.press("f")
    expect(person.page.get_by_role("heading", name="Open in another tab")).to_be_visible()
    assert [row["void_reason"] for row in server.trials("quick")][-1:] == ["reloaded"]
    other.page.bring_to_front()
    other.do_trials(n=1)
    person.page.bring_to_front()
    person.proceed()
    person.do_trials()
    person.fill_in()
    person.answers[:0] = other.answers
    check_session(server, person, n_void=len(server.trials("quick")) - N_TRIALS)


def test_a_lost_network_keeps_the_answer_and_sends_it_once(
    person: Person, context: BrowserContext, server: Server
) -> None:
    person.enter()
    person.do_trials(n=2)
    assert person.look() == "gate"
    person.proceed()
    number = person.question()
    context.set_offline(True)
    in_vain: list[Request] = []
    person.page.on("requestfailed", lambda request: in_vain.append(request))
    person.page.keyboard.press("j")
    person.answers.append("right")
    person.end_of(number)
    expect(person.page.get_by_text("Your answer is kept")).to_be_visible()
    while len(in_vain) < 3:  # it is tried again and again; the test's own time limit ends a page that does not
        person.page.wait_for_timeout(50)
    assert len(server.trials("quick")) == 2
    context.set_offline(False)
    person.do_trials()
    person.fill_in()
    check_session(server, person)


def test_an_answer_whose_acknowledgement_is_lost_is_stored_once(person: Person, server: Server) -> None:
    """The server has it, the browser does not know: the same key again gets the same turn."""
    lost: list[str] = []

    def lose(route: Route) -> None:
        if len(lost) < 3:
            lost.append(route.fetch().text())
            route.abort("connectionreset")
        else:
            route.continue_()

    person.enter()
    person.page.route("**/api/response", lose)
    person.do_trials()
    person.fill_in()
    assert len(lost) == 3
    assert len({report["idempotency_key"] for report in person.reports}) == len(server.trials("quick"))
    check_session(server, person)


def test_an_answer_survives_a_reload_without_network(person: Person, server: Server) -> None:
    person.enter()
    person.do_trials(n=2)
    person.page.route("**/api/response", lambda route: route.abort())
    assert person.look() == "gate"
    person.proceed()
    person.answer("left", "letter")
    expect(person.page.get_by_text("Your answer is kept")).to_be_visible()
    person.page.unroute("**/api/response")
    person.page.reload()
    person.do_trials()
    person.fill_in()
    check_session(server, person)


def test_pictures_that_fail_to_load_are_tried_again(person: Person, server: Server) -> None:
    failed: list[str] = []

    def fail(route: Route) -> None:
        if len(failed) < 2:
            failed.append(route.request.url)
            route.fulfill(status=500)
        else:
            route.continue_()

    person.page.route("**/image/*", fail)
    person.enter()
    person.do_trials()
    assert len(failed) == 2
    person.fill_in()
    check_session(server, person)


def test_pictures_that_never_load_make_the_trial_void(person: Person, server: Server) -> None:
    of_first_trial: set[str] = set()

    def block(route: Route) -> None:
        if len(of_first_trial) < 2:
            of_first_trial.add(route.request.url)
        if route.request.url in of_first_trial:
            route.abort()
        else:
            route.continue_()

    person.page.route("**/image/*", block)
    person.enter()
    person.proceed()
    expect(person.page.get_by_role("heading", name="A picture did not arrive")).to_be_visible()
    person.do_trials()
    person.fill_in()
    check_session(server, person, n_void=1)
    assert server.trials("quick")[0]["void_reason"] == "load_failed"


@pytest.mark.parametrize("phase", ["first", "gap", "second"])
def test_a_page_hidden_during_exposure_voids_the_trial_and_replaces_it(
    person: Person, server: Server, phase: str
) -> None:
    person.enter("two")
    person.proceed_to(phase)
    hide(person.page)
    person.go_on()
    person.wait("loading")  # of the replacement, which waits for the person
    reveal(person.page)
    expect(person.page.get_by_role("heading", name="That one does not count")).to_be_visible()
    person.do_trials()
    person.fill_in()
    check_session(server, person, n_void=1, slug="two", n=2)
    first, *later = server.trials("two")
    assert (first["void_reason"], first["response"], first["visible"]) == ("hidden", "", False)
    replacement = next(row for row in later if row["plan_index"] == first["plan_index"])
    assert replacement["image_id"] != first["image_id"], "the photograph was seen and is not used again"


def test_a_window_that_becomes_too_small_during_exposure_voids_the_trial(person: Person, server: Server) -> None:
    person.enter("two")
    person.proceed_to("first")
    person.page.set_viewport_size({"width": 420, "height": 200})
    person.go_on()
    expect(person.page.get_by_role("heading", name="A little more room, please")).to_be_visible()
    expect(person.page.get_by_role("link", name="My screen is not larger than this")).to_be_visible()
    person.page.set_viewport_size({"width": 1280, "height": 800})
    person.do_trials()
    person.fill_in()
    check_session(server, person, n_void=1, slug="two", n=2)
    assert server.trials("two")[0]["void_reason"] == "resized"


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


def test_the_questionnaire_says_beside_the_item_what_is_missing_and_keeps_the_rest(person: Person) -> None:
    person.enter("brief")
    person.do_trials()
    page = person.page
    groups = page.get_by_role("group")
    groups.nth(1).get_by_role("radio").nth(2).check()
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(groups.first.locator(".error")).to_be_visible()
    assert groups.first.get_attribute("aria-invalid") == "true"
    expect(groups.nth(1).get_by_role("radio").nth(2)).to_be_checked()
    for control in page.locator("input:not([type=hidden]), textarea").all():
        assert control.evaluate("(e) => e.labels.length > 0"), "every control has its label"


def test_no_thank_you_stores_nothing(person: Person, server: Server) -> None:
    before = server.n_sessions("quick")
    person.arrive()
    person.page.get_by_role("link", name="No, thank you").click()
    expect(person.page.get_by_role("heading", name="That is perfectly fine.")).to_be_visible()
    assert server.n_sessions("quick") == before


def test_a_closed_study_and_a_wrong_link_have_a_way_out(person: Person, server: Server) -> None:
    person.arrive("closed")
    expect(person.page.get_by_role("heading", name="This study is not open at the moment")).to_be_visible()
    expect(person.page.get_by_role("link", name="lab@example.org")).to_be_visible()
    person.page.goto(f"{server.url}/p/no-such-token/")
    expect(person.page.get_by_role("heading")).to_be_visible()


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
