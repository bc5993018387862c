"""What can go wrong with datasets."""

from study.errors import Refusal


class DatasetError(Refusal, ValueError):
    """A dataset that cannot be written or read; the message is one line."""
