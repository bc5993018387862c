"""The whole chain, through the same commands as a person: the only test that sees all three packages."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.chromium
@pytest.mark.slow
def test_from_photographs_to_a_report_whose_numbers_are_the_databases(tmp_path: Path) -> None:
    """`make smoke`: stimuli, study, a clicking browser, simulated people, export, report; every number agrees."""
    done = subprocess.run(
        [sys.executable, "tools/smoke.py", "--out", str(tmp_path / "smoke"), "--participants", "12"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "numbers of the report agree with the database" in done.stdout
    assert Path(done.stdout.splitlines()[-1]).is_file()
