"""Which knobs of the training are worth turning: short runs from the same weights, their curves, and what they changed.

    python -m tools.experiments --data TRAIN.zip TRAIN64.zip --val VAL.zip --out runs/experiments
    python -m tools.experiments --draw

The first trains every variant that has no result yet (in the order below, each resumable), judges it and writes
docs/results/experiments.json; both draw docs/figures/experiments.svg and docs/results/experiments.md from that file.

Every run starts from the same weights and seed and sees the same number of pixels.  A difference to `base` comes with
an interval over the photographs of --val, the same photographs for both; `another seed` shows what chance does.
Decoders of another shape have no weights to start from: they begin anew and are compared with `new`.
"""

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from colorizer.ab_bins import N_BINS
from colorizer.arguments import whole
from colorizer.checkpoints import load_checkpoint
from colorizer.data import centre_square
from colorizer.defaults import DEFAULT_MODEL
from colorizer.distributed import World
from colorizer.metrics import auc_raw, auc_rebalanced_parts, colourfulness, psnr
from colorizer.rebalancing import count_colours
from colorizer.recipe import Recipe, RecipeError
from colorizer.recipe_files import read_recipe
from colorizer.render import from_lab, predict_ab
from colorizer.squares import Squares, read_squares
from colorizer.train import Run
from colorizer.training_photos import Photographs, gather_photographs

RESULTS, FIGURE = Path("docs/results/experiments.json"), Path("docs/figures/experiments.svg")
BASE: dict[str, Any] = {
    "start": "scratch", "steps": 80, "batch": 16, "crop_px": 96, "scale_min": 0.6, "lam": 0.5, "learning_rate": 1e-4,
    "encoder_learning_rate": 4e-5, "warmup_steps": 8, "ema_decay": 0.95, "holdout_max": 96, "validate_every": 20,
    "checkpoint_every": 20, "seed": 11,
}  # fmt: skip
_N_BOOTSTRAP = 2000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Variant:
    """One run: what differs from BASE, in the recipe and in the sources that it learns from."""

    name: str
    overrides: dict[str, Any] = field(default_factory=dict)
    sources: tuple[int, ...] = ()  # positions in --data; empty: all
    first_half: dict[str, Any] = field(default_factory=dict)  # what differs besides in its first half, if anything
    is_new: bool = False  # begins with ImageNet's encoder and an untrained decoder, not with --init


_NEW: dict[str, Any] = {"start": "imagenet", "learning_rate": 1e-3, "encoder_learning_rate": 4e-4}


def _new(name: str, **arguments: Any) -> Variant:
    return Variant(name, _NEW | {"arguments": {"n_frozen_stages": 3} | arguments}, is_new=True)


_REFERENCES = ("base", "new")

# Pixels per step are equal within 6 %: what a larger crop costs is taken from the batch.
VARIANTS = (
    Variant("base"),
    Variant("another seed", {"seed": 12}),
    Variant("learning rate × 5", {"learning_rate": 5e-4, "encoder_learning_rate": 2e-4}),
    Variant("learning rate × 0.2", {"learning_rate": 2e-5, "encoder_learning_rate": 8e-6}),
    Variant("λ = 0.25", {"lam": 0.25}),
    Variant("λ = 0.75", {"lam": 0.75}),
    Variant("decoder only", {"arguments": {"n_frozen_stages": 7}}),
    Variant("whole encoder", {"arguments": {"n_frozen_stages": 0}}),
    Variant("crop 128", {"crop_px": 128, "batch": 9}),
    Variant("crop 176", {"crop_px": 176, "batch": 5}),
    Variant("crop 64, then 128", {"crop_px": 128, "batch": 9}, first_half={"crop_px": 64, "batch": 36}),
    Variant("whole photographs, no scaling", {"scale_min": 1.0}),
    Variant("not mirrored", {"mirror": False}),
    Variant("first source only", sources=(0,)),
    Variant("7 : 3 from the sources", {"mix": (0.7, 0.3)}),
    Variant("no EMA", {"ema_decay": 0.0}),
    Variant("perceptual, weight 2", {"objective": "perceptual", "objective_arguments": {"weight": 2.0}}),
    Variant("adversarial, weight 0.1", {"objective": "judged", "objective_arguments": {"weight": 0.1}}),
    _new("new"),
    _new("new, half as wide", decoder=(128, 96, 64)),
    _new("new, 1.5 times as wide", decoder=(384, 288, 192)),
    _new("new, one layer less deep", depth=1),
    _new("new, one layer deeper", depth=3),
    _new("new, on lite1", encoder=1),
    _new("new, on lite2", encoder=2),
)


def _recipe(variant: Variant, steps: int) -> Recipe:
    recipe = read_recipe("truehue-lite", BASE | {"steps": steps} | variant.overrides)
    return replace(recipe, name="experiment")


def learn(variant: Variant, photographs: Photographs, judged: Squares, out: Path, *, init: str, steps: int) -> Path:
    """Train this variant, or go on with it, or take what is there."""
    if variant.is_new:
        init = ""
    if variant.first_half:
        both = {"warmup_steps": BASE["warmup_steps"]} | variant.overrides
        early = Variant(variant.name, both | {"schedule": "constant"} | variant.first_half, variant.sources)
        init = str(_train(early, photographs, judged, out / "first-half", init=init, steps=steps // 2))
        late = replace(variant, overrides=variant.overrides | {"warmup_steps": 0})
        return _train(late, photographs, judged, out, init=init, steps=steps - steps // 2)
    return _train(variant, photographs, judged, out, init=init, steps=steps)


def _train(variant: Variant, photographs: Photographs, judged: Squares, out: Path, *, init: str, steps: int) -> Path:
    recipe = _recipe(variant, steps)
    path = out / "model.safetensors"
    if path.is_file():
        return path
    wanted = variant.sources or tuple(range(max(photographs.source_N) + 1))
    keep = [i for i, s in enumerate(photographs.source_N) if s in wanted]
    squares = [centre_square(p.rgb_HW3, recipe.crop_px) for p in judged.photos[: recipe.holdout_max]]
    own = Photographs(
        [photographs.training[i] for i in keep], torch.stack(squares), photographs.phashes,
        [wanted.index(photographs.source_N[i]) for i in keep],
    )  # fmt: skip
    resume = (out / "resume.pt").is_file()
    run = Run(recipe, out, World(), resume=resume, compiled=False, synchronised_norm=False)
    run.build("" if resume else init)
    run.learn(own, workers=1)
    run.save(path, own, small=False)
    return path


@dataclass(frozen=True)
class Scores:
    """Per photograph, (N,): what the shares below are made of."""

    auc_raw: Floats
    rebalanced: Floats  # area times mass
    mass: Floats
    psnr_db: Floats
    colour: Floats
    colour_true: Floats

    def of(self, draws_DN: Floats) -> dict[str, Floats]:
        """Each metric under these weights of photographs, (D,)."""
        n = draws_DN.sum(1)
        return {
            "auc_raw": draws_DN @ self.auc_raw / n,
            "auc_rebalanced": (draws_DN @ self.rebalanced) / (draws_DN @ self.mass),
            "psnr_db": draws_DN @ self.psnr_db / n,
            "colourfulness_ratio": (draws_DN @ self.colour) / (draws_DN @ self.colour_true),
        }


@torch.inference_mode()
def judge(weights: str, squares: Squares) -> Scores:
    """Colour the squares at the model's defaults and measure."""
    counts = sum((count_colours(squares.lab(i)[:, 1:]) for i in range(len(squares))), torch.zeros(N_BINS).double())
    weights_Q = torch.where(counts > 0, counts.sum() / counts.clamp_min(1), torch.zeros_like(counts)).float()
    model = load_checkpoint(DEFAULT_MODEL, weights or None)[0]
    rows = []
    for i in tqdm(range(len(squares)), desc="judging", unit="photo"):
        lab = squares.lab(i)
        ab = predict_ab(model, lab[:, :1], working_px=min(model.working_px, *lab.shape[-2:]))
        area, mass = auc_rebalanced_parts(ab, lab[:, 1:], weights_Q)
        fake, true = (
            torch.from_numpy(from_lab(lab[:, :1], x).rgb_HW3).permute(2, 0, 1)[None].float() / 255.0
            for x in (ab, lab[:, 1:])
        )
        raw = auc_raw(ab, lab[:, 1:])
        values = (raw, area, mass, psnr(fake, true), colourfulness(fake), colourfulness(true))
        rows.append([float(x[0]) for x in values])
    return Scores(*np.array(rows, dtype=np.float64).T)


def compared(scores: Scores, base: Scores, seed: int = 0) -> dict[str, Any]:
    """Means, and differences to `base` with 95 % intervals over photographs, drawn for both alike."""
    n = len(base.auc_raw)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=_N_BOOTSTRAP).astype(np.float64)
    own, other = scores.of(draws), base.of(draws)
    one = np.ones((1, n))
    found: dict[str, Any] = {}
    for metric, value in scores.of(one).items():
        low, high = np.quantile(own[metric] - other[metric], (0.025, 0.975))
        difference = float(value[0] - base.of(one)[metric][0])
        found[metric] = {"mean": float(value[0]), "difference": [difference, float(low), float(high)]}
    return found


def _curve(log: Path) -> dict[str, list[float]]:
    with log.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {key: [float(r[key]) for r in rows] for key in ("step", "loss_train", "cross_entropy", "auc_raw")}


def main() -> int:
    """Train, judge, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", help="photographs to learn from")
    parser.add_argument("--val", nargs="+", help="photographs to judge by, seen by no run")
    parser.add_argument("--init", default=DEFAULT_MODEL, help="weights that every run starts from")
    parser.add_argument("--out", type=Path, default=Path("runs/experiments"))
    parser.add_argument(
        "--only", nargs="+", choices=[v.name for v in VARIANTS], metavar="NAME",
        help="these and what they are compared with",
    )  # fmt: skip
    parser.add_argument("--steps", type=whole(1), default=BASE["steps"])
    parser.add_argument("--limit", type=whole(1), default=120, help="judge by the first so many photographs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--figure", type=Path, default=FIGURE)
    parser.add_argument("--draw", action="store_true", help="only draw what --results holds")
    given = parser.parse_args()
    if not given.draw:
        if not (given.data and given.val):
            parser.error("--data and --val: say what to learn from and what to judge by, or --draw")
        try:
            experiment(given)
        except (RecipeError, ValueError, RuntimeError) as error:
            parser.error(str(error))
    elif not given.results.is_file():
        parser.error(f"{given.results}: no results to draw; run the experiments first")
    from tools.experiment_pages import draw, table

    results = json.loads(given.results.read_text(encoding="utf-8"))
    draw(results, given.figure)
    page = given.results.with_suffix(".md")
    page.write_text(table(results), encoding="utf-8")
    print(f"{given.figure}, {page}")
    return 0


def experiment(given: argparse.Namespace) -> None:
    """Every variant in turn; the results so far are written after each."""
    widest = replace(_recipe(VARIANTS[0], given.steps), crop_px=max(_recipe(v, 1).crop_px for v in VARIANTS))
    squares = read_squares(given.val, size_px=256, limit=given.limit)
    photographs = gather_photographs(widest, given.data, given.val, World(), 1)
    start = judge(given.init if Path(given.init).is_file() else "", squares)
    results: dict[str, Any] = {
        "format": "truehue-experiments/1", "init": Path(given.init).name, "data": _names(given.data),
        "n_training": len(photographs.training), "val": _names(given.val), "n_judged": len(squares),
        "steps": given.steps, "base": BASE | {"steps": given.steps},
        "interval": f"95 % over photographs, {_N_BOOTSTRAP} draws, difference to base on the same photographs",
        "runs": [],
    }  # fmt: skip
    references: dict[bool, Scores] = {}  # of those that go on, and of those that begin anew
    for variant in VARIANTS:
        if given.only and variant.name not in (*_REFERENCES, *given.only):
            continue
        out = given.out / f"{VARIANTS.index(variant):02d}"
        path = learn(variant, photographs, squares, out, init=given.init, steps=given.steps)
        scores = judge(str(path), squares)
        reference = references.setdefault(variant.is_new, scores)
        if not results["runs"]:
            results["start"] = compared(start, reference)
        results["runs"].append(
            {"name": variant.name, "overrides": variant.overrides, "sources": list(variant.sources),
             "first_half": variant.first_half, "is_new": variant.is_new,
             "curve": _curve(out / "log.csv"), "judged": compared(scores, reference)}
        )  # fmt: skip
        given.results.parent.mkdir(parents=True, exist_ok=True)
        given.results.write_text(json.dumps(_rounded(results), indent=None) + "\n", encoding="utf-8")


def _names(paths: Sequence[str]) -> list[str]:
    return [Path(p).name for p in paths]


def _rounded(value: Any) -> Any:
    """The same with four decimals: more are noise, and the file is tracked."""
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return round(value, 5) if isinstance(value, float) else value


if __name__ == "__main__":
    raise SystemExit(main())
