"""Debian's Chromium, started the same way by simulated participants, screenshots, tools and tests."""

import shutil
from typing import TYPE_CHECKING

from study.errors import Refusal

if TYPE_CHECKING:  # a study server has no browser to drive
    from playwright.sync_api import Browser, Playwright

ARGUMENTS = (
    "--no-sandbox",  # which needs rights that containers do not give
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
START_MS = 180_000  # of a crowded machine


class ChromiumError(Refusal, FileNotFoundError):
    """There is no Chromium."""


def launch(playwright: "Playwright", *arguments: str, is_headed: bool = False) -> "Browser":
    """Start Chromium, without a window (and then without a GPU) unless it is to have one."""
    path = shutil.which("chromium")
    if path is None:
        raise ChromiumError("chromium is missing; run: sudo apt-get install -y chromium")
    given = [*ARGUMENTS, *(() if is_headed else ("--disable-gpu",)), *arguments]
    return playwright.chromium.launch(executable_path=path, headless=not is_headed, args=given, timeout=START_MS)
