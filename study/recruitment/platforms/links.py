"""People who come by a link: anyone's, a single-use one, or a seat in the lab."""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from study.recruitment.platforms.base import Entry, Finish, Key, Person, Platform, take
from study.words import mark


class Direct(Platform):
    """Whoever has the study's address; nobody is named, so nobody can be told from another."""

    name = "direct"
    title = mark("a plain link")
    example: ClassVar[Mapping[str, str]] = {}
    keys: ClassVar[Mapping[str, Key]] = {
        "shows_code": Key("whether a code of the person's own is shown at the end", "switch", False)
    }

    def read_entry(self, args: Mapping[str, str], settings: Mapping[str, Any], *, address: str) -> Entry:
        """Nobody in particular."""
        return Entry(self.name)

    def study_address(self, address: str) -> str:
        """The address itself."""
        return address

    def finish(self, person: Person, settings: Mapping[str, Any], *, outcome: str) -> Finish:
        """A code where it is asked for."""
        if settings.get("shows_code"):
            return Finish("code", label=mark("Your code"), code=person.code)
        return Finish("none")


class Invitation(Platform):
    """A link that lets one person in once."""

    name = "invitation"
    title = mark("an invitation")
    keys: ClassVar[Mapping[str, Key]] = {
        "shows_code": Key("whether a code of the person's own is shown at the end", "switch", False)
    }
    parameters = ("invitation",)

    def read_entry(self, args: Mapping[str, str], settings: Mapping[str, Any], *, address: str) -> Entry:
        """The invitation is the person; whether it exists is checked against the database."""
        name = take(args, "invitation", self.title)
        return Entry(self.name, person=name, submission=name)

    def study_address(self, address: str) -> str:
        """One link per invitation: `flask --app study invite`."""
        return f"{address}?invitation=…"

    def finish(self, person: Person, settings: Mapping[str, Any], *, outcome: str) -> Finish:
        """A code where it is asked for."""
        if settings.get("shows_code"):
            return Finish("code", label=mark("Your code"), code=person.code)
        return Finish("none")


class Lab(Platform):
    """A seat in the lab: it says where it is, and goes back to the first page after each participant."""

    name = "lab"
    title = mark("the lab")
    example: ClassVar[Mapping[str, str]] = {"seat": "preflight"}
    keys: ClassVar[Mapping[str, Key]] = {}
    parameters = ("seat",)

    def read_entry(self, args: Mapping[str, str], settings: Mapping[str, Any], *, address: str) -> Entry:
        """The seat and the experimenter are facts about the session, not the person."""
        seat = take(args, "seat", self.title)
        experimenter = take(args, "experimenter", self.title, is_needed=False)
        display = take(args, "display", self.title, is_needed=False)
        told = (("seat", seat), ("experimenter", experimenter), ("display", display))
        facts = tuple((name, value) for name, value in told if value)
        return Entry(
            self.name, submission=f"{seat} {experimenter}".strip(), return_to=f"?{urlencode(facts)}", facts=facts
        )

    def study_address(self, address: str) -> str:
        """One address per seat."""
        return f"{address}?seat=1"

    def finish(self, person: Person, settings: Mapping[str, Any], *, outcome: str) -> Finish:
        """Back to the first page, for the next person."""
        return Finish(
            "link", label=mark("Ready for the next participant"), url=f"{person.address}{person.entry.return_to}"
        )
