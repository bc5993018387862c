"""Fixtures of the study's tests: a stimulus set, an instance, studies, and a participant who speaks HTTP."""

import copy
import dataclasses
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

sys.path.insert(0, str(Path(__file__).parent))  # pictures.py lies beside the tests, which are no package

from pictures import make_set

from study import create_app, db, lifecycle, researchers, sessions, web
from study.config import Settings, read_settings
from study.console.monitor import Watch
from study.definition import StudyDefinition, parse_definition
from study.design import PlannedTrial
from study.manifest import Manifest, read_manifest
from study.models import SessionRow, TrialRow
from study.preflight import client as preflight_client
from study.recruitment import prolific_api
from study.recruitment.platforms import prolific
from study.sessions import Desk
from study.stimuli import import_set
from study.studies import Study, create_study

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SMALL = """
preset = "zhang2016"
[study]
title = "A small study"
contact = "lab@example.org"
[practice]
n_trials = 2
n_spare = 1
[test]
n_trials = 4
[catch]
n_low_anchor = 1
n_instructed = 1
n_spare = 0
"""


@pytest.fixture(scope="session", autouse=True)
def quick_hashes() -> Iterator[None]:
    """Passwords hashed by Argon2 as everywhere, with the least work that it takes."""
    assert researchers.hasher.memory_cost >= 19 * 1024, "KiB: OWASP's least"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(researchers, "hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """Waits that are right for people are too short for a crowded machine with a slow disk: what hangs ends anyway."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(db, "BUSY_TIMEOUT_S", 300)  # 50 threads that want to write, each with its fsync
        for module in (preflight_client, prolific, prolific_api):
            patch.setattr(module, "TIMEOUT_S", 300)
        yield


@pytest.fixture(scope="session")
def stimuli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photographs, one model, four low anchors."""
    return make_set(tmp_path_factory.mktemp("stimuli") / "set")


@pytest.fixture(scope="session")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(tmp_path_factory.mktemp("stimuli") / "two", models=("lite", "deep"), name="two-models")


@pytest.fixture(scope="session")
def manifest(stimuli: Path) -> Manifest:
    return read_manifest(stimuli)


@pytest.fixture
def small() -> StudyDefinition:
    return parse_definition(SMALL)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "instance")})


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory, stimuli: Path, two_models: Path) -> Path:
    """An instance with its tables and both sets, made once: each test begins with a copy of it."""
    settings = read_settings({"TRUEHUE_INSTANCE": str(tmp_path_factory.mktemp("instance"))})
    settings.prepare()
    database = db.Database(settings.database_url)
    db.upgrade(database)
    for path in (stimuli, two_models):
        import_set(database, settings.stimuli, path, now=NOW)
    database.dispose()  # the last connection to close writes the log into the file
    return settings.instance


@pytest.fixture(scope="session")
def instance_with_study(tmp_path_factory: pytest.TempPathFactory, instance: Path, stimuli: Path) -> tuple[Path, Study]:
    """The same with the small study, for tests that ask for `study`."""
    folder = tmp_path_factory.mktemp("with-study") / "instance"
    shutil.copytree(instance, folder)
    settings = read_settings({"TRUEHUE_INSTANCE": str(folder)})
    database = db.Database(settings.database_url)
    study = launch(database, settings, parse_definition(SMALL), stimuli)
    database.dispose()
    return folder, study


@pytest.fixture(scope="session")
def bare_app() -> Flask:
    """The application without an instance, made once: its addresses and templates are compiled once."""
    return create_app(read_settings({}))


@pytest.fixture(scope="session")
def one_database(tmp_path_factory: pytest.TempPathFactory) -> tuple[db.Database, Path]:
    """A database by way of a link that each test points at its own file: one engine compiles every statement once."""
    link = tmp_path_factory.mktemp("database") / "instance"
    return db.Database(f"sqlite:///{link / 'truehue.sqlite3'}"), link


def link_picture(source: str, target: str) -> str:
    """Copy a file, but give a picture, which nothing ever writes again, a second name instead."""
    return os.link(source, target) or target if source.endswith(".png") else shutil.copy2(source, target)


@pytest.fixture
def app(
    bare_app: Flask,
    one_database: tuple[db.Database, Path],
    settings: Settings,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """The application over an instance of this test's own; all that it remembers is new."""
    if "study" in request.fixturenames:
        folder, _ = request.getfixturevalue("instance_with_study")
    else:
        folder = request.getfixturevalue("instance")
    shutil.copytree(folder, settings.instance, copy_function=link_picture)
    monkeypatch.setattr(bare_app, "config", copy.copy(bare_app.config))
    monkeypatch.setitem(bare_app.config, "TESTING", True)
    database, link = one_database
    link.unlink(missing_ok=True)
    link.symlink_to(settings.instance)
    here = web.Truehue(settings)
    here.desk = Desk(database, settings.secret_key, settings.lasting_key)
    monkeypatch.setattr(bare_app, "extensions", bare_app.extensions | {"truehue": here, "truehue watch": Watch()})
    yield bare_app
    database.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def desk(app: Flask) -> Desk:
    desk: Desk = app.extensions["truehue"].desk
    return desk


def launch(
    database: db.Database,
    settings: Settings,
    definition: StudyDefinition,
    path: Path,
    *,
    slug: str = "small",
    seed: int = 7,
) -> Study:
    study = create_study(database, settings.stimuli, definition, path, slug=slug, now=NOW, seed=seed)
    lifecycle.change(database, study.name, "running", actor="test", now=NOW)
    return study


@pytest.fixture
def make_study(desk: Desk, settings: Settings, stimuli: Path) -> Callable[..., Study]:
    def make(text: str = SMALL, *, slug: str = "small", path: Path | None = None, seed: int = 7) -> Study:
        definition = parse_definition(text)
        return launch(desk.database, settings, definition, path or stimuli, slug=slug, seed=seed)

    return make


@pytest.fixture
def study(desk: Desk, instance_with_study: tuple[Path, Study]) -> Study:
    return instance_with_study[1]


@dataclass
class Participant:
    """Somebody who takes part, in the words of somebody who takes part."""

    client: FlaskClient
    desk: Desk
    slug: str
    page_id: str = "first-page"
    here: str = ""
    n_sent: int = 0
    turn: dict[str, Any] = field(default_factory=dict)

    @property
    def token(self) -> str:
        return self.here.split("/")[2]

    def agree(self) -> TestResponse:
        response = self.client.post(f"/s/{self.slug}/start")
        self.here = response.headers.get("Location", "")
        return response

    def begin(self) -> "Participant":
        """Agree, leave the instructions, get the first trial."""
        assert self.agree().status_code == 303
        assert self.client.post(f"{self.here}advance", data={"stage": "instructions"}).status_code == 303
        self.look()
        return self

    def look(self, **told: Any) -> dict[str, Any]:
        response = self.ask(**told)
        assert response.status_code == 200, response.text
        self.turn = response.get_json()
        return self.turn

    def ask(self, **told: Any) -> TestResponse:
        return self.client.post(f"{self.here}api/trial", json={"page_id": self.page_id, **told})

    def reload(self, page_id: str, **told: Any) -> dict[str, Any]:
        self.page_id = page_id
        return self.look(**told)

    def report(self, response: str | None = "left", **changes: Any) -> dict[str, Any]:
        self.n_sent += 1
        exposure = {"onset_ms": 0, "offset_ms": 1000, "achieved_ms": 1000.2, "frames": 60, "dropped_frames": 0}
        return {
            "trial_id": self.turn["trial"]["trial_id"],
            "idempotency_key": f"key-{self.n_sent}",
            "page_id": self.page_id,
            "response": response,
            "void_reason": None,
            "rt_ms": 812.4,
            "exposures": [exposure, {**exposure, "achieved_ms": 983.4, "frames": 59, "dropped_frames": 1}],
            "refresh_hz": 59.94,
            "visible": True,
        } | changes

    def send(self, report: dict[str, Any]) -> TestResponse:
        return self.client.post(f"{self.here}api/response", json=report)

    def answer(self, response: str = "left", **changes: Any) -> dict[str, Any]:
        reply = self.send(self.report(response, **changes))
        assert reply.status_code == 200, reply.text
        self.turn = reply.get_json()
        return self.turn

    def void(self, reason: str = "hidden") -> dict[str, Any]:
        reply = self.send(self.report(None, void_reason=reason, rt_ms=None, exposures=[]))
        assert reply.status_code == 200, reply.text
        self.turn = reply.get_json()
        return self.turn

    def finish_trials(self) -> "Participant":
        while self.turn["trial"]:
            self.answer()
        return self

    def fill_in(self, **answers: str) -> TestResponse:
        given = {"colour_vision": "no", "difficulty": "4", "trouble": "fine", **answers}
        return self.client.post(f"{self.here}answers", data=given)

    # What only the server knows.

    @property
    def state(self) -> sessions.State:
        return sessions.read_state(self.desk, self.token)

    @property
    def outstanding(self) -> PlannedTrial:
        trial = self.state.outstanding
        assert trial is not None
        return trial

    @property
    def rows(self) -> list[TrialRow]:
        with self.desk.database.reading_session() as session:
            query = select(TrialRow).join(SessionRow, SessionRow.id == TrialRow.session_id)
            query = query.where(SessionRow.session_id == self.state.session_id)
            return list(session.scalars(query.order_by(TrialRow.trial_index)))


@pytest.fixture
def participant(app: Flask, desk: Desk, study: Study) -> Participant:
    return Participant(app.test_client(), desk, study.slug)


@pytest.fixture
def make_participant(app: Flask, desk: Desk) -> Callable[..., Participant]:
    return lambda slug="small": Participant(app.test_client(), desk, slug)


@pytest.fixture
def changed(small: StudyDefinition) -> Callable[..., StudyDefinition]:
    """Change numbers of the small definition, as in `changed(test={"n_trials": 8})`."""

    def change(**sections: dict[str, Any]) -> StudyDefinition:
        parts = {name: dataclasses.replace(getattr(small, name), **values) for name, values in sections.items()}
        return dataclasses.replace(small, **parts)

    return change


@pytest.fixture
def participant_of(make_study: Callable[..., Study], make_participant: Callable[..., Participant]) -> Any:
    """Make a study from a definition and give somebody who may take part in it."""

    def make(text: str, *, slug: str = "small") -> Participant:
        make_study(text, slug=slug)
        return make_participant(slug)

    return make
