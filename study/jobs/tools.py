"""What jobs work with."""

from collections.abc import Callable
from dataclasses import dataclass

from study.config import Settings
from study.sessions import Desk


@dataclass(frozen=True)
class Tools:
    """What a job works with."""

    desk: Desk
    settings: Settings
    tell: Callable[..., None]
    job_id: int
