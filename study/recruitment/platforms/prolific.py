"""Prolific: who comes stands in the address, or in a signed token; back goes a completion code.

Source: Prolific's documentation of "URL parameters", "Secure URL" and "Completion codes". A signed entry is an RS256
JWT in `prolific_token`: issuer Prolific, audience the study's address, subject the submission, two minutes old at most.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar
from urllib.parse import urlencode

from study.recruitment.platforms.base import Entry, EntryError, Finish, Key, Person, Platform, RecruitmentError, take
from study.words import mark

ISSUER = "https://www.prolific.com"
KEYS_URL = "https://api.prolific.com/.well-known/study/jwks.json"
COMPLETE_URL = "https://app.prolific.com/submissions/complete"
OUTCOMES = (
    "COMPLETED",
    "FAILED_ATTENTION_CHECK",
    "NO_CONSENT",
    "INCOMPATIBLE_DEVICE",
    "SCREENED_OUT",
    "QUOTA_FULL",
    "OTHER",
)
# Where a study has no code of its own for an outcome, the next best; never one that says the person failed.
INSTEAD = {"QUOTA_FULL": "SCREENED_OUT", "SCREENED_OUT": "OTHER", "INCOMPATIBLE_DEVICE": "OTHER"}
LEEWAY_S = 30  # clocks differ
TIMEOUT_S = 5  # for the keys, while somebody waits at the door


class Prolific(Platform):
    """Participants of Prolific."""

    name = "prolific"
    title = "Prolific"
    keys: ClassVar[Mapping[str, Key]] = {
        "codes": Key(f"completion codes by outcome: {', '.join(OUTCOMES)}", "codes", {}, is_required=True),
        "is_signed": Key("whether only addresses that Prolific signed are let in", "switch", False),
        "keys_url": Key("where Prolific's public keys are", "url", KEYS_URL, host="prolific.com"),
        "study_id": Key("Prolific's own name of the study (24 letters and digits), to list and approve submissions"),
        "max_instructed_failed": Key(
            "more failed instructed trials than this end as FAILED_ATTENTION_CHECK; empty: never", "number", None
        ),
    }
    parameters = ("PROLIFIC_PID", "prolific_token")
    has_tasks = True
    pays = True
    example: ClassVar[Mapping[str, str]] = dict.fromkeys(("PROLIFIC_PID", "STUDY_ID", "SESSION_ID"), "preflight")

    def read_entry(self, args: Mapping[str, str], settings: Mapping[str, Any], *, address: str) -> Entry:
        """Three parameters, or a token that stands for them."""
        submission = take(args, "SESSION_ID", self.title)
        person = take(args, "PROLIFIC_PID", self.title)
        if settings.get("is_signed"):
            signed = _verify(args.get("prolific_token", ""), address=address, keys_url=settings["keys_url"])
            if signed != submission:
                raise EntryError("this address was signed for another submission; please open it from Prolific again")
        return Entry(self.name, person=person, submission=submission)

    def study_address(self, address: str) -> str:
        """The study's URL with Prolific's placeholders."""
        return (
            f"{address}?PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}&STUDY_ID={{{{%STUDY_ID%}}}}&SESSION_ID={{{{%SESSION_ID%}}}}"
        )

    def outcome(self, person: Person, settings: Mapping[str, Any]) -> str:
        """Prolific accepts failed instructions, and nothing else, as a reason not to pay; off unless asked for."""
        most = settings.get("max_instructed_failed")
        if most is not None and person.n_instructed_failed > most and "FAILED_ATTENTION_CHECK" in settings["codes"]:
            return "FAILED_ATTENTION_CHECK"
        return "COMPLETED"

    def needs_code(self) -> bool:
        """The codes are the study's, made by Prolific."""
        return False

    def finish(self, person: Person, settings: Mapping[str, Any], *, outcome: str) -> Finish:
        """A link whose code says how it ended."""
        return self.way_out(settings, outcome=outcome)

    def way_out(self, settings: Mapping[str, Any], *, outcome: str) -> Finish:
        """The same link with another code, where there is one."""
        codes = settings["codes"]
        while outcome not in codes and outcome in INSTEAD:
            outcome = INSTEAD[outcome]
        code = codes.get(outcome, "")
        if not code:
            return Finish("none")
        url = f"{COMPLETE_URL}?{urlencode({'cc': code})}"
        return Finish("link", label=mark("Return to Prolific"), url=url, code=code)


@cache
def _keys(url: str) -> Any:
    """The keys at this address, fetched when needed and kept for five minutes; `jwt` is imported only here."""
    import jwt

    return jwt.PyJWKClient(url, lifespan=300, timeout=TIMEOUT_S)


def _verify(token: str, *, address: str, keys_url: str) -> str:
    """Give the submission that a token was signed for."""
    try:
        import jwt
    except ImportError:
        raise RecruitmentError("prolific: is_signed needs PyJWT; run: pip install 'pyjwt[crypto]'") from None
    if not token:
        raise EntryError(
            "this address lacks Prolific's signature; please open the study from Prolific again; an address is "
            "good for two minutes"
        )
    try:
        key = _keys(keys_url).get_signing_key_from_jwt(token)
        claims = jwt.decode(
            token,
            key.key,
            algorithms=["RS256"],
            audience=address,
            issuer=ISSUER,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except jwt.PyJWKClientConnectionError:
        raise EntryError("Prolific's keys cannot be reached at the moment; please try again in a minute") from None
    except jwt.ExpiredSignatureError:
        raise EntryError(
            "this address is too old; please open the study from Prolific again; an address is good for two minutes"
        ) from None
    except jwt.PyJWTError:
        raise EntryError(
            "this address was not signed by Prolific for this study; please open the study from Prolific again; an "
            "address is good for two minutes"
        ) from None
    return str(claims["sub"])
