"""A bundle for publication as a job: written, then made again from its causes, which shows that it can be."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from study.dataout import write_bundle
from study.dataout.reproduce import reproduce
from study.jobs.errors import JobError
from study.jobs.tools import Tools

KEPT_FOR = timedelta(days=1)
"""A bundle holds people's data beside the database, where withdrawal does not reach: it may not stay long."""


def delete_old(folder: Path, *, now: datetime) -> None:
    """Delete bundles that are older than a day."""
    for path in folder.glob("*/*"):
        if now - datetime.fromtimestamp(path.stat().st_mtime, UTC) > KEPT_FOR:
            path.unlink(missing_ok=True)


def build_bundle(tools: Tools, arguments: Mapping[str, Any]) -> str:
    """Write a bundle and reproduce it: `study_id`, `slug`, `format`, `file`, `described`."""
    kind, bundles = str(arguments["format"]), tools.settings.bundles
    delete_old(bundles, now=datetime.now(UTC))
    folder = bundles / str(arguments["slug"])
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = folder / f".{arguments['file']}"
    scratch.unlink(missing_ok=True)
    tools.tell("writing the data and the report", 0.1)
    begun = datetime.now(UTC).timestamp()
    described = {key: str(text) for key, text in arguments.get("described", {}).items() if text}
    # write_bundle looks at the ending; the dot keeps it out of every list until it is whole.
    write_bundle(
        tools.desk.database, tools.settings.stimuli, int(arguments["study_id"]), scratch,
        kind=kind, described=described, with_results=True,
    )  # fmt: skip
    found = []
    if kind == "psych-ds":
        tools.tell("making plan, pixels and report again from the bundle", 0.6)
        found = reproduce(scratch)
    os.utime(scratch, (begun, begun))  # whoever withdraws from now on is in it
    scratch.replace(folder / str(arguments["file"]))
    if found:
        first = found[0]
        raise JobError(
            f"the bundle is written, but {len(found)} things did not come out again, first {first.part}: "
            f"{first.where}: {first.message}"
        )
    return "made again from the bundle: identical" if kind == "psych-ds" else "written"
