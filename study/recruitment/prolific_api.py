"""Prolific's API, as far as a study needs it: list the submissions of a study, approve one. There is no way to reject.

Source: "List study submissions" and "Approve or reject a submission" in Prolific's API reference. The token goes into
one header of requests to one host; no message, log line or exception of ours holds it.
"""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any

from study.recruitment.platforms.base import RecruitmentError

TIMEOUT_S = 15
MAX_PAGES = 1000
AWAITING, APPROVED = "AWAITING REVIEW", "APPROVED"


class ProlificError(RecruitmentError):
    """Prolific said no, or nothing; the message is one line."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One participation, as Prolific tells of it."""

    submission_id: str
    participant_id: str
    status: str
    """RESERVED, ACTIVE, AWAITING REVIEW, APPROVED, REJECTED, RETURNED, SCREENED OUT, TIMED-OUT, PROCESSING, …"""
    code: str = ""
    """The completion code that the person entered."""
    started_at: str = ""


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Follow nothing: the token is for one host."""


class ProlificApi:
    """Speaks to Prolific with one token."""

    def __init__(self, url: str, token: str) -> None:
        """`url` without a path."""
        if not token:
            raise ProlificError(
                "there is no token for Prolific's API; run: flask --app study prolific token, or set "
                "TRUEHUE_PROLIFIC_TOKEN"
            )
        self._url, self._token = url, token
        self._opener = urllib.request.build_opener(_Stay())

    def __repr__(self) -> str:
        return f"ProlificApi({self._url!r})"

    def submissions(self, study_id: str) -> list[Submission]:
        """List the submissions of a study. Raises ProlificError."""
        path: str | None = f"/api/v1/studies/{_name(study_id)}/submissions/"
        found: list[Submission] = []
        n_pages = 0
        while path is not None:
            n_pages += 1
            if n_pages > MAX_PAGES:
                raise ProlificError(
                    f"Prolific names more than {MAX_PAGES} pages of submissions; its API may have changed"
                )
            reply = self._send("GET", path)
            if not isinstance(reply, dict) or not isinstance(reply.get("results"), list):
                raise ProlificError("Prolific's answer has no list of results; its API may have changed")
            found += [_submission(item) for item in reply["results"]]
            path = self._next(reply)
        return found

    def _next(self, reply: dict[str, Any]) -> str | None:
        """Give the path of the next page, if the answer names one on the same host."""
        links = reply.get("_links")
        link = links.get("next") if isinstance(links, dict) else None
        address = link.get("href") if isinstance(link, dict) else None
        if not isinstance(address, str):
            return None
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(self._url, address))
        if f"{parts.scheme}://{parts.netloc}" != self._url:
            raise ProlificError("Prolific's next page is on another host; not followed")
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def approve(self, submission_id: str) -> str:
        """Approve a submission, which pays the person, and give its status; said again, nothing more happens."""
        reply = self._send("POST", f"/api/v1/submissions/{_name(submission_id)}/transition/", {"action": "APPROVE"})
        status = reply.get("status") if isinstance(reply, dict) else None
        if not isinstance(status, str):
            raise ProlificError(f"Prolific's answer to the approval of {submission_id} names no status")
        return status

    def _send(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - https, or a fake on this machine: see config
            f"{self._url}{path}", data=None if body is None else json.dumps(body).encode(), method=method
        )
        request.add_unredirected_header("Authorization", f"Token {self._token}")
        request.add_header("Accept", "application/json")
        request.add_header("User-Agent", "truehue")
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise ProlificError(_refusal(error, path)) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise ProlificError(f"Prolific cannot be reached: {reason}; try again in a minute") from None
        except ValueError:
            raise ProlificError("Prolific's answer is no JSON; try again in a minute") from None


def _refusal(error: urllib.error.HTTPError, path: str) -> str:
    match error.code:
        case 401 | 403:
            return "Prolific does not accept the token; make a new one there and run: flask --app study prolific token"
        case 404:
            return f"Prolific knows nothing at {path}; is study_id Prolific's own name of the study?"
        case 429:
            wait = error.headers.get("Retry-After", "60")
            return f"Prolific asks for a pause of {wait} s; what is approved stays so, go on then"
        case _:
            return f"Prolific answers {error.code} to {path}"


def _name(text: str) -> str:
    """Take a name that stands in a path."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        raise ProlificError(f"expected a name of Prolific's (letters and digits), got {text[:40]!r}")
    return text


def _submission(item: Any) -> Submission:
    try:
        return Submission(
            submission_id=_name(item["id"]),
            participant_id=str(item["participant_id"]),
            status=str(item["status"]).upper(),
            code=str(item.get("study_code") or ""),
            started_at=str(item.get("started_at") or ""),
        )
    except (KeyError, TypeError, AttributeError):
        raise ProlificError("a submission in Prolific's answer lacks id, participant_id or status") from None
