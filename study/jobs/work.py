"""What jobs do. Each can be begun again from its start."""

import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from study.jobs.bundles import build_bundle
from study.jobs.errors import JobError
from study.jobs.tools import Tools
from study.jobs.uploads import unpack_set
from study.manifest import Manifest
from study.recruitment.payment import approve
from study.recruitment.prolific_api import ProlificApi
from study.reports import build_asked
from study.stimuli import import_set
from study.words import counted

TIMEOUT_S = 6 * 3600
NO_COLORIZER = (
    "this server has no colorizer; run: pip install 'truehue[colorizer]', or render elsewhere with "
    "`python -m colorizer stimuli` and upload the set"
)


def has_colorizer() -> bool:
    """Whether photographs can be coloured on this server."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "colorizer"))


def render_stimuli(tools: Tools, arguments: Mapping[str, Any]) -> str:
    """Colour uploaded photographs and take the set in: `photos` (a zip), `models`, `name`, `n`, `size`, `seed`."""
    if not has_colorizer():
        raise JobError(NO_COLORIZER)
    photos = tools.settings.uploads / str(arguments["photos"])
    if not photos.is_file():
        raise JobError("the uploaded photographs are gone; upload them again")
    tools.settings.stimuli.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tools.settings.stimuli, prefix=".render-") as scratch:
        out = Path(scratch) / str(arguments["name"])
        command = [sys.executable, "-m", "colorizer", "stimuli", "--real", str(photos), "--out", str(out)]
        command += ["--model", *arguments["models"], "--name", str(arguments["name"])]
        for option in ("n", "size", "seed"):
            if arguments.get(option) not in (None, ""):
                command += [f"--{option}", str(arguments[option])]
        last = _run(command, tools)
        if not (out / "manifest.json").is_file():
            raise JobError(last or "the colorizer wrote no stimulus set")
        tools.tell("taking the set in")
        set_id, manifest = import_set(tools.desk.database, tools.settings.stimuli, out, now=datetime.now(UTC))
    photos.unlink(missing_ok=True)
    return _taken_in(set_id, manifest)


def _taken_in(set_id: int, manifest: Manifest) -> str:
    n_photos, n_conditions = len(manifest.photos), len(manifest.conditions)
    return f"{counted(n_photos, 'photograph')} in {counted(n_conditions, 'condition')}: set {set_id}"


def _run(command: list[str], tools: Tools) -> str:
    """Run a program of ours, pass its progress on, give its last line. Raises JobError if it fails."""
    with subprocess.Popen(  # noqa: S603 - our own program, no shell
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1, errors="replace"
    ) as process:
        assert process.stdout is not None
        last = ""
        try:
            for line in process.stdout:
                for part in line.split("\r"):
                    text = part.strip()
                    if not text:
                        continue
                    last = text
                    found = re.search(r"(.*?):?\s*(\d{1,3})%\|", text)
                    if found:
                        tools.tell(found[1].strip() or "working", int(found[2]) / 100)
            code = process.wait(TIMEOUT_S)
        except BaseException:
            process.kill()
            raise
    if code:
        raise JobError(last.removeprefix("error: ") or f"it ended with status {code}")
    return last


def take_set(tools: Tools, arguments: Mapping[str, Any]) -> str:
    """Take an uploaded stimulus set in: `archive` (a zip with manifest.json)."""
    archive = tools.settings.uploads / str(arguments["archive"])
    with tempfile.TemporaryDirectory(dir=tools.settings.uploads, prefix=".set-") as scratch:
        tools.tell("unpacking")
        folder = unpack_set(archive, Path(scratch))
        tools.tell("checking and encoding every picture")
        set_id, manifest = import_set(tools.desk.database, tools.settings.stimuli, folder, now=datetime.now(UTC))
    archive.unlink(missing_ok=True)
    return _taken_in(set_id, manifest)


def build_report(tools: Tools, arguments: Mapping[str, Any]) -> str:
    """Export a study and run the analysis on it: `study_id`, `report_id`."""
    study_id, report_id = int(arguments["study_id"]), str(arguments["report_id"])
    return build_asked(tools.desk, tools.settings, study_id, report_id, now=datetime.now(UTC), tell=tools.tell)


def approve_submissions(tools: Tools, arguments: Mapping[str, Any]) -> str:
    """Approve the submissions at Prolific that are ready: `slug`, `actor`."""
    settings = tools.settings
    done = approve(
        tools.desk,
        ProlificApi(settings.prolific_url, settings.prolific_token),
        str(arguments["slug"]),
        actor=str(arguments["actor"]),
        now=datetime.now(UTC),
        tell=lambda n, n_all: tools.tell(f"{n} of {n_all} approved", n / n_all),
    )
    if done.problems:
        raise JobError(f"{done.n_approved} approved, then {done.problems[0]}")
    return f"{done.n_approved} approved"


KINDS: Mapping[str, Callable[[Tools, Mapping[str, Any]], str]] = {
    "render": render_stimuli,
    "bundle": build_bundle,
    "prolific-approve": approve_submissions,
    "report": build_report,
    "take-set": take_set,
}
