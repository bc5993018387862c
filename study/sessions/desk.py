"""What every function of a session needs, and how it waits its turn at a row."""

import functools
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError

from study.db import Database
from study.design import Plan
from study.sessions.errors import Busy
from study.studies import Study, load_study

P = ParamSpec("P")
T = TypeVar("T")
N_TRIES = 8
N_PLANS_KEPT = 4096


@dataclass
class Desk:
    """What every function here needs: the database, the key, and what this worker remembers of studies and plans."""

    database: Database
    key: bytes
    lasting_key: bytes = b""
    """For keyed names that must outlive a rotation of the key; by default the key."""
    studies: dict[int, Study] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Derive a key of our own, so that no other use of the secret can be turned against addresses."""
        self.lasting_key = self.lasting_key or self.key
        self.name_key = hmac.digest(self.key, b"truehue names of trials and pictures", "sha256")
        self.plan = functools.lru_cache(maxsize=N_PLANS_KEPT)(self._plan)

    def study(self, study_id: int) -> Study:
        """Give a study, loaded once per worker."""
        study = self.studies.get(study_id)
        if study is None:
            with self.database.reading_session() as session:
                study = self.studies[study_id] = load_study(session, study_id)
        return study

    def _plan(self, study_id: int, arm: str, seed: int, slot: int) -> Plan:
        return self.study(study_id).plan(arm=arm, seed=seed, slot=slot)


def patient(call: Callable[P, T]) -> Callable[P, T]:
    """Repeat a call that lost a race for a row, or (once) its connection: what it writes cannot be written twice."""

    @functools.wraps(call)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> T:
        n_lost = 0
        for _ in range(N_TRIES):
            try:
                return call(*args, **kwargs)
            except IntegrityError:
                continue
            except DBAPIError as error:
                n_lost += 1
                if not error.connection_invalidated or n_lost > 1:
                    raise
        raise Busy("too many requests at once; please try again")

    return repeated
