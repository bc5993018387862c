"""What a bundle holds, made again from its causes: the plan from definition and seeds, the report from the data.

Each thing is compared with what the bundle says; only what is not identical is told.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from study.dataout.archives import unpacked
from study.dataout.bundle import keep_results, run_report
from study.dataout.errors import DatasetError
from study.dataout.rerun_report import rebuild
from study.definition import StudyDefinition, from_canonical
from study.design import Plan, Pools, assign_arm, partition_photos, plan_trials
from study.export import cell
from study.manifest import Manifest, ManifestError, open_pixels, parse_manifest, pixels_sha256
from study.sessions import planned_columns
from study.words import counted


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that did not come out again."""

    part: str
    where: str
    message: str


def reproduce(path: Path, *, tell: Callable[[str], object] = lambda _: None) -> list[Difference]:
    """Make a bundle's plan and report again, check its pixels. Raises DatasetError if it is no bundle."""
    with unpacked(path) as root, TemporaryDirectory(prefix="truehue-reproduce-") as scratch_name:
        scratch = Path(scratch_name)
        if (root / "dataset_description.json").is_file():
            try:
                rebuild(root, scratch / "export")
            except (OSError, ValueError) as error:
                raise DatasetError(f"{path}: parts of the dataset are missing ({error}); export it again") from None
            export = scratch / "export"
        elif (root / "study.json").is_file() and (root / "trials.csv").is_file():
            export = root
        else:
            raise DatasetError(f"{path}: expected a bundle of `flask --app study export`, found no study.json in it")
        return [*_plans(export, tell), *_pixels(export, tell), *_report(export, root / "results", scratch, tell)]


def _plans(export: Path, tell: Callable[[str], object]) -> Iterator[Difference]:
    info = json.loads((export / "study.json").read_bytes())
    canonical = json.dumps(info["definition"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if hashlib.sha256(canonical.encode()).hexdigest() != info["definition_sha256"]:
        yield Difference("definition", "study.json", "the definition is not the one that its SHA-256 names")
    content = (export / "manifest.json").read_bytes()
    if hashlib.sha256(content).hexdigest() != info["manifest_sha256"]:
        yield Difference("stimulus set", "manifest.json", "the manifest is not the one that its SHA-256 names")
    definition, seed = from_canonical(canonical), info["study_seed"]
    pools = partition_photos(definition, parse_manifest(content), seed=seed)
    planned = _Planned(definition, pools)
    n_sessions = n_trials = 0
    with (export / "sessions.csv").open(encoding="utf-8", newline="") as file:
        sessions = {row["session_id"]: row for row in csv.DictReader(file)}
    for name, row in sessions.items():
        if row["arm_slot"] and row["arm"] != assign_arm(pools, seed=seed, slot=int(row["arm_slot"])):
            yield Difference("plan", name, f"the arm is {row['arm']}; the study's seed deals another to this place")
        n_sessions += 1
    with (export / "trials.csv").open(encoding="utf-8", newline="") as file:
        for name, rows in groupby(csv.DictReader(file), key=lambda row: row["session_id"]):
            if name not in sessions:
                yield Difference("plan", name, "has trials but no row in the table of sessions")
                continue
            mine = list(rows)
            n_trials += len(mine)
            yield from planned.compare(sessions[name], mine)
    tell(f"plan: {counted(n_sessions, 'session')} and {counted(n_trials, 'trial')} planned again")


@dataclass(frozen=True)
class _Planned:
    definition: StudyDefinition
    pools: Pools

    def compare(self, session: Mapping[str, str], rows: list[dict[str, str]]) -> Iterator[Difference]:
        name, arm = session["session_id"], session["arm"]
        if arm not in self.pools.treatments or not session["session_seed"]:
            yield Difference("plan", name, "its arm or seed is none of the study's")
            return
        plan: Plan = plan_trials(
            self.definition, self.pools, arm=arm, seed=int(session["session_seed"]), slot=int(session["arm_slot"] or 0)
        )
        void = tuple(int(row["trial_index"]) for row in rows if row["void_reason"])
        shown = plan.presented(void)
        for index, row in enumerate(rows):
            where = f"{name}, trial {row['trial_index']}"
            if int(row["trial_index"]) != index or index >= len(shown):
                yield Difference("plan", where, "the plan has no such trial at this place")
                return
            for column, value in planned_columns(self.definition, shown[index]).items():
                if column in row and row[column] != cell(value):
                    text = f"{column} is {row[column]!r}, the plan says {cell(value)!r}"
                    yield Difference("plan", where, text)


def _pixels(export: Path, tell: Callable[[str], object]) -> Iterator[Difference]:
    manifest: Manifest = parse_manifest((export / "manifest.json").read_bytes())
    for stimulus in manifest.stimuli:
        try:
            digest = pixels_sha256(open_pixels(export, stimulus, where="the bundle"))
        except ManifestError as error:
            yield Difference("pixels", stimulus.file, str(error).rsplit(";", 1)[0])
            continue
        if digest != stimulus.pixels_sha256:
            yield Difference("pixels", stimulus.file, "the pixels are not those that its SHA-256 names")
    tell(f"pixels: {len(manifest.stimuli)} pictures decoded and hashed")


def _report(export: Path, kept: Path, scratch: Path, tell: Callable[[str], object]) -> Iterator[Difference]:
    why = run_report(export, scratch / "report")
    has_kept = (kept / "report.json").is_file()
    if why:
        if has_kept:
            yield Difference("report", "results", f"the analysis made none: {why}")
        tell(f"report: none can be made ({why})")
        return
    if not has_kept:
        tell("report: made; the bundle holds no results to compare with")
        return
    keep_results(scratch / "report", scratch / "results")
    names = sorted({p.relative_to(root).as_posix() for root in (kept, scratch / "results") for p in _files(root)})
    for name in names:
        old, new = kept / name, scratch / "results" / name
        if not old.is_file() or not new.is_file():
            yield Difference("report", f"results/{name}", "is only in the bundle" if old.is_file() else "is new")
        elif name == "report.json":
            yield from compare_numbers(json.loads(old.read_bytes()), json.loads(new.read_bytes()))
        elif old.read_bytes() != new.read_bytes():
            yield Difference("report", f"results/{name}", "the tables differ")
    tell(f"report: made again, {len(names)} files compared")


def _files(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.is_file())


def compare_numbers(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Difference]:
    """Compare two reports' numbers; of their provenance each line by itself."""
    for key in sorted(old.keys() | new.keys()):
        if key == "provenance":
            before, after = old.get(key, {}), new.get(key, {})
            for name in sorted(before.keys() | after.keys()):
                if before.get(name) != after.get(name):
                    text = f"{name}: was {before.get(name)!r}, is {after.get(name)!r}"
                    yield Difference("report", "results/report.json", text)
        elif old.get(key) != new.get(key):
            yield Difference("report", "results/report.json", f"{key} differs")
