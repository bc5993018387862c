"""Debian's Chromium."""

import shutil

from playwright.sync_api import Browser, Playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch(playwright: Playwright, *arguments: str) -> Browser:
    """Start Chromium without a window; tests without it are skipped before this by their marker."""
    path = shutil.which("chromium")
    if path is None:
        raise FileNotFoundError("chromium is missing; run: sudo apt-get install -y chromium")
    return playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments])
