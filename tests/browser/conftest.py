"""Debian's Chromium, driven by Playwright."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Route, expect, sync_playwright

sys.path.append(str(Path(__file__).parent))  # the helpers lie beside the tests; last: tests/study has a conftest too

from person import Person
from study_server import Server, running_server

from study.simulate.chromium import launch

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "study" / "static"
PATIENCE_MS = 120_000  # a crowded machine is no failure, and what hangs is ended all the same
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = launch(playwright)
    browser.on("context", lambda context: context.set_default_timeout(PATIENCE_MS))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def module_page(chromium: Browser) -> Iterator[Page]:
    """A blank page from whose origin the modules of study/static can be imported; no server runs."""

    def serve(route: Route) -> None:
        name = route.request.url.split("//", 1)[1].split("/", 1)[1]
        path = {"": None, "machine.js": Path(__file__).with_name("machine.js")}.get(
            name, STATIC / name.removeprefix("static/")
        )
        if path is None:
            route.fulfill(body="<!doctype html><title>blank</title>", content_type="text/html")
        else:
            route.fulfill(path=path, content_type="text/javascript")

    context = chromium.new_context()
    context.route("http://modules.test/**", serve)
    page = context.new_page()
    page.goto("http://modules.test/")
    yield page
    context.close()


@pytest.fixture
def run(module_page: Page) -> Callable[..., Any]:
    """Runs the body of a JavaScript function with the world's names and `given` in scope."""

    def run(body: str, **given: object) -> Any:
        return module_page.evaluate(
            f"""async (given) => {{
                const {{ World, turn, view, step, initial }} = await import("/machine.js");
                {body}
            }}""",
            given,
        )

    return run


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real application with an instance of its own."""
    with running_server(tmp_path_factory.mktemp("instance")) as server:
        yield server


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def person(context: BrowserContext, server: Server) -> Person:
    return Person(context.new_page(), server)
