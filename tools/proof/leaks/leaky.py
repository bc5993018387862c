"""The study server with a leak put in on purpose: what the audit must catch, else it proves nothing.

gunicorn 'tools.proof.leaks.leaky:create_app("size")'
"""

import time
from pathlib import Path
from typing import Any
from unittest import mock

from flask import Flask, Response

import study
from study import stimuli
from study.config import Settings
from study.manifest import REAL
from study.sessions import state as state_module
from study.sessions import trials, turns

KINDS = ("size", "name", "order", "time")
SLOW_S = 0.004


def create_app(kind: str, settings: Settings | None = None) -> Flask:
    """Make the application with the leak `kind`; it stays in this process until `mend` is called."""
    mend()
    {"size": _size, "name": _name, "order": _order, "time": _time}[kind]()
    return study.create_app(settings)


_patches: list[Any] = []


def mend() -> None:
    """Take the leak out again."""
    while _patches:
        _patches.pop().stop()


def _patch(target: object, name: str, value: object) -> None:
    patch = mock.patch.object(target, name, value)
    patch.start()
    _patches.append(patch)


def _size() -> None:
    """Leave out the padding: the length is what the encoder made of the colours."""
    original = stimuli.picture

    def picture(root: Path, folder: str, served_name: str, **options: Any) -> Response:
        response = original(root, folder, served_name, **options)
        data = response.get_data()
        response.set_data(data[: data.rindex(stimuli.PAD_CHUNK) - 4] + data[-stimuli.IEND_BYTES :])
        return response

    _patch(stimuli, "picture", picture)


def _name() -> None:
    """Let one bit in the middle of the address say what it is, as a careless random name would."""
    original = turns.picture_addresses

    def addresses(desk: Any, session_id: str, index: int, trial: Any) -> tuple[str, str]:
        names = original(desk, session_id, index, trial)
        first, second = (
            name[:12] + f"{int(name[12], 16) & 0b1011 | (stimulus.condition == REAL) << 2:x}" + name[13:]
            for name, (stimulus, _) in zip(names, trial.in_order, strict=True)
        )
        return first, second

    for module in (turns, state_module):
        _patch(module, "picture_addresses", addresses)


def _order() -> None:
    """List the fake first among the pictures sent ahead, as rows in the order of their conditions would be."""
    original = trials.describe_turn

    def describe_turn(desk: Any, token: str, state: Any, **options: Any) -> dict[str, Any]:
        turn = original(desk, token, state, **options)
        if state.n_rows + 1 < len(state.shown):
            trial = state.shown[state.n_rows + 1]
            names = turns.picture_addresses(desk, state.session_id, state.n_rows + 1, trial)
            pairs = sorted(zip(names, trial.in_order, strict=True), key=lambda pair: pair[1][0].condition == REAL)
            turn["prefetch"] = [f"/p/{token}/image/{name}" for name, _ in pairs]
        return turn

    _patch(trials, "describe_turn", describe_turn)


def _time() -> None:
    """Serve fakes a little later, as a cache that holds only originals would."""
    original = state_module.find_picture

    def find_picture(desk: Any, token: str, address: str) -> Any:
        study_, served_name = original(desk, token, address)
        of = {name: stimulus_id for stimulus_id, name in study_.served.items()}[served_name]
        if any(s.stimulus_id == of and s.condition != REAL for s in study_.manifest.stimuli):
            time.sleep(SLOW_S)
        return study_, served_name

    from study import sessions

    _patch(sessions, "find_picture", find_picture)
