"""Amazon Mechanical Turk: an ExternalQuestion in a frame, and the form that goes back.

Source: "ExternalQuestion" in Amazon's API reference. The page runs inside worker.mturk.com; a preview has no
assignment; the end is a POST of assignmentId and at least one more field to {turkSubmitTo}/mturk/externalSubmit.
"""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from study.recruitment.platforms.base import Entry, EntryError, Finish, Framing, Key, Person, Platform, take
from study.words import mark

NO_ASSIGNMENT = "ASSIGNMENT_ID_NOT_AVAILABLE"
SUBMIT_HOSTS = ("https://www.mturk.com", "https://workersandbox.mturk.com")
SCHEMA = "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2006-07-14/ExternalQuestion.xsd"


class MechanicalTurk(Platform):
    """Workers of Amazon Mechanical Turk, and of its sandbox."""

    name = "mturk"
    title = "Mechanical Turk"
    keys: ClassVar[Mapping[str, Key]] = {
        "frame_height_px": Key("height of the frame on the worker's page; 0 lets Mechanical Turk choose", "number", 800)
    }
    parameters = ("assignmentId", "turkSubmitTo", "hitId")
    has_tasks = True
    pays = True
    example: ClassVar[Mapping[str, str]] = {"assignmentId": NO_ASSIGNMENT, "hitId": "preflight"}
    framing = Framing(
        ancestors=("https://worker.mturk.com", "https://workersandbox.mturk.com", "https://www.mturk.com"),
        # Browsers check where a form's answer redirects to as well, and workers are sent on to the worker site.
        form_targets=(*SUBMIT_HOSTS, "https://worker.mturk.com"),
    )

    def read_entry(self, args: Mapping[str, str], settings: Mapping[str, Any], *, address: str) -> Entry:
        """A preview has no assignment and often no worker."""
        assignment = take(args, "assignmentId", self.title)
        if assignment == NO_ASSIGNMENT:
            return Entry(self.name, is_preview=True)
        return Entry(
            self.name,
            person=take(args, "workerId", self.title),
            submission=assignment,
            return_to=_submit_host(take(args, "turkSubmitTo", self.title)),
        )

    def study_address(self, address: str) -> str:
        """The question's XML, to be given to CreateHIT; the height is put in by `external_question`."""
        return external_question(address, frame_height_px=800)

    def finish(self, person: Person, settings: Mapping[str, Any], *, outcome: str) -> Finish:
        """A form that the worker's browser posts: Mechanical Turk knows the worker by it."""
        return Finish(
            "form",
            label=mark("Submit to Mechanical Turk"),
            url=f"{person.entry.return_to}/mturk/externalSubmit",
            fields=(("assignmentId", person.entry.submission), ("code", person.code), ("outcome", outcome)),
            code=person.code,
        )


def external_question(address: str, *, frame_height_px: int) -> str:
    """Write the ExternalQuestion for a study's address."""
    return (
        f'<ExternalQuestion xmlns="{SCHEMA}"><ExternalURL>{escape(address)}</ExternalURL>'
        f"<FrameHeight>{frame_height_px}</FrameHeight></ExternalQuestion>"
    )


def _submit_host(text: str) -> str:
    """Only Mechanical Turk's own two hosts: anything else would send workers wherever an address says."""
    parts = urlsplit(text)
    for host in SUBMIT_HOSTS:
        if f"{parts.scheme}://{parts.netloc}" == host and parts.path in ("", "/") and not parts.query:
            return host
    raise EntryError("turkSubmitTo is not Mechanical Turk's; please open the study from Mechanical Turk again")
