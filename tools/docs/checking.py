"""What is wrong with a page without running anything: commands, links, paths, targets."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tools.docs.blocks import ROOT, SHELL, Block, read_blocks, relative
from tools.docs.lines import commands, logical_lines
from tools.docs.parsers import CommandError, check

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
HEADING = re.compile(r"^#{1,6} +(.*?)(?: *\{#([\w-]+)\})? *#*$", re.MULTILINE)
FILE_IN_CODE = re.compile(
    r"(?:docs|tools|tests|study|colorizer|analysis|deploy|samples|migrations)/[\w./-]+\.[a-z]{1,5}"
)
OURS = {
    "python -m colorizer ": 4,
    "python -m analysis ": 4,
    "flask --app study ": 4,
    "truehue-colorizer ": 2,
    "truehue-analysis ": 2,
    "truehue-study ": 2,
    "make ": 2,
}
"""How a command of ours begins, and how many words name it."""


def wrong_commands(page: Path) -> Iterator[str]:
    """Tell each command whose own parser refuses it, and each block that is no shell or no Python."""
    for block in read_blocks(page):
        if block.language in SHELL:
            yield from _wrong_shell(block)
        else:
            try:
                compile(block.text, block.place, "exec")
            except SyntaxError as error:
                yield f"{block.place}: {error}"


def _wrong_shell(block: Block) -> Iterator[str]:
    for typed, _ in block.typed:
        read = subprocess.run(["/bin/bash", "-n"], input=typed, capture_output=True, text=True, check=False)
        if read.returncode:
            yield f"{block.place}: {read.stderr.strip()}"
            continue
        for line in logical_lines(typed):
            for words in commands(line):
                try:
                    check(words)
                except CommandError as error:
                    yield f"{block.place}: {' '.join(words)}: {error}"


def wrong_links(page: Path) -> Iterator[str]:
    """Tell each relative link whose file or heading does not exist, and each file named in code that does not."""
    text = _prose(page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists():
            yield f"{relative(page)}: {target}: there is no such file"
        elif anchor and path.suffix == ".md" and anchor not in anchors(path):
            yield f"{relative(page)}: {target}: there is no such heading"
    for code in CODE.findall(text):
        # NAME stands for the reader's own; a line `FILE`: gives a file that the reader writes
        if "NAME" in code or re.search(rf"^`{re.escape(code)}`:$", text, re.MULTILINE):
            continue
        if FILE_IN_CODE.fullmatch(code) and not (ROOT / code).exists():
            yield f"{relative(page)}: `{code}`: there is no such file"


def wrong_mentions(page: Path) -> Iterator[str]:
    """Tell each command named within a sentence that does not exist; its options may be left out there."""
    for code in CODE.findall(_prose(page.read_text(encoding="utf-8"))):
        n_named = next((n for begin, n in OURS.items() if code.startswith(begin)), 0)
        if not n_named:
            continue
        words = code.split()
        try:
            check([*words[:n_named], *([] if words[0] == "make" else ["--help"])])
        except CommandError as error:
            yield f"{relative(page)}: `{code}`: {error}"


def anchors(page: Path) -> set[str]:
    """List the addresses of a page's headings, as Python-Markdown makes them, which is also how forges do."""
    found: set[str] = set()
    for title, given in HEADING.findall(_prose(page.read_text(encoding="utf-8"))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "")
        slug = re.sub(r"[^\w\s-]", "", plain, flags=re.ASCII).strip().lower()
        base = given or re.sub(r"[-\s]+", "-", slug)
        name, n = base, 0
        while name in found:
            n += 1
            name = f"{base}_{n}"
        found.add(name)
    return found


def _prose(text: str) -> str:
    """Leave out fenced blocks, indented blocks and comments: no links there."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"^ *(`{3,}|~{3,}).*?^ *\1 *$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(?<=\n\n)(?: {4}.*\n|\n(?= {4}))+", "", text)
