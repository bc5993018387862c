"""Shell text as its logical lines, and each line as the commands in it."""

import re
import shlex
from collections.abc import Iterator

HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
BETWEEN = frozenset({"&&", "||", ";", "|", "&"})


def logical_lines(text: str) -> Iterator[str]:
    """Give each line with its continuations and here-documents."""
    lines = iter(text.splitlines())
    for line in lines:
        whole = [line]
        while whole[-1].endswith("\\"):
            whole.append(next(lines, ""))
        if heredoc := HEREDOC.search(whole[-1]):
            for body in lines:
                whole.append(body)
                if body.strip() == heredoc[1]:
                    break
        yield "\n".join(whole)


def without_comment(line: str) -> str:
    """Cut a comment off, by the shell's rule: unquoted and at a word's start, so that `1,2,#3b6ea5` stays."""
    quote, before = "", " "
    for i, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "#" and before.isspace():
            return line[:i].rstrip()
        before = char
    return line


def commands(line: str) -> list[list[str]]:
    """Split a logical line into commands and these into words; without comments, redirections and settings before."""
    head = re.sub(r"\\\n\s*", " ", line)
    if heredoc := HEREDOC.search(head):
        head = head[: heredoc.start()]
    lexer = shlex.shlex(without_comment(head), posix=True, punctuation_chars="&|;<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = [[]]
    redirected = False
    for word in lexer:
        if word in BETWEEN:
            found.append([])
        elif set(word) <= set("<>&") and word:
            redirected = True
            if found[-1] and found[-1][-1] in ("1", "2"):
                found[-1].pop()  # the number of what is redirected
        elif redirected:
            redirected = False
        elif found[-1] or not re.fullmatch(r"[A-Z_][A-Z0-9_]*=.*", word):
            found[-1].append(word)
    return [command for command in found if command]
