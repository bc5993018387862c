"""Where in a definition's text something stands, and what is wrong where the text is no TOML."""

import re
import tomllib

Path_ = tuple[str | int, ...]
LONGEST_LINE = 60

# What tomllib says, and what to do about it. Its words are no interface: what is not recognised is handed on as it is.
REMEDIES = (
    ("Cannot overwrite", "the key stands twice; keep one of the two"),
    ("Cannot declare", "the table stands twice; put its keys under one [heading]"),
    ("Unterminated string", 'a text has no end; close it with the same " or """ that begins it'),
    ("Expected ']' at the end", "a table's heading is [name]; close it with ]"),
    ("Unescaped '\\'", "write \\\\ for a backslash, or put the text between single quotes"),
    (
        "Illegal character",
        "a character that no text may hold; delete it, or write a text of several lines between three quotes",
    ),
    ("Expected newline", "one key = value on each line; decimals have a point, not a comma"),
    (
        "Invalid value",
        "texts stand between straight quotes, decimals have a point, and it is true or false in small letters",
    ),
    ("Invalid statement", "each line is key = value, [table] or # a comment"),
    ("Expected '='", "each line is key = value, [table] or # a comment"),
)


def explain_toml(where: str, text: str, error: tomllib.TOMLDecodeError) -> str:
    """Give file, line, what tomllib found, the line itself, and what to do about it."""
    said = re.sub(r" \(at [^()]*\)$", "", str(error))
    lines = text.splitlines() or [""]
    if place := re.search(r"\(at line (\d+), column (\d+)\)$", str(error)):
        number = int(place[1])
    elif said.startswith("Unterminated"):
        number = _beginning_of_the_open_text(lines)
    else:
        number = max((n for n, line in enumerate(lines, start=1) if line.strip()), default=1)
    number = min(number, len(lines))
    remedy = next((what for begin, what in REMEDIES if said.startswith(begin)), "mend this line")
    shown = "".join(c if c.isprintable() else "?" for c in lines[number - 1].strip())
    shown = shown if len(shown) <= LONGEST_LINE else shown[:LONGEST_LINE] + " …"
    return f"{where}:{number}: not valid TOML: {said}: {shown}; {remedy}"


def _beginning_of_the_open_text(lines: list[str]) -> int:
    """Find the line of the last text that begins and does not end: of one line or between three quotes."""
    n_triple = 0
    opened = len(lines)
    for number, line in enumerate(lines, start=1):
        for mark in ('"""', "'''"):
            for _ in range(line.count(mark)):
                n_triple += 1
                opened = number if n_triple % 2 else opened
    return opened if n_triple % 2 else len(lines)


def line_of(text: str, path: Path_) -> int | None:
    """Find the line of a key by reading the text as TOML's tables; None if the text does not set it."""
    best: int | None = None
    table: list[str | int] = []
    n_of: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if header := re.match(r"\[(\[?)\s*([\w.\- \"']+?)\s*\]", stripped):
            name = header[2].replace('"', "").replace("'", "")
            table = list(name.split("."))
            if tuple(table) == path:
                return number
            if header[1]:
                n_of[name] = n_of.get(name, -1) + 1
                table.append(n_of[name])
            here = tuple(table)
        elif key := re.match(r"([\w.\-\"']+)\s*=", stripped):
            here = (*table, *key[1].replace('"', "").replace("'", "").split("."))
        else:
            continue
        if here == path:
            return number
        if here and here == path[: len(here)]:
            best = number  # the line of the nearest table around it
    return best
