"""What can go wrong when the demonstration starts."""

from study.errors import Refusal


class DemoError(Refusal, ValueError):
    """The demonstration cannot start; the message is one line."""
