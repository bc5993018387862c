"""Several studies side by side: read from exports and from reports, published rows marked, no test between them."""

import pandas as pd
import pytest

from analysis.cli import main
from analysis.studies import CompareError, published_rows, study_rows

pytestmark = pytest.mark.slow  # reports with their figures


@pytest.fixture(scope="module")
def report(golden, tmp_path_factory):
    out = tmp_path_factory.mktemp("compare") / "one"
    assert main(["report", str(golden), "--out", str(out), "--quiet"]) == 0
    return out


def test_a_report_and_its_export_give_the_same_rows(golden, report):
    """Whichever is named, the numbers are those of fool_rates.csv."""
    table = pd.read_csv(report / "tables" / "fool_rates.csv")
    for rows in (study_rows(golden), study_rows(report)):
        assert [row.condition for row in rows] == table["condition"].tolist()
        assert [row.fool_rate for row in rows] == pytest.approx(table["fool_rate"].tolist())
        assert [row.ci_high for row in rows] == pytest.approx(table["ci_high"].tolist())


def test_published_rows_say_what_is_from_memory():
    """All but the two figures that the design notes quote."""
    sure = {(row.condition, round(row.fool_rate, 3)) for row in published_rows() if "memory" not in row.note}
    assert sure == {("classification, rebalanced (full)", 0.323), ("Zhang et al. 2016", 0.278)}


def test_the_command_prints_and_writes(golden, report, tmp_path, capsys):
    """Text on the terminal; with --out a page, CSV, LaTeX and a figure, SIMULATED on all."""
    assert main(["compare", str(golden), str(report), "--out", str(tmp_path / "c")]) == 0
    printed = capsys.readouterr().out
    assert "32.3  [30.1, 34.5]  ± s.e." in printed
    assert "no test is made between rows" in printed
    table = pd.read_csv(tmp_path / "c" / "tables" / "compare.csv")
    assert table["is_ours"].sum() == 6
    for name in ("compare.html", "tables/compare.tex", "tables/SIMULATED.txt", "figures/compare.svg"):
        assert "SIMULATED" in (tmp_path / "c" / name).read_text()
    assert "p = " not in (tmp_path / "c" / "compare.html").read_text()


def test_other_outcomes_and_other_folders_are_refused(report, tmp_path, capsys):
    """Shares judged real do not stand beside fool rates; a folder of something else is one line."""
    text = (report / "report.json").read_text()
    other = tmp_path / "single"
    other.mkdir()
    (other / "report.json").write_text(text.replace('"fool_rate",', '"judged_real",', 1))
    with pytest.raises(CompareError, match="expected a report of pairs"):
        study_rows(other)
    (other / "report.json").write_text("{}")
    with pytest.raises(CompareError, match="write the report again"):
        study_rows(other)
    assert main(["compare", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
