"""What cannot be planned."""


class DesignError(ValueError):
    """A design that these pictures cannot serve; the message is one line."""
