"""How commands fail: one line that says what was expected, what came, and what to do; exit status 2; no traceback."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click
from sqlalchemy.exc import OperationalError

from study import db
from study.backup import BackupError
from study.config import ConfigError
from study.dataout.errors import DatasetError
from study.definition import DefinitionError
from study.demo.errors import DemoError
from study.design import DesignError
from study.export import ExportError
from study.jobs import JobError
from study.lab.displays import DisplayError
from study.manifest import ManifestError
from study.recruitment import RecruitmentError
from study.researchers import ResearcherError
from study.rights import WithdrawalError
from study.sessions import Desk, SessionError
from study.simulate import SimulationError
from study.studies import StudyError
from study.web import truehue

P = ParamSpec("P")
T = TypeVar("T")
EXPECTED = (
    BackupError,
    ConfigError,
    DatasetError,
    DefinitionError,
    DemoError,
    DesignError,
    DisplayError,
    ExportError,
    JobError,
    ManifestError,
    RecruitmentError,
    ResearcherError,
    SessionError,
    SimulationError,
    StudyError,
    WithdrawalError,
    db.DatabaseError,
)


def fail(*messages: object) -> None:
    """Say one line for each thing that is wrong and leave with status 2."""
    for message in messages:
        click.echo(f"error: {message}", err=True)
    sys.exit(2)


def one_line_errors(call: Callable[P, T]) -> Callable[P, T]:
    """Turn expected errors into one line."""

    @functools.wraps(call)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except DefinitionError as error:
            fail(*error.problems)
        except EXPECTED as error:
            fail(error)
        except OperationalError as error:
            fail(f"the database cannot be used: {str(error.orig).splitlines()[0]}")
        raise AssertionError("unreachable")

    return guarded


def open_desk() -> Desk:
    """Give the desk of the running application with its tables brought up to date."""
    desk = truehue().desk
    db.upgrade(desk.database)
    return desk
