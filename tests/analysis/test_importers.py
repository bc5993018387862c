"""Other tools' files: AMT_Real_vs_Fake's own numbers to the last bit, its trials as they were; jsPsych's data."""

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis.cli import main
from analysis.importers.amt import AmtError, read_amt, tool_numbers
from analysis.importers.jspsych import JsPsychError, read_jspsych

# 9 assignments × 14 trials made up by hand-written code in that tool's format: Python's numbering, missing answers,
# catch trials, one worker twice, one rejected assignment.
AMT = Path(__file__).parent / "fixtures" / "amt_real_vs_fake.csv"

# Printed by the published process_csv.py (commit f488d04) run on that file with numpy.random.seed(0), --N_practice 4,
# --N_imgs 14 and 500 bootstrap samples: system, trials, mean, bootstrap mean, bootstrap standard deviation.
PUBLISHED = [
    ("baseline", 25, 0.12000316798859523, 0.11146448469226362, 0.0857897566114409),
    ("ours", 42, 0.33333476190170064, 0.3284371897034448, 0.08523299199105776),
    ("vigilance", 23, 0.04348200376607203, 0.04252939486849458, 0.05566620338454369),
]


def test_the_tools_own_numbers_are_reproduced():
    """Means and the nested bootstrap equal the published program's, mistakes included."""
    rows = tool_numbers([AMT], n_practice=4, n_bootstrap=500, seed=0)
    for row, expected in zip(rows, PUBLISHED, strict=True):
        assert (row.condition, row.n_trials) == expected[:2]
        assert (row.mean, row.bootstrap_mean, row.bootstrap_sd) == pytest.approx(expected[2:], abs=1e-12)


def test_what_the_tool_gets_wrong_is_counted():
    """Missing answers, catch trials, a worker with two assignments, a rejected one."""
    study = read_amt([AMT], n_practice=4)
    assert study.real == "gt"
    found = {finding.name: finding.n for finding in study.findings}
    assert found["missing_answer"] == 3
    assert found["catch_kept"] == 23
    assert found["repeated_worker"] == 1
    assert found["rejected"] == 1


def test_trials_are_scored_as_they_were_answered():
    """Fooled where the real picture was called fake; empty where nothing was answered; practice and catch apart."""
    raw = pd.read_csv(AMT, dtype=str)
    trials = read_amt([AMT], n_practice=4).trials
    assert len(trials) == 9 * 14
    for row in trials.itertuples():
        source = raw.iloc[row.line - 2]
        answer = source[f"Answer.selection{row.trial_index}"]
        fake = source[f"Input.images_{'right' if row.side_of_real == 'left' else 'left'}{row.trial_index}"]
        assert f"{row.condition}/{row.image}" == fake
        assert row.fooled is (None if answer == "unset" else answer == source[f"Input.gt_side{row.trial_index}"])
        kind = "practice" if row.trial_index < 4 else "catch" if fake.startswith("vigilance") else "test"
        assert row.kind == kind


def test_answers_that_slipped_by_one_are_moved_back(tmp_path):
    """Where selection0 is never answered, every answer lies one trial late; moved back, the scores are the same."""
    raw = pd.read_csv(AMT, dtype=str)
    late = raw.copy()
    for i in range(14):
        late[f"Answer.selection{i}"] = raw[f"Answer.selection{i - 1}"] if i else "unset"
    late.to_csv(tmp_path / "late.csv", index=False)
    study, right = read_amt([tmp_path / "late.csv"], n_practice=4), read_amt([AMT], n_practice=4)
    assert [f.name for f in study.findings if f.name == "answers_slipped"] == ["answers_slipped"]
    known = right.trials["trial_index"] < 13
    assert study.trials.loc[known, "fooled"].tolist() == right.trials.loc[known, "fooled"].tolist()
    assert study.trials.loc[~known, "fooled"].isna().all()


@pytest.mark.slow
def test_the_command_writes_a_table_that_report_reads(tmp_path, capsys, no_figures):
    """import-amt, then report with the mapping it wrote; an existing file is not overwritten."""
    out = tmp_path / "amt.csv"
    arguments = ["import-amt", str(AMT), "--out", str(out), "--n-practice", "4", "--n-bootstrap", "50"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "ours: 33.33% (42 trials)" in printed
    assert "With ours, participants were fooled on 30.0% of trials" in printed
    assert "With vigilance (catch trials)" in printed
    assert (
        main(["report", str(out), "--mapping", str(out.with_suffix(".toml")), "--out", str(tmp_path / "r"), "--quiet"])
        == 0
    )
    rates = pd.read_csv(tmp_path / "r" / "tables" / "fool_rates.csv").set_index("condition")
    assert (rates.loc["ours", "n_trials"], rates.loc["ours", "n_participants"]) == (40, 8)
    assert "vigilance" not in rates.index
    assert main(arguments) == 2
    assert "expected a new file" in capsys.readouterr().err


def test_other_files_are_refused(tmp_path):
    """A table of something else, or with fewer pairs than practice trials, is one line."""
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(AmtError, match=r"expected columns Input.gt_side0"):
        read_amt([tmp_path / "x.csv"])
    with pytest.raises(AmtError, match="--n-practice"):
        read_amt([AMT], n_practice=20)


TRIALS = [
    {"trial_type": "preload", "trial_index": 0, "time_elapsed": 5, "subject_id": "anna"},
    {"trial_type": "image-button-response", "trial_index": 1, "time_elapsed": 900, "rt": 700.5, "stimulus": "a.png",
     "response": 0, "correct": True, "data": {"is_fake": True}},
]  # fmt: skip


def test_jspsych_files_are_put_together(tmp_path):
    """CSV, JSON and JATOS lines; a name given once holds for the file, else the file's name stands in."""
    (tmp_path / "1.json").write_text(json.dumps(TRIALS))
    nameless = [{k: v for k, v in row.items() if k != "subject_id"} for row in TRIALS]
    (tmp_path / "berta.json").write_text("\n".join(json.dumps([row]) for row in nameless))
    pd.DataFrame(nameless).drop(columns="data").to_csv(tmp_path / "carl.csv", index=False)
    frame = read_jspsych([tmp_path / name for name in ("1.json", "berta.json", "carl.csv")])
    assert frame["participant"].tolist() == ["anna"] * 2 + ["berta"] * 2 + ["carl"] * 2
    assert frame.loc[1, ["rt", "response", "correct", "data.is_fake", "stimulus"]].tolist() == [
        "700.5", "0", "true", "true", "a.png",
    ]  # fmt: skip


def test_jspsych_data_become_a_report(tmp_path, capsys, no_figures):
    """import-jspsych writes the table and a mapping; filled in, report reads it."""
    for person in range(4):
        rows = [
            {"trial_type": "image-button-response", "trial_index": i, "time_elapsed": i, "rt": 500, "task": "test",
             "stimulus": f"{i}.png", "correct": (i + person) % 3 > 0, "fake": i % 2 == 0}
            for i in range(12)
        ]  # fmt: skip
        (tmp_path / f"p{person}.json").write_text(json.dumps(rows))
    files = [str(path) for path in sorted(tmp_path.glob("*.json"))]
    out = tmp_path / "all.csv"
    assert main(["import-jspsych", *files, "--out", str(out)]) == 0
    flags = ["--mapping", str(out.with_suffix(".toml")), "--correct", "correct", "--is-fake", "fake"]
    assert main(["report", str(out), *flags, "--only", "task=test", "--out", str(tmp_path / "r")]) == 0
    assert "Participants judged 66.7% of pictures rightly" in capsys.readouterr().out


def test_what_is_not_jspsych_is_refused(tmp_path):
    """A plain table needs no import; broken JSON is named."""
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(JsPsychError, match="needs no import"):
        read_jspsych([tmp_path / "a.csv"])
    (tmp_path / "b.json").write_text("[{")
    with pytest.raises(JsPsychError, match="expected jsPsych data"):
        read_jspsych([tmp_path / "b.json"])


def test_jspsych_json_that_is_no_list_of_trials_and_people_that_are_not_there(tmp_path):
    """Numbers, nothing, and a column that no row has; null is an empty field."""
    own = {"trial_type": "html", "trial_index": 0, "time_elapsed": 5}
    (tmp_path / "ok.json").write_text(json.dumps([{**own, "response": None, "nested": {"a": True}}]))
    frame = read_jspsych([tmp_path / "ok.json"])
    assert frame[["response", "nested.a"]].to_numpy().tolist() == [["", "true"]]
    with pytest.raises(JsPsychError, match="expected the column person, got trial_type"):
        read_jspsych([tmp_path / "ok.json"], participant="person")
    for text in ("[1, 2]", "[]"):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(JsPsychError, match="JSON that is no list of trials"):
            read_jspsych([tmp_path / "bad.json"])
