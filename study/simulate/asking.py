"""What a trial page asks, for a program at the browser: nothing that comes and goes is missed.

Playwright looks at a page at moments up to half a second apart, and a short trial runs its course between two of them.
So the page itself counts its questions, and whoever waits for the end of one waits until it is closed or a later one is
open.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a study server has no browser to drive
    from playwright.sync_api import Page

COUNT = """
addEventListener("DOMContentLoaded", () => {
    const stage = document.getElementById("stage");
    const button = stage?.querySelector(".answer");
    if (!button) return;
    const seen = { answer: "true", gate: "" };
    stage.dataset.nAsked = stage.dataset.nGates = "0";
    new MutationObserver(() => {
        const now = button.getAttribute("aria-disabled");
        if (now !== seen.answer && now === "false") stage.dataset.nAsked = String(Number(stage.dataset.nAsked) + 1);
        seen.answer = now;
    }).observe(button, { attributes: true, attributeFilter: ["aria-disabled"] });
    const gate = stage.querySelector(".gate");
    new MutationObserver(() => {
        const now = gate.hidden ? "" : gate.textContent;
        if (now !== seen.gate && now !== "") stage.dataset.nGates = String(Number(stage.dataset.nGates) + 1);
        seen.gate = now;
    }).observe(gate, { attributes: true, childList: true, characterData: true, subtree: true });
});
"""
# The page hears that its buttons are painted by a message. One that is posted now comes after it.
PAINTED = """() => new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port2.onmessage = () => done(Number(document.getElementById("stage").dataset.nAsked));
    port1.postMessage(null);
})"""


def watch(page: "Page") -> None:
    """Let the pages opened from now on count what they ask."""
    page.add_init_script(COUNT)


def painted(page: "Page") -> int:
    """Wait until what the trial page shows is painted; give how many questions it has asked since it was loaded.

    A key or click before that moment is no answer.
    """
    return int(page.evaluate(PAINTED))


def over(number: int) -> str:
    """Select what is there when question `number` is open no more: closed, followed by another, or its page left."""
    return f".answer[aria-disabled=true], #stage[data-n-asked]:not([data-n-asked='{number}']), body:not(:has(#stage))"


def wait_for_end(page: "Page", number: int) -> None:
    """Wait until question `number` is open no more."""
    page.locator(over(number)).first.wait_for(state="attached")


def pass_gate(page: "Page") -> None:
    """Press the open gate's button and see the gate gone, or another in its place."""
    number = page.locator("#stage").get_attribute("data-n-gates")
    page.locator(".gate:not([hidden]) button").click()
    wait_for_gates_end(page, number)


def wait_for_gates_end(page: "Page", number: str | None) -> None:
    """Wait until the gate with this number (`data-n-gates`) is open no more."""
    page.locator(f".gate[hidden], #stage:not([data-n-gates='{number}'])").first.wait_for(state="attached")
