"""An instance for a proof: a temporary folder, a database, a study over the shipped pictures."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from study import db, lifecycle
from study.config import Settings, read_settings
from study.definition import parse_definition
from study.sessions import Desk
from study.studies import Study, create_study
from tools.proof.server import ROOT

SHIPPED = ROOT / "study" / "demo" / "stimuli"
DEFINITION = """
preset = "zhang2016"
[study]
title = "A proof"
contact = "lab@example.org"
[practice]
n_trials = {n_practice}
n_spare = 0
[test]
n_trials = {n_test}
[catch]
n_low_anchor = {n_low_anchor}
n_instructed = {n_instructed}
n_spare = 0
"""


@dataclass(frozen=True)
class Instance:
    """What a proof works on."""

    environment: dict[str, str]
    settings: Settings
    desk: Desk
    study: Study


def define(*, n_practice: int = 4, n_test: int = 16, n_low_anchor: int = 2, n_instructed: int = 1) -> str:
    """Write a definition that the shipped pictures can serve."""
    return DEFINITION.format(n_practice=n_practice, n_test=n_test, n_low_anchor=n_low_anchor, n_instructed=n_instructed)


@contextlib.contextmanager
def fresh(
    text: str, *, database_url: str = "", slug: str = "proof", stimuli: Path = SHIPPED, folder: Path | None = None
) -> Iterator[Instance]:
    """Make an instance with one open study."""
    with contextlib.ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="truehue-proof-")))
        environment = {"TRUEHUE_INSTANCE": str(place), "TRUEHUE_STARTS_PER_MINUTE": "0"}
        if database_url:
            environment["DATABASE_URL"] = database_url
        settings = read_settings(environment)
        settings.prepare()
        desk = Desk(db.Database(settings.database_url), settings.secret_key, settings.lasting_key)
        stack.callback(desk.database.dispose)
        db.upgrade(desk.database)
        definition = parse_definition(text)
        now = datetime.now(UTC)
        study = create_study(desk.database, settings.stimuli, definition, stimuli, slug=slug, now=now)
        lifecycle.change(desk.database, study.name, "running", actor="proof", now=now)
        yield Instance(environment, settings, desk, study)
