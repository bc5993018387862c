"""What happened to a study besides its data: launch, preregistration, looks at the answers, withdrawals, attrition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Unblinding:
    """Somebody looked at answers while people still came in."""

    at_utc: str
    what: str
    reason: str


@dataclass(frozen=True)
class Withdrawal:
    """A session whose data were deleted."""

    session_id: str
    withdrawn_at_utc: str
    reason: str


@dataclass(frozen=True)
class Arm:
    """How many sessions of an arm came how far."""

    arm: str
    n_started: int
    n_past_practice: int
    n_complete: int
    n_unqualified: int
    n_withdrawn: int


@dataclass(frozen=True)
class History:
    """A study's own record; `is_known` is False for exports of versions that did not keep one."""

    is_known: bool = False
    state: str = ""
    version: int = 1
    launched_at_utc: str = ""
    preregistration_sha256: str = ""
    unblindings: tuple[Unblinding, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()
    attrition: tuple[Arm, ...] = ()

    def provenance(self) -> dict[str, str]:
        """The record as lines of a provenance table."""
        if not self.is_known:
            return {}
        looks = "; ".join(f"{one.at_utc}: {one.what} ({one.reason or 'no reason given'})" for one in self.unblindings)
        return {
            "state at export": f"{self.state}, version {self.version}",
            "launched": self.launched_at_utc or "never",
            "preregistration SHA-256": self.preregistration_sha256 or "none: the study was not launched",
            "looks at the answers while it ran": looks or "none",
            "withdrawals": "; ".join(f"{one.session_id}, {one.withdrawn_at_utc}" for one in self.withdrawals) or "none",
        }


def read_history(study: dict[str, Any]) -> History:
    """Read study.json's record; what is absent or not as docs/formats.md says stays empty."""
    if "state" not in study:
        return History()

    def rows(name: str, fields: tuple[str, ...]) -> list[dict[str, Any]]:
        found = study.get(name)
        return [one for one in found if all(field in one for field in fields)] if isinstance(found, list) else []

    counts = ("n_started", "n_past_practice", "n_complete", "n_unqualified", "n_withdrawn")
    return History(
        is_known=True,
        state=str(study["state"]),
        version=int(study.get("version", 1)),
        launched_at_utc=str(study.get("launched_at_utc", "")),
        preregistration_sha256=str(study.get("preregistration_sha256", "")),
        unblindings=tuple(
            Unblinding(str(one["at_utc"]), str(one["what"]), str(one.get("reason", "")))
            for one in rows("unblindings", ("at_utc", "what"))
        ),
        withdrawals=tuple(
            Withdrawal(str(one["session_id"]), str(one["withdrawn_at_utc"]), str(one.get("reason", "")))
            for one in rows("withdrawals", ("session_id", "withdrawn_at_utc"))
        ),
        attrition=tuple(
            Arm(str(one["arm"]), *(int(one[name]) for name in counts)) for one in rows("attrition", ("arm", *counts))
        ),
    )
