"""Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "study" / "static"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        message = "needs Chromium: sudo apt-get install -y chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
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
