"""A participant's way through a study, in Chromium against the real server; the database is the judge."""

import json
from typing import Any

import pytest
from person import Person
from playwright.sync_api import Browser, Route, expect
from study_server import Server
from verdict import answered, check_session

pytestmark = pytest.mark.chromium


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
