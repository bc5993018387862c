"""Names of trials and addresses of pictures: keyed hashes of their place in the session."""

import base64
import hashlib
from collections.abc import Callable

from study.design import PlannedTrial
from study.sessions.desk import Desk

TOKEN_BITS = 192


def make_token(bits: Callable[[int], int]) -> str:
    """Make a session's token out of the first bits of a source of them."""
    return base64.urlsafe_b64encode(bits(TOKEN_BITS).to_bytes(TOKEN_BITS // 8, "big")).decode()


def hash_token(token: str) -> str:
    """Hash a token as the database knows it."""
    return hashlib.sha256(token.encode()).hexdigest()


def _name(desk: Desk, *parts: object) -> str:
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), key=desk.name_key, digest_size=16).hexdigest()


def trial_name(desk: Desk, session_id: str, index: int, trial: PlannedTrial) -> str:
    """Name a trial to the browser."""
    return _name(desk, "trial", session_id, index, trial.plan_index, trial.attempt)


def picture_addresses(desk: Desk, session_id: str, index: int, trial: PlannedTrial) -> tuple[str, ...]:
    """Name a trial's pictures (`trial.pictures`), in order of presentation, the reference last."""
    place = (session_id, index, trial.plan_index, trial.attempt)
    return tuple(_name(desk, "picture", *place, number) for number in range(len(trial.pictures)))
