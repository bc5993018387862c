"""What all pages share: the desk, the time, safe Markdown, headers, and errors without tracebacks."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import cast

import nh3
from flask import Flask, Request, Response, current_app, g, jsonify, make_response, render_template, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from markdown_it import MarkdownIt
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix

from study import logs
from study.config import Settings
from study.db import Database
from study.recruitment import Framing
from study.sessions import Desk, SessionError
from study.studies import Study
from study.throttle import Throttle, TooOftenError
from study.words import mark, say, speak

MAX_BODY_BYTES = 64 * 1024
CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
REPORT_SECURITY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-same-origin allow-popups"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
STATIC_MAX_AGE_S = 300
TITLES = {
    400: mark("That request was not understood"),
    403: mark("Not now"),
    404: mark("There is nothing here"),
    405: mark("That does not work this way"),
    409: mark("This has moved on"),
    413: mark("That is too much at once"),
    422: mark("Something is missing"),
    429: mark("Not so fast"),
    503: mark("A moment, please"),
}

log = logging.getLogger("truehue")
markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


class Truehue:
    """What hangs on the application; the database is opened when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def desk(self) -> Desk:
        """The database, the key, and what this worker remembers."""
        self.settings.prepare()
        return Desk(Database(self.settings.database_url), self.settings.secret_key, self.settings.lasting_key)

    @cached_property
    def throttle(self) -> Throttle:
        """Counts tries."""
        return Throttle(self.settings)


class ConsoleSessions(SecureCookieSessionInterface):
    """Signed sessions for the console alone: participants carry no cookie, and making its reader costs them time."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the cookie where one can come."""
        if self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)


class App(Flask):
    """Flask, but for its key, which is made when it is first needed."""

    session_interface = ConsoleSessions()

    @property
    def secret_key(self) -> bytes:  # type: ignore[override]
        """The instance's key."""
        first, *older = self.extensions["truehue"].settings.keys
        self.config["SECRET_KEY_FALLBACKS"] = older  # read right after this by whoever checks a signature
        return cast(bytes, first)


def truehue() -> Truehue:
    """Give the settings and the desk of the running application."""
    return cast(Truehue, current_app.extensions["truehue"])


def now() -> datetime:
    """Give the time; the only clock of the server's pages."""
    return datetime.now(UTC)


def to_html(text: str) -> str:
    """Render Markdown of a definition; researchers are trusted with words, not with scripts."""
    return nh3.clean(markdown.render(text))


@dataclass(frozen=True)
class StudyView:
    """What templates may know of a study."""

    slug: str
    title: str
    language: str
    contact: str
    is_simulated: bool


def view(study: Study) -> StudyView:
    """Show a study to templates; the page speaks its language."""
    about = study.definition.study
    speak(about.language)
    return StudyView(
        slug=study.slug,
        title=about.title,
        language=about.language,
        contact=about.contact or truehue().settings.contact,
        is_simulated=study.is_simulated,
    )


def init_app(app: Flask) -> None:
    """Add headers and error pages."""
    app.after_request(_add_headers)
    settings: Settings = app.extensions["truehue"].settings
    if settings.n_proxies:
        n = settings.n_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=n, x_proto=n, x_host=n, x_port=0)  # type: ignore[method-assign]
    app.config["TRUSTED_HOSTS"] = list(settings.hosts) or None
    if settings.is_logging_json:
        logs.set_up(log)
    app.register_error_handler(SessionError, _session_error)
    app.register_error_handler(TooOftenError, _too_often)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def allow_frame(framing: Framing) -> None:
    """Let the page that is being made stand in the frame of a platform's own sites, and its forms go there."""
    if framing.ancestors:
        g.framing = framing


def _add_headers(response: Response) -> Response:
    framing: Framing | None = g.get("framing")
    if framing is not None:
        policy = CONTENT_SECURITY.replace("form-action 'self'", " ".join(("form-action 'self'", *framing.form_targets)))
        policy = policy.replace("frame-ancestors 'none'", " ".join(("frame-ancestors", *framing.ancestors)))
        response.headers["Content-Security-Policy"] = policy
    there = {name.lower() for name in response.headers.keys()}  # noqa: SIM118 - iterating headers gives pairs
    if framing is not None:
        there.add("x-frame-options")  # it knows no list of sites; frame-ancestors does
    response.headers.extend([(name, value) for name, value in HEADERS.items() if name.lower() not in there])
    if request.endpoint == "static" and response.status_code == 200:
        response.headers["Cache-Control"] = f"public, max-age={STATIC_MAX_AGE_S}"
    if truehue().settings.is_https:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response


def wants_json() -> bool:
    """Whether the request came from a script of ours."""
    return "/api/" in request.path


def error(status: int, message: str, *, study: Study | None = None) -> Response:
    """Answer with an error that a person can read and a script can parse."""
    if wants_json():
        response = jsonify(error=message)
    else:
        shown = view(study) if study else None
        contact = shown.contact if shown else truehue().settings.contact
        title = TITLES.get(status, mark("Something went wrong") if status >= 500 else TITLES[400])
        response = make_response(
            render_template(
                "participant/error.html",
                status=status,
                title=say(title),
                message=say(message) if message else "",
                study=shown,
                contact=contact,
            )
        )
    response.status_code = status
    return response


def _log_refusal(status: int, reason: str) -> None:
    # The path holds a token, so only the endpoint and a hash are logged.
    known = logs.about_request(truehue().settings.secret_key)
    log.info("refused", extra={**known, "status": status, "reason": reason})


def _session_error(problem: SessionError) -> ResponseReturnValue:
    _log_refusal(problem.status, str(problem))
    return error(problem.status, _sentence(str(problem) if wants_json() else _said(problem)))


def _said(problem: SessionError) -> str:
    """Say a refusal in the page's language; names among its values that have a translation get it."""
    return say(problem.text, **{name: say(value) for name, value in problem.values.items()})


def _too_often(problem: TooOftenError) -> ResponseReturnValue:
    _log_refusal(problem.status, "too often")
    response = error(problem.status, _sentence(say(str(problem))))
    response.headers["Retry-After"] = str(problem.retry_after_s)
    return response


def _http_error(problem: HTTPException) -> ResponseReturnValue:
    status = problem.code or 500
    _log_refusal(status, type(problem).__name__)
    if isinstance(problem, SecurityError):  # an untrusted Host: no address can be built for a page
        return Response("This server is not known under that name.\n", status, mimetype="text/plain")
    messages = {
        404: mark("Please check the address: it may be incomplete or no longer valid."),
        405: mark("Please go back and try again."),
        413: say("At most %(n)s KB can be sent.", n=MAX_BODY_BYTES // 1024),
        400: mark("Please go back and try again."),
    }
    response = error(status, messages.get(status, mark("Please try again.")))
    if status == 405 and problem.response is None and getattr(problem, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(problem.valid_methods))  # type: ignore[attr-defined]
    return response


def _unexpected(problem: Exception) -> ResponseReturnValue:
    if current_app.testing and not isinstance(problem, SQLAlchemyError):
        raise problem
    known = logs.about_request(truehue().settings.secret_key)
    log.error("failed", exc_info=problem, extra={**known, "error": type(problem).__name__})
    status = 503 if isinstance(problem, SQLAlchemyError) else 500
    return error(
        status, mark("This is our fault, not yours. Nothing that was confirmed is lost; please try again in a moment.")
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text[:1].upper()}{text[1:]}."
