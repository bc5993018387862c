"""The tables of a report as files: CSV for programs, LaTeX (booktabs) for the paper, one source for both."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from analysis.estimate import FoolRate
from analysis.results import Results
from analysis.sentences import level, number, percent

FOOL_RATE_COLUMNS = (
    "condition",
    "n_trials",
    "n_fooled",
    "fool_rate",
    "ci_low",
    "ci_high",
    "se",
    "design_effect",
    "n_participants",
    "n_images",
)
DIFFERENCE_COLUMNS = ("condition_a", "condition_b", "difference", "ci_low", "ci_high", "t", "df", "p", "p_holm", "p_bh")

SIMULATED_NOTE = (
    "SIMULATED\n\nThe numbers in these tables come from simulated sessions (is_simulated in the export), "
    "not from people.\n"
)


def fool_rate_table(results: Results) -> pd.DataFrame:
    """The model conditions of the test trials, then the low anchor from its own trials."""
    rows = [[getattr(rate, name) for name in FOOL_RATE_COLUMNS] for rate in (*results.fool_rates, *results.anchors)]
    return pd.DataFrame(rows, columns=list(FOOL_RATE_COLUMNS))


def difference_table(results: Results) -> pd.DataFrame:
    """All pairs of model conditions; only a header if there is one condition."""
    return pd.DataFrame([asdict(pair) for pair in results.differences], columns=list(DIFFERENCE_COLUMNS))


def exclusion_table(results: Results) -> pd.DataFrame:
    """The exclusion flow, one row per step, from everyone who entered to the analysed set."""
    flow = results.flow
    entered = {
        "rule": "entered",
        "unit": "session",
        "reads": "everyone who opened the study",
        "excludes": False,
        "n_sessions": flow.n_sessions_entered,
        "n_trials": flow.n_trials_entered,
        "n_sessions_left": flow.n_sessions_entered,
        "n_trials_left": flow.n_trials_entered,
    }
    analysed = {
        **entered,
        "rule": "analysed",
        "reads": "in the main result",
        "n_sessions": flow.n_sessions_analysed,
        "n_trials": flow.n_trials_analysed,
        "n_sessions_left": flow.n_sessions_analysed,
        "n_trials_left": flow.n_trials_analysed,
    }
    return pd.DataFrame([entered, *(asdict(step) for step in flow.steps), analysed])


def latex_fool_rates(rates: tuple[FoolRate, ...], *, is_simulated: bool) -> str:
    """Return the main table as a booktabs tabular; rates in percent, for `\\usepackage{booktabs}`."""
    confidence = level(rates[0].confidence).replace("%", r"\%")
    lines = [
        "% SIMULATED DATA" if is_simulated else "% fool rates in percent",
        r"\begin{tabular}{lrrrrrrr}",
        r"\toprule",
        rf"Condition & $k$ & $n$ & Fooled (\%) & {confidence} & Design effect & Participants & Images \\",
        r"\midrule",
    ]
    lines += [
        f"{_escaped(rate.condition)} & {rate.n_fooled} & {rate.n_trials} & {percent(rate.fool_rate)} & "
        f"[{percent(rate.ci_low)}, {percent(rate.ci_high)}] & {number(rate.design_effect, 1)} & "
        rf"{rate.n_participants} & {rate.n_images} \\"
        for rate in rates
    ]
    lines += [r"\bottomrule"]
    if is_simulated:
        lines += [r"\multicolumn{8}{l}{\textbf{SIMULATED data}} \\"]
    return "\n".join([*lines, r"\end{tabular}", ""])


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "&%$#_{}" else letter for letter in text)


def write_tables(results: Results, directory: Path) -> list[str]:
    """Write every table into a directory and return the file names."""
    directory.mkdir(parents=True, exist_ok=True)
    frames = {
        "fool_rates.csv": fool_rate_table(results),
        "differences.csv": difference_table(results),
        "images.csv": results.images,
        "participants.csv": results.participants,
        "exclusions.csv": exclusion_table(results),
    }
    for name, frame in frames.items():
        booleans = frame.select_dtypes("bool").columns
        written = frame.assign(**{column: frame[column].map({True: "true", False: "false"}) for column in booleans})
        written.to_csv(directory / name, index=False, lineterminator="\n")
    latex = latex_fool_rates((*results.fool_rates, *results.anchors), is_simulated=results.export.is_simulated)
    (directory / "fool_rates.tex").write_text(latex, encoding="utf-8")
    names = [*frames, "fool_rates.tex"]
    if results.export.is_simulated:
        # The CSV columns are a contract, so the mark stands beside them.
        (directory / "SIMULATED.txt").write_text(SIMULATED_NOTE, encoding="utf-8")
        names.append("SIMULATED.txt")
    return names
