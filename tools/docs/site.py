"""The site: pages and what is generated go into out/docs, links that leave docs/ become plain, zensical builds it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tools.docs import reference
from tools.docs.blocks import ROOT, site_pages
from tools.docs.checking import LINK
from tools.docs.nav import DOCS, arrange, title_of

FOLDER = ROOT / "out/docs"
SITE = FOLDER / "site"
SETTINGS = Path(__file__).with_name("zensical.toml")
COPIED = {".png", ".webp", ".svg", ".jpg", ".json", ".yaml", ".csv", ".css"}
FENCED = re.compile(r"^ *(?:```|~~~)")


def prepare() -> None:
    """Write out/docs: pages, generated pages, and zensical's settings with the navigation."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    pages = FOLDER / "pages"
    pages.mkdir(parents=True)
    for path in sorted(DOCS.rglob("*")):
        if path.suffix in COPIED:
            _copy(path, pages / path.relative_to(DOCS))
    _copy(Path(__file__).with_name("site.css"), pages / "site.css")
    for path in site_pages():
        _write(pages / path.relative_to(DOCS), plain_links(path.read_text(encoding="utf-8"), path))
    for name, source in (("index.md", ROOT / "README.md"), ("contributing.md", ROOT / "CONTRIBUTING.md")):
        _write(pages / name, plain_links(_moved(source.read_text(encoding="utf-8")), DOCS / name))
    for name, text in reference.generate().items():
        _write(pages / "reference" / name, text)
    names = [path.relative_to(pages).as_posix() for path in pages.rglob("*.md")]
    nav: list[object] = [{"Home": "index.md"}]
    for section, listed in arrange(names).items():
        entries = [{title_of(pages / name): name} for name in listed]
        nav.append({section: listed[0]} if section == "Tutorial" and listed else {section: entries})
    settings = SETTINGS.read_text(encoding="utf-8").replace("nav = []", f"nav = {_toml(nav)}")
    tomllib.loads(settings)
    (FOLDER / "zensical.toml").write_text(settings, encoding="utf-8")


def build() -> int:
    """Build the site into out/docs/site; a broken link or heading gives status 1."""
    prepare()
    done = _zensical("build", "--clean", "--strict")
    if done == 0:
        print(f"the site: {(SITE / 'index.html').relative_to(ROOT)}")
    return done


def serve(port: int) -> int:
    """Build the site and serve it on this machine until Ctrl-C."""
    prepare()
    return _zensical("serve", "--dev-addr", f"127.0.0.1:{port}")


def _zensical(*arguments: str) -> int:
    program = Path(sys.executable).with_name("zensical")
    if not program.exists():
        print("error: zensical is not installed; run: make docs", file=sys.stderr)
        return 2
    done = subprocess.run([program, *arguments], cwd=FOLDER, check=False, env=dict(os.environ))  # noqa: S603 - its own words
    return done.returncode


def plain_links(text: str, page: Path) -> str:
    """Turn links to files outside docs/, which the site does not have, into their texts and the files' names."""

    def plain(match: re.Match[str]) -> str:
        target, shown = match[1], match[0][match[0].index("[") + 1 : match[0].rindex("](")]
        name = target.partition("#")[0]
        if not name or re.match(r"[a-z]+:", target):
            return match[0]
        path = (page.parent / name).resolve()
        if path.is_relative_to(DOCS):
            if not path.is_dir():
                return match[0]
            first = _first_in(path)
            return match[0].replace(f"]({target}", f"]({os.path.relpath(first, page.parent)}") if first else shown
        if path == ROOT / "README.md" or path == ROOT / "CONTRIBUTING.md":
            home = os.path.relpath(DOCS / ("index.md" if path.name == "README.md" else "contributing.md"), page.parent)
            return match[0].replace(target, home)
        inside = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else name
        return f"`{inside}`" if shown.strip("`").rstrip("/") in inside else f"{shown} (`{inside}`)"

    parts, fenced, lines = [], False, text.splitlines(keepends=True)
    for line in lines:
        if FENCED.match(line):
            fenced = not fenced
        parts.append(line if fenced or line.startswith("    ") else LINK.sub(plain, line))
    return "".join(parts)


def _first_in(folder: Path) -> Path | None:
    """Give the page that stands first in the navigation among those of a folder, which has no page itself."""
    names = [path.relative_to(DOCS).as_posix() for path in site_pages() if path.parent == folder]
    return next((DOCS / name for listed in arrange(names).values() for name in listed), None)


def _moved(text: str) -> str:
    """Make links of a page in the repository's root hold in docs/."""
    return re.sub(r"\]\((?![a-z]+:|#)([^)]+)\)", lambda m: f"]({os.path.relpath(ROOT / m[1], DOCS)})", text)


def _toml(nav: list[object]) -> str:
    def of(value: object) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{json.dumps(k, ensure_ascii=False)} = {of(v)}" for k, v in value.items()) + " }"
        if isinstance(value, list):
            return "[" + ", ".join(of(item) for item in value) + "]"
        return json.dumps(value, ensure_ascii=False)

    return "[\n" + "".join(f"  {of(entry)},\n" for entry in nav) + "]"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
