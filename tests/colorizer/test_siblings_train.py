"""The siblings learn in their own ways: with hints, against a discriminator, one photograph by heart."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from colorizer.checkpoints import load_checkpoint, read_checkpoint
from colorizer.hints import simulate_hints
from colorizer.metrics import psnr
from colorizer.models.wallner import AB_SCALE, WallnerAlpha
from colorizer.objectives.adversarial import DISCRIMINATOR, Adversarial
from colorizer.objectives.base import MODEL
from colorizer.objectives.hints import HintedRegression
from colorizer.recipe import Recipe, RecipeError
from colorizer.recipe_files import read_recipe
from colorizer.render import from_lab, to_lab
from colorizer.train import train

from .conftest import make_photo

GAN = Recipe(
    model="pix2pix", arguments={"n_downs": 5, "width": 0.05}, objective_arguments={"l1_share": 0.5, "width": 0.05},
    steps=6, batch=4, crop_px=32, learning_rate=2e-4, betas=(0.5, 0.999), weight_decay=0.0, ema_decay=0.9, bf16=False,
    validate_every=6, checkpoint_every=100, holdout_share=0.2, seed=5,
)  # fmt: skip
HINTED = replace(
    GAN, model="siggraph17", arguments={"width": 0.05, "mask_centre": 0.5}, objective_arguments={}, betas=(0.9, 0.99)
)


def interrupted_at(step: int, monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    """Ctrl-C arrives while the objective begins this step, once."""
    plain, sent = kind.phases, []

    def phases(self: Adversarial | HintedRegression, at: int) -> object:
        if at == step and not sent:
            sent.append(at)
            os.kill(os.getpid(), signal.SIGINT)
        return plain(self, at)

    monkeypatch.setattr(kind, "phases", phases)


@pytest.mark.parametrize(("recipe", "kind", "step"), [(GAN, Adversarial, 4), (HINTED, HintedRegression, 2)])
def test_an_interrupted_run_goes_on_to_the_same_bits(
    recipe: Recipe, kind: type, step: int, photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Generator, discriminator, both optimizers, dropout and simulated hints go on as if nothing had happened."""
    whole = read_checkpoint(train(recipe, [photo_folder], tmp_path / "whole", workers=0))
    interrupted_at(step, monkeypatch, kind)
    with pytest.raises(KeyboardInterrupt, match=f"after step {step + 1}"):
        train(recipe, [photo_folder], tmp_path / "broken", workers=0)
    saved = torch.load(tmp_path / "broken" / "resume.pt", weights_only=True)
    assert set(saved["networks"]) == set(saved["optimizers"]) == set(kind.all_phases)
    resumed = read_checkpoint(train(recipe, [photo_folder], tmp_path / "broken", resume=True, workers=0))
    for mine, other in ((whole.state, resumed.state), (whole.companions, resumed.companions)):
        assert set(mine) == set(other)
        assert all(torch.equal(mine[k], other[k]) for k in mine)


def test_the_discriminator_stays_out_first_and_is_kept_in_the_checkpoint(photo_folder: Path, tmp_path: Path) -> None:
    """L1 alone for its share of the steps, then both phases; the checkpoint has the discriminator, the model loads."""
    objective = Adversarial(GAN, torch.device("cpu"))
    assert [tuple(objective.phases(step)) for step in (0, 2, 3, 5)] == [(MODEL,)] * 2 + [(DISCRIMINATOR, MODEL)] * 2
    alone = replace(GAN, objective_arguments={"l1_share": 1.0, "width": 0.05})
    both = read_checkpoint(train(GAN, [photo_folder], tmp_path / "gan", workers=0))
    pretrained = read_checkpoint(train(alone, [photo_folder], tmp_path / "l1", workers=0))
    assert {k.partition(".")[0] for k in both.companions} == {DISCRIMINATOR}
    name = f"{DISCRIMINATOR}.layers.0.weight"
    assert not torch.equal(both.companions[name], pretrained.companions[name])  # it learned once it was asked
    model, checkpoint = load_checkpoint("pix2pix", tmp_path / "gan" / "model.safetensors")
    assert model.predict_ab(torch.full((1, 1, 20, 33), 40.0)).shape == (1, 2, 20, 33)
    assert checkpoint.results["l1_ab"] > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective_arguments": {"l1share": 0.5}}, "objective_arguments: unknown l1share"),
        ({"objective_arguments": {"l1_share": 1.5}}, "l1_share: expected a share"),
        ({"objective": "hints", "objective_arguments": {}}, "hints: expected the model siggraph17, got pix2pix"),
        ({"optimizer": "sgd"}, "optimizer: expected one of adam, adamw, rmsprop"),
    ],
)
def test_recipes_that_cannot_run_are_refused_by_key(change: dict, message: str) -> None:
    """One line that names the key, before anything is read."""
    with pytest.raises(RecipeError, match=message):
        read_recipe("pix2pix-small", change)


def test_simulated_hints_are_geometric_central_and_true(subtests: pytest.Subtests) -> None:
    """Number: mean 7, none in an eighth; patches of 1 to 9 pixels with the mean colour under them, round the centre."""
    draw = torch.Generator().manual_seed(0)
    ab = torch.stack((torch.arange(64.0).expand(64, 64), torch.arange(64.0).expand(64, 64).T))[None].expand(
        400, -1, -1, -1
    )
    hints, mask = simulate_hints(ab, draw)
    with subtests.test("an eighth has none"):
        assert 0.08 < float((mask.sum((1, 2, 3)) == 0).float().mean()) < 0.18  # 1/8, four standard errors
    with subtests.test("hints are true to within half a patch"):
        assert float(((hints - ab).abs() * mask).max()) <= 4.0
        assert not (hints * (1 - mask)).any()
    with subtests.test("the centre is hinted more than the corners"):
        often = mask.mean(0)[0]
        assert float(often[24:40, 24:40].mean()) > 3 * float(often[:8, :8].mean())
    with subtests.test("same seed, same hints"):
        assert torch.equal(simulate_hints(ab, torch.Generator().manual_seed(0))[0], hints)


def test_the_alpha_bot_learns_one_photograph_by_heart() -> None:
    """Mean squared error of ab/128, RMSprop at 1e-3, one photograph: its colours come back, as its author's did."""
    torch.manual_seed(0)
    lab = to_lab(np.asarray(make_photo(3, size=(64, 64))))
    L, ab = lab[:, :1], lab[:, 1:]
    truth = torch.from_numpy(from_lab(L, ab).rgb_HW3).permute(2, 0, 1)[None] / 255.0

    def score(colours: torch.Tensor) -> float:
        return float(psnr(torch.from_numpy(from_lab(L, colours).rgb_HW3).permute(2, 0, 1)[None] / 255.0, truth)[0])

    model = WallnerAlpha()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)
    for _ in range(600):
        optimizer.zero_grad()
        F.mse_loss(model(L) / AB_SCALE, ab / AB_SCALE).backward()
        optimizer.step()
    with torch.no_grad():
        learned = score(model.predict_ab(L))
    assert learned > score(torch.zeros_like(ab)) + 7.0  # dB over grey; 13 to 19 with eight seeds, the last steps jump
