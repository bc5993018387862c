"""What can go wrong with datasets."""


class DatasetError(ValueError):
    """A dataset that cannot be written or read; the message is one line."""
