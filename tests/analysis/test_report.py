"""Reports from the command line: what is refused, replaced, escaped, interrupted."""

import json
import shutil
import subprocess
import sys

import pytest

from analysis import (
    analyse,
    fool_rate,
    read_export,
)
from analysis.cli import main
from analysis.report import ReportError, write_report
from analysis.tables import latex_fool_rates


def test_one_condition_leaves_a_header_of_differences(make_export, tmp_path, no_figures):
    """With one model differences.csv has its columns and no row, and the page has no such section."""
    make_export(tmp_path / "export", models=("zhang2016",))
    assert main(["report", str(tmp_path / "export"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    text = (tmp_path / "out" / "tables" / "differences.csv").read_text()
    assert text == "condition_a,condition_b,difference,ci_low,ci_high,t,df,p,p_holm,p_bh\n"
    assert 'id="differences"' not in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_one_participant_is_enough(make_export, tmp_path, capsys):
    """The demo's single participant gets a report, with an interval about this participant only and a warning."""
    make_export(tmp_path / "export", n_participants=1, n_incomplete=0, models=("zhang2016",))
    assert main(["report", str(tmp_path / "export"), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "The participant was fooled on" in printed
    assert "note: one participant only" in printed
    assert printed.strip().endswith("report.html")
    assert "this participant only" in (tmp_path / "out" / "report.html").read_text()


def test_stated_truth_stands_beside_the_estimate(make_export, tmp_path, no_figures):
    """A simulation's true rate is printed in the table and in the summary."""
    export = make_export(tmp_path / "export", models=("zhang2016",))
    study = json.loads((export / "study.json").read_text())
    study["simulation"] = {"fool_rate": {"zhang2016": 0.3217}, "parameters": {}}
    (export / "study.json").write_text(json.dumps(study))
    assert main(["report", str(export), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    text = (tmp_path / "out" / "report.html").read_text()
    assert "The simulation was given a rate of 32.2%." in text
    assert "<td>32.2%</td>" in text


def test_names_are_escaped(make_export, tmp_path, no_figures):
    """A title with markup stays text, and LaTeX's letters are escaped."""
    make_export(tmp_path / "export", title="<script>alert(1)</script> & more")
    assert main(["report", str(tmp_path / "export"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    assert "<script>" not in (tmp_path / "out" / "report.html").read_text()
    rate = fool_rate([0, 1, 1, 0], list("ppqq"), list("ijij"), condition="a_b & 50%")
    assert r"a\_b \& 50\%" in latex_fool_rates((rate,), is_simulated=False)


BAD = {
    "missing column": lambda d: (d / "trials.csv").write_text("session_id\nx\n"),
    "wrong version": lambda d: (d / "study.json").write_text('{"format": "truehue-export/7"}'),
    "missing file": lambda d: (d / "answers.csv").unlink(),
    "not there": shutil.rmtree,
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_exits_2_with_one_line_and_leaves_nothing(export_dir, tmp_path, capsys, name):
    """A damaged export prints one line that starts with "error:", and no directory or file is left behind."""
    BAD[name](export_dir)
    before = sorted(tmp_path.iterdir())
    assert main(["report", str(export_dir), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_an_interrupted_report_leaves_nothing(golden, tmp_path, monkeypatch, no_figures):
    """If drawing fails half way, an earlier report stays as it was and no temporary directory is left."""
    results = analyse(read_export(golden))
    write_report(results, tmp_path / "out")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("analysis.report.draw", fail)
    with pytest.raises(KeyboardInterrupt):
        write_report(results, tmp_path / "out")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_only_a_report_is_replaced(golden, tmp_path, no_figures):
    """An earlier report is replaced as a whole; a directory with other files, or a file, is refused untouched."""
    results = analyse(read_export(golden))
    out = tmp_path / "out"
    out.mkdir()
    write_report(results, out)
    (out / "old.txt").write_text("of an earlier report")
    write_report(results, out)
    assert not (out / "old.txt").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("precious")
    with pytest.raises(ReportError, match="got other files; name another"):
        write_report(results, mine)
    assert [path.name for path in mine.iterdir()] == ["thesis.tex"]
    with pytest.raises(ReportError, match="got a file"):
        write_report(results, mine / "thesis.tex")


@pytest.mark.outside
def test_the_command_line_in_a_process_of_its_own(golden, tmp_path):
    """`python -m analysis report` works from a shell; --help answers without loading matplotlib or pandas."""
    import matplotlib.font_manager  # noqa: F401 - makes its cache, of which matplotlib speaks if it takes long

    run = subprocess.run(
        [sys.executable, "-m", "analysis", "report", golden, "--out", tmp_path / "out"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[0] == "SIMULATED data: these sessions were made by a program."
    assert run.stdout.splitlines()[-1] == str(tmp_path / "out" / "report.html")
    assert run.stderr == ""


@pytest.mark.outside
@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import analysis.cli; analysis.cli._parser()", {"pandas", "scipy", "matplotlib", "jinja2"}),
        (
            "from analysis import fool_rate",
            {"matplotlib", "jinja2", "flask", "sqlalchemy", "torch", "study", "colorizer"},
        ),
        (
            "import analysis.report, analysis.plots, analysis.cli",
            {"flask", "sqlalchemy", "torch", "study", "colorizer", "matplotlib.pyplot"},
        ),
    ],
)
def test_imports_stay_light(statement, forbidden):
    """A command line, an estimator in a notebook and the whole report load only what they need."""
    code = f"import sys; {statement}; print(sorted(set(sys.modules) & {forbidden!r}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
