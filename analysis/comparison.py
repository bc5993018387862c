"""compare.html: several studies on one page, with its figure, CSV and LaTeX."""

from __future__ import annotations

import json
from pathlib import Path

from analysis.drawings import draw_comparison
from analysis.report import environment
from analysis.studies import Row, compare_table
from analysis.tables import SIMULATED_NOTE
from analysis.whole import whole_directory

COMPARE_FORMAT = "truehue-report/1"


def write_comparison(paths: list[Path], rows: list[Row], out: Path, *, command: str) -> Path:
    """Write compare.html with its figure, CSV and LaTeX into a directory; returns the page's path."""
    table = compare_table(rows)
    is_simulated = any(row.is_simulated for row in rows)
    with whole_directory(out) as directory:
        (directory / "tables").mkdir()
        (directory / "tables" / "compare.csv").write_text(table.csv(), encoding="utf-8")
        (directory / "tables" / "compare.tex").write_text(table.latex(is_simulated=is_simulated), encoding="utf-8")
        if is_simulated:
            (directory / "tables" / "SIMULATED.txt").write_text(SIMULATED_NOTE, encoding="utf-8")
        drawing = draw_comparison(rows, directory / "figures", is_simulated=is_simulated)
        page = (
            environment()
            .get_template("compare.html.j2")
            .render(
                rows=rows,
                drawings={drawing.name: drawing},
                simulated=is_simulated,
                sources=[str(path) for path in paths],
                command=command,
            )
        )
        (directory / "compare.html").write_text(page, encoding="utf-8")
        (directory / "report.json").write_text(
            json.dumps({"format": COMPARE_FORMAT, "outcome": "comparison", "command": command}) + "\n", encoding="utf-8"
        )
    return out / "compare.html"
