"""The training loop, top to bottom.  A recipe, photographs and a folder in; a checkpoint and its log out.

The same loop runs on one CPU, one GPU or, under torchrun, on many hosts; what is learned from a batch is the recipe's
objective (colorizer/objectives).
"""

import csv
import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from colorizer import allocator
from colorizer.ab_bins import N_BINS
from colorizer.checkpoints import load_checkpoint, own_name, read_checkpoint, save_checkpoint
from colorizer.data import Crops, ResumableBatches
from colorizer.distributed import World, joined
from colorizer.mixing import Mixture
from colorizer.models import MODELS, ClassifyingColorizer, Colorizer
from colorizer.models.base import count_parameters
from colorizer.motifs import Search
from colorizer.objectives import OBJECTIVES, Classification, Objective, objective_of
from colorizer.objectives.base import MODEL
from colorizer.optimizers import optimizers_of, update_ema
from colorizer.rebalancing import unweighting, weights_of
from colorizer.recipe import Recipe, RecipeError, learning_rate_factor
from colorizer.samples import save_samples
from colorizer.stopping import StopAsked
from colorizer.training_photos import Photographs, gather_photographs
from colorizer.winograd_training import Conv2d

_VALIDATION_BATCH = 32


def start_from(model: Colorizer, init: str, recipe: Recipe) -> list[int]:
    """Copy the weights of a trained or published network wherever name and shape agree (L2-ft starts from full).

    `init` is a model's or a published name, or a weights file.  Returns the pHashes of the photographs which that
    network has seen.
    """
    path = Path(init)
    if path.suffix == ".safetensors" and path.is_file():
        saved = read_checkpoint(path)
        state = saved.state
    else:
        name = type(model).name if path.suffix else init
        source, saved = load_checkpoint(name, init if path.suffix else None)
        state = source.state_dict()
    own = model.state_dict()
    fitting = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    n_copied = sum(own[k].numel() for k in fitting)
    if n_copied < 0.5 * sum(v.numel() for v in own.values()):
        raise RecipeError(f"--init {init}: fits {type(model).name} in {n_copied} numbers only; expected its own kind")
    model.load_state_dict(own | fitting)
    is_copied = any(v.shape == (N_BINS,) for v in fitting.values())
    if is_copied and saved.recipe and isinstance(model, ClassifyingColorizer):
        # It begins with what it will learn: logits under weights or without, whichever the other ones were.
        was, becomes = (_objective_of(r) for r in (saved.recipe, asdict(recipe)))
        share = 0.0 if issubclass(becomes, Classification) else 1.0
        had = saved.recipe.get("unweighting", 0.0) if issubclass(was, Classification) else 1.0
        weights_Q = weights_of(saved.recipe if issubclass(was, Classification) else asdict(recipe))
        model.shift_logits(unweighting(weights_Q, share=share) - unweighting(weights_Q, share=had))
    return [h % (1 << 64) for h in saved.seen_phashes.tolist()]


def _objective_of(recipe: Mapping[str, Any]) -> type[Objective]:
    return OBJECTIVES[str(recipe.get("objective") or MODELS[recipe["model"]].objective)]


@torch.no_grad()
def validate(model: Colorizer, objective: Objective, squares_N3HW: Tensor, recipe: Recipe) -> dict[str, float]:
    """The objective's metrics over held-out photographs."""
    model.eval()
    device = objective.device
    sums = dict.fromkeys(objective.metrics, 0.0)
    for start in range(0, len(squares_N3HW), _VALIDATION_BATCH):
        batch = squares_N3HW[start : start + _VALIDATION_BATCH].to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bf16):
            for key, value in objective.validate(model, batch).items():
                sums[key] += value
    model.train()
    return {key: value / len(squares_N3HW) for key, value in sums.items()}


def train(
    recipe: Recipe,
    data: Sequence[Path | str],
    out: Path,
    *,
    resume: bool = False,
    small: bool = False,
    workers: int = 1,
    init: str = "",
    held_out: Sequence[Path | str] = (),
    device: str = "cpu",
    compiled: bool = False,
    synchronised_norm: bool = False,
    excerpts: Search = "auto",
) -> Path:
    """Train and return the checkpoint's path, `out`/model.safetensors.

    `out` also gets recipe.json, log.csv, samples/ and, while it runs, resume.pt: everything that `resume` needs to go
    on as if nothing had happened (to the bit on the same device with the same threads, workers and processes).
    Ctrl-C saves first.  `init` names weights to start from; `synchronised_norm` makes BatchNorm see the batch of all
    GPUs.  `excerpts` says whether photographs that are cut out of others are looked for before the split (`auto`: among
    at most 20,000).
    """
    with joined(device) as world:
        run = Run(recipe, out, world, resume=resume, compiled=compiled, synchronised_norm=synchronised_norm)
        photographs = gather_photographs(recipe, data, held_out, world, workers, search=excerpts)
        run.build(init)
        run.learn(photographs, workers)
        path = out / "model.safetensors"
        if world.is_first:
            run.save(path, photographs, small=small)
        world.wait()
        return path


class Run:
    """One training run in one process: its networks and how far it is."""

    def __init__(
        self, recipe: Recipe, out: Path, world: World, *, resume: bool, compiled: bool, synchronised_norm: bool
    ) -> None:
        self.recipe, self.out, self.world, self.resume = recipe, out, world, resume
        self.compiled, self.synchronised_norm = compiled, synchronised_norm
        self.state_file = out / "resume.pt"
        self.step, self.seconds = 0, 0.0
        self.running: list[float] = []  # losses since the last validation
        self.history: list[dict[str, int]] = []
        self.results: dict[str, float] = {}
        self.seen: list[int] = []
        if not resume and self.state_file.exists():
            raise RecipeError(f"{out}: holds an unfinished run; add --resume to go on, or choose another --out")
        if resume and not self.state_file.exists():
            raise RecipeError(f"{out}: nothing to resume; start without --resume")
        if recipe.batch % (recipe.accumulate * world.size):
            raise RecipeError(
                f"batch: expected a multiple of {recipe.accumulate} micro-batches x {world.size} processes, "
                f"got {recipe.batch}"
            )

    def build(self, init: str) -> None:
        """Make the networks, or bring them back from resume.pt."""
        recipe, device = self.recipe, self.world.device
        if device.type == "cpu" and recipe.recompute_activations:
            allocator.give_back()
        torch.manual_seed(recipe.seed)
        try:
            model, ema = (MODELS[recipe.model](**recipe.arguments) for _ in range(2))
        except TypeError as error:
            raise RecipeError(f"arguments: {error}") from None
        if recipe.start == "imagenet":
            if not hasattr(model, "start_from_imagenet"):
                raise RecipeError(f'start: {recipe.model} has no encoder with ImageNet weights; use start = "scratch"')
            model.start_from_imagenet()  # type: ignore[operator]
        if recipe.start == "weights" and not init and not self.resume:
            raise RecipeError(f"start: the recipe goes on from trained weights; add --init {recipe.model} or a file")
        if init:
            self.seen = start_from(model, init, recipe)
        ema.load_state_dict(model.state_dict())
        for network in (model, ema):
            network.temperature, network.saturation = recipe.temperature, recipe.saturation
            network.keeps_activations = not recipe.recompute_activations
            for layer in network.modules():
                if isinstance(layer, Conv2d):
                    layer.is_direct = not recipe.winograd
        self.ema = ema.to(device).to(memory_format=torch.channels_last)
        self.objective: Objective = objective_of(recipe)(recipe, device)
        self.networks: dict[str, nn.Module] = {MODEL: model} | self.objective.companions()
        for learner in self.networks.values():
            learner.to(device).to(memory_format=torch.channels_last).train()
        if self.synchronised_norm:
            if device.type != "cuda":
                raise RecipeError("--sync-batchnorm: torch has it for GPUs only")
            convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm
            self.networks = {k: convert(n) for k, n in self.networks.items()}
        self.optimizers = optimizers_of(recipe, self.objective, self.networks)
        torch.manual_seed(recipe.seed + 1 + self.world.rank)  # dropout differs between processes
        if self.resume:
            self._restore()

    def _restore(self) -> None:
        saved = torch.load(self.state_file, weights_only=True, map_location=self.world.device)
        before, now = json.loads(saved["recipe"]), json.loads(json.dumps(asdict(self.recipe)))
        # a run that began before a key existed ran with what is that key's default since
        before = json.loads(json.dumps(asdict(Recipe(model=self.recipe.model)))) | before
        changed = {key for key, value in now.items() if before[key] != value}
        if changed - {"steps"}:
            raise RecipeError(
                f"{self.out}: was started with another {', '.join(sorted(changed))}; see {self.out / 'recipe.json'} "
                "or choose another --out"
            )
        if len(saved["rngs"]) != self.world.size:
            raise RecipeError(
                f"{self.out}: was run by {len(saved['rngs'])} processes, now {self.world.size}; resume with as many"
            )
        self.history = saved["history"]
        if changed:  # a run may be made longer or shorter; its schedule follows, and the checkpoint says so
            change = {"at_step": saved["step"], "steps_before": before["steps"], "steps": self.recipe.steps}
            self.history = [*self.history, change]
        for name, network in self.networks.items():
            network.load_state_dict(saved["networks"][name])
        self.ema.load_state_dict(saved["ema"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(saved["optimizers"][name])
        rng = saved["rngs"][self.world.rank]
        torch.set_rng_state(rng["cpu"].cpu())
        if self.world.device.type == "cuda" and "cuda" in rng:
            torch.cuda.set_rng_state(rng["cuda"].cpu(), self.world.device)
        self.step, self.seconds, self.seen = saved["step"], saved["seconds"], saved["seen"]
        self.running = saved.get("running", [])

    def _keep(self) -> None:
        """Write resume.pt: whole, then moved into place."""
        rng = {"cpu": torch.get_rng_state()}
        if self.world.device.type == "cuda":
            rng["cuda"] = torch.cuda.get_rng_state(self.world.device)
        rngs = self.world.gather(rng)
        if self.world.is_first:
            part = self.state_file.with_suffix(".part")
            torch.save(
                {
                    "recipe": json.dumps(asdict(self.recipe)), "step": self.step, "seconds": self.seconds,
                    "history": self.history, "seen": self.seen, "running": self.running, "rngs": rngs,
                    "ema": self.ema.state_dict(),
                    "networks": {k: n.state_dict() for k, n in self.networks.items()},
                    "optimizers": {k: o.state_dict() for k, o in self.optimizers.items()},
                },
                part,
            )  # fmt: skip
            part.replace(self.state_file)
        self.world.wait()

    def learn(self, photographs: Photographs, workers: int) -> None:
        """Every step that is still to do."""
        recipe, world = self.recipe, self.world
        log_file = self.out / "log.csv"
        if world.is_first:
            self._begin_log(log_file, photographs)
        crops = Crops(
            photographs.training, crop_px=recipe.crop_px, scale=(recipe.scale_min, recipe.scale_max),
            mirror=recipe.mirror, seed=recipe.seed, squash=recipe.squash,
        )  # fmt: skip
        batches = ResumableBatches(
            len(crops), batch=recipe.batch, steps=recipe.steps, first_step=self.step, seed=recipe.seed,
            parts=recipe.accumulate * world.size, rank=world.rank, world=world.size,
            mixture=Mixture(photographs.source_N, recipe.mix, seed=recipe.seed),
        )  # fmt: skip
        # A generator of its own: a loader draws its workers' seed when it starts, and dropout must not notice.
        own = torch.Generator().manual_seed(recipe.seed)
        loader = iter(DataLoader(crops, batch_sampler=batches, num_workers=workers, generator=own))
        networks = {k: world.wrapped(n) for k, n in self.networks.items()}
        if self.compiled:
            compile_network: Any = torch.compile
            networks = {k: compile_network(n) for k, n in networks.items()}
        bar = tqdm(
            total=recipe.steps, initial=self.step, desc=f"training {recipe.model}", unit="step",
            disable=not world.is_first,
        )  # fmt: skip
        with StopAsked() as stop, bar:
            while self.step < recipe.steps:
                shown, asked = self.take_step(networks, loader, stop)
                self.running.append(shown)
                recent = self.running[-50:]
                bar.set_postfix(loss=f"{sum(recent) / len(recent):.3f}", refresh=False)
                bar.update()
                if self.step % recipe.validate_every == 0 or self.step == recipe.steps:
                    if world.is_first:
                        self._judge(log_file, photographs.squares_N3HW)
                    world.wait()
                    self.running.clear()
                if (self.step % recipe.checkpoint_every == 0 and self.step < recipe.steps) or asked:
                    self._keep()
                if asked and self.step < recipe.steps:
                    raise KeyboardInterrupt(f"stopped after step {self.step}; go on with --resume")

    def take_step(self, networks: dict[str, nn.Module], loader: Any, stop: StopAsked) -> tuple[float, bool]:
        """One step through all phases and micro-batches; the loss shown, and whether anybody asked to stop."""
        recipe, device = self.recipe, self.world.device
        parts = [next(loader) for _ in range(recipe.accumulate)]
        started = time.perf_counter()
        factor = learning_rate_factor(self.step, recipe)
        shown, asked = 0.0, 0.0
        for phase in self.objective.phases(self.step):
            optimizer = self.optimizers[phase]
            optimizer.zero_grad(set_to_none=True)
            for i, rgb in enumerate(parts):
                place = self.world.rank * recipe.accumulate + i
                draw = torch.Generator().manual_seed(_seed_of(recipe.seed, self.step, place))
                with ExitStack() as stack:
                    for network in networks.values():  # gradients travel once per step, with the last micro-batch
                        unsynced = getattr(network, "no_sync", nullcontext) if i + 1 < len(parts) else nullcontext
                        stack.enter_context(unsynced())
                    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bf16):
                        loss = self.objective.loss(phase, networks, rgb.to(device, non_blocking=True), draw)
                    (loss.total / len(parts)).backward()  # type: ignore[no-untyped-call]
                if phase == MODEL:
                    shown += loss.shown / len(parts)
                if not math.isfinite(loss.shown):
                    shown = math.nan
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * group["lr_factor"] * factor
            # Everybody learns of trouble before anybody takes the step.
            shown, asked = self.world.mean(shown, float(stop.asked))
            if not math.isfinite(shown):
                how = f"go on from {self.state_file} with --resume" if self.state_file.exists() else "start anew"
                raise RecipeError(
                    f"the loss became {shown} at step {self.step} (phase {phase}); lower learning_rate and {how}"
                )
            optimizer.step()
        model = self.networks[MODEL]
        update_ema(self.ema, model, decay=min(recipe.ema_decay, (1 + self.step) / (10 + self.step)))
        self.step += 1
        self.seconds += time.perf_counter() - started
        return shown, asked > 0

    def _begin_log(self, log_file: Path, photographs: Photographs) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        recipe = self.recipe
        (self.out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n", encoding="utf-8")
        if not log_file.exists():
            columns = ["step", "seconds", "photos", "loss_train", *self.objective.metrics]
            log_file.write_text(",".join(columns) + "\n", encoding="utf-8")
        tqdm.write(
            f"{recipe.model}: {count_parameters(self.networks[MODEL]) / 1e6:.1f} M parameters, "
            f"{len(photographs.training)} photographs to train on, {len(photographs.squares_N3HW)} held out, "
            f"{recipe.steps} steps of {recipe.batch}"
        )

    def _judge(self, log_file: Path, squares_N3HW: Tensor) -> None:
        results = validate(self.ema, self.objective, squares_N3HW, self.recipe)
        self.ema.train()
        self.results = results
        train_loss = sum(self.running) / len(self.running)
        row = [self.step, round(self.seconds, 1), self.step * self.recipe.batch, train_loss, *results.values()]
        with log_file.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([round(v, 7) for v in row])
        save_samples(self.ema, squares_N3HW, self.out / "samples" / f"step-{self.step:07d}.png")
        told = ", ".join(f"{key} {value:.4g}" for key, value in results.items())
        tqdm.write(f"step {self.step}: train {train_loss:.3f}; held out: {told}")

    def save(self, path: Path, photographs: Photographs, *, small: bool) -> None:
        """The trained network with its story; resume.pt has served."""
        story = {
            "seconds": round(self.seconds), "photos_seen": self.recipe.steps * self.recipe.batch,
            "n_photos": len(photographs.training), "changes": self.history, **self.results,
        }  # fmt: skip
        self.objective.finish(self.ema)
        save_checkpoint(
            path,
            self.ema,
            arguments=self.recipe.arguments,
            recipe=asdict(self.recipe),
            results=story,
            seen_phashes=[*photographs.phashes, *self.seen],
            small=small,
            name=own_name(self.recipe.name or self.recipe.model),
            companions={k: n for k, n in self.networks.items() if k != MODEL},
        )
        self.state_file.unlink(missing_ok=True)


def _seed_of(*numbers: int) -> int:
    """One seed out of several numbers, far from those of their neighbours."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
