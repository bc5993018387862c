"""What every recruitment platform must tell us: who comes, and how they go back.

A platform is one subclass of `Platform` in a module of this folder; `PLATFORMS` finds it there. Adding one is that
module and its test: docs/extending.md shows one.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from study.errors import Refusal
from study.sessions import SessionError

MAX_NAME = 200  # characters of a platform's own names


class EntryError(SessionError):
    """Somebody came with an address that the platform cannot have made; the message says what to do."""

    status = 403


class RecruitmentError(Refusal, ValueError):
    """A platform's settings cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Who knocks."""

    platform: str
    person: str = ""
    """The platform's own name of the person; empty for people whom nobody names."""
    submission: str = ""
    """The platform's name of this participation."""
    return_to: str = ""
    is_preview: bool = False
    """The platform shows the study to somebody who has not accepted it: no session, no slot."""
    facts: tuple[tuple[str, str], ...] = ()
    """What is told of the place, name and value; no fact about the person."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The way back: a form to be posted, a link, or a code to be copied."""

    kind: Literal["form", "link", "code", "none"]
    label: str = ""
    url: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    code: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """One setting of a platform."""

    meaning: str
    kind: Literal["text", "number", "switch", "codes", "url"] = "text"
    default: Any = ""
    is_required: bool = False
    host: str = ""
    """An address that the server itself asks must be of this host or below it."""


@dataclass(frozen=True, slots=True)
class Framing:
    """Which sites may show the pages in a frame, and where forms may go."""

    ancestors: tuple[str, ...] = ()
    form_targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """What a platform may know of a complete session when it makes the way back."""

    entry: Entry
    address: str
    """The study's own, without parameters."""
    code: str = ""
    n_instructed_failed: int = 0


RETENTION = Key("days after which the platform's own name of a person is deleted", "number", 90)


class Platform(ABC):
    """A place that people come from."""

    name: ClassVar[str]
    title: ClassVar[str]
    keys: ClassVar[Mapping[str, Key]] = {}
    framing: ClassVar[Framing] = Framing()
    parameters: ClassVar[tuple[str, ...]] = ()
    """Query parameters by which an address is known to come from here."""
    has_tasks: ClassVar[bool] = False
    """A person holds a task there, which has to be given back if it cannot be done."""
    pays: ClassVar[bool] = False
    """People are paid there in money; a study must say how much, and give them something to hand in."""
    example: ClassVar[Mapping[str, str] | None] = None
    """Parameters with which `preflight` may look at a door; None where only a real person has them."""

    def is_meant(self, args: Mapping[str, str]) -> bool:
        """Whether somebody with these parameters comes from here."""
        return any(name in args for name in self.parameters)

    @abstractmethod
    def read_entry(self, args: Mapping[str, str], settings: Mapping[str, Any], *, address: str) -> Entry:
        """Read who comes from the parameters; `address` is the study's own, without them. Raises EntryError."""

    @abstractmethod
    def study_address(self, address: str) -> str:
        """Give what a researcher pastes at the platform."""

    def outcome(self, person: Person, settings: Mapping[str, Any]) -> str:
        """Name how a complete session ended; perceptual failures never matter to it."""
        return "COMPLETED"

    def needs_code(self) -> bool:
        """Whether a code of the person's own is made."""
        return True

    @abstractmethod
    def finish(self, person: Person, settings: Mapping[str, Any], *, outcome: str) -> Finish:
        """Give the way back of a session that is over: complete, or not qualified (SCREENED_OUT)."""

    def way_out(self, settings: Mapping[str, Any], *, outcome: str) -> Finish:
        """Give the way back of somebody without a session that is over.

        NO_CONSENT, INCOMPATIBLE_DEVICE, QUOTA_FULL (the study is full) or OTHER (it is closed).
        """
        return Finish("none")


def take(args: Mapping[str, str], name: str, platform: str, *, is_needed: bool = True) -> str:
    """Take one parameter: printable, of sane length."""
    value = args.get(name, "").strip()
    if not value and is_needed:
        raise EntryError(
            "this address lacks %(name)s; please open the study from %(platform)s again", name=name, platform=platform
        )
    if len(value) > MAX_NAME or not value.isprintable():
        raise EntryError(
            "%(name)s is not one of %(platform)s's; please open the study from %(platform)s again",
            name=name,
            platform=platform,
        )
    return value


def check_settings(platform: Platform, given: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in defaults and refuse what the platform does not know."""
    keys = {**platform.keys, "retention_days": RETENTION}
    for name in given:
        if name not in keys:
            raise RecruitmentError(f"{platform.name}: unknown setting {name}; there are: {', '.join(keys)}")
    values: dict[str, Any] = {}
    for name, key in keys.items():
        value = given.get(name, key.default)
        if key.is_required and value in ("", {}):
            raise RecruitmentError(f"{platform.name}: {name} is missing: {key.meaning}")
        values[name] = _checked(platform.name, name, key, value)
    return values


def _host_of(address: str) -> str:
    """The host of an address, or nothing if it has none that can be read."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _checked(platform: str, name: str, key: Key, value: Any) -> Any:
    where = f"{platform}: {name}"
    match key.kind:
        case "number":
            if value in ("", None):
                return None
            if isinstance(value, str) and value.isdecimal():
                value = int(value)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 36_500:
                raise RecruitmentError(f"{where}: expected a whole number, got {value!r}")
        case "switch":
            if value in ("0", "1", "true", "false", True, False):
                return value in ("1", "true", True)
            raise RecruitmentError(f"{where}: expected true or false, got {value!r}")
        case "codes":
            if not isinstance(value, dict) or not all(
                isinstance(code, str) and code and code.isascii() and code.isalnum() for code in value.values()
            ):
                raise RecruitmentError(f"{where}: expected codes of letters and digits by outcome, got {value!r}")
        case "url":
            if value and not str(value).startswith("https://"):
                raise RecruitmentError(f"{where}: expected an address that begins with https://, got {value!r}")
            host = _host_of(str(value))
            if value and key.host and host != key.host and not host.endswith(f".{key.host}"):
                raise RecruitmentError(f"{where}: expected an address at {key.host}, got {value!r}")
        case "text":
            if not isinstance(value, str) or len(value) > MAX_NAME:
                raise RecruitmentError(f"{where}: expected a short text, got {value!r}")
    return value
