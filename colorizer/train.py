"""The training loop, top to bottom.  A recipe, photographs and a folder in; a checkpoint and its log out."""

import csv
import json
import math
import signal
import time
import tomllib
from dataclasses import asdict, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from colorizer.ab_bins import soft_encode
from colorizer.checkpoints import save_checkpoint
from colorizer.data import Crops, ResumableBatches, centre_square, read_photos, split_holdout
from colorizer.decoding import annealed_mean
from colorizer.lab import rgb_to_lab
from colorizer.losses import non_grey_mask, rebalanced_cross_entropy
from colorizer.metrics import auc_raw
from colorizer.models import MODELS, ClassifyingColorizer
from colorizer.models.base import count_parameters
from colorizer.rebalancing import load_prior, rebalancing_weights


class RecipeError(ValueError):
    """A recipe that cannot be run; the message names the key."""


@dataclass(frozen=True)
class Recipe:
    """Everything a training run depends on but the photographs.  Units and sources stand in the recipe files."""

    model: str
    arguments: dict[str, Any] = field(default_factory=dict)
    start: str = "scratch"  # or "imagenet" for a model with a pretrained encoder
    steps: int = 1000
    batch: int = 32
    crop_px: int = 128
    scale_min: float = 1.0
    scale_max: float = 1.0
    mirror: bool = True
    k: int = 5
    lam: float = 0.5
    temperature: float = 0.38
    optimizer: str = "adam"
    learning_rate: float = 3e-5
    encoder_learning_rate: float = 0.0  # 0: the same as learning_rate
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-3
    schedule: str = "constant"  # or "cosine"
    warmup_steps: int = 0
    ema_decay: float = 0.0
    holdout_share: float = 0.03
    validate_every: int = 500
    checkpoint_every: int = 250
    seed: int = 0
    bf16: bool = True


def read_recipe(name: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe by shipped name (`truehue-lite`) or by path; unknown keys are errors."""
    path = Path(name)
    if path.suffix != ".toml":
        path = Path(str(files("colorizer") / "recipes" / f"{name}.toml"))
    if not path.is_file():
        known = sorted(p.stem for p in Path(str(files("colorizer") / "recipes")).glob("*.toml"))
        raise RecipeError(f"{name}: no such recipe; shipped ones: {', '.join(known)}")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")) | (overrides or {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from None
    known_keys = {f.name: f for f in fields(Recipe)}
    for key, value in table.items():
        if key not in known_keys:
            raise RecipeError(f"{path}: unknown key {key!r}; known: {', '.join(sorted(known_keys))}")
        expected = known_keys[key].type
        if expected in (int, float) and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise RecipeError(f"{path}: {key}: expected a number, got {value!r}")
    if "model" not in table or table["model"] not in MODELS:
        raise RecipeError(f"{path}: model: expected one of {', '.join(MODELS)}, got {table.get('model')!r}")
    for key, allowed in {
        "optimizer": ("adam", "adamw"), "schedule": ("constant", "cosine"), "start": ("scratch", "imagenet")
    }.items():  # fmt: skip
        if table.get(key, allowed[0]) not in allowed:
            raise RecipeError(f"{path}: {key}: expected one of {', '.join(allowed)}, got {table[key]!r}")
    if "betas" in table:
        table["betas"] = tuple(table["betas"])
    return Recipe(**table)


def learning_rate_factor(step: int, recipe: Recipe) -> float:
    """Factor on the learning rate at this step: linear warm-up, then constant or a cosine to 1 %."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    if recipe.schedule == "constant":
        return 1.0
    progress = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def _optimizer(model: ClassifyingColorizer, recipe: Recipe) -> torch.optim.Optimizer:
    encoder = [p for n, p in model.named_parameters() if n.startswith("encoder.")]
    rest = [p for n, p in model.named_parameters() if not n.startswith("encoder.")]
    rate = recipe.encoder_learning_rate or recipe.learning_rate
    groups = [{"params": rest, "lr": recipe.learning_rate}] + ([{"params": encoder, "lr": rate}] if encoder else [])
    # Coupled decay (Adam) is the paper's solver; decoupled (AdamW) suits shorter runs.
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, betas=recipe.betas, weight_decay=recipe.weight_decay)


class _StopAsked:
    """Turns the first Ctrl-C into a request that is met at the end of the step; the second one is immediate."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "_StopAsked":
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)


def _targets(rgb_B3HW: Tensor) -> tuple[Tensor, Tensor]:
    """L in full and ab at a quarter: the top-left sample of each 4 x 4 block, as the released code takes it."""
    lab = rgb_to_lab(rgb_B3HW.float() / 255.0)
    return lab[:, :1], lab[:, 1:, ::4, ::4].contiguous()


@torch.no_grad()
def validate(model: ClassifyingColorizer, squares_N3HW: Tensor, recipe: Recipe, weights_Q: Tensor) -> dict[str, float]:
    """Loss per pixel (nats, rebalanced and plain) and raw AuC over held-out photographs."""
    model.eval()
    ones_Q = torch.ones_like(weights_Q)
    sums = {"loss": 0.0, "cross_entropy": 0.0, "auc_raw": 0.0}
    for start in range(0, len(squares_N3HW), 32):
        batch = squares_N3HW[start : start + 32]
        L, ab = _targets(batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
            logits = model(L.contiguous(memory_format=torch.channels_last)).float()
        code = soft_encode(ab, k=recipe.k)
        pixels = ab.shape[-1] * ab.shape[-2]
        sums["loss"] += float(rebalanced_cross_entropy(logits, code, weights_Q)) * len(batch) / pixels
        sums["cross_entropy"] += float(rebalanced_cross_entropy(logits, code, ones_Q)) * len(batch) / pixels
        sums["auc_raw"] += float(auc_raw(annealed_mean(logits, temperature=recipe.temperature), ab).sum())
    model.train()
    return {key: value / len(squares_N3HW) for key, value in sums.items()}


def train(
    recipe: Recipe,
    data: list[Path],
    out: Path,
    *,
    resume: bool = False,
    small: bool = False,
    workers: int = 1,
) -> Path:
    """Train and return the checkpoint's path, `out`/model.safetensors.

    `out` also gets recipe.json, log.csv and, while it runs, resume.pt: everything that `resume` needs to go on
    as if nothing had happened.  Ctrl-C saves first.
    """
    state_file = out / "resume.pt"
    if not resume and state_file.exists():
        raise RecipeError(f"{out}: holds an unfinished run; add --resume to go on, or choose another --out")
    if resume and not state_file.exists():
        raise RecipeError(f"{out}: nothing to resume; start without --resume")
    photos, refused = read_photos(data, longest_px=2 * recipe.crop_px, shortest_px=16)
    for reason, n in refused.items():
        tqdm.write(f"not used: {n} photographs ({reason})")
    if len(photos) < 8:
        raise RecipeError(f"expected at least 8 usable photographs, got {len(photos)} from {', '.join(map(str, data))}")
    keep, held = split_holdout(photos, share=recipe.holdout_share, seed=recipe.seed)
    held = held or keep[:1]
    squares = torch.stack([centre_square(photos[i].rgb_HW3, recipe.crop_px) for i in held])
    torch.manual_seed(recipe.seed)
    model = MODELS[recipe.model](**recipe.arguments)
    if recipe.start == "imagenet":
        model.start_from_imagenet()  # type: ignore[operator]
    model = model.to(memory_format=torch.channels_last)
    model.temperature = recipe.temperature
    ema = MODELS[recipe.model](**recipe.arguments)
    ema.load_state_dict(model.state_dict())
    ema.temperature = recipe.temperature
    optimizer = _optimizer(model, recipe)
    weights_Q = rebalancing_weights(load_prior(), lam=recipe.lam)
    first_step, seconds = 0, 0.0
    history: list[dict[str, int]] = []
    out.mkdir(parents=True, exist_ok=True)
    if resume:
        saved = torch.load(state_file, weights_only=True)
        before = json.loads(saved["recipe"])
        changed = {key for key, value in json.loads(json.dumps(asdict(recipe))).items() if before[key] != value}
        if changed - {"steps"}:
            names = ", ".join(sorted(changed))
            raise RecipeError(
                f"{out}: was started with another {names}; see {out / 'recipe.json'} or choose another --out"
            )
        history = saved["history"]
        if changed:  # a run may be made longer or shorter; its schedule follows, and the checkpoint says so
            history = [*history, {"at_step": saved["step"], "steps_before": before["steps"], "steps": recipe.steps}]
        model.load_state_dict(saved["model"])
        ema.load_state_dict(saved["ema"])
        optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["rng"])
        first_step, seconds = saved["step"], saved["seconds"]
    (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n", encoding="utf-8")
    log_file = out / "log.csv"
    if not log_file.exists():
        log_file.write_text("step,seconds,photos,loss_train,loss,cross_entropy,auc_raw\n", encoding="utf-8")
    crops = Crops(
        [photos[i] for i in keep], crop_px=recipe.crop_px, scale=(recipe.scale_min, recipe.scale_max),
        mirror=recipe.mirror, seed=recipe.seed,
    )  # fmt: skip
    batches = ResumableBatches(
        len(crops), batch=recipe.batch, steps=recipe.steps, first_step=first_step, seed=recipe.seed
    )
    loader = DataLoader(crops, batch_sampler=batches, num_workers=workers)
    tqdm.write(
        f"{recipe.model}: {count_parameters(model) / 1e6:.1f} M parameters, {len(keep)} photographs to train on, "
        f"{len(held)} held out, {recipe.steps} steps of {recipe.batch}"
    )

    def save_state(step: int) -> None:
        part = state_file.with_suffix(".part")
        torch.save(
            {
                "recipe": json.dumps(asdict(recipe)), "step": step, "seconds": seconds,
                "history": history, "model": model.state_dict(),
                "ema": ema.state_dict(), "optimizer": optimizer.state_dict(), "rng": torch.get_rng_state(),
            },
            part,
        )  # fmt: skip
        part.replace(state_file)

    model.train()
    running: list[float] = []
    results: dict[str, float] = {}
    bar = tqdm(total=recipe.steps, initial=first_step, desc=f"training {recipe.model}", unit="step")
    with _StopAsked() as stop, bar:
        for step, rgb in enumerate(loader, start=first_step):
            started = time.perf_counter()
            L, ab = _targets(rgb)
            code = soft_encode(ab, k=recipe.k)
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
                logits = model(L.contiguous(memory_format=torch.channels_last))
            loss = rebalanced_cross_entropy(logits, code, weights_Q, non_grey_mask(ab))
            per_pixel = float(loss.detach()) / (ab.shape[-1] * ab.shape[-2])
            if not math.isfinite(per_pixel):
                raise RecipeError(
                    f"the loss became {per_pixel} at step {step}; lower learning_rate and go on from {state_file} "
                    "with --resume, or start anew"
                )
            # The paper's sum over pixels suits its coupled decay; AdamW is indifferent to the scale.
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            factor = learning_rate_factor(step, recipe)
            base_rates = (recipe.learning_rate, recipe.encoder_learning_rate or recipe.learning_rate)
            for group, rate in zip(optimizer.param_groups, base_rates, strict=False):
                group["lr"] = rate * factor
            optimizer.step()
            _update_ema(ema, model, decay=min(recipe.ema_decay, (1 + step) / (10 + step)))
            seconds += time.perf_counter() - started
            running.append(per_pixel)
            bar.set_postfix(loss=f"{sum(running[-50:]) / len(running[-50:]):.3f}", refresh=False)
            bar.update()
            done = step + 1
            if done % recipe.validate_every == 0 or done == recipe.steps:
                results = validate(ema, squares, recipe, weights_Q)
                ema.train()
                row = [
                    done,
                    round(seconds, 1),
                    done * recipe.batch,
                    sum(running) / len(running),
                    *results.values(),
                ]
                with log_file.open("a", newline="", encoding="utf-8") as file:
                    csv.writer(file).writerow([round(v, 5) for v in row])
                tqdm.write(
                    f"step {done}: train {row[3]:.3f}, held out {results['loss']:.3f} "
                    f"(plain {results['cross_entropy']:.3f}), AuC {results['auc_raw']:.4f}"
                )
                running.clear()
            if done % recipe.checkpoint_every == 0 or stop.asked:
                save_state(done)
            if stop.asked and done < recipe.steps:
                raise KeyboardInterrupt(f"stopped after step {done}; go on with --resume")
    path = out / "model.safetensors"
    hashes = [photos[i].phash for i in keep + held]
    story = {
        "seconds": round(seconds),
        "photos_seen": recipe.steps * recipe.batch,
        "n_photos": len(keep),
        "changes": history,
        **results,
    }
    save_checkpoint(
        path,
        ema,
        arguments=recipe.arguments,
        recipe=asdict(recipe),
        results=story,
        seen_phashes=hashes,
        small=small,
    )
    state_file.unlink(missing_ok=True)
    return path


@torch.no_grad()
def _update_ema(ema: ClassifyingColorizer, model: ClassifyingColorizer, *, decay: float) -> None:
    """Exponential moving average of the weights; running statistics of BatchNorm are copied."""
    for mean, now in zip(ema.parameters(), model.parameters(), strict=True):
        mean.lerp_(now, 1.0 - decay)
    for kept, latest in zip(ema.buffers(), model.buffers(), strict=True):
        kept.copy_(latest)
