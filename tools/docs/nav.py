"""Which page stands where: a page that appears is put into its section, and none is left out."""

from collections.abc import Iterator
from pathlib import Path

from tools.docs.blocks import ROOT, site_pages

DOCS = ROOT / "docs"

SECTIONS: dict[str, tuple[str, ...]] = {
    "Tutorial": ("tutorial.md",),
    "How-to": (
        "console.md",
        "how-to/own-colorizer.md",
        "how-to/archive-photographs.md",
        "how-to/paintings.md",
        "how-to/imagenet.md",
        "how-to/mturk.md",
        "how-to/prolific.md",
        "how-to/class.md",
        "how-to/lab.md",
        "how-to/photodiode.md",
        "deployment.md",
        "how-to/postgresql.md",
        "how-to/preregistration.md",
        "how-to/ethics.md",
    ),
    "Reference": (
        "reference/colorizer-cli.md",
        "reference/analysis-cli.md",
        "reference/study-cli.md",
        "reference/definition.md",
        "formats.md",
        "lab.md",
        "participant-http.md",
        "reference/http-schema.md",
        "reference/colorizer-python.md",
        "reference/analysis-python.md",
        "reference/study-python.md",
        "colorizer.md",
        "colorizers.md",
        "glossary.md",
        "extending.md",
        "upgrading.md",
        "contributing.md",
    ),
    "Explanation": (
        "explanation/pooled-wilson.md",
        "explanation/leaks.md",
        "explanation/timing.md",
        "explanation/temperature-and-soft-encoding.md",
    ),
    "Measurements": (
        "replication.md",
        "coverage.md",
        "leaks.md",
        "timing.md",
        "chaos.md",
        "load.md",
        "mixed-speed.md",
        "benchmarks.md",
    ),
    "Decisions": (),
}
"""In reading order; pages that are not named here follow in the section of their folder."""

FOLDERS = {"how-to": "How-to", "explanation": "Explanation", "decisions": "Decisions", "reference": "Reference"}
ELSEWHERE = "Measurements"
"""Where a new page directly under docs/ and those in docs/results go: most are written by a command that measures."""


def title_of(page: Path) -> str:
    """Give a page's title."""
    return page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").strip()


def arrange(names: list[str]) -> dict[str, list[str]]:
    """Sort pages, named as seen from docs/, into the sections; the home page is in none."""
    arranged = {section: [name for name in order if name in names] for section, order in SECTIONS.items()}
    known = {name for order in SECTIONS.values() for name in order} | {"index.md"}
    for name in sorted(set(names) - known):
        arranged["Decisions" if name == "log.md" else FOLDERS.get(name.split("/")[0], ELSEWHERE)].append(name)
    return arranged


def missing() -> Iterator[str]:
    """Tell how-to and explanation pages that are planned and not there."""
    there = {page.relative_to(DOCS).as_posix() for page in site_pages()}
    for name in (*SECTIONS["How-to"], *SECTIONS["Explanation"], *SECTIONS["Tutorial"]):
        if name not in there:
            yield name
