"""Which changes of the planner and the estimators no test notices.

    python tools/mutants.py [NAMES…]

Runs mutmut as [tool.mutmut] in pyproject.toml says (a pattern like 'study.design.plan*' takes a part; it goes on where
it was stopped) and writes what it found to docs/results/mutants.json: counts by module, and every survivor with its
change. docs/results/mutants.md says of each survivor examined what came of it.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "mutants"
RESULTS = ROOT / "docs" / "results" / "mutants.json"


def mutmut(*arguments: str, is_shown: bool = False) -> str:
    """Run mutmut in the checkout and give what it printed."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=not is_shown, text=True, check=False)  # noqa: S603
    if is_shown and done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout or ""


def change(name: str) -> list[str]:
    """Give the lines that a mutant takes away and puts in."""
    lines = mutmut("show", name).splitlines()
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def collect() -> dict[str, Any]:
    """Read what mutmut keeps of every mutant that was run."""
    from mutmut.stats import status_by_exit_code

    modules: dict[str, Counter[str]] = {}
    survivors: dict[str, list[str]] = {}
    for file in sorted(WORK.rglob("*.py.meta")):
        module = str(file.relative_to(WORK)).removesuffix(".meta")
        for name, code in json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"].items():
            if code is None:
                continue
            status = status_by_exit_code[code]
            modules.setdefault(module, Counter())[status] += 1
            if status == "survived":
                survivors[name] = change(name)
    return {
        "command": "make mutants",
        "modules": {name: dict(sorted(counts.items())) for name, counts in modules.items()},
        "survivors": survivors,
    }


def main() -> int:
    """Run, collect, write."""
    mutmut("run", "--max-children", "1", *sys.argv[1:], is_shown=True)
    found = collect()
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for module, counts in found["modules"].items():
        print(f"{module}: " + ", ".join(f"{n} {status}" for status, n in counts.items()))
    print(f"survivors: {RESULTS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
