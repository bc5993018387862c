"""A study's own numbers in its texts: `{n_trials}`, and what fits a count: `{n_practice:none|one|# of them}`."""

import re
from collections.abc import Iterator, Mapping

PLAIN = re.compile(r"\{(\w+)\}")
CHOICE = re.compile(r"\{(\w+):([^{}]*)\}")


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """Replace placeholders by their values; `#` is the count, and braces that name nothing stay as they are.

    Two parts are for one and more, three for none, one and more.
    """
    filled = PLAIN.sub(lambda match: values.get(match[1], match[0]), text)
    return CHOICE.sub(lambda match: _chosen(match, values), filled)


def _chosen(match: re.Match[str], values: Mapping[str, str]) -> str:
    count, parts = values.get(match[1], ""), match[2].split("|")
    if not count.isdecimal() or len(parts) not in (2, 3):
        return match[0]
    none, one, more = parts if len(parts) == 3 else (parts[1], *parts)
    return {"0": none, "1": one}.get(count, more).replace("#", count)


def wrong_placeholders(text: str, known: tuple[str, ...], counts: tuple[str, ...]) -> Iterator[str]:
    """Tell each placeholder that `fill_in` would leave standing."""
    for name in PLAIN.findall(text):
        if name not in known:
            yield f"{{{name}}} cannot be filled in; there are: {', '.join(known)}"
    for name, parts in CHOICE.findall(PLAIN.sub("", text)):
        if name not in counts and (name in known or "|" in parts):
            yield f"{{{name}:…}} is no count; there are: {', '.join(counts)}"
        elif name in counts and parts.count("|") not in (1, 2):
            yield f"{{{name}:…}}: expected two parts (one|more) or three (none|one|more), got {parts.count('|') + 1}"
