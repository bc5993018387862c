"""docs/explanation/ways.md: every stop on the three ways is there, and the doors between packages are formats."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
STOP = re.compile(r"`([\w/]+\.(?:py|js)):(\w+)`")
DEFINED = {
    ".py": r"^(?:    )?(?:def|class) {name}\b|^{name}\b[^=\n]*=",
    ".js": r"^(?:export )?(?:async )?(?:function|class|const) {name}\b",
}


def test_every_stop_is_where_the_page_says():
    """Each file exists and defines the name."""
    stops = STOP.findall((ROOT / "docs/explanation/ways.md").read_text(encoding="utf-8"))
    assert len(stops) > 40
    lost = [
        f"{file}:{name}"
        for file, name in stops
        if not (path := ROOT / file).is_file()
        or not re.search(DEFINED[path.suffix].format(name=name), path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert lost == []
