"""Simulated participants in a real browser: they look, wait, press too early, reload, and answer by the stated truth.

Same truth, same parameters as the data-only mode; what the browser does with pictures, timing and a lost page is real.
Needs playwright (a development dependency) and Debian's chromium.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import Flask

from study import sessions
from study.dice import Dice
from study.readiness import fitting_answers
from study.serving import in_thread
from study.sessions import Desk
from study.simulate import asking
from study.simulate.answers import Participant, respond
from study.simulate.chromium import launch
from study.simulate.run import claim, fill_in
from study.simulate.truth import Parameters, SimulationError, state_truth
from study.studies import Study

if TYPE_CHECKING:  # a study server has no browser to drive
    from playwright.sync_api import Browser, Page

KEYS = {"left": "f", "right": "j"}
ASKED = ".gate:not([hidden]) button, .answer[aria-disabled=false], form[action$='/answers'], main.page"
PATIENCE_MS = 120_000
# A key before anything is asked, looked up and pressed in one go: one that comes a little later would be an answer.
SLIP = """(key) => {
    if (!document.querySelector(".answer[aria-disabled=false]")) dispatchEvent(new KeyboardEvent("keydown", { key }));
}"""


@dataclass(frozen=True, slots=True)
class Manner:
    """How somebody sits before the screen."""

    reloads: float = 0.02
    """Share of trials on which the page is loaded again while a picture is shown."""
    slips: float = 0.05
    """Share of trials on which a key is pressed before anything is asked."""
    is_headed: bool = False
    """In a window that can be watched."""

    def check(self) -> None:
        """Stop with one line if a share is none."""
        for name, share in (("reloads", self.reloads), ("slips", self.slips)):
            if not 0 <= share <= 1:
                raise SimulationError(f"--{name}: expected 0 to 1, got {share:g}")


def simulate_visibly(
    app: Flask,
    desk: Desk,
    study: Study,
    *,
    n_participants: int,
    rates: Mapping[str, float],
    parameters: Parameters,
    manner: Manner,
    clock: Callable[[], datetime],
    among_people: bool = False,
    tell: Callable[[int], object] = lambda _: None,
) -> dict[str, Any]:
    """Let simulated participants take part in Chromium, one after the other; return the stated truth."""
    if n_participants < 1:
        raise SimulationError(f"--participants: expected 1 or more, got {n_participants}")
    manner.check()
    with _browser(manner) as browser:
        truth = state_truth(study, rates, parameters)
        n_before = claim(desk, study, truth, among_people=among_people)
        with in_thread(app) as url:
            for number in range(n_before, n_before + n_participants):
                context = browser.new_context(viewport={"width": 1280, "height": 900})
                context.set_default_timeout(PATIENCE_MS)
                _Person(desk, study, truth, manner, number, context.new_page()).take_part(url, clock())
                context.close()
                tell(number)
    return truth


@contextmanager
def _browser(manner: Manner) -> Iterator["Browser"]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SimulationError("--visible needs playwright; run: pip install playwright (or make setup)") from None
    with sync_playwright() as playwright:
        browser = launch(playwright, is_headed=manner.is_headed)
        try:
            yield browser
        finally:
            browser.close()


class _Person:
    """One simulated participant before the screen."""

    def __init__(
        self, desk: Desk, study: Study, truth: dict[str, Any], manner: Manner, number: int, page: "Page"
    ) -> None:
        self.desk, self.study, self.p, self.manner, self.page = desk, study, truth["parameters"], manner, page
        self.number = number
        self.dice = Dice("visible participant", study.seed, self.p["seed"], number)
        self.mind = Participant(study, truth, u=self.dice.gauss(0, self.p["sd_participant"]), dice=self.dice)
        self.speed = self.dice.gauss(0, self.p["rt_sd_participant"])
        asking.watch(page)

    def take_part(self, url: str, now: datetime) -> None:
        """Go from the first page after consent to the last, or to where the person leaves."""
        token = sessions.start(
            self.desk,
            self.study.id,
            now=now,
            user_agent="simulated, visible",
            source="simulated",
            is_simulated=True,
            may_be_closed=True,
            bits=Dice("visible names", self.study.name, self.study.seed, self.p["seed"], self.number).getrandbits,
        )
        self.page.goto(f"{url}/p/{token}/")
        state = sessions.read_state(self.desk, token)
        n = len(state.shown)
        last = self.dice.randrange(n) if self.dice.random() < self.p["drop_out"] else None
        self._get_ready(token)
        tried: set[int] = set()
        while (state := sessions.read_state(self.desk, token)).status in sessions.TRIAL_STATUS:
            if last is not None and state.n_rows >= last:
                return
            if state.n_rows not in tried:
                tried.add(state.n_rows)
                self._be_human(state)
            self._go_on(token)
        if state.status == "questionnaire":
            self._answer_questions()

    def _get_ready(self, token: str) -> None:
        """Pass what is asked before the instructions, and those."""
        page = self.page
        if page.locator("#readiness").count():
            state = sessions.read_state(self.desk, token)
            for name, value in fitting_answers(self.study.definition, sessions.plates_of(self.desk, state)).items():
                field = page.locator(f"#readiness [name='{name}']")
                if field.first.get_attribute("type") == "radio":
                    page.locator(f"#readiness [name='{name}'][value='{value}']").check()
                elif field.get_attribute("type") == "hidden":
                    field.evaluate("(element, value) => { element.value = value; }", value)
                else:
                    field.fill(value)
            page.locator("#readiness button[type=submit]").click()
        page.locator("form[action$='/advance'] button").click()
        page.locator("#stage").wait_for()

    def _be_human(self, state: sessions.State) -> None:
        """Sometimes press too early, sometimes load the page again while a picture is shown."""
        is_slip, is_reload = (self.dice.random() < share for share in (self.manner.slips, self.manner.reloads))
        if not (is_slip or is_reload) or state.outstanding is None:
            return
        self._pass_gates()
        self.page.locator("#stage[data-phase=first], .answer[aria-disabled=false]").first.wait_for()
        if is_slip:
            self.page.evaluate(SLIP, self.dice.choice(list(KEYS.values())))
        if is_reload:
            asking.painted(self.page)
            self.page.reload()

    def _pass_gates(self) -> None:
        """Press the gate's button wherever one is shown, until pictures run."""
        running = self.page.locator("#stage[data-phase=blank], #stage[data-phase=first], .answer[aria-disabled=false]")
        gate = self.page.locator(".gate:not([hidden]) button:not([hidden])")
        running.or_(gate).first.wait_for()
        while gate.count():
            asking.pass_gate(self.page)
            running.or_(gate).first.wait_for()

    def _go_on(self, token: str) -> None:
        """Do the next thing that is asked: a gate, or an answer after the time that it takes."""
        page = self.page
        page.locator(ASKED).first.wait_for()
        if page.locator("#stage").count() == 0:
            return  # the next page has come; the state says which
        if page.locator(".gate:not([hidden]) button:not([hidden])").count():
            asking.pass_gate(page)
            return
        state = sessions.read_state(self.desk, token)
        trial = state.outstanding
        if trial is None or page.locator(".answer[aria-disabled=false]").count() == 0:
            return
        number = asking.painted(page)
        exposure_ms = self.study.definition.timing.exposure_ms if state.level_ms is None else state.level_ms
        page.wait_for_timeout(
            math.exp(math.log(self.p["rt_median_ms"]) + self.speed + self.dice.gauss(0, self.p["rt_sd"]))
        )
        side = respond(self.mind, trial, exposure_ms)
        with page.expect_response("**/api/response"):  # written when it is answered
            page.keyboard.press(KEYS[side])
        asking.wait_for_end(page, number)

    def _answer_questions(self) -> None:
        page = self.page
        form = page.locator("form[action$='/answers']")
        form.wait_for()
        for name, value in fill_in(self.study, self.dice).items():
            field = form.locator(f"[name='{name}']")
            if field.first.get_attribute("type") == "radio":
                form.locator(f"[name='{name}'][value='{value}']").check()
            else:
                field.fill(value)
        form.locator("button[type=submit]").click()
        form.wait_for(state="detached")
