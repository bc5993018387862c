"""How commands fail: one line that says what was expected, what came, and what to do; exit status 2; no traceback."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click
from sqlalchemy.exc import OperationalError

from study import db
from study.errors import Refusal
from study.sessions import Desk
from study.web import truehue

P = ParamSpec("P")
T = TypeVar("T")


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
        except Refusal as error:
            fail(*error.lines)
        except OperationalError as error:
            fail(f"the database cannot be used: {str(error.orig).splitlines()[0]}")
        raise AssertionError("unreachable")

    return guarded


def open_desk() -> Desk:
    """Give the desk of the running application with its tables brought up to date."""
    desk = truehue().desk
    db.upgrade(desk.database)
    return desk
