"""README's first screen and its comparison say what the last measurements say."""

import json
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
    ours, wilson = f"{100 * rate['coverage']:.1f} %", f"{100 * rate['wilson']:.1f} %"
    assert cell("the 95 % interval covers, 40 people × 40 photographs", 1) == ours
    assert cell("the 95 % interval covers, 40 people × 40 photographs", 2).startswith(wilson)
    assert f"covers {ours} of the time where the usual one covers {wilson}" in PLAIN
    large = next(one for one in measured("mixed_speed")["rows"] if one["n_trials"] == 200_000)
    ratio = f"{large['seconds']['glmmTMB'][0] / large['seconds']['ours'][0]:.0f} times"
    assert cell("mixed model with crossed random effects, 200,000 trials", 2).startswith(ratio)
    assert f"mixed model {ratio} as fast as glmmTMB's" in PLAIN


def test_timing_and_leaks():
    rows = {one["system"]: one for one in measured("timing")["rows"] if one["condition"] == "throttled"}
    for column, system in ((1, "truehue"), (2, "jspsych")):
        half = f"{100 * rows[system]['within_half_frame']:.1f} %"
        assert cell("exposure of 1,000 ms as painted, page throttled four times", column).startswith(half)
        bias = f"{rows[system]['rt_bias_ms']:+.1f} ms"
        assert cell("error of the reaction time, page throttled four times", column).startswith(bias)
    aucs = [one["auc"] for one in measured("leaks")["verdicts"]]
    told = f"AUC {min(aucs):.2f} to {max(aucs):.2f}".replace("0.", ".")
    assert cell("the right answer before the answer", 1).endswith(told)


def test_what_an_answer_and_a_coloured_photograph_cost():
    cost = {name: one["cpu_ms_per_answer"] for name, one in measured("load")["cost"]["systems"].items()}
    psiturk = sorted(cost[f"psiTurk 3.3.1, {kind}"] / cost[f"Truehue, {kind}"] for kind in ("SQLite", "PostgreSQL"))
    otree = cost["oTree 6.0.15 live, PostgreSQL"] / cost["Truehue, PostgreSQL"]
    told = cell("server time for an answer that is on disk", 2)
    assert f"{psiturk[0]:.1f} to {psiturk[1]:.1f} times ours (psiTurk" in told
    assert f"{otree:.1f} times (oTree" in told
    assert 1 / psiturk[1] > 1 / 3, "README says: little more than a third"
    assert 1 / psiturk[0] < 0.4, "README says: little more than a third"
    page = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    ratio = float(re.findall(r"^\| ours with Winograd's convolution \|[^|]+\| ([\d.]+) \|", page, re.MULTILINE)[0])
    told = cell("colouring 200 photographs, file to file, 2016 network, two cores without AMX", 2)
    assert told.startswith(f"{ratio:.1f} times")
    assert "the 2016 network more than four times as fast" in PLAIN
    assert 4.0 < ratio < 4.75
