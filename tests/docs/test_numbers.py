"""README's comparison, which stands on its first screen, says what the last measurements say."""

import json
import math
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PLAIN = re.sub(r"\s+", " ", README)


def measured(name: str) -> Any:
    return json.loads((ROOT / "docs/results" / f"{name}.json").read_text(encoding="utf-8"))


def cell(row: str, column: int) -> str:
    """A cell of the comparison: 1 ours, 2 elsewhere."""
    (line,) = re.findall(rf"^\| {re.escape(row)} \|.*$", README, re.MULTILINE)
    return line.strip("| ").split(" | ")[column]


def test_the_interval_and_the_mixed_model():
    rate = next(one for one in measured("coverage")["rows"] if one["name"] == "40 × 40, p = .32")
    assert cell("the 95 % interval covers", 1) == f"{100 * rate['coverage']:.1f} %"
    assert cell("the 95 % interval covers", 2).startswith(f"{100 * rate['wilson']:.1f} %")
    assert "Interval: 40 people × 40 photographs" in PLAIN
    large = next(one for one in measured("mixed_speed")["rows"] if one["n_trials"] == 200_000)
    ratio = large["seconds"]["glmmTMB"][0] / large["seconds"]["ours"][0]
    assert cell("time, mixed model", 2) == f"{ratio:.0f} (glmmTMB)"


def test_timing_and_leaks():
    rows = {one["system"]: one for one in measured("timing")["rows"] if one["condition"] == "throttled"}
    for column, system in ((1, "truehue"), (2, "jspsych")):
        half = f"{100 * rows[system]['within_half_frame']:.1f} %"
        assert cell("exposures within ½ frame", column).startswith(half)
        assert cell("error of reaction times", column).startswith(f"{rows[system]['rt_bias_ms']:+.1f} ms")
    aucs = [one["auc"] for one in measured("leaks")["verdicts"]]
    assert f"an AUC of {min(aucs):.2f} to {max(aucs):.2f}".replace("0.", ".") in PLAIN


def test_what_an_answer_and_a_coloured_photograph_cost():
    cost = {name: one["cpu_ms_per_answer"] for name, one in measured("load")["cost"]["systems"].items()}
    psiturk = sorted(cost[f"psiTurk 3.3.1, {kind}"] / cost[f"Truehue, {kind}"] for kind in ("SQLite", "PostgreSQL"))
    otree = cost["oTree 6.0.15 live, PostgreSQL"] / cost["Truehue, PostgreSQL"]
    told = f"{psiturk[0]:.1f} to {psiturk[1]:.1f} (psiTurk), {otree:.1f} (oTree)"
    assert cell("server time of an answer", 2) == told
    page = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    ratio = float(re.findall(r"^\| ours with Winograd's convolution \|[^|]+\| ([\d.]+) \|", page, re.MULTILINE)[0])
    assert cell("time, 2016 network", 2) == f"{ratio:.1f} (the published way)"


def test_a_photograph_twice_in_a_session_of_the_script():
    share = 1 - math.perm(1000, 50) / 1000**50
    assert cell("a photograph twice", 2).startswith(f"{share:.0%}".replace("%", " %"))
