"""The release as a stranger installs it: a wheel of the tracked files, a clean environment, an empty folder.

    python tools/wheel_test.py [--colorizer]

Builds the wheel from a copy of what git tracks, installs it with the extras study and analysis (no torch) by the pins
of requirements.txt, and there, with an empty home, runs a study from its creation to its report by the installed
commands; then the demonstration until its pages answer. `--colorizer` adds that extra and colours a photograph.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFINITION = """
preset = "zhang2016"
[study]
title = "From a wheel"
contact = "nobody@example.org"
[practice]
n_trials = 2
n_spare = 0
[test]
n_trials = 16
[catch]
n_low_anchor = 2
n_instructed = 1
n_spare = 0
"""
# One of each kind of file that is not code.
CARRIED = (
    "study/migrations/env.py", "study/migrations/alembic.ini", "study/protocols/zhang2016.toml",
    "study/static/trial.js",
    "study/translations/de/LC_MESSAGES/messages.mo", "study/participant/templates/participant/door.html",
    "study/console/templates/console/layout.html", "study/demo/demo.toml", "study/demo/stimuli/manifest.json",
    "analysis/templates/report.html.j2", "colorizer/weights/truehue-lite.safetensors", "colorizer/weights/README.md",
    "colorizer/recipes/zhang2016-small.toml", "colorizer/data/pts_in_hull.npy", "colorizer/templates/gallery.html",
    "study/py.typed", "analysis/py.typed", "colorizer/py.typed",
)  # fmt: skip
START_TIMEOUT_S = 120


class WheelError(RuntimeError):
    """The wheel does not do what the checkout does."""


def run(*command: object, cwd: Path, environment: dict[str, str], status: int = 0) -> str:
    """Run one command and give what it printed; stop where it ends otherwise than expected."""
    words = [str(word) for word in command]
    print("—", " ".join(Path(words[0]).name if i == 0 else word for i, word in enumerate(words)), flush=True)
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != status:
        raise WheelError(f"{words[0]}: expected status {status}, got {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def build(scratch: Path, environment: dict[str, str]) -> Path:
    """Build the wheel from the tracked files alone, and look whether it carries what it should."""
    source, wheels = scratch / "source", scratch / "wheels"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S607
    for name in tracked.decode().split("\0"):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "-q", "--no-deps", "-w", wheels, source, cwd=scratch, environment=environment)
    (wheel,) = wheels.glob("truehue-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    versions = {f"study/migrations/versions/{path.name}" for path in (ROOT / "migrations/versions").glob("*.py")}
    absent = sorted(({*CARRIED} | versions) - {*names})
    if absent:
        raise WheelError(f"{wheel.name} lacks {', '.join(absent)}")
    # The top of site-packages belongs to everybody: three packages and the metadata, nothing else.
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    if tops != {"study", "colorizer", "analysis"}:
        raise WheelError(
            f"{wheel.name}: expected study, colorizer and analysis at its top, got {', '.join(sorted(tops))}"
        )
    print(f"  {wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {len(names)} files")
    return wheel


def install(wheel: Path, extras: str, scratch: Path, environment: dict[str, str]) -> Path:
    """Install the wheel into an environment of its own and give the folder of its commands."""
    run(sys.executable, "-m", "venv", "--without-pip", scratch / "venv", cwd=scratch, environment=environment)
    uv = (sys.executable, "-m", "uv", "pip", "install", "-q", "--python", scratch / "venv" / "bin" / "python")
    run(
        *uv,
        "-c",
        ROOT / "requirements.txt",
        f"truehue[{extras}] @ {wheel.as_uri()}",
        cwd=scratch,
        environment=environment,
    )
    return scratch / "venv" / "bin"


def study_to_report(commands: Path, place: Path, environment: dict[str, str]) -> None:
    """Run a study from its creation to its report."""
    (place / "mystudy.toml").write_text(DEFINITION, encoding="utf-8")
    where = "import study, analysis, pathlib; print(pathlib.Path(study.__file__).parent)"
    package = Path(run(commands / "python", "-c", where, cwd=place, environment=environment).strip())
    if package.is_relative_to(ROOT):
        raise WheelError(f"expected study in the new environment, got {package}")
    steps = (
        ("truehue-study", "upgrade"),
        ("truehue-study", "validate", "mystudy.toml"),
        ("truehue-study", "create", "mystudy.toml", package / "demo" / "stimuli", "--slug", "wheel"),
        ("truehue-study", "simulate", "wheel", "--participants", 12),
        ("truehue-study", "export", "wheel", "--out", "wheel.zip"),
        ("truehue-analysis", "report", "wheel.zip", "--out", "report"),
        # The same by the names of the modules.
        ("python", "-m", "flask", "--app", "study", "list"),
        ("python", "-m", "study", "list"),
        ("python", "-m", "analysis", "--help"),
    )
    for name, *rest in steps:
        run(commands / name, *rest, cwd=place, environment=environment)
    page = (place / "report" / "report.html").read_text(encoding="utf-8")
    if "SIMULATED" not in page or not list((place / "report" / "tables").glob("*.csv")):
        raise WheelError("report/: expected a report marked SIMULATED and its tables")
    bad = run(
        commands / "truehue-analysis",
        "report",
        "nothing.zip",
        "--out",
        "r",
        cwd=place,
        environment=environment,
        status=2,
    )
    if "Traceback" in bad:
        raise WheelError(f"bad input: expected one line, got\n{bad}")


def demonstration(commands: Path, place: Path, environment: dict[str, str]) -> None:
    """Start the demonstration and ask it for a page, a script and the simulated report."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    print(f"— truehue-study demo --no-browser --port {port}", flush=True)
    with (place / "demo.log").open("wb") as log:
        demo = subprocess.Popen(  # noqa: S603 - the command under test
            [commands / "truehue-study", "demo", "--no-browser", "--port", str(port)],
            cwd=place, env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            for path, text in (("/s/demo/", "fake"), ("/static/trial.js", "export"), ("/console/", "sign in")):
                if text.lower() not in fetch(f"http://127.0.0.1:{port}{path}", demo).lower():
                    raise WheelError(f"{path}: expected {text!r} in the answer; see {place / 'demo.log'}")
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(30)


def fetch(address: str, server: subprocess.Popen[bytes]) -> str:
    """Ask until the server answers."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own address
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            raise WheelError(f"{address}: status {error.code}") from None
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise WheelError(f"{address}: no answer") from None
            time.sleep(0.2)


def main() -> int:
    """Run everything in a scratch folder that goes afterwards."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--colorizer", action="store_true", help="install torch too and colour a photograph")
    with_colorizer = parser.parse_args().colorizer
    with tempfile.TemporaryDirectory(prefix="truehue-wheel-") as name:
        scratch = Path(name)
        # The installers keep this person's cache; the commands get an empty home and nothing of ours.
        ours = dict(os.environ)
        wheel = build(scratch, ours)
        commands = install(wheel, "study,analysis" + (",colorizer" if with_colorizer else ""), scratch, ours)
        place, home = scratch / "empty", scratch / "home"
        place.mkdir()
        home.mkdir()
        clean = {"PATH": f"{commands}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}
        try:
            if not with_colorizer:
                told = run(commands / "python", "-c", "import importlib.util as u; print(u.find_spec('torch'))",
                           cwd=place, environment=clean)  # fmt: skip
                if told.strip() != "None":
                    raise WheelError("expected an environment without torch")
                told = run(commands / "truehue-colorizer", "models", cwd=place, environment=clean, status=1)
                if "run: pip install '.[colorizer]'" not in told:
                    raise WheelError(f"a missing extra: expected the line that installs it, got\n{told}")
            study_to_report(commands, place, clean)
            demonstration(commands, place, clean)
            if with_colorizer:
                photo = min((ROOT / "samples" / "photos").glob("*.jpg"))
                run(
                    commands / "truehue-colorizer", "colorize", photo, "--out", "coloured", cwd=place, environment=clean
                )
                run(commands / "truehue-colorizer", "models", cwd=place, environment=clean)
        except WheelError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    print("the wheel does what the checkout does")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
