"""How people come to a study and go back: one module per platform, and what the database keeps of it.

The door reads the address (`knock`), the start makes or finds the person's one session (`enter`), and the last page
gives the way back (`finish`), which exists only for a session whose last answer is on disk.
"""

from study.recruitment.completion import finish
from study.recruitment.doors import framing_of, knock, pack_finish, seal, unpack_finish, unseal, way_out
from study.recruitment.invitations import invite
from study.recruitment.people import Taken, enter, find_token
from study.recruitment.platforms import PLATFORMS
from study.recruitment.platforms.base import Entry, EntryError, Finish, Framing, Platform, RecruitmentError
from study.recruitment.registry import configure, read_platforms

__all__ = [
    "PLATFORMS",
    "Entry",
    "EntryError",
    "Finish",
    "Framing",
    "Platform",
    "RecruitmentError",
    "Taken",
    "configure",
    "enter",
    "find_token",
    "finish",
    "framing_of",
    "invite",
    "knock",
    "pack_finish",
    "read_platforms",
    "seal",
    "unpack_finish",
    "unseal",
    "way_out",
]
