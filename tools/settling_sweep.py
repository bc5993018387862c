"""What settling colours in rounds changes, and how much chroma to tell: ways of using the same weights, side by side.

    python -m tools.settling_sweep --former BEFORE.safetensors --limit 120 --val VAL.zip VAL256.zip

writes docs/results/settling.md (docs/decisions/0026-commitment.md says what was made of it).  Differences are paired by
photograph; the machine fool rate is that of `machine-judge` with fewer repeats.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from colorizer.ab_bins import N_BINS
from colorizer.arguments import whole
from colorizer.checkpoints import CheckpointError, load_checkpoint
from colorizer.machine_judge import Features, Floats, judge
from colorizer.metrics import auc_raw, auc_rebalanced_parts, colourfulness, psnr
from colorizer.models.truehue_lite import TruehueLite, Unsettled
from colorizer.motifs import find_motifs
from colorizer.photos import PhotoError
from colorizer.rebalancing import count_colours
from colorizer.render import predict_ab
from colorizer.squares import Squares, predictor, read_squares
from tools.experiments import Scores, compared
from tools.unweighting_sweep import LABELS, levels, measured_cells

OUT = Path("docs/results/settling.md")
_REPEATS = 3


@dataclass(frozen=True)
class Way:
    """One way to use the weights; `former` are other weights, as they are."""

    name: str
    boldness: float = TruehueLite.boldness
    detail: float = TruehueLite.detail
    is_settled: bool = True
    is_former: bool = False


FORMER = Way("the weights before", is_former=True)
WAYS = (
    Way("nothing settled, chroma told", is_settled=False),
    Way("settled, without detail", detail=0.0),
    *(Way(f"settled, {d:g} times the detail", detail=d) for d in (0.75, 1.0, 1.5)),
    *(Way(f"told {b:g} times the expected chroma", boldness=b) for b in (0.9, 1.0, 1.2)),
    Way("as shipped"),
)


def coloured(model: TruehueLite, lab_13HW: Tensor, way: Way) -> Tensor:
    """ab of one photograph, (1, 2, H, W)."""
    model.boldness, model.detail = way.boldness, way.detail
    free = Unsettled(model) if not way.is_settled else model
    return predict_ab(free, lab_13HW[:, :1], working_px=min(model.working_px, *lab_13HW.shape[-2:]))


@dataclass(frozen=True)
class Found:
    """What one way is worth on one set of photographs."""

    scores: Scores
    fool_rate: float


def weigh(model: TruehueLite, squares: Squares, former: str) -> dict[Way, Found]:
    """Every way over these photographs, the former weights first."""
    labs = [squares.lab(i) for i in range(len(squares))]
    counts = sum((count_colours(lab[:, 1:]) for lab in labs), torch.zeros(N_BINS).double())
    seen_Q = torch.where(counts > 0, counts.sum() / counts.clamp_min(1), torch.zeros_like(counts)).float()
    group_N, features = find_motifs(squares.photos).group_N, Features()
    original_NF = np.stack([features.of(lab) for lab in labs])
    before = predictor(model.name, squares, weights={model.name: former})
    found = {}
    for way in (FORMER, *WAYS):
        rows, seen = [], []
        for i, lab in enumerate(tqdm(labs, desc=way.name, unit="photo")):
            ab = before(i, lab) if way.is_former else coloured(model, lab, way)
            fake, true = levels(lab[:, :1], ab), levels(lab[:, :1], lab[:, 1:])
            area, mass = auc_rebalanced_parts(ab, lab[:, 1:], seen_Q)
            values = (auc_raw(ab, lab[:, 1:]), area, mass, psnr(fake, true), colourfulness(fake), colourfulness(true))
            rows.append([float(x[0]) for x in values])
            seen.append(features.of(torch.cat((lab[:, :1], ab), dim=1)))
        scores = Scores(*np.array(rows, dtype=np.float64).T)
        found[way] = Found(scores, _fool_rate(original_NF, np.stack(seen), group_N))
    return found


def _fool_rate(original_NF: Floats, fake_NF: Floats, group_N: npt.NDArray[np.int64]) -> float:
    judged = [judge(original_NF, fake_NF, group_N, folds=10, seed=seed) for seed in range(_REPEATS)]
    return float(np.mean([j.fake_N > 0 for j in judged]))


def table(name: str, found: dict[Way, Found]) -> list[str]:
    """The lines for one set of photographs."""
    base = found[FORMER].scores
    heads = ("", *(label for label, _ in LABELS.values()), "colourfulness / original's", "machine fool rate")
    lines = [f"## {len(base.auc_raw)} photographs of {name}", "", "| " + " | ".join(heads) + " |"]
    lines.append("|" + "---|" * len(heads))
    for way, own in found.items():
        measured = compared(own.scores, base)
        cells = [way.name, *measured_cells(measured, is_base=way == FORMER), f"{own.fool_rate:.3f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def main() -> int:
    """Colour, judge, write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--weights", type=Path, help="of truehue-lite, that settle; by default the shipped ones")
    parser.add_argument("--former", type=Path, required=True, help="weights of truehue-lite to compare with")
    parser.add_argument("--val", nargs="+", required=True, help="photographs that it did not learn; a table for each")
    parser.add_argument("--limit", type=whole(20), default=400, help="the first so many photographs of each")
    parser.add_argument("--size", type=whole(32), default=256, help="of the squares, as `evaluate` has it")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    try:
        model, checkpoint = load_checkpoint("truehue-lite", given.weights)
        if not isinstance(model, TruehueLite) or model.commitment is None:
            raise CheckpointError(f"{given.weights}: has not learnt to settle; take weights of truehue-lite-settled")
        lines = [
            "# What settling colours in rounds changes", "",
            "Written by",
            "`python -m tools.settling_sweep --former BEFORE.safetensors --limit 120 --val VAL.zip VAL256.zip`;",
            f"weights {checkpoint.sha256[:8]}. In brackets: difference to the first row, 95 % interval over",
            "photographs.",
            f"The machine fool rate is of {_REPEATS} repeats; it screens, people decide.", "",
        ]  # fmt: skip
        for path in given.val:
            squares = read_squares([path], size_px=given.size, limit=given.limit)
            lines += table(Path(path).name, weigh(model, squares, str(given.former)))
    except (CheckpointError, PhotoError) as error:
        parser.error(str(error))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text("\n".join(lines), encoding="utf-8")
    print(given.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
