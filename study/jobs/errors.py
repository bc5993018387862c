"""How jobs fail."""

from study.errors import Refusal


class JobError(Refusal, ValueError):
    """A job that cannot be done; the message is one line."""
