"""Training learns, can be interrupted, and goes on as if nothing had happened."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from colorizer.checkpoints import load_checkpoint, read_checkpoint
from colorizer.data import Crops, Photo, ResumableBatches, read_photos
from colorizer.distributed import World
from colorizer.mixing import Mixture
from colorizer.motifs import near_duplicate_groups, split_holdout
from colorizer.photos import perceptual_hash
from colorizer.recipe import Recipe, RecipeError, learning_rate_factor
from colorizer.recipe_files import read_recipe
from colorizer.train import Run, train

from .conftest import make_photo

TINY = Recipe(
    model="zhang2016", arguments={"width": 0.0625}, steps=6, batch=4, crop_px=32, scale_min=0.6, ema_decay=0.9,
    learning_rate=1e-3, optimizer="adamw", schedule="cosine", warmup_steps=2, validate_every=3, checkpoint_every=2,
    holdout_share=0.2, bf16=False, seed=5,
)  # fmt: skip


@pytest.mark.parametrize("source", ["photo_folder", "photo_zip"])
def test_training_writes_a_checkpoint_that_loads_and_a_log(
    source: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """From a folder or a zip: model.safetensors, log.csv, recipe.json; every training photograph's hash is inside."""
    path = train(TINY, [request.getfixturevalue(source)], tmp_path / "run", workers=0)
    model, checkpoint = load_checkpoint("zhang2016", path)
    assert model.predict_ab(torch.full((1, 1, 32, 32), 50.0)).shape == (1, 2, 32, 32)
    assert len(checkpoint.seen_phashes) == 12
    assert checkpoint.results["photos_seen"] == 24
    rows = list(csv.DictReader(io.StringIO((tmp_path / "run" / "log.csv").read_text())))
    assert [int(r["step"]) for r in rows] == [3, 6]
    assert not (tmp_path / "run" / "resume.pt").exists()


def test_a_resumed_run_ends_bit_identical_to_an_unbroken_one(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after step 3 and resumed: the same weights, bit for bit, and the same log."""
    tiny = replace(TINY, validate_every=6)  # the losses before the interruption belong to the validation after it
    whole = train(tiny, [photo_folder], tmp_path / "whole", workers=0)
    out = tmp_path / "broken"

    keep, kept = Run._keep, []

    def keep_and_interrupt(run: Run) -> None:
        keep(run)
        kept.append(run.step)
        if kept == [2]:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Run, "_keep", keep_and_interrupt)
    with pytest.raises(KeyboardInterrupt, match="after step 3; go on with --resume"):
        train(tiny, [photo_folder], out, workers=0)
    with pytest.raises(RecipeError, match="unfinished run; add --resume"):
        train(tiny, [photo_folder], out, workers=0)
    with pytest.raises(RecipeError, match="was started with another saturation"):
        train(replace(tiny, saturation=0.8), [photo_folder], out, resume=True, workers=0)
    saved = torch.load(out / "resume.pt", weights_only=True)
    then = json.loads(saved["recipe"])
    del then["saturation"]  # the run is of a time when recipes had no such key: it had today's default
    torch.save(saved | {"recipe": json.dumps(then)}, out / "resume.pt")
    resumed = train(tiny, [photo_folder], out, resume=True, workers=0)
    a, b = read_checkpoint(whole).state, read_checkpoint(resumed).state
    assert all(torch.equal(a[name], b[name]) for name in a)

    def without_times(folder: str) -> list[list[str]]:
        return [
            [v for i, v in enumerate(r) if i != 1]
            for r in csv.reader(io.StringIO((tmp_path / folder / "log.csv").read_text()))
        ]

    assert without_times("whole") == without_times("broken")


def test_resume_without_a_run_or_with_another_recipe_is_refused(photo_folder: Path, tmp_path: Path) -> None:
    """Nothing to resume, or a run of another recipe: one line that says so."""
    with pytest.raises(RecipeError, match="nothing to resume"):
        train(TINY, [photo_folder], tmp_path / "none", resume=True)


def test_the_network_learns_to_colour_what_it_sees(tmp_path: Path) -> None:
    """A hundred and twenty steps on eight photographs: the loss falls well below the uniform 5.75 nats."""
    folder = tmp_path / "few"
    folder.mkdir()
    for seed in range(8):
        make_photo(seed, size=(32, 32)).save(folder / f"{seed}.png")
    recipe = Recipe(
        model="zhang2016", arguments={"width": 0.125}, steps=120, batch=8, crop_px=32, optimizer="adamw",
        learning_rate=3e-3, weight_decay=0.0, lam=1.0, mirror=False, validate_every=60, holdout_share=0.0, bf16=False,
    )  # fmt: skip
    train(recipe, [folder], tmp_path / "run", workers=0)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "run" / "log.csv").read_text())))
    assert float(rows[-1]["loss_train"]) < 4.0
    assert float(rows[-1]["loss_train"]) < float(rows[0]["loss_train"])


def test_ctrl_c_on_the_command_line_says_how_to_go_on(photo_folder: Path, tmp_path: Path) -> None:
    """`train` in a real process, interrupted: exit status 130, a line that names --resume, resume.pt on disk."""
    out = tmp_path / "run"
    command = [
        sys.executable, "-m", "colorizer", "train", "zhang2016-half", "--data", str(photo_folder), "--out", str(out),
        "--workers", "0", "--set", "arguments={'width':0.0625}", "steps=100000", "batch=4", "crop_px=32",
        "checkpoint_every=5", "bf16=False", "warmup_steps=0",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 600
    while not (out / "resume.pt").exists():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 130
    assert "go on with --resume" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('model = "zhang2016"\nsteps = "many"', "steps: expected a number, got 'many'"),
        ('model = "zhang2016"\nlerning_rate = 1', "unknown key 'lerning_rate'; known: .*learning_rate"),
        ('model = "nobody"', "expected one of .*, got 'nobody'"),
        ('model = "zhang2016"\noptimizer = "sgd"', "optimizer: expected one of adam, adamw"),
        ("model = ", "not valid TOML"),
        ('model = "zhang2016"\nmix = [1.0, 0.0]', "mix: expected positive numbers, one for each source"),
    ],
)
def test_bad_recipes_are_one_clear_error(text: str, message: str, tmp_path: Path) -> None:
    """The key, what was expected and what came."""
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(RecipeError, match=message):
        read_recipe(str(tmp_path / "r.toml"))
    with pytest.raises(RecipeError, match=r"shipped ones: .*truehue-lite"):
        read_recipe("nowhere")


def test_too_few_photographs_are_refused_with_their_number(tmp_path: Path) -> None:
    """Grey and unreadable files do not count; the error says how many were usable."""
    make_photo(1).save(tmp_path / "a.png")
    make_photo(2).convert("L").save(tmp_path / "grey.png")
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    photos, refused = read_photos([tmp_path], longest_px=64, shortest_px=16)
    assert len(photos) == 1
    assert refused == {"grey": 1, "unreadable": 1}
    with pytest.raises(RecipeError, match="at least 8 usable photographs, got 1"):
        train(TINY, [tmp_path], tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_near_duplicates_fall_on_one_side_of_the_split() -> None:
    """A burst of five nearly identical photographs is never cut in two by the hold-out."""
    photos = []
    for seed in range(20):
        base = make_photo(seed, size=(64, 64))
        for shift in range(5):
            image = Image.fromarray(np.clip(np.asarray(base).astype(int) + shift, 0, 255).astype(np.uint8))
            photos.append(Photo(f"{seed}-{shift}", np.asarray(image), perceptual_hash(image)))
    keep, held = split_holdout(near_duplicate_groups([p.phash for p in photos]), share=0.3, seed=1)
    assert sorted(keep + held) == list(range(100))
    assert {photos[i].name.split("-")[0] for i in keep}.isdisjoint({photos[i].name.split("-")[0] for i in held})
    assert 25 <= len(held) <= 40


def test_a_small_folder_is_judged_by_photographs_it_did_not_learn() -> None:
    """Three in a hundred of 12 is none: a quarter is held out instead; but a burst of nearly all stays in training."""
    twelve = np.arange(12)
    keep, held = split_holdout(twelve, share=0.03, seed=0)
    assert (len(keep), len(held)) == (9, 3)
    assert split_holdout(twelve, share=0.0, seed=0)[1] == []
    burst = np.array([0, 1, *[2] * 10])
    keep, held = split_holdout(burst, share=0.03, seed=0)
    assert held == [0, 1]
    assert split_holdout(burst[2:], share=0.03, seed=0)[1] == []


def test_crops_are_a_pure_function_of_seed_and_position() -> None:
    """The same key gives the same crop, another position another one; every epoch sees every photograph once."""
    photos = [Photo(str(s), np.asarray(make_photo(s)), s) for s in range(5)]
    crops = Crops(photos, crop_px=16, scale=(0.4, 0.9), mirror=True, seed=3)
    assert torch.equal(crops[2, 7], crops[2, 7])
    assert not torch.equal(crops[2, 7], crops[2, 8])
    batches = list(ResumableBatches(5, batch=5, steps=3, first_step=0, seed=1))
    assert all(sorted(i for i, _ in batch) == list(range(5)) for batch in batches)
    assert list(ResumableBatches(5, batch=5, steps=3, first_step=2, seed=1)) == batches[2:]


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    raw=st.lists(st.floats(0.05, 1.0), min_size=4, max_size=4),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_sources_come_in_their_shares_and_each_photograph_as_often_as_its_neighbours(
    sizes: list[int], raw: list[float], seed: int
) -> None:
    """Per epoch each source has its share to rounding; over epochs no photograph is two draws ahead of another."""
    source_N = [s for s, size in enumerate(sizes) for _ in range(size)]
    shares = raw[: len(sizes)]
    mixture = Mixture(source_N, shares, seed=seed)
    epochs = [mixture.order(e) for e in range(5)]
    for order in epochs:
        assert len(order) == len(source_N)
        for s, share in enumerate(shares):
            assert sum(source_N[i] == s for i in order) == pytest.approx(len(order) * share / sum(shares), abs=1)
    counts = np.bincount(np.concatenate(epochs), minlength=len(source_N))
    for s in range(len(sizes)):
        own = counts[[i for i, k in enumerate(source_N) if k == s]]
        assert own.max() - own.min() <= 1
    assert np.array_equal(mixture.order(3), Mixture(source_N, shares, seed=seed).order(3))


def test_a_run_draws_from_two_sources_in_the_stated_shares(
    photo_folder: Path, photo_zip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mix` reaches the batches: with 9 to 1 the second source is drawn once in ten; a wrong number is refused."""
    drawn: list[int] = []
    made = Crops.__getitem__
    monkeypatch.setattr(Crops, "__getitem__", lambda self, key: (drawn.append(key[0]), made(self, key))[1])
    recipe = replace(TINY, mix=(9.0, 1.0), steps=5, validate_every=5)
    train(recipe, [photo_folder, photo_zip], tmp_path / "run", workers=0, held_out=[photo_zip])
    n_first = len(read_photos([photo_folder], longest_px=64, shortest_px=16)[0])
    assert sum(i >= n_first for i in drawn[:20]) <= 4
    assert sum(i < n_first for i in drawn[:20]) >= 16
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["mix"] == [9.0, 1.0]
    with pytest.raises(RecipeError, match="one share for each of the 1 sources of --data, got 9, 1"):
        train(recipe, [photo_folder], tmp_path / "other", workers=0)


def test_learning_rate_warms_up_and_falls() -> None:
    """Linear to 1 over the warm-up, then down the cosine to 1 %; constant stays."""
    recipe = Recipe(model="zhang2016", steps=100, warmup_steps=10, schedule="cosine")
    factors = [learning_rate_factor(s, recipe) for s in range(101)]
    assert factors[9] == 1.0
    assert factors[-1] == pytest.approx(0.01)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert learning_rate_factor(10**6, Recipe(model="zhang2016")) == 1.0


def test_what_a_run_cannot_be_built_from_is_refused(tmp_path: Path) -> None:
    """No encoder to start from ImageNet, arguments that the model does not know, synchronised BatchNorm on a CPU."""

    def build(recipe: Recipe, *, synchronised_norm: bool = False) -> Run:
        run = Run(recipe, tmp_path, World(), resume=False, compiled=False, synchronised_norm=synchronised_norm)
        run.build("")
        return run

    with pytest.raises(RecipeError, match='zhang2016 has no encoder with ImageNet weights; use start = "scratch"'):
        build(replace(TINY, start="imagenet"))
    with pytest.raises(RecipeError, match=r"arguments: .*unexpected keyword argument 'depth'"):
        build(replace(TINY, arguments={"depth": 3}))
    with pytest.raises(RecipeError, match="--sync-batchnorm: torch has it for GPUs only"):
        build(TINY, synchronised_norm=True)
    lite = read_recipe("truehue-lite", {"start": "imagenet", "bf16": False})
    begun, other = (build(replace(lite, start=start)).networks["model"] for start in ("imagenet", "scratch"))
    stems = [next(v for k, v in n.state_dict().items() if "encoder.stem" in k) for n in (begun, other)]
    assert not torch.equal(*stems)


def test_a_run_goes_on_longer_than_it_was_begun_but_with_as_many_processes(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`steps` may be changed at --resume, and the checkpoint says so; two processes do not continue one."""
    keep = Run._keep

    def keep_and_interrupt(run: Run) -> None:
        keep(run)
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "_keep", keep_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, [photo_folder], tmp_path / "run", workers=0)
    monkeypatch.undo()
    two = Run(TINY, tmp_path / "run", World(0, 2), resume=True, compiled=False, synchronised_norm=False)
    with pytest.raises(RecipeError, match="was run by 1 processes, now 2; resume with as many"):
        two.build("")
    path = train(replace(TINY, steps=4), [photo_folder], tmp_path / "run", resume=True, workers=0)
    assert read_checkpoint(path).results["changes"] == [{"at_step": 2, "steps_before": 6, "steps": 4}]


def test_compile_hands_every_network_to_torch(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is compiled is what learns (torch.compile itself needs a C++ compiler)."""
    compiled: list[type] = []
    monkeypatch.setattr(torch, "compile", lambda network: (compiled.append(type(network)), network)[1])
    train(replace(TINY, steps=1), [photo_folder], tmp_path / "run", workers=0, compiled=True)
    assert [t.__name__ for t in compiled] == ["Zhang2016"]


def test_a_share_of_a_source_without_photographs_is_refused() -> None:
    """All of the second source may have been held out."""
    with pytest.raises(ValueError, match="mix: source 2 has no usable photograph to train on"):
        Mixture([0, 0, 0], (0.5, 0.5), seed=0)
