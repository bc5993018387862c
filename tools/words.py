"""Bring the catalogues of the interface's texts up to date.

    python tools/words.py

Reads what `babel.cfg` names, adds new texts to study/translations/<language>/LC_MESSAGES/messages.po, drops those that
are gone, and writes the .mo files that the server reads. It says which texts still lack a translation.
"""

import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from study.words import LANGUAGES, MARKING

ROOT = Path(__file__).resolve().parent.parent
TRANSLATIONS = ROOT / "study" / "translations"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
KEYWORDS = {**DEFAULT_KEYWORDS, **{name: None for name in MARKING if name not in DEFAULT_KEYWORDS}}


def extract() -> Catalog:
    """Collect every text that is marked; where it stands is left out, so that moving code changes no catalogue."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    catalog = Catalog(project="truehue", version="", charset="utf-8")
    found = extract_from_dir(str(ROOT), methods, options, keywords=KEYWORDS, directory_filter=_is_ours)
    for _, _, message, _, _ in found:
        catalog.add(message)
    return catalog


def _is_ours(folder: str) -> bool:
    path = Path(folder)
    return path == ROOT or "study" in path.relative_to(ROOT).parts[:1]


def file_of(language: str) -> Path:
    """Where a language's catalogue lies."""
    return TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"


def read(language: str) -> Catalog:
    """Read a language's catalogue; a language without one has an empty one."""
    if not file_of(language).exists():
        return Catalog(locale=language, charset="utf-8")
    with file_of(language).open("rb") as file:
        return read_po(file, locale=language)


def compiled(catalog: Catalog) -> bytes:
    """Give the bytes that the server reads."""
    out = io.BytesIO()
    catalog.creation_date = catalog.revision_date = LONG_AGO  # the same texts give the same bytes
    write_mo(out, catalog)
    return out.getvalue()


def missing(catalog: Catalog) -> list[str]:
    """List the texts without a translation, or with one that was guessed."""
    return [str(message.id) for message in catalog if message.id and (not _has_all(message.string) or message.fuzzy)]


def _has_all(string: str | list[str] | tuple[str, ...]) -> bool:
    return all(string) if isinstance(string, (list, tuple)) else bool(string)


def main() -> int:
    """Update and compile every catalogue."""
    texts = extract()
    for language in LANGUAGES[1:]:
        catalog = read(language)
        catalog.update(texts, no_fuzzy_matching=True)
        catalog.obsolete.clear()
        out = io.BytesIO()
        write_po(out, catalog, width=118, sort_output=True, no_location=True, omit_header=False)
        file_of(language).parent.mkdir(parents=True, exist_ok=True)
        lines = [line for line in out.getvalue().splitlines(keepends=True) if b"-Date: " not in line]
        file_of(language).write_bytes(b"".join(lines))
        file_of(language).with_suffix(".mo").write_bytes(compiled(read(language)))
        lacking = missing(catalog)
        print(f"{language}: {len(catalog)} texts, {len(lacking)} without a translation")
        for text in lacking:
            print(f"  {text}")
    return 1 if any(missing(read(language)) for language in LANGUAGES[1:]) else 0


if __name__ == "__main__":
    raise SystemExit(main())
