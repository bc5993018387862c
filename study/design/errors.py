"""What cannot be planned."""

from study.errors import Refusal


class DesignError(Refusal, ValueError):
    """A design that these pictures cannot serve; the message is one line."""
