"""The study server with a clock that jumps by up to an hour, back and forth, from one request to the next.

gunicorn 'tools.proof.chaos.jumping:create_app()'
"""

import random
from datetime import UTC, datetime, timedelta
from unittest import mock

from flask import Flask

import study
from study import web


class _Jumping(datetime):
    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        """Give a time that is wrong."""
        return datetime.now(UTC) + timedelta(seconds=random.uniform(-3600, 3600))


def create_app() -> Flask:
    """Make the application; the clock stays broken in this process."""
    mock.patch.object(web, "datetime", _Jumping).start()
    return study.create_app()
