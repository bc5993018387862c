"""Participant pools whose whole convention is a parameter in and an address out: SONA, and CloudResearch Connect.

Sources: SONA's "External Study Credit Granting" (%SURVEY_CODE% in the study's address, the client-side completion URL
at the end) and Connect's "Project Completion" (participantId, assignmentId, projectId in; a redirect or a code out).
"""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from study.recruitment.platforms.base import Entry, Finish, Key, Person, Platform, RecruitmentError, take
from study.words import mark

NOTHING = Finish("none")


class Sona(Platform):
    """Students of a department's pool; credit is granted by the browser's visit to an address of SONA's."""

    name = "sona"
    title = "SONA"
    keys: ClassVar[Mapping[str, Key]] = {
        "completion_url": Key("SONA's client-side completion URL, with or without XXX at its end", "url", "", True),
        "credits_unqualified": Key("whether who does not pass the qualification gets the credit", "switch", True),
    }
    parameters = ("survey_code",)
    has_tasks = True
    example: ClassVar[Mapping[str, str]] = {"survey_code": "preflight"}

    def read_entry(self, args: Mapping[str, str], settings: Mapping[str, Any], *, address: str) -> Entry:
        """The survey code stands for the student in this study."""
        code = take(args, "survey_code", self.title)
        return Entry(self.name, person=code, submission=code)

    def study_address(self, address: str) -> str:
        """The study's URL with SONA's placeholder."""
        return f"{address}?survey_code=%SURVEY_CODE%"

    def needs_code(self) -> bool:
        """The student's survey code does it."""
        return False

    def finish(self, person: Person, settings: Mapping[str, Any], *, outcome: str) -> Finish:
        """SONA's address with the student's code."""
        if outcome == "SCREENED_OUT" and not settings.get("credits_unqualified", True):
            return Finish("none")
        url = _with(settings["completion_url"], ".sona-systems.com", survey_code=person.entry.submission)
        return Finish("link", label=mark("Get your credit"), url=url)


class Connect(Platform):
    """Participants of CloudResearch Connect."""

    name = "connect"
    title = "Connect"
    keys: ClassVar[Mapping[str, Key]] = {
        "completion_url": Key("the redirect URL that Connect shows at the end of its wizard", "url", ""),
        "code": Key("the completion code that Connect shows, if there is no redirect URL", "text", ""),
        "screened_out_url": Key("where Connect wants people who did not qualify; empty: nowhere", "url", ""),
    }
    parameters = ("participantId", "projectId")
    has_tasks = True
    pays = True
    example: ClassVar[Mapping[str, str]] = dict.fromkeys(("participantId", "assignmentId", "projectId"), "preflight")

    def read_entry(self, args: Mapping[str, str], settings: Mapping[str, Any], *, address: str) -> Entry:
        """Two names: of the person, and of this participation."""
        return Entry(
            self.name,
            person=take(args, "participantId", self.title),
            submission=take(args, "assignmentId", self.title, is_needed=False),
        )

    def study_address(self, address: str) -> str:
        """Connect adds its parameters by itself."""
        return address

    def needs_code(self) -> bool:
        """The code is the project's, made by Connect."""
        return False

    def finish(self, person: Person, settings: Mapping[str, Any], *, outcome: str) -> Finish:
        """Back to Connect, or its code."""
        if outcome == "SCREENED_OUT":
            url = settings.get("screened_out_url", "")
            return (
                Finish("link", label=mark("Return to Connect"), url=_with(url, ".cloudresearch.com"))
                if url
                else NOTHING
            )
        if settings["completion_url"]:
            return Finish(
                "link", label=mark("Return to Connect"), url=_with(settings["completion_url"], ".cloudresearch.com")
            )
        return Finish("code", label=mark("Enter this code at Connect"), code=settings["code"])


def _with(url: str, domain: str, **parameters: str) -> str:
    """Set parameters of an address below a known domain."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" or not f".{host}".endswith(domain):
        raise RecruitmentError(f"completion_url: expected an address below {domain[1:]}, got {url!r}")
    query = dict(parse_qsl(parts.query, keep_blank_values=True)) | parameters
    return urlunsplit(parts._replace(query=urlencode(query)))
