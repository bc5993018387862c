"""How much hints help: PSNR against their number, as in Zhang et al. 2017, figure 6."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from colorizer.data import centre_square, read_photos
from colorizer.hints import PATCH_PX, HintError
from colorizer.metrics import psnr
from colorizer.models import Colorizer
from colorizer.render import from_lab, to_lab

FORMAT = "truehue-hint-curve/1"
# Of the released network over 1,000 photographs of ImageNet, as the authors published it: no hint, and most hints.
PUBLISHED_DB = {"none": 24.43, "most": 32.14}
_N_BOOTSTRAP = 2000


@torch.inference_mode()
def measure(
    model: Colorizer,
    data: Sequence[Path | str],
    *,
    counts: tuple[int, ...],
    size_px: int = 256,
    limit: int | None = None,
    patch_px: int = PATCH_PX,
    seed: int = 0,
) -> dict[str, Any]:
    """PSNR (dB) over photographs for each number of hints, with 95 % bootstrap intervals over photographs.

    Hints are patches of `patch_px` at uniform places with the mean of their true colours; those of a smaller number
    are among those of a larger one, so that the curve of one photograph is comparable with itself.
    """
    if not model.takes_hints:
        raise HintError(f"{model.name} takes no hints; use --model siggraph17")
    if min(counts) < 0:
        raise HintError(f"--counts: expected numbers of hints from 0, got {min(counts)}")
    counts = tuple(sorted(set(counts)))
    photos = read_photos(data, longest_px=size_px, shortest_px=16)[0][:limit]
    if not photos:
        raise HintError(f"no usable photograph in {', '.join(map(str, data))}")
    per_photo = np.zeros((len(photos), len(counts)))
    for row, photo in enumerate(tqdm(photos, desc="hinting", unit="photo")):
        square = centre_square(photo.rgb_HW3, min(size_px, *photo.rgb_HW3.shape[:2]))
        lab = to_lab(square.permute(1, 2, 0).numpy())
        L, ab = lab[:, :1], lab[:, 1:]
        truth = torch.from_numpy(from_lab(L, ab).rgb_HW3).permute(2, 0, 1)[None] / 255.0
        rng = np.random.default_rng((seed, row))
        side = min(patch_px, *L.shape[-2:])
        hints, mask = torch.zeros_like(ab), torch.zeros_like(L)
        given = 0
        for column, count in enumerate(counts):
            for _ in range(count - given):
                top, left = (int(rng.integers(0, length - side + 1)) for length in L.shape[-2:])
                patch = (slice(None), slice(None), slice(top, top + side), slice(left, left + side))
                hints[patch] = ab[patch].mean((2, 3), keepdim=True)
                mask[patch] = 1.0
            given = count
            steering: dict[str, Any] = {"hint_ab": hints, "hint_mask": mask} if given else {}
            made = from_lab(L, model.predict_ab(L, **steering).float()).rgb_HW3
            per_photo[row, column] = float(psnr(torch.from_numpy(made).permute(2, 0, 1)[None] / 255.0, truth)[0])
    draws = np.random.default_rng(seed).integers(0, len(photos), size=(_N_BOOTSTRAP, len(photos)))
    low, high = np.quantile(per_photo[draws].mean(1), (0.025, 0.975), axis=0)
    return {
        "format": FORMAT,
        "model": model.name,
        "data": [Path(p).name for p in data],
        "n_images": len(photos),
        "size_px": size_px,
        "patch_px": patch_px,
        "seed": seed,
        "interval": f"95 % percentile bootstrap over images, {_N_BOOTSTRAP} draws",
        "points": [
            {"n_hints": n, "psnr_db": float(m), "ci_low": float(a), "ci_high": float(b)}
            for n, m, a, b in zip(counts, per_photo.mean(0), low, high, strict=True)
        ],
    }


def as_text(curve: dict[str, Any]) -> str:
    """The curve for a terminal."""
    lines = [f"{curve['model']}, {curve['n_images']} photographs; {curve['interval']}", "hints   PSNR, dB"]
    lines += [
        f"{p['n_hints']:5d}   {p['psnr_db']:5.2f} [{p['ci_low']:.2f}, {p['ci_high']:.2f}]" for p in curve["points"]
    ]
    return "\n".join(lines)


def plot(curve: dict[str, Any], path: Path) -> None:
    """Draw the curve with its interval and write it as the suffix of `path` says."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    points = curve["points"]
    n = [p["n_hints"] for p in points]
    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    axes.fill_between(n, [p["ci_low"] for p in points], [p["ci_high"] for p in points], alpha=0.2, linewidth=0)
    axes.plot(n, [p["psnr_db"] for p in points], marker="o", markersize=4)
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)  # 0 hints must have a place
    axes.set_xticks(n, [str(x) for x in n])
    axes.minorticks_off()
    axes.set_xlabel(f"hints per photograph ({curve['patch_px']} × {curve['patch_px']} pixels each)")
    axes.set_ylabel("PSNR, dB")
    axes.set_title(f"{curve['model']}, {curve['n_images']} photographs, 95 % interval over photographs", fontsize=10)
    axes.grid(alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
