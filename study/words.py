"""The interface's own words: English in the code, other languages in `study/translations`.

The words of a study are its definition's; which catalogue goes with them is decided by the definition's `language`.
`make words` brings the catalogues up to date, `tests/study/test_words.py` checks that they are.
"""

from flask import Flask, g, has_request_context, request
from flask_babel import Babel, get_locale, gettext, refresh

LANGUAGES = ("en", "de")
MARKING = ("gettext", "ngettext", "say", "mark", "NotFound", "Conflict", "Taken", "EntryError", "WithdrawalError")
"""Functions whose literal argument is a text for people: `tools/words.py` looks for them."""


def counted(n: int, noun: str) -> str:
    """Write a count with its noun for pages and commands that speak English only: 1 session, 1,600 trials."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def mark(text: str) -> str:
    """Give a text back: it is in the catalogue and is translated where it is shown."""
    return text


def say(text: str, **values: object) -> str:
    """Give a text in the language of the page that is being made, in English outside of one."""
    if has_request_context():
        return str(gettext(text, **values))
    return text % values if values else text


def speak(language: str) -> None:
    """Let the page that is being made speak a study's language, as far as there is a catalogue for it."""
    g.language = language
    refresh()  # something may have asked for the language before it was known


def has_catalogue(language: str) -> bool:
    """Tell whether the interface speaks a language (a BCP 47 tag; its region does not matter)."""
    return language.split("-")[0].lower() in LANGUAGES


def language_of_interface() -> str:
    """Name the language of the page's own words."""
    return str(get_locale() or "en")


def init_app(app: Flask) -> None:
    """Choose the language of each page."""
    Babel(app, locale_selector=_select, default_domain="messages", default_translation_directories="translations")
    app.jinja_env.filters["counted"] = counted
    app.jinja_env.globals["language_of_interface"] = language_of_interface


def _select(*_: object) -> str:
    """The study's language; on pages without a study the browser's; else English."""
    chosen: str | None = g.get("language")
    if chosen is not None:
        return chosen.split("-")[0].lower() if has_catalogue(chosen) else "en"
    return request.accept_languages.best_match(LANGUAGES, "en") if has_request_context() else "en"
