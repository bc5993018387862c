"""Datasets for others: Psych-DS and Parquet hold the export, cell by cell, and bundles come out again."""

import csv
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import NOW

from study.dataout import DatasetError, check_dataset, reproduce, write_bundle
from study.dataout.bundle import last_change
from study.dataout.reproduce import compare_numbers
from study.export import TABLES, write_export
from study.simulate import Parameters, simulate


@pytest.fixture
def filled(desk, study):
    rates = {"lite": 0.3, "random": 0.1}
    simulate(desk, study, n_participants=5, rates=rates, parameters=Parameters(drop_out=0.3), now=NOW)
    return study


@pytest.fixture
def bundle(desk, settings, filled, tmp_path):
    def make(out="set", kind="psych-ds", **options):
        given = {"with_results": False, **options}
        return write_bundle(desk.database, settings.stimuli, filled.id, tmp_path / out, kind=kind, **given)

    return make


def codes(path: Path, level: str = "error") -> set[str]:
    return {issue.code for issue in check_dataset(path) if issue.level == level}


def test_the_dataset_keeps_every_rule_of_psych_ds(bundle):
    """No error, and of the warnings only those that a researcher alone can mend."""
    issues = check_dataset(bundle("set.zip"))
    assert {issue.level for issue in issues} <= {"warning"}
    assert {issue.code for issue in issues} == {"JSON_KEY_RECOMMENDED"}
    words = dict.fromkeys(("author", "citation", "funder", "license", "privacyPolicy", "url"), "https://example.org/")
    assert check_dataset(bundle("described", described=words)) == []


def test_the_same_data_give_the_same_bytes(bundle):
    """Whenever it is written."""
    assert bundle("a.zip").read_bytes() == bundle("b.zip").read_bytes()


@pytest.mark.outside
def test_the_script_in_the_bundle_rebuilds_the_export(bundle, desk, settings, filled, tmp_path):
    """Every file of the export, byte for byte, by the bundle's own script and the standard library."""
    root = bundle()
    script = [sys.executable, "-I", str(root / "analysis" / "rerun_report.py"), "--export-only", "--out"]
    subprocess.run([*script, str(tmp_path / "again")], check=True)
    with desk.database.reading() as connection:
        last = last_change(connection, filled.id)
    export = write_export(desk.database, settings.stimuli, filled.id, tmp_path / "export", now=last)
    files = {p.relative_to(export): p.read_bytes() for p in export.rglob("*") if p.is_file()}
    assert {p.relative_to(tmp_path / "again"): p.read_bytes() for p in (tmp_path / "again").rglob("*.*")} == files


@pytest.mark.outside
def test_a_bundle_comes_out_again_and_every_change_of_it_is_told(bundle, tmp_path):
    """Plan, pixels and report: what was altered, and nothing else."""
    whole = bundle("whole.zip", with_results=True)
    told = []
    assert reproduce(whole, tell=told.append) == []
    assert [line.split(":")[0] for line in told] == ["plan", "pixels", "report"]
    assert "files compared" in told[2]

    root = tmp_path / "changed"
    with zipfile.ZipFile(whole) as archive:
        archive.extractall(root)
    table = next(path for path in sorted((root / "data").glob("*_session-*")) if path.read_text().count("\n") > 4)
    rows = list(csv.reader(io.StringIO(table.read_text())))
    at = rows[0].index("side_of_a")
    rows[3][at] = "left" if rows[3][at] == "right" else "right"
    with table.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    one, other = sorted((root / "materials" / "images").iterdir())[:2]
    one.write_bytes(other.read_bytes())
    found = reproduce(root)
    assert [d.part for d in found if d.part != "report"] == ["plan", "pixels"]
    assert "side_of_a" in found[0].message
    assert found[1].where == f"images/{one.name}"
    assert "made none" in found[2].message  # the analysis refuses rows that contradict themselves


def test_numbers_that_differ_are_named():
    """Of a report's numbers and of its provenance."""
    old = {"title": "a", "fool_rates": [1], "provenance": {"analysed with": "x", "definition": "d"}}
    new = {"title": "a", "fool_rates": [2], "provenance": {"analysed with": "y", "definition": "d"}}
    assert [d.message for d in compare_numbers(old, new)] == [
        "fool_rates differs",
        "analysed with: was 'x', is 'y'",
    ]


def test_bad_bundles_are_one_line(tmp_path, bundle):
    """What is no bundle, and what leads out of a zip."""
    (tmp_path / "none").mkdir()
    with pytest.raises(DatasetError, match="found no study"):
        reproduce(tmp_path / "none")
    (tmp_path / "bad.zip").write_bytes(b"PK")
    with pytest.raises(DatasetError, match="whole zip"):
        reproduce(tmp_path / "bad.zip")
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("../study.json", "{}")
    with pytest.raises(DatasetError, match="leads out"):
        check_dataset(tmp_path / "out.zip")
    bundle("there")
    with pytest.raises(DatasetError, match="exists"):
        bundle("there")
    with pytest.raises(DatasetError, match="--describe"):
        bundle("other", described={"nonsense": "x"})


def _dataset(root: Path, **changes: object) -> Path:
    (root / "data").mkdir(parents=True)
    (root / "data" / "study-a_session-1_data.csv").write_text("row_id,x\n1,2\n2,2\n")
    metadata = {
        "@context": "https://schema.org/", "@type": "Dataset", "name": "n", "description": "d",
        "variableMeasured": ["row_id", {"@type": "PropertyValue", "name": "x"}],
    }  # fmt: skip
    (root / "dataset_description.json").write_text(json.dumps(metadata | changes))
    return root


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("dataset_description.json", None, "MISSING_DATASET_DESCRIPTION"),
        ("dataset_description.json", "{", "INVALID_JSON_FORMATTING"),
        ("dataset_description.json", b"\xff", "JSON_ENCODING_ERROR"),
        ("data/study-a_session-1_data.csv", None, "MISSING_DATAFILE"),
        ("data/study-a_data2.csv", "x\n1\n", "FILENAME_KEYWORD_FORMATTING_ERROR"),
        ("data/Study-a_data.csv", "x\n1\n", "FILENAME_KEYWORD_FORMATTING_ERROR"),
        ("data/study-a-b_data.csv", "x\n1\n", "FILENAME_KEYWORD_FORMATTING_ERROR"),
        ("data/study-b_data.csv", "", "CSV_HEADER_MISSING"),
        ("data/study-b_data.csv", "x,row_id\n1\n", "CSV_HEADER_LENGTH_MISMATCH"),
        ("data/study-b_data.csv", "x,x\n1,1\n", "CSV_FORMATTING_ERROR"),
        ("data/study-b_data.csv", b"x\n\xff\n", "CSV_FORMATTING_ERROR"),
        ("data/study-b_data.csv", "x,y\n1,1\n", "CSV_COLUMN_MISSING_FROM_METADATA"),
        ("data/deep/study-b_data.csv", "row_id\n1\n1\n", "ROWID_VALUES_NOT_UNIQUE"),
    ],
)
def test_the_checker_finds_each_broken_rule(tmp_path, file, content, code):
    """A sound dataset has no error; each change makes the one that the schema names."""
    root = _dataset(tmp_path / "set")
    assert codes(root) == set()
    path = root / file
    if content is None:
        path.unlink()
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert code in codes(root)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": ""}, "JSON_KEY_REQUIRED"),
        ({"@context": "https://example.org/"}, "JSON_KEY_REQUIRED"),
        ({"@type": "Person"}, "INCORRECT_DATASET_TYPE"),
        ({"variableMeasured": ["row_id"]}, "CSV_COLUMN_MISSING_FROM_METADATA"),
        ({"variableMeasured": ["row_id", "x", "idle"]}, "VARIABLE_MISSING_FROM_CSV_COLUMNS"),
    ],
)
def test_the_checker_reads_the_description(tmp_path, changes, code):
    """What the description must say, in schema.org's words."""
    assert code in codes(_dataset(tmp_path / "set", **changes))


def test_unofficial_keywords_are_only_a_warning(tmp_path):
    """They are permitted."""
    root = _dataset(tmp_path / "set")
    (root / "data" / "house-a_data.csv").write_text("x\n1\n")
    assert codes(root) == set()
    assert "FILENAME_UNOFFICIAL_KEYWORD_WARNING" in codes(root, "warning")


def test_parquet_holds_the_export_with_types(bundle, desk, settings, filled, tmp_path):
    """Each cell of the CSV tables is the value of the Parquet ones."""
    from pyarrow import parquet

    root = bundle("tables", "parquet")
    export = write_export(desk.database, settings.stimuli, filled.id, tmp_path / "export", now=NOW)
    for table, columns in TABLES.items():
        stored = parquet.read_table(root / f"{table}.parquet")
        assert stored.schema.field(columns[0].name).metadata[b"description"].decode() == columns[0].description
        rows = list(csv.DictReader(io.StringIO((export / f"{table}.csv").read_bytes().decode(), newline="")))
        assert stored.num_rows == len(rows)
        for stored_row, row in zip(stored.to_pylist(), rows, strict=True):
            for column in columns:
                value, text = stored_row[column.name], row[column.name]
                if column.type == "number" and text:
                    assert value == float(text)
                elif value is None:
                    assert text == ""
                else:
                    assert (str(value).lower() if isinstance(value, bool) else str(value)) == text


def test_a_dataset_of_nobody_keeps_the_rules(desk, settings, study, tmp_path):
    """Before the first participant."""
    root = write_bundle(
        desk.database, settings.stimuli, study.id, tmp_path / "empty", kind="psych-ds", with_results=False
    )
    assert codes(root) == set()
    assert "No results" in (root / "results" / "README.md").read_text()
