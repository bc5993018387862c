"""Weights on disk: safetensors with the recipe, the commit and the hashes of every photograph seen in training.

Nothing here unpickles objects.  The metadata is one JSON string under the key `truehue`.
"""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from colorizer.defaults import DEFAULT_MODEL
from colorizer.foreign import ForeignWeightsError, read_foreign
from colorizer.models import MODELS, Colorizer
from colorizer.models.base import no_grad_eval
from colorizer.recipe_files import read_recipe, shipped_recipes, small_recipe
from colorizer.weights_by_name import PUBLISHED, PublishedWeights, fetch, file_sha256

FORMAT = "truehue-checkpoint/1"
SHIPPED = {"truehue-lite": "truehue-lite.safetensors"}  # name -> file in colorizer/weights
RUNS = Path("runs")  # where the README and the errors let recipes write; searched in the current folder
_SCALE = ".scale"  # suffix of the per-channel scales that stand beside int8 tensors
_SEEN = "seen_phashes"
_COMPANION = "companion."  # prefix of networks that trained along (a discriminator); colouring does not need them


class CheckpointError(ValueError):
    """Weights that are missing or cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """What a weights file holds.  `seen_phashes` are the 64-bit pHashes of the training photographs (N,) int64."""

    model: str
    arguments: dict[str, Any]
    state: dict[str, Tensor]
    seen_phashes: Tensor
    sha256: str
    recipe: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    commit: str = ""
    name: str = ""  # what a study calls it: says whose weights these are
    companions: dict[str, Tensor] = field(default_factory=dict)
    flavour: str = ""  # `pytorch` or `caffe` for weights that others published, empty for ours


def own_name(recipe: str) -> str:
    """The name of a network that we trained: never one that the published weights have."""
    return recipe if recipe.startswith("truehue-") else f"truehue-{recipe}"


def _git(*arguments: str) -> str:
    command = ["git", *arguments]  # whichever git the person has
    here = Path(__file__).parent
    return subprocess.run(command, cwd=here, capture_output=True, text=True, check=True, timeout=60).stdout.strip()  # noqa: S603


def current_commit() -> str:
    """Commit of this checkout, with `+` if the colorizer has changes; empty outside git."""
    try:
        return _git("rev-parse", "HEAD") + ("+" if _git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def quantise(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convolution weights to int8 with one scale per output channel, everything else to fp16.

    Halves the size of fp16; the loss in ab is measured by `evaluate` and stands in the model card.
    """
    small: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            small[name] = tensor
        elif tensor.dim() == 4 and tensor[0].numel() >= 64:
            rows = tensor.float().flatten(1)
            scale = rows.abs().amax(1).clamp_min(1e-12) / 127.0
            small[name] = (rows / scale[:, None]).round().clamp(-127, 127).to(torch.int8).view_as(tensor)
            small[name + _SCALE] = scale
        else:
            small[name] = tensor.half() if tensor.abs().max() < 6e4 else tensor.float()
    return small


def _dequantise(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    state = {}
    for name, tensor in stored.items():
        if name.endswith(_SCALE) and name.removesuffix(_SCALE) in stored:
            continue
        if tensor.dtype == torch.int8:
            scale = stored[name + _SCALE].float()
            state[name] = tensor.float() * scale.view(-1, *[1] * (tensor.dim() - 1))
        else:
            state[name] = tensor.float() if tensor.is_floating_point() else tensor
    return state


def _tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Over every tensor's name, type, shape and bytes, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}:".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_checkpoint(
    path: Path,
    model: Colorizer,
    *,
    arguments: dict[str, Any],
    recipe: dict[str, Any],
    results: dict[str, Any],
    seen_phashes: list[int],
    small: bool = False,
    name: str = "",
    companions: Mapping[str, nn.Module] | None = None,
) -> str:
    """Write weights and their story; `small` quantises.  Returns the file's SHA-256.  Never half-written.

    `name` is the network's (by default the model's with `truehue-` before it); `companions` are networks that
    trained along and are kept for further training, but not in a file made `small` for colouring.
    """
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    tensors = quantise(state) if small else state
    for companion, network in ({} if small else companions or {}).items():
        for key, value in network.state_dict().items():
            tensors[f"{_COMPANION}{companion}.{key}"] = value.detach().cpu().contiguous()
    # safetensors has signed 64-bit integers; the bit pattern is what counts.
    signed = [h - (1 << 64) if h >= 1 << 63 else h for h in seen_phashes]
    tensors[_SEEN] = torch.tensor(signed, dtype=torch.int64)
    story = {
        "format": FORMAT,
        "model": type(model).name,
        "name": own_name(name or type(model).name),
        "arguments": arguments,
        "recipe": recipe,
        "results": results,
        "commit": current_commit(),
        "is_quantised": small,
        "tensors_sha256": _tensors_sha256(tensors),
    }
    temporary = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_bytes(save(tensors, metadata={"truehue": json.dumps(story, sort_keys=True)}))
    temporary.replace(path)
    return file_sha256(path)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a weights file of ours, whole and checked."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file")
    try:
        with safe_open(path, framework="pt") as file:
            story = json.loads((file.metadata() or {}).get("truehue", "{}"))
            stored = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path}: expected a safetensors file of ours, got: {error}") from None
    if story.get("format") != FORMAT:
        raise CheckpointError(f"{path}: expected format {FORMAT}, got {story.get('format', 'none')}")
    if story["model"] not in MODELS:
        raise CheckpointError(f"{path}: unknown model {story['model']!r}; known: {', '.join(MODELS)}")
    if story.get("tensors_sha256", digest := _tensors_sha256(stored)) != digest:
        raise CheckpointError(f"{path}: damaged: its numbers are not those that were saved; copy it again")
    companions = {k.removeprefix(_COMPANION): stored.pop(k) for k in list(stored) if k.startswith(_COMPANION)}
    return Checkpoint(
        model=story["model"],
        name=story.get("name") or own_name(story["model"]),
        arguments=story["arguments"],
        seen_phashes=stored.pop(_SEEN),
        state=_dequantise(stored),
        companions=companions,
        sha256=file_sha256(path),
        recipe=story["recipe"],
        results=story["results"],
        commit=story["commit"],
    )


def shipped_path(name: str) -> Path | None:
    """Where the repository's own weights of this model lie, or None."""
    if name not in SHIPPED:
        return None
    path = Path(str(files("colorizer") / "weights" / SHIPPED[name]))
    return path if path.is_file() else None


def trained_path(name: str) -> Path | None:
    """The weights that a recipe of this name left in `runs/` here, or None."""
    path = RUNS / name / "model.safetensors"
    return path if path.is_file() else None


def _architecture(name: str) -> str:
    """The key of MODELS behind the name of a model, of a published file or of a recipe."""
    if name in PUBLISHED and PUBLISHED[name].model in MODELS:
        return PUBLISHED[name].model
    if name in MODELS:
        return name
    if name in shipped_recipes():
        return read_recipe(name).model
    known = [*MODELS, *(n for n, w in PUBLISHED.items() if w.model in MODELS)]
    raise CheckpointError(f"unknown model {name!r}; known: {', '.join(known)}, or a recipe's name")


def find_weights(name: str, weights: Path | str | None = None) -> Path | PublishedWeights:
    """The weights for a name: those given (a file, or a published name), else published, shipped or trained ones.

    Trained ones are those that a recipe left in `runs/NAME`, for a model also its small recipe's.
    """
    architecture = _architecture(name)
    if weights is not None:
        published = PUBLISHED.get(str(weights))
        if published is not None and published.model != architecture:
            raise CheckpointError(f"{weights}: holds weights of {published.model or 'a judge'}, not of {architecture}")
        return published or Path(weights)
    if name in PUBLISHED:
        return PUBLISHED[name]
    recipe = small_recipe(name) if name in MODELS else name
    path = shipped_path(name) or trained_path(name) or trained_path(recipe)
    if path is None:
        others = [n for n, w in PUBLISHED.items() if w.model == name]
        minutes = read_recipe(recipe).minutes
        raise CheckpointError(
            f"{name} has no weights yet; "
            + (f"ask for published ones by name ({', '.join(others)}), or " if others else "")
            + f"train them by the recipe {recipe}"
            + (f" (about {minutes:g} minutes on two CPU cores)" if minutes else "")
            + f": python -m colorizer train {recipe} --data PHOTOS --out {RUNS / recipe}; after that the name {name} "
            f"works here, elsewhere --weights {RUNS / recipe / 'model.safetensors'}"
        )
    return path


def load_checkpoint(name: str, weights: Path | str | None = None) -> tuple[Colorizer, Checkpoint]:
    """The model, ready to use, with what its weights file says of it.

    `name` is a model's or that of published weights; `weights` a file (ours, a released .pth, .caffemodel or
    safetensors of one) or a published name.  Raises CheckpointError, or WeightsError if a download fails.
    """
    architecture, found = _architecture(name), find_weights(name, weights)
    flavour = found.flavour if isinstance(found, PublishedWeights) else ""
    path = fetch(found) if isinstance(found, PublishedWeights) else found
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file; published ones by name: {', '.join(PUBLISHED)}")
    try:
        foreign = read_foreign(path, FORMAT)
    except ForeignWeightsError as error:
        raise CheckpointError(str(error)) from None
    if foreign is None:
        checkpoint = read_checkpoint(path)
        if checkpoint.model != architecture:
            raise CheckpointError(f"{path}: holds weights of {checkpoint.model}, not of {name}")
        model = MODELS[architecture](**checkpoint.arguments)
    else:
        flavour = flavour or foreign.flavour
        digest = file_sha256(path)
        known = next((w.name for w in PUBLISHED.values() if digest.startswith(w.sha256)), f"{architecture}-{flavour}")
        checkpoint = Checkpoint(
            architecture, {}, foreign.state, torch.empty(0, dtype=torch.int64), digest, name=known, flavour=flavour
        )
        model = None
    try:
        if model is None:
            model = MODELS[architecture].from_published(checkpoint.state, flavour=flavour)
        else:
            model.load_state_dict(checkpoint.state)
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path}: does not fit {name}: {' '.join(str(error).split())[:300]}") from None
    model.name = checkpoint.name
    model.working_px = checkpoint.recipe.get("working_px") or model.working_px
    model.saturation = checkpoint.recipe.get("shown_saturation") or model.saturation
    no_grad_eval(model)
    return model, checkpoint


def load_model(name: str = DEFAULT_MODEL, weights: Path | str | None = None) -> Colorizer:
    """Load a colorizer by name, with its shipped weights, published ones by name, or those of a file.

    Raises CheckpointError if there are no weights or they do not fit, WeightsError if they cannot be fetched.
    """
    return load_checkpoint(name, weights)[0]
