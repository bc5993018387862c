"""What comes between a participant and the end of a session: reloads, tabs, networks, windows."""

import pytest
from person import Person
from playwright.sync_api import BrowserContext, Page, Request, Route, expect
from study_server import Server
from verdict import N_TRIALS, check_session

pytestmark = pytest.mark.chromium


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
