"""A person at the browser: finds their way by what is on the screen."""

from typing import Any, Literal

from playwright.sync_api import Locator, Page
from study_server import Server

Side = Literal["left", "right"]


class Person:
    """Takes part in a study of the test server; remembers what was answered, and what the page complained about."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.answers: list[Side] = []
        self.complaints: list[str] = []
        self.reports: list[dict[str, Any]] = []
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

    def enter(self, slug: str = "quick") -> None:
        """To the gate before the first trial."""
        self.agree(slug)
        self.page.get_by_role("button", name="Start").click()
        self.gate.wait_for()

    @property
    def gate(self) -> Locator:
        return self.page.locator(".gate:not([hidden])")

    def proceed(self) -> None:
        self.gate.get_by_role("button").click()
        self.pass_gate()

    def pass_gate(self) -> None:
        self.page.locator(".gate[hidden]").wait_for(state="attached")

    def at(self, *phases: str) -> Locator:
        """The stage in one of these phases."""
        return self.page.locator(", ".join(f"#stage[data-phase={phase}]" for phase in phases))

    def wait(self, *phases: str) -> None:
        self.at(*phases).wait_for()

    def look(self) -> Literal["answering", "gate", "over"]:
        """Watch until something is asked of the person."""
        over = self.page.locator("form[action$='/answers'], .score")
        self.at("answering").or_(self.gate).or_(over).first.wait_for()
        if over.count():
            return "over"
        return "gate" if self.gate.count() else "answering"

    def answer(self, side: Side, how: Literal["click", "letter", "arrow", "tap"] = "click") -> None:
        """Answer once and see it taken."""
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
        self.page.locator("#stage:not([data-phase=answering]), form, .score").first.wait_for()

    def asked_side(self) -> Side | None:
        """The side that an instructed trial asks for."""
        line = self.page.locator("[data-part=line]")
        if line.get_attribute("data-kind") != "instruction":
            return None
        return "left" if "left" in line.inner_text() else "right"

    def do_trials(self, how: Literal["click", "letter", "arrow", "tap"] = "click", n: int | None = None) -> None:
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
                        self.page.keyboard.press("Enter")
                        self.pass_gate()
                case "answering":
                    self.answer(self.asked_side() or ("left" if len(self.answers) % 2 else "right"), how)
                    done += 1

    def fill_in(self) -> None:
        """Answer the questionnaire with a mouse."""
        for group in self.page.get_by_role("group").all():
            group.get_by_role("radio").first.check()
        self.page.get_by_role("button", name="Finish").click()
        self.page.get_by_role("heading", name="Your result").wait_for()
