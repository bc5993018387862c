"""Prolific's submissions beside our sessions: who can be paid at once, and where a person has to look.

Nothing here rejects anybody. Whoever gave every answer (or gave them and took them back afterwards) and waits for
review can be approved; a failed attention check, or a code without a session, is left to a person.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select

from study import audit
from study.models import CompletionRow, RecruitRow, SessionRow
from study.recruitment.people import person_hmac
from study.recruitment.platforms.base import RecruitmentError
from study.recruitment.prolific_api import APPROVED, AWAITING, ProlificApi, ProlificError, Submission
from study.recruitment.registry import read_platforms
from study.sessions import Desk

CHUNK = 500
PAUSED = ("RETURNED", "TIMED-OUT", "ACTIVE", "RESERVED")


@dataclass(frozen=True, slots=True)
class Payment:
    """One submission and what is known of it here."""

    submission: Submission
    session: str
    """`complete`, `withdrawn`, another status of the session, or empty: nobody came with this name."""
    outcome: str
    verdict: Literal["ready", "look", "settled", "under way"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Payments:
    """All submissions of a study."""

    all: tuple[Payment, ...]

    def of(self, verdict: str) -> list[Payment]:
        """Those with a verdict."""
        return [one for one in self.all if one.verdict == verdict]

    @property
    def statuses(self) -> list[tuple[str, int]]:
        """How many submissions have which status at Prolific."""
        return Counter(one.submission.status for one in self.all).most_common()


def read_payments(desk: Desk, api: ProlificApi, slug: str) -> Payments:
    """Ask Prolific, and look its answer up here. Raises ProlificError."""
    with desk.database.reading() as connection:
        settings = read_platforms(connection, slug).get("prolific")
    if settings is None:
        raise ProlificError(
            f"{slug} does not recruit from Prolific; run: flask --app study recruit {slug} --from prolific"
        )
    if not settings.get("study_id"):
        raise ProlificError(
            "Prolific's own name of the study is not known; put it into the study's settings for Prolific (study_id)"
        )
    submissions = api.submissions(settings["study_id"])
    known = _sessions(desk, slug, submissions)
    completed = {code for outcome, code in settings["codes"].items() if outcome == "COMPLETED"}
    return Payments(tuple(_judge(s, *known.get(s.submission_id, ("", "")), completed) for s in submissions))


def _sessions(desk: Desk, slug: str, submissions: Sequence[Submission]) -> dict[str, tuple[str, str]]:
    """Give status and outcome of the session of each submission, found by the person's keyed name."""
    people: dict[str, list[str]] = {}
    for submission in submissions:
        key = person_hmac(desk, "prolific", submission.participant_id)
        people.setdefault(key, []).append(submission.submission_id)
    keys = list(people)
    found: dict[str, tuple[str, str]] = {}
    with desk.database.reading() as connection:
        for i in range(0, len(keys), CHUNK):
            rows = connection.execute(
                select(RecruitRow.person_hmac, RecruitRow.submission, RecruitRow.session_id, SessionRow.status,
                       CompletionRow.outcome)
                .select_from(RecruitRow)
                .outerjoin(SessionRow, SessionRow.id == RecruitRow.session_id)
                .outerjoin(CompletionRow, CompletionRow.session_id == RecruitRow.session_id)
                .where(RecruitRow.slug == slug, RecruitRow.person_hmac.in_(keys[i : i + CHUNK]))
            )  # fmt: skip
            for row in rows:
                for name in people[row.person_hmac]:
                    if row.session_id is None:
                        found[name] = ("withdrawn", "")
                    elif row.submission == name:
                        found[name] = (row.status, row.outcome or "")
    return found


def _judge(submission: Submission, session: str, outcome: str, completed: set[str]) -> Payment:
    """Say what is to be done; the words are for a person."""

    def judged(verdict: Literal["ready", "look", "settled", "under way"], reason: str = "") -> Payment:
        return Payment(submission, session, outcome, verdict, reason)

    is_complete = session == "complete" and outcome in ("", "COMPLETED")
    has_code = submission.code in completed
    if submission.status != AWAITING:
        if is_complete and submission.status in PAUSED:
            return judged(
                "look", "gave every answer here, but Prolific did not hear of it: ask to enter the code, or pay"
            )
        if submission.status in PAUSED[2:]:
            return judged("under way")
        return judged("settled")
    if is_complete:
        return judged("ready")
    if session == "withdrawn":
        if has_code:
            return judged("ready", "took part to the end and had the answers deleted")
        return judged("look", "had the answers deleted; Prolific has no completion code of theirs")
    if outcome == "FAILED_ATTENTION_CHECK":
        return judged("look", "failed instructed trials: decide at Prolific, by its rules")
    if outcome:
        return judged("look", f"ended here as {outcome.lower().replace('_', ' ')}: decide at Prolific")
    if session:
        return judged("look", f"waits for review, but the session here is at {session!r}: write to the person first")
    return judged("look", "waits for review, but nobody of this name came here: write to the person first")


@dataclass(frozen=True, slots=True)
class Approved:
    """What an approval did."""

    n_approved: int
    problems: tuple[str, ...]


def approve(
    desk: Desk,
    api: ProlificApi,
    slug: str,
    *,
    actor: str,
    now: datetime,
    only: Iterable[str] = (),
    tell: Callable[[int, int], Any] = lambda *_: None,
) -> Approved:
    """Approve everybody who is ready, or only these of them; whoever must be looked at is never among them.

    Stops at the first answer that is no approval, since the next would be the same; what is approved stays so, and
    saying it again is harmless.
    """
    ready = [one.submission.submission_id for one in read_payments(desk, api, slug).of("ready")]
    wanted = list(only)
    if unknown := [name for name in wanted if name not in ready]:
        raise RecruitmentError(f"{unknown[0]} is not ready to be approved; run: flask --app study prolific list {slug}")
    chosen = wanted or ready
    n_approved, problems = 0, []
    for name in chosen:
        try:
            status = api.approve(name)
        except ProlificError as error:
            problems.append(f"{name}: {error}")
            break
        if status not in (APPROVED, "PROCESSING"):
            problems.append(f"{name}: Prolific says {status}")
            break
        n_approved += 1
        tell(n_approved, len(chosen))
    with desk.database.writing() as connection:
        audit.note(
            connection,
            actor=actor,
            action="submissions approved",
            subject=slug,
            now=now,
            details={"platform": "prolific", "n": n_approved, "n_asked": len(chosen)},
        )
    return Approved(n_approved, tuple(problems))
