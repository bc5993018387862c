"""The interface's words: all in the catalogue, all translated, and the definition's language decides."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import SMALL, Participant

from study.definition import load_preset
from study.definition.meaning import flat
from study.sessions import TRIAL_STATUS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import words  # noqa: E402

PAGES = ("participant", "lab", "classroom")
TEMPLATES = sorted(path for part in PAGES for path in (ROOT / f"study/{part}/templates/{part}").glob("*.html"))
SHOWN = {"aria-label", "alt", "title", "placeholder", "data-title", "data-button"}
# Names and what is printed on keys are the same in every language.
NAMES = {"Truehue", "ABCD-EFGH-IJKL-MNOP-QRST", "F", "J", "s", "cm"}
GERMAN = SMALL.replace('preset = "zhang2016"', 'preset = "zhang2016-de"').replace('title = "A small study"\n', "")


class Texts(HTMLParser):
    """Collects what a person would read."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found += [value or "" for name, value in attrs if name in SHOWN]

    def handle_data(self, data):
        self.found.append(data)


def outside_the_catalogue(template: str) -> list[str]:
    """Texts of a template that no catalogue can reach."""
    template = re.sub(r"\{#.*?#\}", " ", template, flags=re.DOTALL)
    # Attributes that a block or a macro writes by itself stand outside of any tag here.
    template = re.sub(r"(class|aria-invalid|aria-describedby)=\"[^\"]*\"", " ", template)
    template = re.sub(r"<code>[^<]*</code>", " ", template)  # what is typed is the same in every language
    template = re.sub(r"\{%-?\s*trans\b.*?endtrans\s*-?%\}", " ", template, flags=re.DOTALL)
    told = [text for found in re.findall(r"\{\{.*?\}\}", template, flags=re.DOTALL) for text in _quoted(found)]
    parser = Texts()
    parser.feed(re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", template, flags=re.DOTALL))
    read = [text.strip() for text in parser.found if re.search(r"[^\W\d_]", text)]
    return [text for text in read if re.sub(r"[^\w-]+", "", text) not in NAMES] + told


def _quoted(expression: str) -> list[str]:
    """Sentences inside an expression that do not go through gettext."""
    expression = re.sub(r"gettext\((\"[^\"]*\"|'[^']*')", "gettext(", expression)
    return [text for text in re.findall(r"\"([^\"]*)\"|'([^']*)'", expression) for text in text if " " in text.strip()]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_no_text_of_a_page_is_outside_the_catalogue(path):
    assert outside_the_catalogue(path.read_text()) == []


def test_a_text_outside_would_be_found():
    """The check above can fail."""
    planted = '<p>Hello</p><img alt="A cat">{{ "one cat" if x else gettext("two cats") }}{% trans %}in{% endtrans %}'
    assert outside_the_catalogue(planted) == ["Hello", "A cat", "one cat"]


def test_no_script_of_a_page_holds_a_text():
    """What JavaScript shows comes from the page; its own strings are names, not sentences."""
    for name in ("trial", "screen", "main", "layout", "mask", "patches", "photodiode", "kiosk", "readiness"):
        code = (ROOT / f"study/static/{name}.js").read_text()
        shown = re.findall(r"(?:textContent|innerText|innerHTML|ariaLabel)\s*=\s*[\"'`](?!\")([^\"'`]+)", code)
        assert [text for text in shown if re.search(r"[^\W\d_]", re.sub(r"\$\{[^}]*\}", "", text))] == [], name


@pytest.mark.parametrize("language", words.LANGUAGES[1:])
def test_every_text_is_translated_and_compiled(language):
    """The catalogue holds exactly the texts in use, with a translation of the same placeholders; the .mo is its."""
    catalog = words.read(language)
    used = {message.id: message for message in words.extract() if message.id}
    assert {message.id for message in catalog if message.id} == set(used), "run: make words"
    assert words.missing(catalog) == []
    for message in catalog:
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        if not message.id:
            continue
        fields = set(re.findall(r"%\((\w+)\)s", " ".join(ids)))
        assert all(set(re.findall(r"%\((\w+)\)s", text)) <= fields for text in strings), message.id
        assert set(re.findall(r"%\((\w+)\)s", " ".join(strings))) == fields, message.id
        assert re.findall(r"<[^>]+>", strings[-1]) == re.findall(r"<[^>]+>", ids[-1]), message.id
    assert words.file_of(language).with_suffix(".mo").read_bytes() == words.compiled(catalog), "run: make words"


def test_the_german_preset_differs_in_words_alone():
    """Same protocol, every word and question translated, every answer's value the same."""
    english, german = load_preset("zhang2016"), load_preset("zhang2016-de")
    one, two = flat(english), flat(german)
    changed = {key for key in one if one[key] != two[key]}
    texts = {key for key in one if key.startswith("words.") and one[key]}
    assert changed == texts | {"study.title", "study.language", "trial.prompt", "questionnaire"}
    assert german.protocol == english.protocol
    for a, b in zip(english.questionnaire.items, german.questionnaire.items, strict=True):
        assert (a.item_id, a.type, a.required, a.minimum, a.maximum) == (
            b.item_id,
            b.type,
            b.required,
            b.minimum,
            b.maximum,
        )
        assert [option.value for option in a.options] == [option.value for option in b.options]
        assert a.question != b.question
    assert "1 Sekunde lang" in german.fill(german.words.consent)


def test_a_german_study_speaks_german_on_every_page(app, desk, make_study):
    """From the door to the withdrawal, errors included; an English study beside it stays English."""
    make_study(GERMAN)
    make_study(SMALL, slug="english")
    client = app.test_client()
    person = Participant(client, desk, "small")
    pages = [client.get("/s/small/").text]
    person.agree()
    pages.append(client.get(person.here).text)
    client.post(f"{person.here}advance", data={"stage": "instructions"})
    person.look()
    pages += [client.get(person.here).text, client.get(f"{person.here}unsuited").text]
    assert person.turn["trial"]["prompt"] == "Welches Bild hat die falschen Farben?"
    assert person.state.status in TRIAL_STATUS
    person.finish_trials()
    pages += [client.get(person.here).text, person.fill_in(difficulty="").text]
    person.fill_in()
    pages += [client.get(person.here).text]
    client.post(f"{person.here}withdraw")
    pages += [client.get(person.here).text]
    catalog = words.read("de")
    english = [
        m.id for m in catalog if isinstance(m.id, str) and len(m.id) > 12 and "%" not in m.id and "<" not in m.id
    ]
    for page in pages:
        assert '<html lang="de">' in page
        assert [text for text in english if text in page] == []
    for expected, page in zip(
        ("Ich stimme zu", "Mit 2 Übungspaaren", "Übung", "größeren Bildschirm", "Fertig", "eine Frage", "Ihr Ergebnis"),
        pages,
        strict=False,
    ):
        assert expected in page
    assert "I agree and start" in client.get("/s/english/", headers={"Accept-Language": "de"}).text


def test_a_page_without_a_study_speaks_the_browsers_language(app):
    client = app.test_client()
    assert "Hier ist nichts" in client.get("/nowhere", headers={"Accept-Language": "de-AT,de;q=0.9"}).text
    assert "There is nothing here" in client.get("/nowhere", headers={"Accept-Language": "fr"}).text
    page = client.post("/withdraw", data={"code": "x"}, headers={"Accept-Language": "de"}).text
    assert "Das ist kein Widerrufscode" in page
