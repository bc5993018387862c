"""Debian's Chromium."""

import os
import shutil

import pytest
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
    """Start Chromium without a window; where there is none, say how to get it."""
    path = shutil.which("chromium")
    if path is None:
        message = "needs Chromium: sudo apt-get install -y chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments])
