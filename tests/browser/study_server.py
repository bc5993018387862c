"""Starts the real study server for browser tests: a small stimulus set, studies, a temporary instance."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from PIL import Image
from sqlalchemy import func, select

from study import create_app
from study.config import read_settings
from study.db import Database
from study.models import SessionRow, StudyRow, TrialRow
from study.serving import in_thread

SIZE_PX = 256
CONDITIONS = {
    "real": {"kind": "real", "model": "", "description": "the photograph in its own colours"},
    "testmodel": {"kind": "model", "model": "testmodel", "description": "made for tests"},
    "otherphoto": {"kind": "control", "model": "random", "description": "colours of another photograph"},
}
QUICK = """
first_blank_ms = 120
blank_before_ms = 80
exposure_ms = 120
blank_between_ms = 80
buttons_after_ms = 30
feedback_ms = 150
"""
# Exposures that tell something, and little time between them: test_timing.py.
TIMING = """
first_blank_ms = 200
blank_before_ms = 100
exposure_ms = 200
blank_between_ms = 100
buttons_after_ms = 100
feedback_ms = 150
"""
DEFINITION = """
preset = "zhang2016"
[study]
title = "Which colours are real?"
contact = "lab@example.org"
[timing]
{timing}
[practice]
n_trials = {n_practice}
n_spare = 3
[test]
n_trials = {n_test}
[catch]
n_low_anchor = {n_low_anchor}
low_anchor_condition = "otherphoto"
n_instructed = {n_instructed}
n_spare = 3
"""


def define(
    *, timing: str = QUICK, n_practice: int = 2, n_test: int = 3, n_low_anchor: int = 1, n_instructed: int = 1
) -> str:
    """Write a short study."""
    return DEFINITION.format(
        timing=timing, n_practice=n_practice, n_test=n_test, n_low_anchor=n_low_anchor, n_instructed=n_instructed
    )


FEW = """
[study]
title = "Which colours are real?"
contact = "lab@example.org"
[practice]
n_trials = 2
n_spare = 1
pass_share = 0
[catch]
n_low_anchor = 0
n_instructed = 0
n_spare = 0
[conditions]
models = ["testmodel"]
[test]
n_trials = 4
"""
DESIGNS = {
    "single": 'preset = "hype-infinity"'
    + FEW
    + "[timing]\nfirst_blank_ms = 120\nblank_before_ms = 80\nfeedback_ms = 120\n",
    "at-once": 'preset = "palette"' + FEW.replace("n_trials = 2", "n_trials = 0") + f"[timing]{QUICK}",
    "preferred": 'preset = "preference"'
    + FEW.replace('"testmodel"', '"testmodel", "otherphoto"')
    + '[trial]\nreference_condition = "real"\n'
    + "[timing]\nfirst_blank_ms = 120\nblank_before_ms = 80\nreference_ms = 100\nblank_between_ms = 50\n",
    "stairs": 'preset = "hype-time"'
    + FEW
    + "n_blocks = 2\n[timing]\nfirst_blank_ms = 120\nblank_before_ms = 80\nfeedback_ms = 100\ncountdown_ms = 60\n"
    + "[staircase]\nstart_ms = 150\n",
}
STUDIES = DESIGNS | {
    "quick": define(),
    "brief": define(n_practice=1, n_test=1, n_low_anchor=0, n_instructed=0),
    "one": define(n_practice=0, n_test=1, n_low_anchor=0, n_instructed=0),
    "two": define(n_practice=0, n_test=2, n_low_anchor=0, n_instructed=0),
    "timing": define(timing=TIMING, n_practice=0, n_test=30, n_low_anchor=0, n_instructed=0),
    "closed": define(),
}


def write_stimuli(folder: Path, n_photos: int = 36) -> None:
    """Write a stimulus set of coloured tiles (quick to encode): every picture differs from every other."""
    (folder / "images").mkdir(parents=True)
    images, stimuli = [], []
    for number in range(n_photos):
        image_id = f"photo-{number:03d}"
        digest = hashlib.sha256(image_id.encode()).hexdigest()
        images.append(
            {
                "image_id": image_id,
                "source": f"{image_id}.jpg",
                "source_sha256": digest,
                "group": image_id,
                "perceptual_hash": digest[:16],
                "author": "",
                "licence": "CC0-1.0",
                "credit": "made by a program",
                "mean_chroma": 30.0,
            }
        )
        for condition in CONDITIONS:
            name = hashlib.sha256(f"{image_id} {condition}".encode()).hexdigest()
            pixels = hashlib.shake_256(name.encode()).digest(8 * 8 * 3)
            picture = Image.frombytes("RGB", (8, 8), pixels).resize((SIZE_PX, SIZE_PX), Image.Resampling.NEAREST)
            picture.save(folder / "images" / f"{name[:16]}.png")
            stimuli.append(
                {
                    "stimulus_id": name[:16],
                    "image_id": image_id,
                    "condition": condition,
                    "file": f"images/{name[:16]}.png",
                    "pixels_sha256": pixels_sha256(picture),
                    "width_px": SIZE_PX,
                    "height_px": SIZE_PX,
                    "delta_e00_mean": None if condition == "real" else 20.0,
                    "gamut_clipped_share": 0.0,
                }
            )
    manifest = {
        "format": "truehue-stimulus-set/1",
        "name": "browser-tests",
        "settings": {"size_px": SIZE_PX, "fit": "crop", "image_format": "png", "seed": 0, "n_requested": n_photos},
        "commit": "",
        "conditions": {name: {**about, "checkpoint_sha256": "", "settings": {}} for name, about in CONDITIONS.items()},
        "images": images,
        "stimuli": sorted(stimuli, key=lambda s: str(s["stimulus_id"])),
        "refused": [],
        "seen_in_training": [],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def pixels_sha256(picture: Image.Image) -> str:
    """Hash pixels as docs/formats.md says."""
    return hashlib.sha256(f"{picture.width}x{picture.height}:RGB:".encode() + picture.tobytes()).hexdigest()


@dataclass(frozen=True)
class Server:
    """A running server: its address, and its database as a judge of what arrived."""

    url: str
    app: Flask
    stimuli: Path

    @property
    def database(self) -> Database:
        database: Database = self.app.extensions["truehue"].desk.database
        return database

    def n_sessions(self, slug: str) -> int:
        with self.database.reading_session() as session:
            studies = select(StudyRow.id).where(StudyRow.slug == slug)
            query = select(func.count()).select_from(SessionRow).where(SessionRow.study_id.in_(studies))
            return session.scalar(query) or 0

    def newest_session(self, slug: str) -> dict[str, Any]:
        with self.database.reading_session() as session:
            row = session.scalars(
                select(SessionRow)
                .where(SessionRow.study_id.in_(select(StudyRow.id).where(StudyRow.slug == slug)))
                .order_by(SessionRow.id.desc())
                .limit(1)
            ).one()
            return {column.name: getattr(row, column.name) for column in SessionRow.__table__.columns}

    def trials(self, slug: str) -> list[dict[str, Any]]:
        """The rows of the newest session, in order of presentation."""
        newest = self.newest_session(slug)["id"]
        with self.database.reading_session() as session:
            rows = session.scalars(select(TrialRow).where(TrialRow.session_id == newest).order_by(TrialRow.trial_index))
            return [{column.name: getattr(row, column.name) for column in TrialRow.__table__.columns} for row in rows]

    def pixels_of(self, stimulus_id: str) -> str:
        manifest = json.loads((self.stimuli / "manifest.json").read_text())
        return str(next(s["pixels_sha256"] for s in manifest["stimuli"] if s["stimulus_id"] == stimulus_id))


@contextmanager
def running_server(instance: Path, studies: dict[str, str] = STUDIES) -> Iterator[Server]:
    """Run the application in a thread until the block ends."""
    stimuli = instance / "set"
    write_stimuli(stimuli)
    app = create_app(read_settings({"TRUEHUE_INSTANCE": str(instance)}))
    cli = app.test_cli_runner()

    def command(*arguments: str) -> None:
        result = cli.invoke(args=arguments)
        assert result.exit_code == 0, result.output

    command("upgrade")
    for slug, text in studies.items():
        definition = instance / f"{slug}.toml"
        definition.write_text(text)
        command("create", str(definition), str(stimuli), "--slug", slug, "--seed", "7")
    if "closed" in studies:
        command("close", "closed")
    with in_thread(app) as address:
        yield Server(address, app, stimuli)
    app.extensions["truehue"].desk.database.dispose()
