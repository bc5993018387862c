"""The whole chain, through the same commands as a person: the only test that sees all three packages."""

import csv
import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
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


@pytest.fixture
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, pd.DataFrame]:
    """A report of three conditions, fooled by none, by all, and by some, and its trials as the database has them."""
    from analysis import analyse, read_export, write_report

    monkeypatch.syspath_prepend(
        ROOT / "tests" / "analysis"
    )  # the generator lies beside the tests, which are no package
    people, exports = (importlib.import_module(name) for name in ("export_sessions", "make_export"))
    monkeypatch.setattr(people, "INTERCEPT", {"zhang2016": -99.0, "regression": 99.0, "random": 0.0})
    exports.write_export(tmp_path / "export", n_participants=6, n_anchor=4)
    monkeypatch.setattr("analysis.report.draw", lambda *_: {})
    page = write_report(analyse(read_export(tmp_path / "export")), tmp_path / "out")
    table = pd.read_csv(tmp_path / "export" / "trials.csv", dtype={"void_reason": str}).fillna({"control": ""})
    done = pd.read_csv(tmp_path / "export" / "sessions.csv").query("status == 'complete'")["session_id"]
    rows = table["session_id"].isin(done) & table["void_reason"].isna()
    rows &= (table["kind"] == "test") | (table["control"] == "low_anchor")
    trials = table[rows].rename(columns={"condition_a": "condition"})
    return page.parent, trials.assign(fooled=trials["fooled"].astype(str).str.lower() == "true")


def test_none_and_all_fooled_agree_with_their_report(compared: tuple[Path, pd.DataFrame]) -> None:
    """With `create`'s own seed nobody is fooled by the anchor in 3 of 100 chains: then 0 is the interval's end."""
    from tools.smoke import compare

    report, trials = compared
    shares = trials.groupby("condition")["fooled"].mean()
    assert (shares["zhang2016"], shares["regression"]) == (0, 1)
    assert 0 < shares["random"] < 1
    assert compare(report, trials) > 30


@pytest.mark.parametrize(
    ("condition", "end", "value"),
    [("zhang2016", "ci_low", 0.001), ("regression", "ci_high", 0.999), ("random", "ci_low", 0.9)],
)
def test_an_interval_beside_its_rate_is_found(
    compared: tuple[Path, pd.DataFrame], condition: str, end: str, value: float
) -> None:
    """Also beside 0 and 1."""
    from tools.smoke import SmokeError, compare

    report, trials = compared
    table = pd.read_csv(report / "tables" / "fool_rates.csv").set_index("condition")
    table.loc[condition, end] = value
    table.to_csv(report / "tables" / "fool_rates.csv")
    with pytest.raises(SmokeError, match=f"{condition}: the interval does not hold the rate"):
        compare(report, trials)


@pytest.mark.slow
def test_the_demo_colours_a_persons_own_photographs(tmp_path: Path) -> None:
    """`make demo PHOTOS=DIR` up to the server: rendered once and kept, again if unusable; too few are refused."""
    from study.config import read_settings
    from study.definition import parse_definition
    from study.demo.command import adapt, find_stimuli
    from study.demo.errors import DemoError
    from study.manifest import read_manifest

    photos = tmp_path / "my photos"
    photos.mkdir()
    for path in sorted((ROOT / "samples" / "photos").glob("*-1.jpg"))[:10]:
        shutil.copy(path, photos)
    settings = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "instance")})
    settings.prepare()
    rendered = find_stimuli(settings, photos)
    manifest = read_manifest(rendered)
    assert list(manifest.models) == ["truehue-lite"]
    assert len(manifest.photos) >= 8
    before = (rendered / "manifest.json").stat().st_mtime_ns
    assert find_stimuli(settings, photos) == rendered
    assert (rendered / "manifest.json").stat().st_mtime_ns == before
    next((rendered / "images").iterdir()).unlink()
    assert read_manifest(find_stimuli(settings, photos)).sha256 == manifest.sha256
    definition = parse_definition((ROOT / "study" / "demo" / "demo.toml").read_text(), where="demo.toml")
    assert adapt(definition, manifest).test.n_trials >= 4
    for path in sorted(photos.iterdir())[5:]:
        path.unlink()
    with pytest.raises(DemoError, match="needs 8 or more"):
        adapt(definition, read_manifest(find_stimuli(settings, photos)))


def test_the_golden_export_has_the_shape_that_the_study_writes_today() -> None:
    """The file that the analysis is tested on and the study's writer agree: columns of every table, in order."""
    from study import export
    from study.export.writing import FORMAT

    golden = ROOT / "tests" / "golden" / "export-1"
    tables = {f"{name}.csv": export.TABLES[name] for name in ("trials", "sessions", "answers")}
    for name, columns in tables.items():
        with (golden / name).open(newline="", encoding="utf-8") as file:
            assert next(csv.reader(file)) == [column.name for column in columns], name
    assert json.loads((golden / "study.json").read_text(encoding="utf-8"))["format"] == FORMAT


def test_the_shipped_set_is_what_both_sides_of_the_seam_mean() -> None:
    """The colorizer wrote it (another test renders it again) and the study reads it, every pixel hash checked."""
    from study.manifest import read_manifest

    manifest = read_manifest(ROOT / "study" / "demo" / "stimuli")
    assert len(manifest.photos) == 28
    assert list(manifest.models) == ["truehue-lite"]
    golden = json.loads((ROOT / "tests/golden/export-1/manifest.json").read_text(encoding="utf-8"))
    shipped = json.loads((ROOT / "study/demo/stimuli/manifest.json").read_text(encoding="utf-8"))
    assert golden["format"] == shipped["format"]
    for part in ("images", "stimuli"):
        assert set(golden[part][0]) == set(shipped[part][0]), part
