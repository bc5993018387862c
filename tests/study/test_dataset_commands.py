"""`reproduce` and `check-dataset`: every change of a bundle is told, and what is no bundle is one line."""

import csv
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import NOW

from study import audit, lifecycle
from study.dataout import DatasetError, check_dataset, reproduce, rerun_report, write_bundle
from study.dataout.parquet import write_parquet
from study.dataout.psychds import arrange
from study.export import write_export
from study.simulate import Parameters, simulate
from study.studies import create_study


def test_a_dataset_whose_folders_and_description_are_odd(tmp_path):
    """No data folder; a description that is a list; one below the top; a variable without its type."""
    (tmp_path / "dataset_description.json").write_text("[]")
    codes = {issue.code for issue in check_dataset(tmp_path)}
    assert {"MISSING_DATA_DIRECTORY", "INVALID_JSONLD_FORMATTING"} <= codes
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset_description.json").write_text("{}")
    (tmp_path / "dataset_description.json").write_text(
        '{"https://schema.org/name": "x", "https://schema.org/variableMeasured": [{"name": "row_id"}]}'
    )
    codes = {issue.code for issue in check_dataset(tmp_path)}
    assert {"WRONG_METADATA_LOCATION", "OBJECT_TYPE_MISSING", "MISSING_DATASET_TYPE"} <= codes
    assert "MISSING_DATA_DIRECTORY" not in codes


def test_the_check_of_a_dataset_prints_what_is_wrong_and_counts_it(app, tmp_path):
    """Status 1 with errors."""
    done = app.test_cli_runner().invoke(args=["check-dataset", str(tmp_path)])
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert "error MISSING_DATA_DIRECTORY : expected the folder data at the top" in lines
    n_errors = sum(line.startswith("error ") for line in lines)
    assert lines[-1] == f"{n_errors} errors, {len(lines) - 1 - n_errors} warnings"


RATES = {"lite": 0.3, "random": 0.1}


@pytest.fixture
def exported(desk, settings, study, tmp_path):
    """The export of three simulated participants."""
    simulate(desk, study, n_participants=3, rates=RATES, parameters=Parameters(seed=4), now=NOW)
    return write_export(desk.database, settings.stimuli, study.id, tmp_path / "export", now=NOW)


@pytest.fixture
def report(monkeypatch):
    """The analysis, which takes seconds: it fails with this reason, or leaves these numbers and one table."""
    made = {"why": "no analysis here", "numbers": {"fool_rates": [1], "provenance": {}}, "tables": {"a.csv": "x\n1\n"}}

    def run_report(_, out):
        if not made["why"]:
            (out / "tables").mkdir(parents=True)
            (out / "report.json").write_text(json.dumps(made["numbers"]))
            for name, text in made["tables"].items():
                (out / "tables" / name).write_text(text)
        return made["why"]

    monkeypatch.setattr(sys.modules[reproduce.__module__], "run_report", run_report)  # its name is the function's too
    return made


def change_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_rows(path, change):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    fields = list(rows[0])
    rows = change(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def of_first(**values):
    return lambda rows: [rows[0] | values, *rows[1:]]


CHANGES = {
    "another definition": ("definition", lambda e: change_json(e / "study.json", definition_sha256="0" * 64)),
    "another set": ("stimulus set", lambda e: change_json(e / "study.json", manifest_sha256="0" * 64)),
    "another arm": ("plan", lambda e: change_rows(e / "sessions.csv", of_first(arm="deep"))),
    "no seed": ("plan", lambda e: change_rows(e / "sessions.csv", of_first(session_seed=""))),
    "a session too few": ("plan", lambda e: change_rows(e / "sessions.csv", lambda rows: rows[1:])),
    "a trial too few": ("plan", lambda e: change_rows(e / "trials.csv", lambda rows: rows[1:])),
    "a trial too many": ("plan", lambda e: change_rows(e / "trials.csv", lambda rows: [*rows, rows[-1]])),
    "a lost picture": ("pixels", lambda e: next((e / "images").iterdir()).unlink()),
    "a damaged picture": ("pixels", lambda e: next((e / "images").iterdir()).write_bytes(b"\x89PNG\r\n\x1a\n")),
}
WORDS = {
    "another arm": ["the study's seed deals another to this place", "its arm or seed is none of the study's"],
    "no seed": ["its arm or seed is none of the study's"],
    "a session too few": ["has trials but no row in the table of sessions"],
    "a trial too few": ["the plan has no such trial at this place"],
    "a trial too many": ["the plan has no such trial at this place"],
}


def test_every_change_of_an_export_is_told(exported, report, tmp_path):
    """What was changed, where, and nothing else."""
    told = []
    assert reproduce(exported, tell=told.append) == []
    assert told[2] == "report: none can be made (no analysis here)"
    for name, (part, change) in CHANGES.items():
        changed = tmp_path / name
        shutil.copytree(exported, changed)
        change(changed)
        found = reproduce(changed)
        assert {difference.part for difference in found} == {part}, name
        if name in WORDS:
            assert [next(w for w in WORDS[name] if w in d.message) for d in found] == WORDS[name], name


def test_results_are_compared_file_by_file(exported, report):
    """None kept, the same, other numbers, another table, one more, one less, and a report that cannot be made."""
    report["why"], told = "", []
    assert reproduce(exported, tell=told.append) == []
    assert told[2] == "report: made; the bundle holds no results to compare with"
    kept = exported / "results"
    (kept / "tables").mkdir(parents=True)
    (kept / "report.json").write_text(json.dumps(report["numbers"]))
    (kept / "tables" / "a.csv").write_text("x\n1\n")
    assert reproduce(exported) == []
    report["numbers"] = {"fool_rates": [2], "provenance": {}}
    report["tables"] = {"a.csv": "x\n2\n", "new.csv": "y\n"}
    (kept / "tables" / "gone.csv").write_text("z\n")
    assert {(d.where, d.message) for d in reproduce(exported)} == {
        ("results/report.json", "fool_rates differs"),
        ("results/tables/a.csv", "the tables differ"),
        ("results/tables/gone.csv", "is only in the bundle"),
        ("results/tables/new.csv", "is new"),
    }
    report["why"] = "rows contradict themselves"
    (difference,) = reproduce(exported)
    assert (difference.part, difference.message) == ("report", "the analysis made none: rows contradict themselves")


def test_a_dataset_that_lacks_a_part_is_one_line(desk, settings, study, tmp_path, report):
    """It says to export it again."""
    root = write_bundle(desk.database, settings.stimuli, study.id, tmp_path / "b", kind="psych-ds", with_results=False)
    assert reproduce(root) == []
    shutil.rmtree(root / "materials")
    with pytest.raises(DatasetError, match=r"parts of the dataset are missing .*; export it again"):
        reproduce(root)


def test_the_command_shows_the_first_differences_and_how_many_more(app, exported, report):
    """Status 0 and `identical`, or status 1; what is no bundle has status 2."""
    run = app.test_cli_runner().invoke
    done = run(args=["reproduce", str(exported)])
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "identical")
    table = exported / "trials.csv"

    def turn(n):
        other = {"left": "right", "right": "left"}
        return lambda rows: [r | {"side_of_a": other[r["side_of_a"]]} if k < n else r for k, r in enumerate(rows)]

    change_rows(table, turn(20))
    lines = run(args=["reproduce", str(exported)]).output.splitlines()
    assert sum(line.startswith("NOT IDENTICAL plan: ") for line in lines) == 20
    assert not any("more" in line for line in lines)
    change_rows(table, turn(20))
    change_rows(table, turn(23))
    done = run(args=["reproduce", str(exported)])
    assert (done.exit_code, done.output.splitlines()[-1]) == (1, "… and 3 more")
    assert sum(line.startswith("NOT IDENTICAL") for line in done.output.splitlines()) == 20
    (exported / "study.json").unlink()
    done = run(args=["reproduce", str(exported)])
    assert (done.exit_code, done.output.count("\n")) == (2, 1)


def test_a_sound_dataset_has_no_errors_and_status_0(app, desk, settings, study, tmp_path):
    """Warnings are no reason to stop."""
    write_bundle(desk.database, settings.stimuli, study.id, tmp_path / "b", kind="psych-ds", with_results=False)
    done = app.test_cli_runner().invoke(args=["check-dataset", str(tmp_path / "b")])
    assert done.exit_code == 0
    assert done.output.splitlines()[-1].startswith("0 errors, ")


def test_tables_that_cannot_be_parquet_are_one_line(exported, tmp_path, monkeypatch):
    """Columns of another version; no pyarrow."""
    change_rows(exported / "trials.csv", lambda rows: rows)
    text = (exported / "trials.csv").read_text()
    (exported / "trials.csv").write_text(text.replace("side_of_a", "side", 1))
    with pytest.raises(DatasetError, match=r"trials\.csv: its columns are not the documented ones"):
        write_parquet(exported, tmp_path / "p")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(DatasetError, match=r"--format parquet needs pyarrow; run: pip install 'truehue\[parquet\]'"):
        write_parquet(exported, tmp_path / "q")
    assert not (tmp_path / "q").exists()


def test_a_zip_that_would_fill_the_disk_is_not_unpacked(tmp_path, monkeypatch):
    """It can be unpacked by hand and named."""
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("study.json", "{}" * 20)
    monkeypatch.setattr("study.dataout.archives.MAX_UNPACKED_BYTES", 39)
    with pytest.raises(DatasetError, match=r"unpacks to more than .* GB; unpack it and name the folder"):
        reproduce(tmp_path / "b.zip")


@pytest.mark.parametrize("kind", ["psych-ds", "parquet"])
def test_a_draft_has_no_preregistration_and_its_bundle_says_why_there_are_no_results(
    desk, settings, stimuli, small, tmp_path, monkeypatch, kind
):
    """Nobody came, so the analysis makes no report."""
    study = create_study(desk.database, settings.stimuli, small, stimuli, slug="draft", now=NOW, seed=7)
    monkeypatch.setattr("study.dataout.bundle.run_report", lambda *_: "nobody took part")
    root = write_bundle(desk.database, settings.stimuli, study.id, tmp_path / "b", kind=kind)
    assert not list(root.rglob("preregistration.*"))
    if kind == "psych-ds":
        assert "nobody took part" in (root / "results" / "README.md").read_text()


def test_the_script_in_a_dataset_puts_the_export_together_or_runs_the_analysis_on_it(
    desk, settings, study, tmp_path, monkeypatch
):
    """Its status is the analysis's."""
    root = write_bundle(desk.database, settings.stimuli, study.id, tmp_path / "b", kind="psych-ds", with_results=False)
    monkeypatch.setattr(rerun_report, "DATASET", root)
    monkeypatch.setattr(sys, "argv", ["rerun_report.py", "--export-only", "--out", str(tmp_path / "export")])
    assert rerun_report.main() == 0
    assert (tmp_path / "export" / "trials.csv").is_file()
    ran = []

    def run(command, *, cwd, check):
        ran.append((command[1:], (Path(cwd) / "export" / "study.json").is_file()))
        return subprocess.CompletedProcess(command, 2)

    monkeypatch.setattr(rerun_report.subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["rerun_report.py", "--out", str(tmp_path / "report")])
    assert rerun_report.main() == 2
    assert ran == [(["-m", "analysis", "report", "export", "--out", str(tmp_path / "report")], True)]


def test_a_set_without_originals_gives_a_dataset_without_pictures(exported, tmp_path):
    """An export's folder of images may be left out; nothing else of the dataset needs it."""
    shutil.rmtree(exported / "images")
    arrange(exported, tmp_path / "out", described={})
    assert not (tmp_path / "out" / "materials" / "images").exists()
    assert (tmp_path / "out" / "dataset_description.json").is_file()


def test_the_command_writes_down_who_looked_while_people_came_in(app, desk, study, tmp_path):
    """A simulated study has no secret; a closed one neither."""
    run = app.test_cli_runner().invoke

    def n_noted():
        with desk.database.reading() as connection:
            return sum(row.action == "data unblinded" for row in audit.read(connection))

    done = run(args=["export", "small", "--out", str(tmp_path / "a")])
    assert (done.exit_code, n_noted()) == (0, 1)
    words = ["--describe", "license=CC0", "--no-results"]
    done = run(args=["export", "small", "--out", str(tmp_path / "b.zip"), "--format", "psych-ds", *words])
    assert (done.exit_code, n_noted()) == (0, 2), done.output
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("dataset_description.json"))
        assert json.loads(archive.read(name))["license"] == "CC0"
    lifecycle.change(desk.database, "small", "closed", actor="me", now=NOW)
    assert run(args=["export", "small", "--out", str(tmp_path / "c")]).exit_code == 0
    assert n_noted() == 2
