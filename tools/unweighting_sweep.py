"""How much of the rebalancing to take back: share, temperature and saturation against each other on photographs.

    python -m tools.unweighting_sweep --weights FIRST.safetensors --val VAL.zip VAL256.zip

writes docs/results/unweighting.md (docs/decisions/0025-unweighting.md says what was made of it).  `--weights` are those
before anything was taken back.  Each photograph goes through the network once; every row is another decoding of the
same logits, so differences are paired.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from colorizer.ab_bins import N_BINS
from colorizer.arguments import whole
from colorizer.checkpoints import CheckpointError, load_checkpoint
from colorizer.metrics import auc_raw, auc_rebalanced_parts, colourfulness, psnr
from colorizer.models import ClassifyingColorizer
from colorizer.photos import PhotoError
from colorizer.rebalancing import PriorError, count_colours, unweighting, weights_of
from colorizer.render import from_lab, working_size
from colorizer.squares import Squares, read_squares
from tools.experiments import Scores, compared

OUT = Path("docs/results/unweighting.md")
LABELS = {"auc_raw": ("AuC raw", ".4f"), "auc_rebalanced": ("AuC rebalanced", ".4f"), "psnr_db": ("PSNR, dB", ".2f")}
_CHROMA = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Decoding:
    """One way to make colours of the same logits."""

    share: float
    temperature: float
    saturation: float


FORMER = Decoding(0.0, 0.6, 0.8)
DECODINGS = (
    FORMER,
    *(Decoding(share, 0.6, s) for share in (0.25, 0.5, 0.75, 1.0) for s in (0.8, 1.05)),
    *(Decoding(0.5, t, 1.05) for t in (0.38, 0.5, 0.7)),
    *(Decoding(0.5, 0.6, s) for s in (0.95, 1.0, 1.1)),
)


@torch.inference_mode()
def decoded(model: ClassifyingColorizer, lab_13HW: Tensor, weights_Q: Tensor) -> Iterator[tuple[Decoding, Tensor]]:
    """ab of one photograph by each decoding, (1, 2, H, W)."""
    height, width = lab_13HW.shape[-2:]
    small = working_size(height, width, min(model.working_px, height, width))
    small = tuple(-(-side // model.multiple) * model.multiple for side in small)
    L = F.interpolate(lab_13HW[:, :1], size=small, mode="bilinear", antialias=True, align_corners=False)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(L.contiguous(memory_format=torch.channels_last)).float()
    for way in DECODINGS:
        shifted = logits + unweighting(weights_Q, share=way.share).view(1, -1, 1, 1)
        ab = model.decode(shifted, temperature=way.temperature) * way.saturation
        yield way, F.interpolate(ab, size=(height, width), mode="bilinear", align_corners=False)


def judge(
    model: ClassifyingColorizer, squares: Squares, weights_Q: Tensor
) -> tuple[dict[Decoding, Scores], dict[str, list[float]]]:
    """Scores of each decoding, and quantiles of chroma: the originals', the former's, with half taken back."""
    counts = sum((count_colours(squares.lab(i)[:, 1:]) for i in range(len(squares))), torch.zeros(N_BINS).double())
    seen_Q = torch.where(counts > 0, counts.sum() / counts.clamp_min(1), torch.zeros_like(counts)).float()
    rows: dict[Decoding, list[list[float]]] = {way: [] for way in DECODINGS}
    shown = {"originals": None, "nothing taken back": FORMER, "half, as shipped": Decoding(0.5, 0.6, 1.05)}
    chroma: dict[str, list[Tensor]] = {name: [] for name in shown}
    for i in tqdm(range(len(squares)), desc="decoding", unit="photo"):
        lab = squares.lab(i)
        true = levels(lab[:, :1], lab[:, 1:])
        chroma["originals"].append(_thinned(lab[:, 1:]))
        for way, ab in decoded(model, lab, weights_Q):
            fake = levels(lab[:, :1], ab)
            area, mass = auc_rebalanced_parts(ab, lab[:, 1:], seen_Q)
            values = (auc_raw(ab, lab[:, 1:]), area, mass, psnr(fake, true), colourfulness(fake), colourfulness(true))
            rows[way].append([float(x[0]) for x in values])
            for name in (n for n, w in shown.items() if w == way):
                chroma[name].append(_thinned(ab))
    quantiles = {n: torch.cat(c).quantile(torch.tensor(_CHROMA)).tolist() for n, c in chroma.items()}
    return {way: Scores(*np.array(found, dtype=np.float64).T) for way, found in rows.items()}, quantiles


def levels(L_11HW: Tensor, ab_12HW: Tensor) -> Tensor:
    """What a screen shows of it, (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(from_lab(L_11HW, ab_12HW).rgb_HW3).permute(2, 0, 1)[None].float() / 255.0


def _thinned(ab_12HW: Tensor) -> Tensor:
    """Chroma of each block of 8 x 8 pixels: enough of them, and no compression noise."""
    return F.avg_pool2d(ab_12HW, 8).norm(dim=1).flatten()


def measured_cells(found: dict[str, Any], *, is_base: bool) -> list[str]:
    """Each metric with its difference to the base, and the colourfulness, as cells of a row."""
    cells = []
    for metric, (_, form) in LABELS.items():
        difference, low, high = (f"{x:+{form}}" for x in found[metric]["difference"])
        cells.append(f"{found[metric]['mean']:{form}}" + ("" if is_base else f" ({difference} [{low}, {high}])"))
    return [*cells, f"{found['colourfulness_ratio']['mean']:.2f}"]


def table(name: str, scores: dict[Decoding, Scores], quantiles: dict[str, list[float]]) -> list[str]:
    """The lines for one set of photographs."""
    base = scores[FORMER]
    lines = [f"## {len(base.auc_raw)} photographs of {name}", ""]
    heads = ("share", "T", "saturation", *(label for label, _ in LABELS.values()), "colourfulness / original's")
    lines += ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for way, own in scores.items():
        found = compared(own, base)
        cells = [f"{way.share:g}", f"{way.temperature:g}", f"{way.saturation:g}"]
        cells += measured_cells(found, is_base=way == FORMER)
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Chroma of blocks of 8 × 8 pixels, CIE units:", ""]
    lines += ["| | " + " | ".join(f"{q:.0%}" for q in _CHROMA) + " |", "|---|" + "---|" * len(_CHROMA)]
    lines += [f"| {n} | " + " | ".join(f"{x:.1f}" for x in values) + " |" for n, values in quantiles.items()]
    return [*lines, ""]


def main() -> int:
    """Decode, judge, write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--weights", type=Path, required=True, help="of truehue-lite, nothing taken back")
    parser.add_argument("--val", nargs="+", required=True, help="photographs that it did not learn; a table for each")
    parser.add_argument("--limit", type=whole(2), default=400, help="the first so many photographs of each")
    parser.add_argument("--size", type=whole(32), default=256, help="of the squares, as `evaluate` has it")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    lines = [
        "# How much of the rebalancing to take back", "",
        "Written by `python -m tools.unweighting_sweep --weights FIRST.safetensors --val VAL.zip VAL256.zip`; "
        "weights {sha}. In brackets: difference to the first row with its 95 % interval over photographs.", "",
    ]  # fmt: skip
    try:
        model, checkpoint = load_checkpoint("truehue-lite", given.weights)
        if not isinstance(model, ClassifyingColorizer) or model.knobs or checkpoint.recipe.get("unweighting"):
            raise CheckpointError(
                f"{given.weights}: has its rebalancing taken back already, or learnt without; take a file before"
            )
        weights_Q = weights_of(checkpoint.recipe)
        for path in given.val:
            squares = read_squares([path], size_px=given.size, limit=given.limit)
            lines += table(Path(path).name, *judge(model, squares, weights_Q))
    except (CheckpointError, PhotoError, PriorError) as error:
        parser.error(str(error))
    text = "\n".join(lines).replace("{sha}", checkpoint.sha256[:8])
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(text, encoding="utf-8")
    print(given.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
