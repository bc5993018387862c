"""Create the virtual environment and install the named extras with the tested pins.

    python3 tools/bootstrap.py .venv study,analysis

Runs on a bare Python 3.11+ with nothing installed, so it uses the standard library only.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path


def fail(message: str) -> None:
    """Print one line that says what to do and exit with status 2."""
    print(f"setup: {message}", file=sys.stderr)
    raise SystemExit(2)


def main(folder: str, extras: str) -> None:
    """Install `extras` (comma separated, as in pyproject.toml) of this checkout into `folder`."""
    if sys.version_info < (3, 11):  # noqa: UP036 - a person may start it with an older one, and must be told
        found = ".".join(map(str, sys.version_info[:3]))
        fail(f"expected Python 3.11 or newer, got {found}; try make PYTHON=python3.12 …")
    root = Path(__file__).resolve().parent.parent
    python = Path(folder) / "bin" / "python"
    if not python.exists():
        print(f"creating {folder} …", flush=True)
        try:
            import ensurepip  # noqa: F401 - Debian ships it apart from Python
        except ImportError:
            name = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
            fail(f"Python's venv module is not complete; run: sudo apt-get install -y {name}")
        venv.create(folder, with_pip=True, clear=True)
    quiet = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_WARN_SCRIPT_LOCATION": "1"}

    def pip(*arguments: str) -> int:
        return subprocess.run([python, "-m", "pip", "install", "-q", *arguments], env=quiet, check=False).returncode  # noqa: S603

    constraints = str(root / "requirements.txt")
    target = f"{root}[{extras}]"
    print(f"installing {extras} with the pins of requirements.txt …", flush=True)
    # uv resolves and unpacks several times faster than pip; pip stays as the way that always works.
    if pip("-c", constraints, "uv") == 0:
        uv = [python, "-m", "uv", "pip", "install", "-q", "--python", str(python), "-c", constraints]
        if subprocess.run([*uv, "-e", target], env=quiet, check=False).returncode == 0:  # noqa: S603
            return
        print("uv could not install; trying pip …", flush=True)
    if pip("-c", constraints, "-e", target) != 0:
        fail("pip could not install the packages above; check the network or your package index and repeat")


if __name__ == "__main__":
    main(*sys.argv[1:])
