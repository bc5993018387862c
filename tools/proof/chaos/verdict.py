"""What the database holds after the storm, against what participants were told."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select

from study.models import AnswerRow, SessionRow, TrialRow
from study.sessions import hash_token
from tools.proof.chaos.storm import Ledger
from tools.proof.instance import Instance


@dataclass(frozen=True)
class Verdict:
    """Counts; the first six must be zero."""

    n_lost: int
    """Acknowledged answers that are not in the database, or with another response."""
    n_doubled: int
    """Trials of the plan answered twice, or reports stored twice."""
    n_complete_without_data: int
    """Sessions marked complete, or whose participant saw the last page, without every answer."""
    n_forged: int
    """Rows that no participant reported."""
    n_unexpected: int
    arm_imbalance: int
    """Largest difference of sessions between two arms, beyond the one that an open block allows."""
    n_sessions: int
    n_completed: int
    n_acknowledged: int
    n_rows: int

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, doubled, forged, or completed without data."""
        return not any(
            (self.n_lost, self.n_doubled, self.n_complete_without_data, self.n_forged, self.n_unexpected,
             self.arm_imbalance)
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """Give the counts."""
        return {"is_good": self.is_good, **asdict(self)}


def judge(instance: Instance, ledger: Ledger) -> Verdict:
    """Compare."""
    instance.desk.database.dispose()  # its connections are of before the database was killed
    s, t, a = SessionRow.__table__, TrialRow.__table__, AnswerRow.__table__
    with instance.desk.database.snapshot() as connection:
        sessions = connection.execute(select(s.c.id, s.c.token_sha256, s.c.status, s.c.arm)).all()
        trials = connection.execute(
            select(t.c.session_id, t.c.plan_index, t.c.idempotency_key, t.c.response, t.c.void_reason)
        ).all()
        items = {tuple(row) for row in connection.execute(select(a.c.session_id, a.c.item_id))}
    by_hash = {row.token_sha256: row for row in sessions}
    stored = Counter((row.session_id, row.idempotency_key, row.response) for row in trials)
    answered = Counter((row.session_id, row.plan_index) for row in trials if not row.void_reason)
    keys = Counter((row.session_id, row.idempotency_key) for row in trials)
    per_session = Counter(row.session_id for row in trials if not row.void_reason)

    definition = instance.study.definition
    n_planned = definition.practice.n_trials + definition.n_main
    required = {item.item_id for item in definition.questionnaire.items if item.required}

    def lacks_data(session_id: int) -> bool:
        return per_session[session_id] != n_planned or any((session_id, item) not in items for item in required)

    complete = {row.id for row in sessions if row.status == "complete"}
    promised = {by_hash[hash_token(token)].id for token in ledger.completed if hash_token(token) in by_hash}
    n_gone = sum(hash_token(token) not in by_hash for token in ledger.completed)
    known = {hash_token(token) for token in ledger.tokens}
    n_lost = sum(
        stored[getattr(by_hash.get(hash_token(each.token)), "id", -1), each.idempotency_key, each.response] != 1
        for each in ledger.answers
    )
    arms = Counter(row.arm for row in sessions)
    spread = max(arms.values()) - min(arms.values()) if len(arms) == len(instance.study.pools.arms) else len(sessions)
    return Verdict(
        n_lost=n_lost,
        n_doubled=sum(n > 1 for n in answered.values()) + sum(n > 1 for n in keys.values()),
        n_complete_without_data=n_gone + sum(lacks_data(i) for i in complete | promised) + len(promised - complete),
        n_forged=sum(row.idempotency_key.startswith("forged") for row in trials)
        + sum(per_session[row.id] > 0 for row in sessions if row.token_sha256 not in known),
        n_unexpected=len(ledger.unexpected),
        arm_imbalance=max(0, spread - 1),
        n_sessions=len(sessions),
        n_completed=len(ledger.completed),
        n_acknowledged=len(ledger.answers),
        n_rows=len(trials),
    )
