"""Weights files: small, complete, checked, and never unpickled."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from colorizer import checkpoints
from colorizer.checkpoints import (
    CheckpointError,
    find_weights,
    load_checkpoint,
    load_model,
    read_checkpoint,
    save_checkpoint,
)
from colorizer.models.base import no_grad_eval
from colorizer.models.zhang2016 import Zhang2016


@pytest.fixture
def model() -> Zhang2016:
    torch.manual_seed(0)
    return Zhang2016(width=0.125)


def save(path: Path, model: Zhang2016, *, small: bool = False) -> str:
    hashes = [0, 1, (1 << 64) - 1, 1 << 63]
    story = {"arguments": {"width": 0.125}, "recipe": {"k": 5}, "results": {"auc_raw": 0.9}}
    companions = {"discriminator": torch.nn.Linear(2, 1)}
    return save_checkpoint(path, model, **story, seen_phashes=hashes, small=small, companions=companions)


def test_a_checkpoint_comes_back_whole(model: Zhang2016, tmp_path: Path) -> None:
    """Weights to the bit, arguments, recipe, results, hash of the file and every 64-bit photograph hash."""
    digest = save(tmp_path / "m.safetensors", model)
    loaded, checkpoint = load_checkpoint("zhang2016", tmp_path / "m.safetensors")
    assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in model.state_dict().items())
    assert checkpoint.sha256 == digest
    assert checkpoint.results == {"auc_raw": 0.9}
    assert [h % (1 << 64) for h in checkpoint.seen_phashes.tolist()] == [0, 1, (1 << 64) - 1, 1 << 63]


def test_small_weights_are_a_quarter_and_colour_nearly_the_same(model: Zhang2016, tmp_path: Path) -> None:
    """int8 with per-channel scales: under 30 % of the bytes, ab within 1 CIE unit in the mean."""
    save(tmp_path / "m.safetensors", model)
    save(tmp_path / "s.safetensors", model, small=True)
    assert (tmp_path / "s.safetensors").stat().st_size < 0.3 * (tmp_path / "m.safetensors").stat().st_size
    L = torch.rand(1, 1, 64, 64) * 100
    small = load_model("zhang2016", tmp_path / "s.safetensors")
    difference = (small.predict_ab(L) - no_grad_eval(model).predict_ab(L)).abs().mean()
    assert 0 < float(difference) < 1.0
    kept = [set(read_checkpoint(tmp_path / f"{name}.safetensors").companions) for name in ("m", "s")]
    assert kept == [{"discriminator.weight", "discriminator.bias"}, set()], "what trains along is no use for colouring"


def test_foreign_and_broken_files_are_refused_with_one_line(model: Zhang2016, tmp_path: Path) -> None:
    """A pickle, a truncated file, another model's weights and a missing file each say what was expected."""
    (tmp_path / "evil.safetensors").write_bytes(pickle.dumps({"a": 1}))
    save(tmp_path / "m.safetensors", model)
    whole = (tmp_path / "m.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0x40
    (tmp_path / "flipped.safetensors").write_bytes(flipped)
    told = {"evil": "safetensors", "cut": "safetensors", "none": "no such weights file", "flipped": "damaged"}
    for name, message in told.items():
        with pytest.raises(CheckpointError, match=message):
            load_model("zhang2016", tmp_path / f"{name}.safetensors")
    with pytest.raises(CheckpointError, match="holds weights of zhang2016, not of truehue-lite"):
        load_model("truehue-lite", tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match=r"unknown model 'nobody'; known: .*zhang2016"):
        load_model("nobody")


def test_a_model_without_weights_says_how_to_train_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the command."""
    monkeypatch.setattr(checkpoints, "SHIPPED", {})
    with pytest.raises(CheckpointError, match="python -m colorizer train zhang2016"):
        find_weights("zhang2016")


@pytest.mark.parametrize(
    ("story", "message"),
    [
        ({"format": "x/1"}, "expected format truehue-.*, got x/1"),
        ({"model": "nobody"}, "unknown model 'nobody'; known:"),
    ],
    ids=["format", "model"],
)
def test_a_file_of_another_time_is_refused(
    story: dict[str, str], message: str, model: Zhang2016, tmp_path: Path
) -> None:
    """Another format or a model that this version does not have: expected, got."""
    save(tmp_path / "m.safetensors", model)
    with safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        told = json.loads(file.metadata()["truehue"]) | story
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - not a dict
    save_file(tensors, tmp_path / "m.safetensors", metadata={"truehue": json.dumps(told)})
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tmp_path / "m.safetensors")
