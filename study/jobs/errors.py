"""How jobs fail."""


class JobError(ValueError):
    """A job that cannot be done; the message is one line."""
