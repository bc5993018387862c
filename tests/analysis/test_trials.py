"""Reading an export: the golden one whole, and every damaged one refused in one line."""

import json
import shutil
import zipfile

import pandas as pd
import pytest

from analysis import ExportError, read_export
from analysis.columns import ANSWERS, SESSIONS, TRIALS
from analysis.parsing import read_table


def edit_csv(directory, name, change):
    """Apply change(frame of strings) to a table of an export."""
    path = directory / name
    frame = change(pd.read_csv(path, dtype=str, na_filter=False))
    frame.to_csv(path, index=False, lineterminator="\n")


def edit_json(directory, name, change):
    path = directory / name
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def set_cell(column, value, rows=slice(0, 1)):
    def change(frame):
        frame.loc[frame.index[rows], column] = value
        return frame

    return change


def first(frame, **conditions):
    """Row number of the first row with these values."""
    mask = pd.Series(True, index=frame.index)
    for column, value in conditions.items():
        mask &= frame[column] == value
    return frame.index[mask][0]


def test_reads_the_golden_export(golden):
    """The golden export comes back row for row, with types."""
    export = read_export(golden)
    raw = pd.read_csv(golden / "trials.csv", dtype=str, na_filter=False)
    assert len(export.trials) == len(raw) == export.study["n_trials"]
    assert list(export.trials) == [column.name for column in TRIALS]
    assert {column.name for column in TRIALS} <= set(raw)
    assert export.trials["staircase_level_ms"].isna().all()
    assert list(export.sessions) == [column.name for column in SESSIONS]
    assert list(export.answers) == [column.name for column in ANSWERS]
    assert export.trials["fooled"].sum() == (raw["fooled"] == "true").sum() > 0
    assert export.trials["fooled"].isna().sum() == (raw["fooled"] == "").sum() > 0
    assert export.trials["rt_ms"].sum() == pytest.approx(pd.to_numeric(raw["rt_ms"]).sum())
    assert str(export.trials["shown_at_utc"].dt.tz) == "UTC"
    assert export.is_simulated


@pytest.mark.parametrize("folder", ["", "study-export/"])
def test_a_zip_is_the_same(golden, tmp_path, folder):
    """A zip of the files, or of the folder, reads the same as the directory."""
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in golden.rglob("*"):
            archive.write(path, folder + path.relative_to(golden).as_posix())
    zipped, plain = read_export(tmp_path / "export.zip"), read_export(golden)
    pd.testing.assert_frame_equal(zipped.trials, plain.trials)
    assert zipped.sha256 == plain.sha256
    stimulus = plain.manifest["stimuli"][0]
    assert zipped.files.read(stimulus["file"]) == plain.files.read(stimulus["file"])


def test_the_generator_writes_the_golden_export(make_export, tmp_path, golden):
    """The script writes the golden export again, byte for byte (PNG encoders may differ: pixels are named by hash)."""
    again = make_export(tmp_path / "again")
    for name in ("study.json", "manifest.json", "trials.csv", "sessions.csv", "answers.csv", "codebook.csv"):
        assert (again / name).read_bytes() == (golden / name).read_bytes(), name
    names = {path.name for path in (again / "images").iterdir()}
    assert names == {path.name for path in (golden / "images").iterdir()}


def test_further_columns_are_let_be(export_dir):
    """A column that the format does not know is no reason to refuse."""
    edit_csv(export_dir, "trials.csv", lambda frame: frame.assign(mood="fine"))
    assert "mood" not in read_export(export_dir).trials


def test_columns_of_later_versions_may_be_absent(export_dir, golden):
    """An export that was written before they existed gives the same answers."""
    path = export_dir / "trials.csv"
    whole = pd.read_csv(path, dtype=str, na_filter=False)
    late = [column.name for column in TRIALS if column.may_be_absent]
    assert late
    whole.drop(columns=late).to_csv(path, index=False)
    old, new = read_export(export_dir).trials, read_export(golden).trials
    assert (old[late].isna() | (old[late] == "")).all().all()
    pd.testing.assert_frame_equal(old.drop(columns=late), new.drop(columns=late))


@pytest.mark.parametrize(
    ("table", "columns"), [("trials.csv", TRIALS), ("sessions.csv", SESSIONS), ("answers.csv", ANSWERS)]
)
def test_every_column_is_needed(golden, table, columns):
    """Without any one of its columns a table is refused, by the column's name."""
    head = (golden / table).read_text().splitlines()[0].split(",")
    for column in [column.name for column in columns if not column.may_be_absent]:
        data = ",".join(name for name in head if name != column).encode() + b"\n"
        with pytest.raises(ExportError, match=rf"{table}: expected the column {column}, got"):
            read_table(table, data, columns)


DAMAGE = {
    "version": (
        lambda d: edit_json(d, "study.json", lambda c: c.update(format="truehue-export/2")),
        "study.json: expected format 'truehue-export/1', got 'truehue-export/2'",
    ),
    "manifest version": (
        lambda d: edit_json(d, "manifest.json", lambda c: c.update(format="truehue-stimulus-set/9")),
        "manifest.json: expected format 'truehue-stimulus-set/1'",
    ),
    "no json": (lambda d: (d / "study.json").write_text("{"), "study.json: expected JSON"),
    "no object": (lambda d: (d / "study.json").write_text("[]"), "study.json: expected a JSON object, got list"),
    "field": (
        lambda d: edit_json(d, "study.json", lambda c: c.pop("n_trials")),
        "study.json: expected the field n_trials",
    ),
    "missing file": (lambda d: (d / "sessions.csv").unlink(), "expected the file sessions.csv, found none"),
    "missing picture": (lambda d: next((d / "images").iterdir()).unlink(), "expected the file images/"),
    "empty table": (lambda d: (d / "trials.csv").write_text(""), "trials.csv: expected a CSV table with a header"),
    "not utf-8": (lambda d: (d / "answers.csv").write_bytes(b"\xff\xfe,"), "answers.csv: expected a CSV table"),
    "cut short": (
        lambda d: edit_csv(d, "trials.csv", lambda f: f.iloc[:-5]),
        "trials.csv: expected .* rows as study.json",
    ),
    "sessions cut short": (
        lambda d: edit_csv(d, "sessions.csv", lambda f: f.iloc[1:]),
        "sessions.csv: expected 8 rows as study.json says, got 7",
    ),
    "other manifest": (
        lambda d: edit_json(d, "manifest.json", lambda c: c.update(name="another")),
        "manifest.json: expected SHA-256",
    ),
    "other definition": (
        lambda d: edit_json(d, "study.json", lambda c: c["definition"]["analysis"].update(targets=[0.3])),
        "study.json: definition: expected SHA-256",
    ),
    "kind": (
        lambda d: edit_csv(d, "trials.csv", set_cell("kind", "tset")),
        "line 2: kind: expected one of practice, test, catch, got 'tset'",
    ),
    "empty kind": (lambda d: edit_csv(d, "trials.csv", set_cell("kind", "")), "line 2: kind: expected a value"),
    "boolean": (
        lambda d: edit_csv(d, "trials.csv", set_cell("visible", "True")),
        "line 2: visible: expected true or false, got 'True'",
    ),
    "number": (
        lambda d: edit_csv(d, "trials.csv", set_cell("rt_ms", "fast")),
        "line 2: rt_ms: expected a number, got 'fast'",
    ),
    "infinity": (lambda d: edit_csv(d, "trials.csv", set_cell("rt_ms", "inf")), "line 2: rt_ms: expected a number"),
    "negative time": (
        lambda d: edit_csv(d, "trials.csv", set_cell("rt_ms", "-3")),
        "line 2: rt_ms: expected more than 0, got '-3'",
    ),
    "broken count": (
        lambda d: edit_csv(d, "trials.csv", set_cell("plan_index", "1.5")),
        "line 2: plan_index: expected a whole number",
    ),
    "negative count": (
        lambda d: edit_csv(d, "sessions.csv", set_cell("n_trials_void", "-1")),
        "line 2: n_trials_void: expected at least 0",
    ),
    "date": (
        lambda d: edit_csv(d, "trials.csv", set_cell("shown_at_utc", "yesterday")),
        "line 2: shown_at_utc: expected a UTC time",
    ),
    "two lines": (
        lambda d: edit_csv(d, "trials.csv", set_cell("kind", "x", slice(3, 5))),
        r"line 5: kind: .* \(and in 1 more lines\)",
    ),
    "duplicate": (
        lambda d: edit_csv(d, "trials.csv", set_cell("trial_index", "0", slice(0, 2))),
        r"line 3: trial_index: expected each \(session_id, trial_index\) once",
    ),
    "duplicate session": (
        lambda d: edit_csv(d, "sessions.csv", lambda f: pd.concat([f.iloc[:-1], f.iloc[:1]])),
        "sessions.csv: line 9: session_id: expected each session once",
    ),
    "unknown session": (
        lambda d: edit_csv(d, "trials.csv", set_cell("session_id", "nobody")),
        "line 2: session_id: expected a session of sessions.csv, got 'nobody'",
    ),
    "answered twice": (
        lambda d: edit_csv(d, "trials.csv", set_cell("plan_index", "0", slice(1, 2))),
        "line 3: plan_index: expected each place of a session's plan answered once",
    ),
    "unknown condition": (
        lambda d: edit_csv(d, "trials.csv", set_cell("condition_a", "deoldify")),
        "line 2: condition_a: expected a condition of manifest.json .*, got 'deoldify'",
    ),
    "unknown stimulus": (
        lambda d: edit_csv(d, "trials.csv", set_cell("stimulus_b", "0000")),
        "line 2: stimulus_b: expected a stimulus of manifest.json, got '0000'",
    ),
    "stimulus of another photograph": (
        lambda d: edit_csv(d, "trials.csv", set_cell("image_id", "photo-001")),
        "line 2: stimulus_a: expected the row's image_id and condition",
    ),
    "stimuli without condition": (
        lambda d: edit_json(d, "manifest.json", lambda c: c["stimuli"][0].pop("condition")) or rehash(d),
        "manifest.json: stimuli: expected the field condition in every entry",
    ),
}


def rehash(directory):
    """Make study.json name the changed manifest, so that the next check is reached."""
    import hashlib

    digest = hashlib.sha256((directory / "manifest.json").read_bytes()).hexdigest()
    edit_json(directory, "study.json", lambda c: c.update(manifest_sha256=digest))


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused_in_one_line(export_dir, name):
    """Each way to damage an export is found; the message is one line with expected, got and a next step."""
    damage, message = DAMAGE[name]
    damage(export_dir)
    with pytest.raises(ExportError, match=message) as caught:
        read_export(export_dir)
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value)


@pytest.mark.parametrize(("kind", "column"), [("test", "fooled"), ("test", "chosen_stimulus"), ("test", "said_real")])
def test_derived_columns_must_follow_from_the_response(export_dir, kind, column):
    """A derived value that contradicts the raw response is refused, on its line."""
    frame = pd.read_csv(export_dir / "trials.csv", dtype=str, na_filter=False)
    row = first(frame, kind=kind, void_reason="")
    wrong = {"true": "false", "false": "true"}.get(frame.loc[row, column], "")
    frame.loc[row, column] = wrong
    frame.to_csv(export_dir / "trials.csv", index=False)
    with pytest.raises(ExportError, match=f"line {row + 2}: {column}: expected"):
        read_export(export_dir)


def test_instructed_trials_have_no_fooled(export_dir):
    """A value in `fooled` of an instructed trial is refused."""
    frame = pd.read_csv(export_dir / "trials.csv", dtype=str, na_filter=False)
    row = first(frame, control="instructed", void_reason="")
    frame.loc[row, "fooled"] = "false"
    frame.to_csv(export_dir / "trials.csv", index=False)
    with pytest.raises(ExportError, match=f"line {row + 2}: fooled: expected empty for void"):
        read_export(export_dir)


def test_a_truncated_zip_is_refused(golden, tmp_path):
    """Half of a zip is no zip, and a zip with a damaged file says which."""
    whole = shutil.make_archive(str(tmp_path / "whole"), "zip", golden)
    data = (tmp_path / "whole.zip").read_bytes()
    (tmp_path / "half.zip").write_bytes(data[: len(data) // 2])
    with pytest.raises(ExportError, match=r"half.zip: expected a complete zip"):
        read_export(tmp_path / "half.zip")
    place = data.index(b"trials.csv") + 400
    (tmp_path / "bad.zip").write_bytes(data[:place] + bytes(40) + data[place + 40 :])
    with pytest.raises(ExportError, match=r"expected trials.csv to be readable"):
        read_export(tmp_path / "bad.zip")
    assert read_export(whole)


def test_nothing_there_is_refused(tmp_path):
    """A path without anything, and an empty directory, say what was looked for."""
    with pytest.raises(ExportError, match="found nothing there"):
        read_export(tmp_path / "nowhere")
    with pytest.raises(ExportError, match=r"expected the file study.json, found none"):
        read_export(tmp_path)


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "images/../../x", "images\\x.png"])
def test_paths_stay_inside_the_export(golden, path):
    """A path that leads out of the export is never followed."""
    with pytest.raises(ExportError, match="expected paths inside the export"):
        read_export(golden).files.read(path)
