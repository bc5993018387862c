"""`reproduce` and `check-dataset`: every change of a bundle is told, and what is no bundle is one line."""

import csv
import json
import shutil
import sys

import pytest
from conftest import NOW

from study.dataout import DatasetError, check_dataset, reproduce, write_bundle
from study.export import write_export
from study.simulate import Parameters, simulate


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


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_of_an_export_is_told(exported, report, name):
    """What was changed, where, and nothing else."""
    told = []
    assert reproduce(exported, tell=told.append) == []
    assert told[2] == "report: none can be made (no analysis here)"
    part, change = CHANGES[name]
    change(exported)
    found = reproduce(exported)
    assert {difference.part for difference in found} == {part}
    if name in WORDS:
        assert [next(w for w in WORDS[name] if w in d.message) for d in found] == WORDS[name]


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
