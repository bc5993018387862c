"""Judge colorizers on photographs with their originals: a table like Table 1 of Zhang et al. 2016, with intervals."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from colorizer.ab_bins import N_BINS, nearest_bin
from colorizer.baselines import gray_ab, random_partners
from colorizer.checkpoints import load_checkpoint
from colorizer.data import AnyPhoto, centre_square, read_photos
from colorizer.metrics import (
    auc_raw,
    auc_rebalanced_parts,
    colourfulness,
    colourfulness_absolute,
    delta_e00_mean,
    psnr,
    ssim,
)
from colorizer.render import from_lab, predict_ab, to_lab

_N_BOOTSTRAP = 2000


class EvaluationError(ValueError):
    """An evaluation that cannot be done."""


@dataclass(frozen=True)
class Estimate:
    """A mean over images with its 95 % percentile bootstrap interval over images."""

    mean: float
    ci_low: float
    ci_high: float


def _bootstrap(numerator: npt.NDArray[np.float64], denominator: npt.NDArray[np.float64], seed: int) -> Estimate:
    """Ratio of sums with an interval from resampling images (multinomial weights)."""
    n = len(numerator)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=_N_BOOTSTRAP)
    ratios = (draws @ numerator) / (draws @ denominator)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return Estimate(float(numerator.sum() / denominator.sum()), float(low), float(high))


def _bin_weights(squares: list[Tensor]) -> Tensor:
    """Inverse empirical frequency of each bin over these originals; bins that do not occur get 0."""
    counts = torch.zeros(N_BINS, dtype=torch.float64)
    for rgb in squares:
        ab = to_lab(rgb.permute(1, 2, 0).numpy())[:, 1:]
        counts += torch.bincount(nearest_bin(ab).flatten(), minlength=N_BINS).double()
    return torch.where(counts > 0, counts.sum() / counts.clamp_min(1), torch.zeros_like(counts)).float()


def evaluate(
    data: Sequence[Path | str],
    models: list[str],
    *,
    weights: dict[str, str] | None = None,
    size_px: int = 256,
    limit: int | None = None,
    temperature: float | None = None,
    working_px: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Every metric of every model over the photographs; JSON-ready.

    `models` are registry names, `gray`, `random` or `real`.  Photographs smaller than `size_px` are used at their
    own size.  Rebalanced AuC weighs pixels by the inverse empirical frequency of their true bin over this data set.
    """
    photos, refused = read_photos(data, longest_px=size_px, shortest_px=16)
    photos = photos[:limit]
    if not photos:
        raise EvaluationError(f"no usable photograph in {', '.join(map(str, data))}: {dict(refused) or 'none found'}")
    squares = [centre_square(p.rgb_HW3, min(size_px, *p.rgb_HW3.shape[:2])) for p in photos]
    weights_Q = _bin_weights(squares)
    rows: dict[str, Any] = {}
    for name in models:
        per_image = _judge(name, photos, squares, weights_Q, weights or {}, temperature, working_px, seed)
        ones = np.ones(len(photos))
        rows[name] = {}
        for metric, values in per_image.items():
            if metric.endswith("__mass"):
                continue
            mass = per_image.get(f"{metric}__mass", ones)
            rows[name][metric] = vars(_bootstrap(np.asarray(values), np.asarray(mass), seed))
    return {
        "format": "truehue-evaluation/1",
        "data": [Path(p).name for p in data],
        "n_images": len(photos),
        "n_refused": dict(Counter(refused)),
        "size_px": size_px,
        "temperature": temperature,
        "working_px": working_px,
        "rebalancing": "inverse empirical frequency of the true bin over these images, pooled over pixels",
        "interval": f"95 % percentile bootstrap over images, {_N_BOOTSTRAP} draws",
        "models": rows,
    }


def _judge(
    name: str,
    photos: list[AnyPhoto],
    squares: list[Tensor],
    weights_Q: Tensor,
    weights: dict[str, str],
    temperature: float | None,
    working_px: int | None,
    seed: int,
) -> dict[str, list[float]]:
    """Metric -> one value per image; `<metric>__mass` holds denominators where images weigh differently."""
    model = None if name in ("gray", "random", "real") else load_checkpoint(name, weights.get(name))[0]
    labs = {p.name: to_lab(s.permute(1, 2, 0).numpy()) for p, s in zip(photos, squares, strict=True)}
    partners = random_partners(list(labs), list(labs), seed=seed) if name == "random" else {}
    out: dict[str, list[float]] = {}

    def note(metric: str, value: Tensor | float) -> None:
        out.setdefault(metric, []).append(float(value))

    for photo in tqdm(photos, desc=f"judging {name}", unit="photo"):
        lab = labs[photo.name]
        L, ab_true = lab[:, :1], lab[:, 1:]
        if name == "real":
            ab = ab_true
        elif name == "gray":
            ab = gray_ab(L)
        elif model is None:
            ab = _fit(labs[partners[photo.name]][:, 1:], L)
        else:
            side = min(working_px or model.working_px, *L.shape[-2:])
            ab = predict_ab(model, L, working_px=side, temperature=temperature)
        rgb_true, rgb = (
            torch.from_numpy(from_lab(L, x).rgb_HW3).permute(2, 0, 1)[None].float() / 255.0 for x in (ab_true, ab)
        )
        note("auc_raw", auc_raw(ab, ab_true)[0])
        area, mass = auc_rebalanced_parts(ab, ab_true, weights_Q)
        note("auc_rebalanced", area[0])
        note("auc_rebalanced__mass", mass[0])
        note("psnr_db", psnr(rgb, rgb_true)[0])
        note("ssim", ssim(rgb, rgb_true)[0])
        note("delta_e00", delta_e00_mean(rgb, rgb_true)[0])
        note("colourfulness", colourfulness(rgb)[0])
        note("colourfulness_ratio", colourfulness(rgb)[0])
        note("colourfulness_ratio__mass", colourfulness(rgb_true)[0])
        note("colourfulness_absolute", colourfulness_absolute(rgb)[0])
    return out


def _fit(ab_B2HW: Tensor, L_B1HW: Tensor) -> Tensor:
    """Another photograph's ab at this one's size."""
    return torch.nn.functional.interpolate(ab_B2HW, size=L_B1HW.shape[-2:], mode="bilinear", align_corners=False)


def as_text(result: dict[str, Any]) -> str:
    """The table for a terminal: mean and interval per metric."""
    metrics = list(next(iter(result["models"].values())))
    lines = [f"{result['n_images']} photographs of {', '.join(result['data'])}; {result['interval']}"]
    for metric in metrics:
        lines.append(metric)
        for name, row in result["models"].items():
            e = row[metric]
            lines.append(f"  {name:<16} {e['mean']:9.4f}  [{e['ci_low']:.4f}, {e['ci_high']:.4f}]")
    return "\n".join(lines)
