"""The same study again and again, data only: how often each arm's interval covers the truth.

Every repeat is a whole study through the session functions (new people, new photographs' difficulties), written as an
export and estimated as the report does. A finished repeat is a line of a file; the loop goes on behind the last one.
"""

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis import read_export
from analysis.designs import PAIR
from analysis.exclusions import select
from analysis.long_table import long_table
from analysis.plan import read_plan
from analysis.proportions import wilson
from analysis.results import condition_rates
from study.db import Database
from study.export import write_export
from study.sessions import Desk
from study.simulate import Parameters, simulate
from study.studies import find_study
from tools.replication.design import SD_IMAGE, SD_PARTICIPANT, SLUG, Scale

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DATABASE = "study.sqlite3"


@dataclass(frozen=True)
class Repeats:
    """What is repeated: a database with the study in it and nobody in the study, and who comes."""

    template: Path
    stimuli: Path
    scale: Scale
    seed: int

    def parameters(self, number: int) -> Parameters:
        """What people are like in a repeat; number 0 is the study that goes over HTTP."""
        return parameters(self.seed, number)

    @property
    def key(self) -> str:
        """What a stored repeat must agree with to be of this study."""
        spreads = f"{SD_PARTICIPANT:g} {SD_IMAGE:g}"
        return json.dumps([self.scale.per_arm, self.scale.rates, self.scale.definition, spreads, self.seed])


def parameters(seed: int, number: int) -> Parameters:
    """What people are like in the `number`-th run of the study."""
    return Parameters(sd_participant=SD_PARTICIPANT, sd_image=SD_IMAGE, seed=seed * 100_000 + number)


@contextmanager
def copied(template: Path) -> Iterator[Database]:
    """Give a copy of the empty study's database that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="truehue-repeat-") as folder:
        shutil.copyfile(template, Path(folder) / DATABASE)
        database = Database(f"sqlite:///{Path(folder) / DATABASE}")
        try:
            yield database
        finally:
            database.dispose()


def one(repeats: Repeats, number: int) -> dict[str, Any]:
    """Run the study once, data only: per condition k, n and the ends of both intervals."""
    with copied(repeats.template) as database, tempfile.TemporaryDirectory(prefix="truehue-export-") as folder:
        desk = Desk(database, b"repeats of the replication study")
        study = find_study(database, SLUG)
        simulate(
            desk,
            study,
            n_participants=repeats.scale.n_participants,
            rates=repeats.scale.rates,
            parameters=repeats.parameters(number),
            now=NOW,
        )
        export = read_export(write_export(database, repeats.stimuli, study.id, Path(folder) / "export", now=NOW))
    selection = select(export.sessions, export.trials, read_plan(export.definition))
    anchors = selection.trials[selection.trials["control"] == "low_anchor"]
    found = condition_rates(long_table(selection.test, PAIR), list(repeats.scale.arms), 0.95, PAIR)
    known = [name for name in repeats.scale.rates if name not in repeats.scale.arms and not anchors.empty]
    found = (*found, *condition_rates(long_table(anchors, PAIR), known, 0.95, PAIR, others=found))
    return {
        rate.condition: [rate.n_fooled, rate.n_trials, rate.ci_low, rate.ci_high, *naive(rate.n_fooled, rate.n_trials)]
        for rate in found
    }


def naive(k: int, n: int) -> tuple[float, float]:
    """Give the pooled Wilson interval, which takes every trial for independent."""
    ends = wilson(k, n)
    return float(ends.low), float(ends.high)


def known_repeats(path: Path, key: str) -> dict[int, dict[str, Any]]:
    """Read the repeats that are there; those of another study are left aside, a half-written line too."""
    found: dict[int, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if row["key"] == key:
            found[row["number"]] = row["conditions"]
    return found


def repeat(
    repeats: Repeats, path: Path, *, n_jobs: int = 1, tell: Callable[[int], object] = lambda _: None
) -> dict[int, dict[str, Any]]:
    """Run what is missing of the repeats 1 … n, appending each to `path` as it ends; give them all."""
    done = known_repeats(path, repeats.key)
    wanted = range(1, repeats.scale.n_repeats + 1)
    todo = [number for number in wanted if number not in done]
    tell(len(wanted) - len(todo))

    def keep(number: int, conditions: dict[str, Any]) -> None:
        with path.open("a", encoding="utf-8") as file:
            # A line that an interruption cut off must not swallow the next one.
            file.write("\n" + json.dumps({"key": repeats.key, "number": number, "conditions": conditions}) + "\n")
        done[number] = conditions
        tell(1)

    if n_jobs == 1 or len(todo) < 2:
        for number in todo:
            keep(number, one(repeats, number))
    else:
        with ProcessPoolExecutor(n_jobs) as workers:
            try:
                for number, conditions in zip(todo, workers.map(one, [repeats] * len(todo), todo), strict=True):
                    keep(number, conditions)
            except BaseException:
                workers.shutdown(cancel_futures=True)
                raise
    return {number: done[number] for number in wanted}


def covered(done: dict[int, dict[str, Any]], rates: dict[str, float]) -> list[dict[str, Any]]:
    """Count per condition how often each interval covers the true rate; widths in points, shares in [0, 1]."""
    rows = []
    for name, truth in rates.items():
        runs = [conditions[name] for conditions in done.values() if name in conditions]
        row: dict[str, Any] = {"condition": name, "truth": truth, "n_repeats": len(runs)}
        if not runs:
            continue
        row["mean_rate"] = round(sum(k / n for k, n, *_ in runs) / len(runs), 5)
        for label, at in (("ours", 2), ("naive", 4)):
            share = sum(run[at] <= truth <= run[at + 1] for run in runs) / len(runs)
            row[f"{label}_coverage"] = round(share, 4)
            row[f"{label}_monte_carlo_se"] = round(math.sqrt(share * (1 - share) / len(runs)), 4)
            row[f"{label}_mean_width"] = round(sum(run[at + 1] - run[at] for run in runs) / len(runs), 4)
        rows.append(row)
    return rows
