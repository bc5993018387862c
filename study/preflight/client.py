"""A browser's requests without a browser; addresses are followed only inside the server under test."""

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any

TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Follow nothing: where an answer leads is looked at first."""


class Client:
    """Sends requests to one server; certificates are checked (SSL_CERT_FILE names another authority)."""

    def __init__(self, url: str) -> None:
        """`url` without a path."""
        self.url = url.rstrip("/")
        handlers = (_Stay(), urllib.request.HTTPSHandler(context=ssl.create_default_context()))
        self.opener = urllib.request.build_opener(*handlers)

    def send(self, method: str, path: str, body: bytes | None = None, content_type: str = "") -> Reply:
        """Send a request. Raises OSError if no answer comes."""
        address = path if "://" in path else f"{self.url}{path}"
        request = urllib.request.Request(address, data=body, method=method)  # noqa: S310 - http(s), checked by the caller
        request.add_header("User-Agent", "truehue preflight")
        if content_type:
            request.add_header("Content-Type", content_type)
        try:
            with self.opener.open(request, timeout=TIMEOUT_S) as answer:
                return Reply(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.headers, error.read())

    def get(self, path: str, **parameters: str) -> Reply:
        """Get a page."""
        return self.send("GET", f"{path}?{urllib.parse.urlencode(parameters)}" if parameters else path)

    def submit(self, path: str, **fields: str) -> Reply:
        """Send a form."""
        body = urllib.parse.urlencode(fields).encode()
        return self.send("POST", path, body, "application/x-www-form-urlencoded")

    def post(self, path: str, data: object) -> Reply:
        """Send JSON."""
        return self.send("POST", path, json.dumps(data).encode(), "application/json")
