"""One line of JSON for each event worth knowing, on standard error, without personal data.

No network address, user agent, path or token is ever logged. `session` is a keyed hash that joins the lines of one
session and opens nothing; it changes with the secret key.
"""

import hashlib
import json
import logging
import sys
from datetime import UTC, datetime

from flask import has_request_context, request

FIELDS = ("endpoint", "method", "status", "reason", "session", "error")
HASH_BYTES = 6


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up(log: logging.Logger) -> None:
    """Let the log write JSON lines to standard error, once per process."""
    if any(isinstance(handler.formatter, JsonLines) for handler in log.handlers):
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def about_request(key: bytes) -> dict[str, object]:
    """Say which request it is, without saying whose."""
    if not has_request_context():
        return {}
    known: dict[str, object] = {"endpoint": request.endpoint or "", "method": request.method}
    token = (request.view_args or {}).get("token")
    if isinstance(token, str):
        known["session"] = hashlib.blake2b(token.encode(), key=key[:64], digest_size=HASH_BYTES).hexdigest()
    return known
