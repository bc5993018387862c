"""Weights on disk: safetensors with the recipe, the commit and the hashes of every photograph seen in training.

Nothing here unpickles objects.  The metadata is one JSON string under the key `truehue`.
"""

import hashlib
import json
import subprocess
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from colorizer.models import MODELS, ClassifyingColorizer
from colorizer.models.base import no_grad_eval

FORMAT = "truehue-checkpoint/1"
DEFAULT_MODEL = "truehue-lite"
SHIPPED = {"truehue-lite": "truehue-lite.safetensors"}  # name -> file in colorizer/weights
_SCALE = ".scale"  # suffix of the per-channel scales that stand beside int8 tensors
_SEEN = "seen_phashes"


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


def _git(*arguments: str) -> str:
    command = ["git", *arguments]  # whichever git the person has
    here = Path(__file__).parent
    return subprocess.run(command, cwd=here, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603


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


def save_checkpoint(
    path: Path,
    model: ClassifyingColorizer,
    *,
    arguments: dict[str, Any],
    recipe: dict[str, Any],
    results: dict[str, Any],
    seen_phashes: list[int],
    small: bool = False,
) -> str:
    """Write weights and their story; `small` quantises.  Returns the file's SHA-256.  Never half-written."""
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    tensors = quantise(state) if small else state
    # safetensors has signed 64-bit integers; the bit pattern is what counts.
    signed = [h - (1 << 64) if h >= 1 << 63 else h for h in seen_phashes]
    tensors[_SEEN] = torch.tensor(signed, dtype=torch.int64)
    story = {
        "format": FORMAT,
        "model": model.name,
        "arguments": arguments,
        "recipe": recipe,
        "results": results,
        "commit": current_commit(),
        "is_quantised": small,
    }
    temporary = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_bytes(save(tensors, metadata={"truehue": json.dumps(story, sort_keys=True)}))
    temporary.replace(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
    return Checkpoint(
        model=story["model"],
        arguments=story["arguments"],
        seen_phashes=stored.pop(_SEEN),
        state=_dequantise(stored),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
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


def find_weights(name: str, weights: Path | str | None = None) -> Path:
    """The weights file for a model's name: the one given, or the shipped one."""
    if name not in MODELS:
        raise CheckpointError(f"unknown model {name!r}; known: {', '.join(MODELS)}")
    if weights is not None:
        return Path(weights)
    path = shipped_path(name)
    if path is None:
        raise CheckpointError(
            f"{name} has no weights yet; train them with "
            f"python -m colorizer train {name} --data PHOTOS --out runs/{name} "
            f"and pass --weights runs/{name}/model.safetensors"
        )
    return path


def load_checkpoint(name: str, weights: Path | str | None = None) -> tuple[ClassifyingColorizer, Checkpoint]:
    """The model, ready to use, with what its weights file says of it."""
    checkpoint = read_checkpoint(find_weights(name, weights))
    if checkpoint.model != name:
        raise CheckpointError(f"{weights}: holds weights of {checkpoint.model}, not of {name}")
    model = MODELS[name](**checkpoint.arguments)
    try:
        model.load_state_dict(checkpoint.state)
    except RuntimeError as error:
        raise CheckpointError(f"{weights}: does not fit {name}: {str(error).splitlines()[0]}") from None
    no_grad_eval(model)
    return model, checkpoint


def load_model(name: str = DEFAULT_MODEL, weights: Path | str | None = None) -> ClassifyingColorizer:
    """Load a colorizer by name, with its shipped weights or those of a file.

    Raises CheckpointError if there are no weights or they do not fit.
    """
    return load_checkpoint(name, weights)[0]
