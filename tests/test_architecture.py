"""The walls of the house: what importing a package brings along, and that the documents agree with the code."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "study": {"torch", "torchvision", "scipy", "pandas", "matplotlib", "colorizer", "analysis"},
    "colorizer": {"flask", "sqlalchemy", "study", "analysis"},
    "analysis": {"flask", "sqlalchemy", "torch", "torchvision", "study", "colorizer"},
}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_every_module_of_a_package_keeps_to_its_side(package: str) -> None:
    """Importing all modules of a package in a fresh process loads nothing that belongs to another."""
    modules = [name_of(path) for path in sorted((ROOT / package).rglob("*.py")) if path.name != "__main__.py"]
    program = (
        f"import importlib, sys\nfor name in {modules!r}:\n    importlib.import_module(name)\n"
        "print(' '.join(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True, env=dict(os.environ)
    )
    assert not FORBIDDEN[package] & set(done.stdout.split())


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, modules: dict[str, Path]) -> Iterator[str]:
    """Give the modules of the house that a file imports, wherever in it: also in functions and for types alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports here are whole names"
            base = node.module or ""
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield from (name for name in [full if full in modules else base] if name in modules)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_run_in_no_circle(package: str) -> None:
    """Neither among the modules of a package nor among its parts (its modules, each folder as one)."""
    modules = {name_of(path): path for path in sorted((ROOT / package).rglob("*.py"))}
    assert len(modules) > 50
    between: dict[str, set[str]] = {name: set(imports(path, modules)) - {name} for name, path in modules.items()}
    parts: dict[str, set[str]] = {}
    for name, found in between.items():
        part, others = ".".join(name.split(".")[:2]), {".".join(other.split(".")[:2]) for other in found}
        parts.setdefault(part, set()).update(others - {part, package})
    parts[package] = set()  # the package's own __init__ hands names of its parts on
    for graph in (between, parts):
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            pytest.fail("a circle: " + " <- ".join(error.args[1]))


def test_importing_the_analysis_loads_no_plotting() -> None:
    """`import analysis` stays light: matplotlib comes only with the report."""
    program = "import analysis, sys; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"


def test_every_pinned_package_is_pinned_exactly() -> None:
    """requirements.txt has one `name==version` per line and no address of any index."""
    lines = [x for x in (ROOT / "requirements.txt").read_text().splitlines() if x and not x.startswith("#")]
    assert all(line.count("==") == 1 and "/" not in line for line in lines)
    assert {"torch==2.14.1", "torchvision==0.29.2"} <= set(lines)


def test_every_dependency_has_its_sentence() -> None:
    """Each package of pyproject.toml is given by the project or has a row in docs/decisions/0002-dependencies.md."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    table = (ROOT / "docs/decisions/0002-dependencies.md").read_text().lower()
    names = {item.split(">")[0].split("[")[0].lower() for extra in extras.values() for item in extra}
    short = {name.removeprefix("pytest-") if name.startswith("pytest-") else name for name in names}
    assert not {name for name in short if name not in table}


def test_no_large_file_is_tracked() -> None:
    """All tracked files stay under 20 MB together; no single one is over 9 MB."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    sizes = {name: (ROOT / name).stat().st_size for name in listed.split("\0") if name and (ROOT / name).is_file()}
    assert sum(sizes.values()) < 20e6
    assert max(sizes.values(), default=0) < 9e6


def test_ci_installs_every_program_that_tests_need() -> None:
    """What a marker of pyproject.toml says a test needs, .ci/run installs: a fresh machine has none of it."""
    markers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    needed = {
        name for line in markers for found in re.findall(r"apt-get install ([^)]*)", line) for name in found.split()
    }
    installed = set((ROOT / ".ci/run").read_text().replace("(", " ").replace(")", " ").split())
    assert {"chromium", "nginx", "postgresql"} <= needed
    assert needed <= installed
