"""Which code this is: the package's version and the commit."""

import os
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def truehue_version() -> str:
    """Give the installed version."""
    try:
        return version("truehue")
    except PackageNotFoundError:
        return ""


@cache
def code_commit() -> str:
    """Give the commit of the running code where it runs from a checkout, else TRUEHUE_COMMIT, else nothing."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return os.environ.get("TRUEHUE_COMMIT", "")
    try:
        found = subprocess.run(  # noqa: S603 - our own program, no shell
            ["git", "-C", str(root), "rev-parse", "HEAD"],  # noqa: S607 - whichever git the person uses
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def software() -> str:
    """Name this code in one line."""
    return f"truehue {truehue_version()} {code_commit()}".strip()
