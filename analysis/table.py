"""A table of a report: one object, written as CSV for programs and as LaTeX (booktabs) for the paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.sentences import percent


@dataclass(frozen=True)
class Shown:
    """One column of the LaTeX form: its heading and how a row's cell is written; text columns are left-aligned."""

    heading: str
    cell: Callable[[Any], str]
    is_text: bool = False


@dataclass(frozen=True)
class Table:
    """A table: all its columns for the CSV, and the chosen ones for LaTeX (none: CSV only)."""

    name: str
    caption: str
    frame: pd.DataFrame
    shown: tuple[Shown, ...] = ()

    def csv(self) -> str:
        """Return the CSV text; booleans as true and false, empty where there is no value."""
        booleans = self.frame.select_dtypes(["bool", "boolean"]).columns
        words = {True: "true", False: "false"}
        written = self.frame.assign(**{column: self.frame[column].map(words) for column in booleans})
        return str(written.to_csv(index=False, lineterminator="\n"))

    def latex(self, *, is_simulated: bool = False) -> str:
        """Return a booktabs tabular for `\\usepackage{booktabs}`; more than a page uses `\\usepackage{longtable}`."""
        environment = "longtable" if len(self.frame) > 40 else "tabular"
        layout = "".join("l" if column.is_text else "r" for column in self.shown)
        lines = [
            f"% {'SIMULATED DATA: ' if is_simulated else ''}{self.caption}",
            rf"\begin{{{environment}}}{{{layout}}}",
            r"\toprule",
            " & ".join(_escaped(column.heading) for column in self.shown) + r" \\",
            r"\midrule",
        ]
        for row in self.frame.itertuples(index=False):
            lines.append(" & ".join(_escaped(column.cell(row)) for column in self.shown) + r" \\")
        lines.append(r"\bottomrule")
        if is_simulated:
            lines.append(rf"\multicolumn{{{len(self.shown)}}}{{l}}{{\textbf{{SIMULATED data}}}} \\")
        return "\n".join([*lines, rf"\end{{{environment}}}", ""])


LETTERS = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "−": "$-$",
    "–": "--",
    "∞": r"$\infty$",
    "Δ": r"$\Delta$",
    "′": "$'$",
    "×": r"$\times$",
    "\u00a0": "~",
}


_ESCAPES = str.maketrans(LETTERS)


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def interval_cell(row: Any) -> str:
    """Write a row's interval of rates."""
    return f"[{percent(row.ci_low)}, {percent(row.ci_high)}]"


def text_cell(name: str) -> Callable[[Any], str]:
    """Write a row's value as it is."""
    return lambda row: str(getattr(row, name))
