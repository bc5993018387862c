"""One loop for one process or many: the same losses, the same ends, less memory if asked."""

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from colorizer.checking import check_training
from colorizer.checkpoints import load_checkpoint, read_checkpoint
from colorizer.cli import main
from colorizer.data import ResumableBatches
from colorizer.distributed import World, pick_device
from colorizer.models import MODELS
from colorizer.models.zhang2016 import Zhang2016
from colorizer.objectives import OBJECTIVES
from colorizer.recipe import Recipe, RecipeError, learning_rate_factor
from colorizer.recipe_files import read_recipe, shipped_recipes
from colorizer.train import Run, train

TINY = Recipe(
    model="zhang2016", name="tiny", arguments={"width": 0.0625}, steps=4, batch=4, crop_px=32, scale_min=0.6,
    learning_rate=1e-3, validate_every=1, checkpoint_every=100, holdout_share=0.2, bf16=False, seed=5,
)  # fmt: skip


def losses(out: Path) -> list[float]:
    with (out / "log.csv").open(encoding="utf-8") as file:
        return [float(row["loss_train"]) for row in csv.DictReader(file)]


def test_two_processes_lose_what_one_loses_that_accumulates(photo_folder: Path, tmp_path: Path) -> None:
    """Two gloo processes under torchrun and one process with two micro-batches: the same losses to 1e-5 (fp32)."""
    train(replace(TINY, accumulate=2), [photo_folder], tmp_path / "one", workers=0)
    (tmp_path / "tiny.toml").write_text(
        'model = "zhang2016"\narguments = { width = 0.0625 }\nsteps = 4\nbatch = 4\ncrop_px = 32\nscale_min = 0.6\n'
        "learning_rate = 1e-3\nvalidate_every = 1\nholdout_share = 0.2\nbf16 = false\nseed = 5\n"
    )
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m", "colorizer",
        "train", str(tmp_path / "tiny.toml"), "--data", str(photo_folder), "--out", str(tmp_path / "two"),
        "--workers", "0", "--device", "cpu",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=800, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == 4
    assert two == pytest.approx(one, abs=1e-5)
    assert len(set(one)) == 4
    a, b = (read_checkpoint(tmp_path / f / "model.safetensors") for f in ("one", "two"))
    torch.testing.assert_close(a.state["model8.6.weight"], b.state["model8.6.weight"], atol=1e-5, rtol=1e-4)
    assert sorted(a.seen_phashes.tolist()) == sorted(b.seen_phashes.tolist())


def test_processes_share_each_batch_without_overlap() -> None:
    """The micro-batches of all processes in order are the batches of one process."""
    options = {"n": 10, "batch": 8, "steps": 3, "first_step": 1, "seed": 0}
    whole = [k for keys in ResumableBatches(**options) for k in keys]
    parts = [list(ResumableBatches(**options, parts=4, rank=r, world=2)) for r in (0, 1)]
    together = [k for step in range(2) for rank in (0, 1) for i in (0, 1) for k in parts[rank][2 * step + i]]
    assert together == whole
    with pytest.raises(ValueError, match="multiple"):
        ResumableBatches(**options, parts=3)


def test_recomputed_activations_change_no_gradient_and_no_statistics() -> None:
    """Activation checkpointing: the same loss, gradients and running statistics, to rounding."""
    L = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 100
    found = []
    for keeps in ("all", True, False):
        torch.manual_seed(0)
        model = Zhang2016(width=0.0625).train()
        if keeps == "all":
            model.run_block = lambda block, x, **_: block(x)
        else:
            model.keeps_activations = keeps
        loss = model(L).square().mean()
        loss.backward()
        found.append((loss.detach(), {n: p.grad for n, p in model.named_parameters()}, dict(model.named_buffers())))
    for kept, *recomputed in zip(*found, strict=True):
        for other in recomputed:
            torch.testing.assert_close(other, kept, atol=1e-6, rtol=1e-5)


def test_not_a_number_stops_the_run_at_once(photo_folder: Path, tmp_path: Path) -> None:
    """A learning rate far too high: one line with the step and what to do, and no checkpoint."""
    with pytest.raises(RecipeError, match=r"the loss became nan at step \d+ .*lower learning_rate and start anew"):
        train(
            replace(TINY, learning_rate=1e30, steps=30, validate_every=30), [photo_folder], tmp_path / "run", workers=0
        )
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_l2_fine_tuned_from_full_starts_with_its_trunk(photo_folder: Path, tmp_path: Path) -> None:
    """`--init`: every tensor that fits is taken over, the head is new; the photographs seen before stay known."""
    full = train(TINY, [photo_folder], tmp_path / "full", workers=0)
    recipe = replace(TINY, model="zhang2016-l2", name="tiny-l2", steps=1, learning_rate=0.0)
    path = train(recipe, [photo_folder], tmp_path / "l2", workers=0, init=str(full))
    model, checkpoint = load_checkpoint("zhang2016-l2", path)
    source = read_checkpoint(full)
    assert torch.equal(model.state_dict()["model5.2.weight"], source.state["model5.2.weight"])
    assert model.state_dict()["model8.6.weight"].shape == (2, 16, 1, 1)
    assert set(source.seen_phashes.tolist()) <= set(checkpoint.seen_phashes.tolist())
    assert checkpoint.name == model.name == "truehue-tiny-l2"
    assert model.predict_ab(torch.full((1, 1, 16, 24), 50.0)).shape == (1, 2, 16, 24)
    with pytest.raises(RecipeError, match="expected its own kind"):
        train(TINY, [photo_folder], tmp_path / "other", workers=0, init="truehue-lite")


def test_check_says_what_is_usable_and_writes_nothing(
    photo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`train --check`: usable photographs, motifs, the reasons for the others, a measured step, and earlier runs."""
    monkeypatch.chdir(tmp_path)
    (photo_folder / "broken.jpg").write_bytes(b"no")
    (photo_folder / "copy.png").write_bytes(next(photo_folder.glob("*00*")).read_bytes())
    check = check_training(TINY, [photo_folder])
    assert (check.n_usable, check.n_motifs) == (13, 12)
    assert check.step_seconds > 0
    assert check.n_held_out == 3
    assert check_training(TINY, [photo_folder], held_out=[photo_folder]).n_held_out == 13
    before = sorted(tmp_path.iterdir())
    run = ["train", "zhang2016-half", "--data", str(photo_folder), "--device", "cpu", "--check", "--workers", "0"]
    assert main([*run, "--set", "arguments={'width':0.0625}", "batch=2", "crop_px=32", "bf16=False"]) == 0
    told = capsys.readouterr().out
    for part in ("13 photographs are usable, 1 are not", "12 different motifs", "broken.jpg: not an image", "before"):
        assert part in told
    assert sorted(tmp_path.iterdir()) == before


def test_the_papers_recipes_carry_the_papers_solver() -> None:
    """Adam (.9, .99), coupled decay 1e-3, batch 40, 176 crops of 256, 3e-5 to 1e-5 at 200k to 3e-6 at 375k."""
    recipe = read_recipe("zhang2016-imagenet")
    assert (recipe.optimizer, recipe.betas, recipe.weight_decay) == ("adam", (0.9, 0.99), 1e-3)
    assert (recipe.batch, recipe.crop_px, recipe.scale_min * 256, recipe.squash) == (40, 176, 176.0, True)
    assert (recipe.k, recipe.lam, recipe.temperature, recipe.steps) == (5, 0.5, 0.38, 450_000)
    rates = [recipe.learning_rate * learning_rate_factor(s, recipe) for s in (0, 199_999, 200_000, 375_000)]
    assert rates == pytest.approx([3e-5, 3e-5, 1e-5, 3e-6])
    assert read_recipe("zhang2016-class-imagenet").lam == 1.0
    assert read_recipe("zhang2016-l2-imagenet").model == "zhang2016-l2"
    assert read_recipe("zhang2016-imagenet", {"k": 10, "lam": 0.25, "temperature": 0.5}).k == 10


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_is_valid(name: str) -> None:
    """Each reads, and its objective and model exist."""
    recipe = read_recipe(name)
    assert recipe.model in MODELS
    assert (recipe.objective or MODELS[recipe.model].objective) in OBJECTIVES


def test_what_a_machine_cannot_do_is_refused(tmp_path: Path) -> None:
    """A GPU that is not there, a batch that does not divide: one line."""
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no GPU here"):
            pick_device("cuda")
    with pytest.raises(RecipeError, match="multiple of 1 micro-batches x 3 processes"):
        Run(TINY, tmp_path, World(0, 3), resume=False, compiled=False, synchronised_norm=False)


def test_check_of_too_few_photographs_is_refused_after_it_was_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No step is measured on nothing; of many refused ones the first are named, the others counted."""
    for i in range(22):
        (tmp_path / f"{i:02d}.jpg").write_bytes(b"no")
    run = ["train", "zhang2016-half", "--data", str(tmp_path), "--device", "cpu", "--check", "--workers", "0"]
    assert main(run) == 2
    told = capsys.readouterr()
    assert "0 photographs are usable, 22 are not" in told.out
    assert "  19.jpg: " in told.out
    assert "  20.jpg: " not in told.out
    assert "  … and 2 more" in told.out
    assert "a step takes" not in told.out
    assert "error: expected at least 8 usable photographs, got 0" in told.err
