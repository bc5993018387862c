"""The tables. Facts only: what can be derived (fooled, correct, said_real) is derived in `scoring.py`.

A presented trial is one row, written once, when it is answered or void. What must never happen twice is a UNIQUE
constraint here, not a hope in the code.
"""

from study.models.base import Base
from study.models.instance import AuditRow, DisplayRow, JobRow, Researcher
from study.models.recruitment import CompletionRow, IdentityRow, InvitationRow, RecruitmentRow, RecruitRow
from study.models.sessions import AnswerRow, CheckRow, SessionRow, TrialRow, WithdrawalRow
from study.models.studies import LaunchRow, StimulusRow, StimulusSet, StudyRow

__all__ = [
    "Base",
    "StimulusSet",
    "StimulusRow",
    "StudyRow",
    "LaunchRow",
    "SessionRow",
    "TrialRow",
    "AnswerRow",
    "CheckRow",
    "WithdrawalRow",
    "RecruitmentRow",
    "RecruitRow",
    "IdentityRow",
    "InvitationRow",
    "CompletionRow",
    "Researcher",
    "AuditRow",
    "JobRow",
    "DisplayRow",
]
