"""A person at the browser: finds their way by what is on the screen."""

from typing import Any, Literal

from playwright.sync_api import Locator, Page
from study_server import Server

from study.simulate import asking

Side = Literal["left", "right"]
How = Literal["click", "letter", "arrow", "tap"]

# The page takes a second of three without a frame for a machine that slept, and makes its trial void (trial.js,
# ASLEEP_MS). On a machine that is that busy a session rightly has more void trials than its test has made.
NAPS = """
const frames = requestAnimationFrame.bind(globalThis);
let before = null;
const look = (t) => {
    if (before !== null && t - before > 3000) {
        sessionStorage.setItem("naps", String(Number(sessionStorage.getItem("naps")) + 1));
    }
    before = t;
    frames(look);
};
frames(look);
"""
# A page whose time stands still as soon as it is in a phase: test and machine may be as slow as they like.
STAND = """() => {
    const stage = document.getElementById("stage");
    const frames = requestAnimationFrame.bind(globalThis);
    let [until, lost] = [null, 0];
    globalThis.requestAnimationFrame = (callback) => frames((t) => {
        if (stage.dataset.phase !== until) return callback(t - lost);
        globalThis.goOn = (phase) => {
            until = phase;
            frames((now) => { lost += now - t; callback(now - lost); });
        };
    });
    globalThis.goOn = (phase) => { until = phase; };
}"""


class Person:
    """Takes part in a study of the test server; remembers what was answered, and what the page complained about."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.answers: list[Side] = []
        self.complaints: list[str] = []
        self.reports: list[dict[str, Any]] = []
        asking.watch(page)
        page.add_init_script(NAPS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text)
                if message.type in {"error", "warning"} and "Failed to load resource" not in message.text
                else None
            ),
        )
        page.on(
            "request",
            lambda request: (
                self.reports.append(request.post_data_json) if request.url.endswith("/api/response") else None
            ),
        )

    def arrive(self, slug: str = "quick") -> None:
        self.page.goto(f"{self.server.url}/s/{slug}/")

    def agree(self, slug: str = "quick") -> None:
        """To the instructions."""
        self.arrive(slug)
        self.page.get_by_role("button", name="I agree and start").click()
        self.page.wait_for_url("**/p/**")

    def enter(self, slug: str = "quick") -> None:
        """To the gate before the first trial."""
        self.agree(slug)
        self.page.get_by_role("button", name="Start").click()
        self.gate.wait_for()

    @property
    def gate(self) -> Locator:
        return self.page.locator(".gate:not([hidden])")

    def proceed(self) -> None:
        asking.pass_gate(self.page)

    def press_gate(self, key: str = "Enter") -> None:
        """By keyboard: the gate's button has the focus."""
        number = self.page.locator("#stage").get_attribute("data-n-gates")
        self.page.keyboard.press(key)
        asking.wait_for_gates_end(self.page, number)

    def at(self, *phases: str) -> Locator:
        """The stage in one of these phases."""
        return self.page.locator(", ".join(f"#stage[data-phase={phase}]" for phase in phases))

    def wait(self, *phases: str) -> None:
        self.at(*phases).wait_for()

    def look(self) -> Literal["answering", "gate", "over"]:
        """Watch until something is asked of the person."""
        over = self.page.locator("form[action$='/answers'], .score")
        self._open.or_(self.gate).or_(over).first.wait_for()
        if over.count():
            return "over"
        if self.gate.count():
            return "gate"
        self.question()
        return "answering"

    def question(self) -> int:
        """Wait until something is asked that can be answered, and give its number on this page."""
        self._open.first.wait_for()
        return asking.painted(self.page)

    @property
    def _open(self) -> Locator:
        return self.page.locator(".answer[aria-disabled=false]")

    @property
    def naps(self) -> int:
        """How often the machine left this tab without a frame for so long that a trial may be void for it."""
        return int(self.page.evaluate("() => Number(sessionStorage.getItem('naps'))"))

    def proceed_to(self, phase: str) -> None:
        """Pass the gate; the page stands still when it comes to this phase, painted and noted."""
        self.page.evaluate(STAND)
        self.page.evaluate("(phase) => goOn(phase)", phase)
        self.proceed()
        self._arrive_in(phase)

    def go_on(self, phase: str | None = None) -> None:
        """Let the time of a page that stands still go on: to this phase, or for good."""
        self.page.evaluate("(phase) => goOn(phase)", phase)
        if phase:
            self._arrive_in(phase)

    def _arrive_in(self, phase: str) -> None:
        self.wait(phase)
        asking.painted(self.page)

    def answer(self, side: Side, how: How = "click") -> None:
        """Answer once and see it taken."""
        number = self.question()
        button = self.page.get_by_role("button", name="Left" if side == "left" else "Right")
        if how == "click":
            button.click()
        elif how == "tap":
            button.tap()
        elif how == "letter":
            self.page.keyboard.press("f" if side == "left" else "j")
        else:
            self.page.keyboard.press("ArrowLeft" if side == "left" else "ArrowRight")
        self.answers.append(side)
        self.end_of(number)

    def end_of(self, number: int) -> None:
        """Wait until this question is open no more."""
        asking.wait_for_end(self.page, number)

    def asked_side(self) -> Side | None:
        """The side that an instructed trial asks for."""
        line = self.page.locator("[data-part=line]")
        if line.get_attribute("data-kind") != "instruction":
            return None
        return "left" if "left" in line.inner_text() else "right"

    def do_trials(self, how: How = "click", n: int | None = None) -> None:
        """Go through the trials (or the next `n`), left and right in turn, obeying instructions."""
        done = 0
        while n is None or done < n:
            match self.look():
                case "over":
                    return
                case "gate":
                    if how in {"click", "tap"}:
                        self.proceed()
                    else:
                        self.press_gate()
                case "answering":
                    self.answer(self.asked_side() or ("left" if len(self.answers) % 2 else "right"), how)
                    done += 1

    def fill_in(self) -> None:
        """Answer the questionnaire with a mouse."""
        for group in self.page.get_by_role("group").all():
            group.get_by_role("radio").first.check()
        self.page.get_by_role("button", name="Finish").click()
        self.page.get_by_role("heading", name="Your result").wait_for()
