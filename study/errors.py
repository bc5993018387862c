"""What a person can mend: the root of every error that a command line says in one line."""


class Refusal(Exception):  # noqa: N818 - its children end in Error
    """Something was expected and something else came; the message says both, and what to do next."""

    @property
    def lines(self) -> tuple[str, ...]:
        """Give one line for each thing that is wrong."""
        return (str(self),)
