"""Result files of AMT_Real_vs_Fake (github.com/phillipi/AMT_Real_vs_Fake), the tool behind the 2016 numbers.

Its Mechanical Turk batches have one row per assignment: Input.gt_side0 … (the side of the real picture),
Input.images_left0 …, Input.images_right0 … (folder/file), Answer.selection0 … (the side called fake, "unset" where
nothing was answered).  `tool_numbers` computes what the tool itself prints; `read_amt` gives the trials as they were.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.findings import Finding, lines

SIDES = ("left", "right")
NESTED_BOOTSTRAP = "nested bootstrap of AMT_Real_vs_Fake (images are never resampled)"

# What the tool's printed numbers get wrong; findings say how often each happened in the files at hand.
WRONG = (
    "a trial without an answer counts as “left”",
    "catch trials (vigilance) stay in, as a system of their own",
    "its bootstrap resamples people and trials of people, never photographs",
    "two assignments of one worker count as two people",
)


class AmtError(ValueError):
    """The files are not results of that tool; the message is one line for a person."""


@dataclass(frozen=True)
class AmtStudy:
    """The trials of all files; `real` is the folder of the originals.

    `trials`: line, worker, assignment, trial_index, kind, condition, image, image_real, side_of_real, selection ("" if
    none) and fooled (True, False, None).
    """

    trials: pd.DataFrame
    real: str
    n_practice: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class ToolRow:
    """What the tool prints of one system: mean, and mean ± standard deviation of its bootstrap; rates in [0, 1]."""

    condition: str
    n_trials: int
    mean: float
    bootstrap_mean: float
    bootstrap_sd: float


def read_amt(
    paths: list[Path], *, n_practice: int = 10, vigilance: str = "vigilance", real: str | None = None
) -> AmtStudy:
    """Read result files.  The folder that occurs most is that of the originals, unless `real` names it."""
    frames = [_read(path) for path in paths]
    indices = sorted({int(m[1]) for m in (re.fullmatch(r"Input\.gt_side(\d+)", str(c)) for c in frames[0]) if m})
    if len(indices) <= n_practice:
        raise AmtError(
            f"{paths[0].name}: expected more than {n_practice} pairs (Input.gt_side0 …), got {len(indices)}; "
            "say how many are practice with --n-practice"
        )
    wide = pd.concat(frames, ignore_index=True)
    trials = pd.concat([_of_index(wide, index, place) for place, index in enumerate(indices)])
    slipped = _is_slipped(wide, indices)
    if slipped:
        trials["selection"] = trials.groupby("row")["selection"].shift(-1).fillna("")
    folders = pd.concat([trials["left"], trials["right"]]).map(_folder)
    real = real or str(folders.value_counts().idxmax())
    is_left = trials["left"].map(_folder) == real
    both = is_left & (trials["right"].map(_folder) == real)
    trials["image_real"] = trials["left"].where(is_left, trials["right"]).map(_name)
    trials["image"] = trials["right"].where(is_left, trials["left"]).map(_name)
    trials["condition"] = trials["right"].where(is_left, trials["left"]).map(_folder)
    trials["kind"] = np.where(
        trials["trial_index"] < n_practice, "practice", np.where(trials["condition"] == vigilance, "catch", "test")
    )
    answered = trials["selection"].isin(SIDES)
    # The side called fake is the real picture's: the fake was taken for the real one.
    fooled = (trials["selection"] == trials["side_of_real"]).astype(object)
    trials["fooled"] = fooled.where(answered, None)
    trials = trials.sort_values(["row", "trial_index"], kind="stable").reset_index(drop=True)
    return AmtStudy(trials.drop(columns="row"), real, n_practice, _findings(trials, wide, slipped=slipped, both=both))


def _read(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, dtype=str, na_filter=False, encoding="utf-8-sig")
    except OSError as error:
        raise AmtError(f"{path}: expected a result file of AMT_Real_vs_Fake (CSV), got: {error.strerror}") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise AmtError(
            f"{path}: expected a CSV, got: {str(error).strip()}; download the batch's results again"
        ) from error
    for name in ("Input.gt_side", "Input.images_left", "Input.images_right", "Answer.selection"):
        if not any(re.fullmatch(re.escape(name) + r"\d+", str(column)) for column in frame.columns):
            raise AmtError(
                f"{path.name}: expected columns {name}0, {name}1 …, got {', '.join(map(str, frame.columns[:6]))} …; "
                "use the batch's result file (CSV) from Mechanical Turk"
            )
    return frame.assign(_line=np.arange(2, len(frame) + 2))


def _of_index(wide: pd.DataFrame, index: int, place: int) -> pd.DataFrame:
    """Return one trial of every assignment; the tool starts counting at 0 (Python) or 1 (Matlab)."""
    row = pd.Series(np.arange(len(wide)), index=wide.index)
    selection = wide.get(f"Answer.selection{index}", pd.Series("", index=wide.index)).fillna("").str.strip()
    return pd.DataFrame(
        {
            "row": row,
            "line": wide["_line"],
            "worker": wide.get("WorkerId", "worker-" + row.astype(str)),
            "assignment": wide.get("AssignmentId", "assignment-" + row.astype(str)),
            "trial_index": place,
            "side_of_real": wide[f"Input.gt_side{index}"].str.strip(),
            "left": wide[f"Input.images_left{index}"],
            "right": wide[f"Input.images_right{index}"],
            "selection": selection.where(selection.isin(SIDES), ""),
        }
    )


def _is_slipped(wide: pd.DataFrame, indices: list[int]) -> bool:
    """One version of the tool's page writes the answer of trial i into selection i + 1, and loses the last one."""
    first = wide.get(f"Answer.selection{indices[0]}", pd.Series("", index=wide.index)).isin(SIDES)
    second = wide.get(f"Answer.selection{indices[1]}", pd.Series("", index=wide.index)).isin(SIDES)
    return not first.any() and bool(second.mean() > 0.5)


def _folder(path: str) -> str:
    return "/".join(str(path).split("/")[:-1])


def _name(path: str) -> str:
    return PurePosixPath(str(path)).name


def _findings(trials: pd.DataFrame, wide: pd.DataFrame, *, slipped: bool, both: pd.Series[bool]) -> tuple[Finding, ...]:
    scored = trials["kind"] == "test"
    missing = scored & (trials["selection"] == "")
    catch = trials["kind"] == "catch"
    again = scored & trials.duplicated(["worker", "condition", "image"])
    workers = wide["WorkerId"].value_counts() if "WorkerId" in wide else pd.Series(dtype=int)
    rejected = (wide.get("AssignmentStatus", pd.Series("", index=wide.index)) == "Rejected").sum()
    several = workers[workers > 1]
    found = [
        Finding("missing_answer", int(missing.sum()), "test trial", "without an answer",
                "left out here; the tool scores them as “left”", lines(missing, trials["line"])),
        Finding("catch_kept", int(catch.sum()), "catch trial", "of obviously fake pictures",
                "a row of their own here; the tool keeps them as a system", lines(catch, trials["line"])),
        Finding("photograph_again", int(again.sum()), "test trial", "of a photograph that the worker had judged before",
                "kept; they share a cell of the variance", lines(again, trials["line"])),
        Finding("repeated_worker", len(several), "worker", "with more than one assignment",
                "one person here; the tool counts assignments", tuple(map(str, several.index[:3]))),
        Finding("rejected", int(rejected), "assignment", "rejected by the requester", "kept, as the tool keeps them"),
        Finding("two_originals", int(both.sum()), "trial", "with two pictures of the originals' folder", "kept"),
        Finding("answers_slipped", int(slipped) * len(wide), "assignment",
                "with every answer stored one trial late, the last one lost",
                "moved back here; the tool scores them where they lie"),
    ]  # fmt: skip
    return tuple(finding for finding in found if finding.n)


def tool_numbers(
    paths: list[Path], *, n_practice: int = 10, n_bootstrap: int = 10_000, seed: int | None = 0
) -> tuple[ToolRow, ...]:
    """Compute what the tool's process_csv.py prints for these files, its mistakes included.

    It scores every trial after practice: right where the side of the real picture is not the selected one, with
    "unset" taken for "left", and divides by the share of a system's trials plus 1e-6.  A bootstrap sample draws
    assignments with replacement, and for each of them its trials with replacement; systems are mixed within.
    The draws are those of numpy.random.seed(seed) in the tool's order.
    """
    study = read_amt(paths, n_practice=n_practice)
    wide = pd.concat([_read(path) for path in paths], ignore_index=True)
    indices = sorted({int(m[1]) for m in (re.fullmatch(r"Input\.gt_side(\d+)", str(c)) for c in wide) if m})[
        n_practice:
    ]

    def stacked(name: str) -> npt.NDArray[Any]:
        empty = pd.Series("", index=wide.index)
        return np.array([wide.get(f"{name}{index}", empty).fillna("").to_numpy(dtype=str) for index in indices])

    real_right = stacked("Input.gt_side") == "right"
    called_left = stacked("Answer.selection") != "right"  # unset is not right, so it is left
    is_correct_NA = real_right == called_left
    left, right = (np.vectorize(_folder)(stacked(f"Input.images_{side}")) for side in SIDES)
    system_NA = np.where(left == study.real, right, left)
    names = sorted(set(system_NA.ravel()) - {study.real})
    is_system_MNA = np.array([system_NA == name for name in names])
    draws = np.random.RandomState(seed)
    N, A = is_correct_NA.shape
    samples = np.empty((n_bootstrap, len(names)))
    for sample in samples:
        a = draws.randint(A, size=A)
        n_NA = draws.randint(N, size=(N, A))
        sample[:] = _fooled(is_correct_NA[n_NA, a], is_system_MNA[:, n_NA, a])
    means = _fooled(is_correct_NA, is_system_MNA)
    return tuple(
        ToolRow(
            str(name),
            int(is_system_MNA[m].sum()),
            float(means[m]),
            float(samples[:, m].mean()),
            float(samples[:, m].std()),
        )
        for m, name in enumerate(names)
    )


def _fooled(is_correct_NA: npt.NDArray[np.bool_], is_system_MNA: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    share = (is_correct_NA & is_system_MNA).mean(axis=(1, 2)) / (is_system_MNA.mean(axis=(1, 2)) + 1e-6)
    return np.asarray(1 - share)


def mapping_of(study: AmtStudy) -> str:
    """Return the mapping file that lets `report` read the written trials."""
    return (
        "# Written by python -m analysis import-amt.\n"
        '[table]\ntitle = "AMT_Real_vs_Fake"\n\n[columns]\nparticipant = "worker"\nitem = "image"\n'
        'condition = "condition"\nfooled = "fooled"\n\n[rows]\nonly = { kind = "test" }\nkeep_duplicates = true\n'
    )
