"""Which share of the branches the tests take, by package: `make coverage-tests`.

    python tools/branches.py out/coverage.json [--under 90] [--tests WORDS] [--missing]

reads what `coverage json` wrote and writes docs/results/test-coverage.md. coverage.py's own total counts statements
and branches together, and hides branches behind the many statements; here they are counted apart. Ends with status 1
where a package has less than the floor.
"""

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "results" / "test-coverage.md"
PACKAGES = ("study", "analysis", "colorizer")
N_SHOWN = 25


@dataclass(frozen=True)
class Counts:
    """Statements and branches of one module or package."""

    statements: int = 0
    statements_of: int = 0
    branches: int = 0
    branches_of: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Add up."""
        return Counts(
            self.statements + other.statements,
            self.statements_of + other.statements_of,
            self.branches + other.branches,
            self.branches_of + other.branches_of,
        )

    @property
    def percent(self) -> float:
        """Of the branches."""
        return 100 * self.branches / self.branches_of if self.branches_of else 100.0


def read(report: dict[str, Any]) -> dict[str, Counts]:
    """Give the counts of each module of the three packages."""
    modules = {}
    for name, file in report["files"].items():
        if name.split("/")[0] in PACKAGES:
            found = file["summary"]
            modules[name] = Counts(
                found["covered_lines"], found["num_statements"], found["covered_branches"], found["num_branches"]
            )
    return modules


def page(modules: dict[str, Counts], tests: str, floor: float) -> str:
    """Write docs/results/test-coverage.md."""
    packages: defaultdict[str, Counts] = defaultdict(Counts)
    for name, counts in modules.items():
        packages[name.split("/")[0]] += counts
    rows = [
        f"| {name} | {c.statements:,} of {c.statements_of:,} | {c.branches:,} of {c.branches_of:,} "
        f"| {c.percent:.1f} % |"
        for name, c in sorted(packages.items())
    ]
    worst = sorted(modules.items(), key=lambda item: item[1].branches - item[1].branches_of)[:N_SHOWN]
    lines = [f"| {name} | {c.branches} | {c.branches_of} |" for name, c in worst if c.branches < c.branches_of]
    return "\n".join(
        [
            "# What the tests run",
            "",
            f"Written by `python tools/branches.py` from coverage.py's report of {tests}.",
            f"The floor is {floor:g} % of the branches of each package; statements are counted apart, since they are",
            "many and hide branches.",
            "",
            "| package | statements | branches | share of branches |",
            "|---|---|---|---|",
            *rows,
            "",
            "Modules with the most branches that no test takes:",
            "",
            "| module | taken | of |",
            "|---|---|---|",
            *lines,
            "",
        ]
    )


def main() -> int:
    """Read, write the page, compare with the floor."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--under", type=float, default=90, help="percent of the branches of each package")
    parser.add_argument("--tests", default="`make coverage-tests`", help="what was run, for the page")
    parser.add_argument("--missing", action="store_true", help="print each branch that no test takes, write no page")
    options = parser.parse_args()
    report = json.loads(options.report.read_text(encoding="utf-8"))
    modules = read(report)
    if options.missing:
        for name in sorted(modules):
            for start, end in report["files"][name]["missing_branches"]:
                print(f"{name}:{start} -> {end}")
        return 0
    PAGE.write_text(page(modules, options.tests, options.under), encoding="utf-8")
    is_low = False
    for package in PACKAGES:
        counts = sum((c for name, c in modules.items() if name.split("/")[0] == package), Counts())
        if counts.statements:
            print(f"{package}: {counts.branches} of {counts.branches_of} branches, {counts.percent:.1f} %")
            is_low |= counts.percent < options.under
    if is_low:
        print(f"branches: a package has less than {options.under:g} %; see --missing", file=sys.stderr)
    return int(is_low)


if __name__ == "__main__":
    raise SystemExit(main())
