"""From a corner that flashes in a real browser to a table that is joined with the trials."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import photodiode_rehearsal

from analysis.cli import main

pytestmark = pytest.mark.chromium


def test_a_recording_of_a_real_session_is_joined_with_its_trials(
    chromium: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A late onset is found in the row of its trial, the recorder's drift is taken out, and onsets are the export's."""
    folder, table = tmp_path / "rehearsal", tmp_path / "photodiode.csv"
    session, late = photodiode_rehearsal.rehearse(folder, chromium)
    command = ["import-photodiode", str(folder / "recording.csv"), str(folder / "export.zip"), "--session", session]
    assert main([*command, "--out", str(table)]) == 0
    assert "12 pictures, joined with trials.csv" in capsys.readouterr().out
    rows = pd.read_csv(table)
    assert rows["onset_error_ms"].idxmax() == 3
    assert rows.loc[3, "trial_index"] == late
    others = rows.drop(index=3)
    # The line that ties the clocks is pulled a little by the late one.
    assert rows.loc[3, "onset_error_ms"] - others["onset_error_ms"].median() == pytest.approx(30, abs=12)
    assert others["exposure_error_ms"].abs().median() < 17
    photodiode_rehearsal.zipfile.ZipFile(folder / "export.zip").extractall(tmp_path / "export")
    trials = pd.read_csv(next((tmp_path / "export").rglob("trials.csv")))
    trials = trials[trials["session_id"] == session]
    told = pd.concat([trials["onset_a_ms"], trials["onset_b_ms"]]).sort_values()
    assert rows["onset_ms"].tolist() == pytest.approx(told.tolist())
    assert main([*command, "--out", str(table)]) == 2, "nothing is overwritten"
