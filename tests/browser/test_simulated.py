"""`flask --app study simulate --visible`: people made by a program, before a real browser."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from study_server import define, running_server

pytestmark = pytest.mark.chromium

ASKED = """
[readiness]
checks = ["vision", "plates"]
n_plates = 3
[[questionnaire.items]]
item_id = "age"
type = "number"
question = "How old are you?"
minimum = 18
maximum = 99
required = true
[[questionnaire.items]]
item_id = "trouble"
type = "choice"
question = "Did anything go wrong?"
options = [{ value = "no", label = "No" }, { value = "yes", label = "Yes" }]
required = true
"""


def test_simulated_people_take_part_in_the_browser(tmp_path: Path) -> None:
    """They read plates, press too early, reload in the middle of trials, and their answers arrive."""
    text = define(n_practice=1, n_test=3, n_low_anchor=0, n_instructed=1) + ASKED
    with running_server(tmp_path / "instance", {"seen": text}) as server:
        command = "simulate seen --visible --participants 1 --reloads 0.5 --slips 0.5 --rt-median 80 --seed 3"
        # A process of its own: Playwright allows one of its loops in each.
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "study", *command.split()],
            env={**os.environ, "TRUEHUE_INSTANCE": str(tmp_path / "instance")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "1 SIMULATED participants added to seen@1" in done.stdout
        session, rows = server.newest_session("seen"), server.trials("seen")
    assert (session["status"], session["is_simulated"], session["user_agent"]) == (
        "complete",
        True,
        "simulated, visible",
    )
    answered = [row for row in rows if row["response"]]
    assert len(answered) == 5
    voids = {row["void_reason"] for row in rows if not row["response"]}
    assert {"reloaded"} <= voids <= {"reloaded", "hidden"}, "nothing else but what the machine slept through"
    (instructed,) = (row for row in answered if row["control"] == "instructed")
    assert instructed["response"] == instructed["instructed_response"]
    assert all(row["exposure_a_ms_achieved"] for row in answered)
