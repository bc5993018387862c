"""What a session refuses, each with its HTTP status."""

from study.errors import Refusal


class SessionError(Refusal):
    """A request that the session refuses; `status` is the HTTP status, the message one line.

    The message is English; `text` with its placeholders and `values` are what a catalogue translates.
    """

    status = 400

    def __init__(self, text: str, **values: str) -> None:
        super().__init__(text % values if values else text)
        self.text, self.values = text, values


class NotFound(SessionError):  # noqa: N818 - named after its status
    """There is no such session, study or picture."""

    status = 404


class Closed(SessionError):  # noqa: N818
    """The study takes no new participants."""

    status = 403


class Full(Closed):
    """As many people as the study wants are complete or under way."""


class Conflict(SessionError):  # noqa: N818
    """The session is somewhere else."""

    status = 409


class Busy(SessionError):  # noqa: N818
    """Too many requests met at the same row; asking again helps."""

    status = 503


class Invalid(SessionError):  # noqa: N818
    """The request is malformed."""

    status = 422
