"""What a page tells its reader to type, read from its Markdown, with the annotations that stand in comments.

An annotation is an HTML comment directly above a block (docs/decisions/0018-documentation.md has them all):

    <!-- test: parse, REASON -->       not run; our own commands are given to their parsers
    <!-- test: run -->                 run, where a rule or the page's default would not
    <!-- test: exit 2 -->              run, and must end with that status
    <!-- test: before …lines… -->      commands that the reader does not see, run first
    <!-- test page: parse, REASON -->  the default of the whole page
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SHELL = frozenset({"sh", "bash", "shell", "console"})
RUNNABLE = SHELL | {"python"}
FIRST_WORDS = re.compile(
    r"(?:[A-Z_]+=\S+ )*(?:(?:\.venv|/\S+)/bin/)?"
    r"(?:python3?|truehue-\w+|pip|flask|gunicorn|make|git|sudo|torchrun|cat|cp|export|curl|\.|docker|chromium)(?:\s|$)"
)
FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,})(?P<language>[\w-]*)[^`]*$")
COMMENT = re.compile(r"<!--\s*test(?P<page> page)?:\s*(?P<text>.*?)\s*-->", re.DOTALL)


class PageError(ValueError):
    """A page that cannot be read as meant; the message names file and line."""


@dataclass(frozen=True)
class Manner:
    """How a block is to be tested."""

    is_run: bool = True
    status: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Block:
    """Consecutive lines that are typed, or a Python program."""

    page: Path
    line: int
    """Of the page, counted from 1: where the text begins."""
    language: str
    text: str
    manner: Manner = Manner()
    is_hidden: bool = False
    """In a comment: the reader does not see it."""

    @property
    def place(self) -> str:
        """Where it stands, as editors and terminals link it."""
        return f"{relative(self.page)}:{self.line}"

    @property
    def typed(self) -> list[tuple[str, str | None]]:
        """The commands, each with the output that the page shows (`None`: it shows none)."""
        if self.language != "console":
            return [(self.text, None)]
        found: list[tuple[list[str], list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(([line[2:]], []))
            elif not found:
                raise PageError(f"{self.place}: a console block begins with a line `$ command`")
            elif line.startswith("> ") and not found[-1][1]:
                found[-1][0].append(line[2:])
            else:
                found[-1][1].append(line)
        return [("\n".join(command) + "\n", "\n".join(shown) if shown else None) for command, shown in found]


def relative(path: Path) -> str:
    """Name a file as seen from the repository's root."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def pages() -> list[Path]:
    """List every page whose commands are tested: all but decisions and the log, which tell of the past."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *site_pages()]
    return [path for path in found if path.parent.name != "decisions" and path != ROOT / "docs/log.md"]


def site_pages() -> list[Path]:
    """List the pages under docs/.  A file without a title is none: some command puts it into another page."""
    found = sorted((ROOT / "docs").rglob("*.md"))
    return [path for path in found if path.read_text(encoding="utf-8").startswith("# ")]


def read_blocks(page: Path) -> list[Block]:
    """Read a page's blocks in order, hidden ones where their comments stand."""
    return list(_read(page, page.read_text(encoding="utf-8")))


def _read(page: Path, source: str) -> Iterator[Block]:
    default, above = Manner(), None
    lines = source.splitlines()
    i = 0
    while i < len(lines):
        here = i
        if (match := COMMENT.match("\n".join(lines[i:]))) is not None:
            i += match[0].count("\n") + 1
            if match["text"].startswith("before"):
                text = match["text"].removeprefix("before").strip("\n") + "\n"
                yield Block(page, here + 2, "sh", text, is_hidden=True)
                continue
            manner = _manner(match["text"], f"{relative(page)}:{here + 1}")
            if match["page"]:
                default = manner
            else:
                above = manner
            continue
        if (fence := FENCE.match(lines[i])) is not None and fence["language"] is not None:
            i += 1
            while i < len(lines) and not lines[i].strip().startswith(fence["ticks"]):
                i += 1
            body = [line.removeprefix(fence["indent"]) for line in lines[here + 1 : i]]
            i += 1
            if fence["language"] in RUNNABLE:
                yield Block(page, here + 2, fence["language"], "\n".join(body) + "\n", above or default)
            above = None
            continue
        if lines[i].startswith("    ") and (i == 0 or not lines[i - 1].strip()):
            while i < len(lines) and (lines[i].startswith("    ") or not lines[i].strip()):
                i += 1
            text = "\n".join(line[4:] for line in lines[here:i]).rstrip() + "\n"
            if (language := _language(text)) is not None:
                yield Block(page, here + 1, language, text, above or default)
            above = None
            continue
        if lines[i].strip():
            above = None
        i += 1


def _language(text: str) -> str | None:
    first = text.splitlines()[0]
    if FIRST_WORDS.match(first):
        return "sh"
    return "python" if re.match(r"(?:import|from) \w", first) else None


def _manner(text: str, place: str) -> Manner:
    word, _, reason = text.partition(",")
    match word.split():
        case ["parse"] if reason.strip():
            return Manner(is_run=False, reason=reason.strip())
        case ["parse"]:
            raise PageError(f"{place}: say why it is not run: <!-- test: parse, REASON -->")
        case ["run"]:
            return Manner(reason="run")
        case ["exit", status] if status.isdigit():
            return Manner(status=int(status))
    raise PageError(f"{place}: expected parse, REASON, run, exit N or before, got {text!r}")
