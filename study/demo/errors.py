"""What can go wrong when the demonstration starts."""


class DemoError(ValueError):
    """The demonstration cannot start; the message is one line."""
