"""Judge colorizers on photographs with their originals: a table like Table 1 of Zhang et al. 2016, with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from colorizer.ab_bins import N_BINS
from colorizer.judges import (
    EfficientNetLite,
    Inception,
    JudgeError,
    Lpips,
    classifier,
    frechet_distance,
    kernel_distance,
)
from colorizer.metrics import (
    auc_raw,
    auc_rebalanced_parts,
    colourfulness,
    colourfulness_absolute,
    delta_e00_mean,
    psnr,
    ssim,
)
from colorizer.rebalancing import count_colours
from colorizer.render import from_lab
from colorizer.squares import Squares, predictor, read_squares

_N_BOOTSTRAP = 2000


@dataclass(frozen=True)
class Estimate:
    """A mean over images with its 95 % interval over images; None where a metric has no interval."""

    mean: float
    ci_low: float | None
    ci_high: float | None


@dataclass
class _Judges:
    """Networks that judge, each loaded once; `not_run` says which could not be, and why."""

    lite: EfficientNetLite
    lpips: Lpips | None = None
    inception: Inception | None = None
    not_run: dict[str, str] = field(default_factory=dict)


def _bootstrap(numerator: npt.NDArray[np.float64], denominator: npt.NDArray[np.float64], seed: int) -> Estimate:
    """Ratio of sums with an interval from resampling images (multinomial weights)."""
    n = len(numerator)
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(0, _N_BOOTSTRAP, 100):  # a hundred draws at a time: 10,000 images need no gigabytes
        draws = rng.multinomial(n, np.full(n, 1 / n), size=100)
        ratios.append((draws @ numerator) / (draws @ denominator))
    low, high = np.quantile(np.concatenate(ratios), (0.025, 0.975))
    return Estimate(float(numerator.sum() / denominator.sum()), float(low), float(high))


def _bin_weights(pictures: Squares) -> Tensor:
    """Inverse empirical frequency of each bin over these originals; bins that do not occur get 0."""
    counts = torch.zeros(N_BINS, dtype=torch.float64)
    for i in range(len(pictures)):
        counts += count_colours(pictures.lab(i)[:, 1:])
    return torch.where(counts > 0, counts.sum() / counts.clamp_min(1), torch.zeros_like(counts)).float()


def _load_judges() -> _Judges:
    judges = _Judges(EfficientNetLite())
    for name, make in {"lpips": Lpips, "inception": Inception}.items():
        try:
            setattr(judges, name, make())
        except JudgeError as error:
            for metric in ("lpips",) if name == "lpips" else ("fid", "kid"):
                judges.not_run[metric] = str(error)
    return judges


def evaluate(
    data: Sequence[Path | str],
    models: list[str],
    *,
    weights: dict[str, str] | None = None,
    size_px: int = 256,
    limit: int | None = None,
    temperature: float | None = None,
    working_px: int | None = None,
    backend: str = "torch",
    seed: int = 0,
    paper_ids: bool = False,
    workers: int = 0,
    on_picture: Callable[[str, str, npt.NDArray[np.uint8]], None] | None = None,
) -> dict[str, Any]:
    """Every metric of every model over the photographs; JSON-ready.

    `models` are registry or published names, `gray`, `random` or `real`.  Photographs smaller than `size_px` are used
    at their own size.  Rebalanced AuC weighs pixels by the inverse empirical frequency of their true bin over this
    data set.  `paper_ids` keeps those of the paper's 10,000 test photographs (ImageNet's validation files) only.
    `on_picture` gets every picture as (model, photograph's name, pixels).
    """
    pictures = read_squares(data, size_px=size_px, limit=limit, paper_ids=paper_ids, workers=workers)
    weights_Q = _bin_weights(pictures)
    n_labelled = sum(label is not None for label in pictures.labels)
    judges = _load_judges()
    semantic = classifier()
    originals: dict[str, npt.NDArray[np.float64]] = {}
    rows: dict[str, Any] = {}
    # The originals first: the others' features are compared with theirs.
    for name in ["real", *(m for m in models if m != "real")]:
        predict = predictor(
            name,
            pictures,
            weights=weights,
            temperature=temperature,
            working_px=working_px,
            backend=backend,
            seed=seed,
        )
        per_image: dict[str, list[float]] = {}
        features: dict[str, list[npt.NDArray[np.float64]]] = {}
        for i in tqdm(range(len(pictures)), desc=f"judging {name}", unit="photo"):
            lab = pictures.lab(i)
            ab = predict(i, lab)
            picture = from_lab(lab[:, :1], ab).rgb_HW3
            if on_picture is not None:
                on_picture(name, pictures.photos[i].name, picture)
                if name == "real":
                    grey = from_lab(lab[:, :1], torch.zeros_like(lab[:, 1:])).rgb_HW3
                    on_picture("grey", pictures.photos[i].name, grey)
            _judge_one(lab, ab, picture, weights_Q, judges, semantic, per_image, features)
        pooled = {k: np.concatenate(v) for k, v in features.items()}
        if name == "real":
            originals = pooled
        row = _row(per_image, pooled, originals, pictures.labels, semantic.name, seed)
        if name in models:
            rows[name] = row
    return {
        "format": "truehue-evaluation/2",
        "data": [Path(p).name for p in data],
        "n_images": len(pictures),
        "n_labelled": n_labelled,
        "n_refused": dict(pictures.refused),
        "size_px": size_px,
        "temperature": temperature,
        "working_px": working_px,
        "backend": backend,
        "seed": seed,
        "rebalancing": "inverse empirical frequency of the true bin over these images, pooled over pixels",
        "interval": f"95 % percentile bootstrap over images, {_N_BOOTSTRAP} draws; KID: 1.96 standard deviations over "
        "100 subsets of half the images; the Fréchet distances have none and fall with n",
        "semantic_judge": semantic.name,
        "not_run": _not_run(judges, semantic.name, n_labelled=n_labelled),
        "models": {name: rows[name] for name in models},
    }


def _not_run(judges: _Judges, semantic: str, *, n_labelled: int) -> dict[str, str]:
    """Metric -> why it is not in the table."""
    told = dict(judges.not_run)
    if semantic != "vgg16":
        told["top1_vgg16"] = (
            f"needs the weights vgg16-imagenet (python -m colorizer fetch vgg16-imagenet); {semantic} judged"
        )
    if not n_labelled:
        told[f"top1_{semantic}"] = (
            "needs photographs of known class (the paper's ImageNet files); `same_class` says how often the "
            "recoloured photograph is taken for what the original is taken for"
        )
    return told


@torch.inference_mode()
def _judge_one(
    lab: Tensor,
    ab: Tensor,
    picture_HW3: npt.NDArray[np.uint8],
    weights_Q: Tensor,
    judges: _Judges,
    semantic: Any,
    per_image: dict[str, list[float]],
    features: dict[str, list[npt.NDArray[np.float64]]],
) -> None:
    """Add one picture's values; `<metric>__mass` holds denominators where images weigh differently."""
    true_HW3 = from_lab(lab[:, :1], lab[:, 1:]).rgb_HW3
    rgb, rgb_true = (torch.from_numpy(x).permute(2, 0, 1)[None].float() / 255.0 for x in (picture_HW3, true_HW3))

    def note(metric: str, value: Tensor | float) -> None:
        per_image.setdefault(metric, []).append(float(value))

    note("auc_raw", auc_raw(ab, lab[:, 1:])[0])
    area, mass = auc_rebalanced_parts(ab, lab[:, 1:], weights_Q)
    note("auc_rebalanced", area[0])
    note("auc_rebalanced__mass", mass[0])
    note("psnr_db", psnr(rgb, rgb_true)[0])
    note("ssim", ssim(rgb, rgb_true)[0])
    note("delta_e00", delta_e00_mean(rgb, rgb_true)[0])
    for metric, measure in (("colourfulness", colourfulness), ("colourfulness_absolute", colourfulness_absolute)):
        value, original = measure(rgb)[0], measure(rgb_true)[0]
        note(metric, value)
        note(f"{metric}_difference", value - original)
        note(f"{metric}_ratio", value)
        note(f"{metric}_ratio__mass", original)
    if judges.lpips is not None:
        note("lpips", judges.lpips.distance(rgb, rgb_true)[0])
    if judges.inception is not None:
        features.setdefault("inception", []).append(judges.inception.features(rgb).double().numpy())
    found = judges.lite.features(rgb)
    features.setdefault("efficientnet_lite0", []).append(found.double().numpy())
    logits = judges.lite.last(found) if semantic.name == judges.lite.name else semantic.classes(rgb)
    features.setdefault("class", []).append(logits.argmax(1).double().numpy())


def _row(
    per_image: dict[str, list[float]],
    pooled: dict[str, npt.NDArray[np.float64]],
    originals: dict[str, npt.NDArray[np.float64]],
    labels: list[int | None],
    semantic: str,
    seed: int,
) -> dict[str, Any]:
    n = len(labels)
    row: dict[str, Any] = {}
    for metric, values in per_image.items():
        if not metric.endswith("__mass"):
            mass = per_image.get(f"{metric}__mass", [1.0] * n)
            row[metric] = vars(_bootstrap(np.asarray(values), np.asarray(mass), seed))
    same = (pooled["class"] == originals["class"]).astype(float)
    row[f"same_class_{semantic}"] = vars(_bootstrap(same, np.ones(n), seed))
    known = np.array([label is not None for label in labels])
    if known.any():
        right = np.array([pooled["class"][i] == labels[i] for i in np.flatnonzero(known)]).astype(float)
        row[f"top1_{semantic}"] = vars(_bootstrap(right, np.ones(len(right)), seed))
    if n >= 4:
        for network, (frechet, kernel) in {
            "inception": ("fid", "kid"), "efficientnet_lite0": ("fd_efficientnet_lite0", "kd_efficientnet_lite0")
        }.items():  # fmt: skip
            if network in pooled:
                row[frechet] = vars(Estimate(frechet_distance(pooled[network], originals[network]), None, None))
                mean, deviation = kernel_distance(pooled[network], originals[network], seed=seed)
                row[kernel] = vars(Estimate(mean, mean - 1.96 * deviation, mean + 1.96 * deviation))
    return row
