"""docs/extending.md: each of its four examples is one file and its test, found without a word elsewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = re.compile(r"^`([\w/.-]+)`:\n\n```(?:python|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_four_examples_are_found_and_pass_their_tests(tmp_path: Path) -> None:
    """Written into a copy of the packages, every example works; nothing else in the copy differs from the checkout."""
    examples = dict(EXAMPLE.findall((ROOT / "docs/extending.md").read_text(encoding="utf-8")))
    tests = [name for name in examples if name.startswith("tests/")]
    assert len(tests) == 4
    assert len(examples) == 8
    for package in ("study", "colorizer", "analysis"):  # folders of links: the files are those of the checkout
        shutil.copytree(ROOT / package, tmp_path / package, copy_function=os.symlink)
    for name, text in examples.items():
        assert not (ROOT / name).exists()
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    options = ("-q", "-n0", "-p", "no:randomly", "-p", "no:cacheprovider", "--import-mode=importlib")
    for command in (
        ("ruff", "check", "--no-cache", *examples),
        ("pytest", *options, *tests),
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
