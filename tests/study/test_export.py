"""The export is what the database holds and what docs/formats.md says."""

import csv
import hashlib
import io
import json
import re
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import NOW

from study.export import TABLES, ExportError, cell, write_export
from study.manifest import read_manifest
from study.simulate import Parameters, simulate

FORMATS = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return re.split(r"\n###? ", FORMATS.split(f"### {title}\n", 1)[1], maxsplit=1)[0]


def documented(table: str) -> list[str]:
    """Columns as docs/formats.md has them: a table for trials, a sentence for the others."""
    text = section(f"{table}.csv")
    if table == "trials":
        cells = re.findall(r"^\| (`[^|]*`) \|", text, flags=re.MULTILINE)
        return [name for cell_ in cells for name in re.findall(r"`(\w+)`", cell_)]
    outside = re.sub(r"\([^()]*\)", "", text)
    return [name for group in re.findall(r"`([\w,\s]+)`", outside) for name in re.split(r",\s*", group.strip())]


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def exported(participant, desk, settings, study, tmp_path):
    participant.begin()
    participant.void()
    participant.finish_trials()
    participant.fill_in(strategy='blue, "greenish"\r\nsky – 色 🎨')
    return write_export(desk.database, settings.stimuli, study.id, tmp_path / "export", now=NOW)


@pytest.mark.parametrize("table", list(TABLES))
def test_columns_are_the_documented_ones_in_their_order(table):
    """docs/formats.md and the code cannot drift apart."""
    assert [column.name for column in TABLES[table]] == documented(table)


def test_values_that_the_docs_list_are_the_codes(exported):
    """Kinds, controls, sides … in the codebook are those of docs/formats.md."""
    text = section("trials.csv")
    for column in TABLES["trials"]:
        line = next(line for line in text.splitlines() if f"`{column.name}`" in line)
        listed = re.findall(r"`([\w]+)`", line.split("|")[3])
        if listed:
            assert column.values.split(", ") == listed


def test_the_tables_hold_what_the_database_holds(exported, participant, study):
    """Row by row: place, pictures, response, and what is derived from them."""
    table = rows(exported, "trials")
    state = participant.state
    assert len(table) == len(participant.rows) == 9
    assert [int(row["trial_index"]) for row in table] == list(range(9))
    for row, stored in zip(table, participant.rows, strict=True):
        assert row["session_id"] == state.session_id
        assert row["stimulus_a"] == stored.stimulus_a
        assert row["response"] == stored.response
        assert row["definition_sha256"] == study.definition_sha256
        assert row["manifest_sha256"] == study.manifest.sha256
        if stored.void_reason:
            derived = ("chosen_stimulus", "said_real", "fooled", "correct", "rt_ms", "exposure_ms_achieved")
            assert [row[name] for name in derived] == [""] * 6
            continue
        chose_a = row["response"] == row["side_of_a"]
        assert row["chosen_stimulus"] == row["stimulus_a" if chose_a else "stimulus_b"]
        if row["control"] == "instructed":
            assert (row["said_real"], row["fooled"]) == ("", "")
            assert row["correct"] == str(row["response"] == row["instructed_response"]).lower()
        else:
            assert row["said_real"] == row["stimulus_b" if chose_a else "stimulus_a"]
            assert row["fooled"] == str(not chose_a).lower()
            assert row["correct"] == str(chose_a).lower()
        assert row["exposure_ms_achieved"] == "983.4"
        is_first = row["order_of_a"] == "first"
        assert row["frames_a"] == ("60" if is_first else "59")
        assert row["dropped_frames"] == "1"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["answered_at_utc"])


def test_sessions_and_answers(exported, participant, make_participant, desk, settings, study, tmp_path):
    """People without a trial are rows too; commas, quotes, newlines and any script survive."""
    make_participant().agree()
    folder = write_export(desk.database, settings.stimuli, study.id, tmp_path / "again", now=NOW)
    complete, idle = rows(folder, "sessions")
    assert (complete["status"], complete["n_trials_answered"], complete["n_trials_void"]) == ("complete", "8", "1")
    assert (idle["status"], idle["n_trials_answered"], idle["completed_at_utc"]) == ("consented", "0", "")
    answers = {row["item_id"]: row for row in rows(folder, "answers")}
    assert answers["strategy"]["answer"] == 'blue, "greenish"\nsky – 色 🎨'
    assert answers["difficulty"]["question"] == "How hard was it to find the fake colours?"
    assert json.loads((folder / "study.json").read_text())["n_sessions"] == 2


def test_study_json_has_the_documented_fields(exported, study):
    """All of them, and the hashes are right."""
    info = json.loads((exported / "study.json").read_text())
    text = FORMATS.split("`study.json`:", 1)[1].split("### trials.csv", 1)[0]
    names = [
        name
        for line in re.findall(r"^\| (`[^|]*`) \|", text, flags=re.MULTILINE)
        for name in re.findall(r"`(\w+)`", line)
    ]
    assert list(info) == names
    manifest = (exported / "manifest.json").read_bytes()
    assert info["manifest_sha256"] == hashlib.sha256(manifest).hexdigest()
    canonical = json.dumps(info["definition"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert info["definition_sha256"] == hashlib.sha256(canonical.encode()).hexdigest()
    assert (info["is_simulated"], info["simulation"], info["study_seed"]) == (False, None, study.seed)
    assert info["exported_at_utc"] == "2026-11-22T10:00:00.000Z"


def test_the_exported_stimulus_set_is_whole(exported, study):
    """It passes the same checks as the one that was imported."""
    assert read_manifest(exported) == study.manifest


def test_the_codebook_explains_every_column(exported):
    """One line per column of the three tables."""
    with (exported / "codebook.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["table"], line["column"]) for line in lines] == [
        (table, column.name) for table, columns in TABLES.items() for column in columns
    ]
    assert all(line["description"].endswith((".", "empty")) for line in lines)


def test_folder_and_zip_hold_the_same_bytes_every_time(exported, desk, settings, study, tmp_path):
    """Apart from exported_at_utc nothing depends on when it was written."""
    one = write_export(desk.database, settings.stimuli, study.id, tmp_path / "one.zip", now=NOW)
    later = write_export(desk.database, settings.stimuli, study.id, tmp_path / "two.zip", now=NOW)
    assert one.read_bytes() == later.read_bytes()
    other = write_export(desk.database, settings.stimuli, study.id, tmp_path / "3.zip", now=NOW + timedelta(days=1))
    with zipfile.ZipFile(io.BytesIO(one.read_bytes())) as a, zipfile.ZipFile(other) as b:
        assert a.namelist() == b.namelist()
        for name in a.namelist():
            assert (a.read(name) == b.read(name)) == (name != "study.json")
            assert a.read(name) == (exported / name).read_bytes()


def test_an_export_never_overwrites_and_leaves_nothing_half_written(
    exported, desk, settings, study, tmp_path, monkeypatch
):
    """An existing target is an error; a failure in the middle leaves no trace."""
    with pytest.raises(ExportError, match="exists"):
        write_export(desk.database, settings.stimuli, study.id, exported, now=NOW)

    def broken(*_: object) -> object:
        raise OSError("disk full")

    monkeypatch.setattr("study.export.writing._write_table", broken)
    before = sorted(tmp_path.iterdir())
    for name in ("new", "new.zip"):
        with pytest.raises(OSError, match="disk full"):
            write_export(desk.database, settings.stimuli, study.id, tmp_path / name, now=NOW)
    assert sorted(tmp_path.iterdir()) == before


def test_simulated_data_say_so_everywhere(desk, settings, make_study, tmp_path):
    """In every row, in study.json, with the stated truth."""
    study = make_study()
    truth = simulate(
        desk, study, n_participants=2, rates={"lite": 0.3, "random": 0.1}, parameters=Parameters(), now=NOW
    )
    folder = write_export(desk.database, settings.stimuli, study.id, tmp_path / "s", now=NOW)
    assert {row["is_simulated"] for table in ("trials", "sessions") for row in rows(folder, table)} == {"true"}
    info = json.loads((folder / "study.json").read_text())
    assert info["is_simulated"] is True
    assert info["simulation"] == truth
    assert info["simulation"]["fool_rate"] == {"lite": 0.3, "random": 0.1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (60.0, "60"),
        (0.1, "0.1"),
        (NOW, "2026-11-22T10:00:00.000Z"),
        (3, "3"),
    ],
)
def test_cells(value, text):
    """Booleans, numbers, times and what was not observed."""
    assert cell(value) == text
