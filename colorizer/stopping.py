"""Ctrl-C, met where nothing is lost."""

import signal
from types import FrameType


class StopAsked:
    """Turns the first Ctrl-C into a request that is met at the end of the step; the second one is immediate."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "StopAsked":
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)
