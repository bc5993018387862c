"""What is wrong with a definition."""

from collections.abc import Sequence

from study.errors import Refusal


class DefinitionError(Refusal, ValueError):
    """A definition that cannot be used; its text is one line: file, line, what, what to do.

    `problems` holds a line for each thing that is wrong; the text is the first of them.
    """

    def __init__(self, *problems: str) -> None:
        self.problems: Sequence[str] = problems
        more = len(problems) - 1
        super().__init__(problems[0] + (f" (and {more} more: flask --app study validate)" if more else ""))

    @property
    def lines(self) -> tuple[str, ...]:
        """Give a line for each problem."""
        return tuple(self.problems)
