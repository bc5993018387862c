"""Taking the rebalancing back: the true distribution from a rebalanced one, in training and afterwards."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from colorizer.ab_bins import N_BINS
from colorizer.checkpoints import CheckpointError, load_checkpoint, read_checkpoint, save_checkpoint
from colorizer.models import MODELS, ClassifyingColorizer
from colorizer.models.base import no_grad_eval
from colorizer.rebalancing import load_prior, rebalancing_weights, unweighting
from colorizer.recipe import Recipe, RecipeError
from colorizer.recipe_files import read_recipe
from colorizer.render import predict_ab
from colorizer.train import start_from, train
from tools import unweight
from tools.unweighting_sweep import DECODINGS, FORMER, Decoding, decoded

TINY = Recipe(
    model="zhang2016", arguments={"width": 0.0625}, steps=2, batch=4, crop_px=32, validate_every=2, checkpoint_every=2,
    holdout_share=0.2, seed=3, bf16=False,
)  # fmt: skip


def test_the_whole_of_it_gives_the_distribution_that_was_learnt_from() -> None:
    """What a rebalanced cross-entropy is least for is w p; with a share of 1 it is p, with 0 unchanged."""
    torch.manual_seed(0)
    weights_Q = rebalancing_weights(load_prior(), lam=0.5).double()
    true_Q = torch.rand(N_BINS, dtype=torch.float64).softmax(0)
    learnt_Q = (weights_Q * true_Q).log() + 1.7
    torch.testing.assert_close((learnt_Q + unweighting(weights_Q, share=1.0)).softmax(0), true_Q)
    half = (learnt_Q + unweighting(weights_Q, share=0.5)).softmax(0)
    torch.testing.assert_close(half, (weights_Q.sqrt() * true_Q) / (weights_Q.sqrt() * true_Q).sum())
    assert not unweighting(weights_Q, share=0.0).any()


def test_bins_that_never_occur_stay_and_other_shares_are_refused() -> None:
    """Their weight is 0, whose logarithm is no number."""
    weights_Q = torch.tensor([0.0, 2.0, 0.5])
    torch.testing.assert_close(unweighting(weights_Q, share=1.0), torch.tensor([0.0, -0.6931472, 0.6931472]))
    with pytest.raises(ValueError, match=r"expected a share in \[0, 1\], got 1.5"):
        unweighting(weights_Q, share=1.5)


@pytest.mark.parametrize("name", ["zhang2016", "truehue-lite"])
def test_logits_are_shifted_for_good(name: str) -> None:
    """By as much at every place, and nothing else changes."""
    torch.manual_seed(0)
    arguments = {"width": 0.0625} if name == "zhang2016" else {"decoder": (8, 8, 8)}
    model = no_grad_eval(MODELS[name](**arguments))
    assert isinstance(model, ClassifyingColorizer)
    L, by_Q = torch.rand(1, 1, 32, 32) * 100, torch.randn(N_BINS)
    before = model(L)
    model.shift_logits(by_Q)
    torch.testing.assert_close(model(L) - before, by_Q.view(1, -1, 1, 1).expand_as(before), atol=1e-4, rtol=1e-4)


def test_a_run_takes_it_back_when_it_ends_and_so_does_the_tool(photo_folder: Path, tmp_path: Path) -> None:
    """The same weights but for the last bias; loaded, the network has the saturation that the recipe says."""
    plain = train(TINY, [photo_folder], tmp_path / "plain", workers=0)
    ended = train(
        replace(TINY, unweighting=0.5, shown_saturation=1.05), [photo_folder], tmp_path / "back", workers=0
    )  # fmt: skip
    later = tmp_path / "later.safetensors"
    unweight.unweight(plain, "zhang2016", share=0.5, saturation=1.05, small=False, out=later)
    shift = unweighting(rebalancing_weights(load_prior(), lam=TINY.lam), share=0.5)
    states = [read_checkpoint(path).state for path in (plain, ended, later)]
    for key, before in states[0].items():
        wanted = before + shift if before.shape == shift.shape else before
        for state in states[1:]:
            torch.testing.assert_close(state[key], wanted)
    for path in (ended, later):
        model, checkpoint = load_checkpoint("zhang2016", path)
        assert model.saturation == 1.05
        assert (checkpoint.recipe["unweighting"], checkpoint.recipe["shown_saturation"]) == (0.5, 1.05)
    assert load_checkpoint("zhang2016", plain)[0].saturation == 1.0
    assert read_checkpoint(later).results["changes"][-1]["of"] == read_checkpoint(plain).sha256
    assert torch.equal(read_checkpoint(later).seen_phashes, read_checkpoint(plain).seen_phashes)
    for begun in (ended, later):  # a run that goes on from there begins where the plain one ended
        fresh = MODELS["zhang2016"](width=0.0625)
        start_from(fresh, str(begun), read_recipe("zhang2016-small"))
        for key, value in fresh.state_dict().items():
            torch.testing.assert_close(value, states[0][key])
    with pytest.raises(CheckpointError, match=r"has 0\.5 of its rebalancing taken back already"):
        unweight.unweight(later, "zhang2016", share=0.5, saturation=1.0, small=False, out=tmp_path / "twice")


def test_the_tool_says_what_it_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line and status 2."""
    model, out = MODELS["zhang2016"](width=0.0625), tmp_path / "out.safetensors"
    recipe = {"prior": str(tmp_path / "gone.npy")}
    save_checkpoint(
        tmp_path / "prior.safetensors", model, arguments={"width": 0.0625}, recipe=recipe, results={}, seen_phashes=[]
    )
    for name, told in (("none", "no such weights file"), ("prior", "gone.npy: expected a .npy file")):
        words = ["unweight", "--model", "zhang2016", "--weights", str(tmp_path / f"{name}.safetensors")]
        monkeypatch.setattr("sys.argv", [*words, "--share", "0.5", "--out", str(out)])
        with pytest.raises(SystemExit) as ended:
            unweight.main()
        assert ended.value.code == 2
        assert told in capsys.readouterr().err
        assert not out.exists()


@pytest.mark.parametrize(
    ("name", "key", "value", "message"),
    [
        ("zhang2016-small", "unweighting", 1.5, r"unweighting: expected a share in \[0, 1\], got 1.5"),
        ("pix2pix-small", "unweighting", 0.5, "unweighting: nothing to take back, pix2pix learns without rebalancing"),
        ("zhang2016-small", "shown_saturation", 9, r"shown_saturation: expected 0 \(its model's own\) to 4, got 9"),
    ],
)
def test_recipes_that_cannot_be_are_refused(name: str, key: str, value: float, message: str) -> None:
    """By their key."""
    with pytest.raises(RecipeError, match=message):
        read_recipe(name, {key: value})


def test_the_sweep_decodes_as_the_network_then_colours() -> None:
    """Each row is what a network with that share taken back paints at that temperature and saturation."""
    torch.manual_seed(0)
    model = no_grad_eval(MODELS["truehue-lite"](decoder=(8, 8, 8)))
    assert isinstance(model, ClassifyingColorizer)
    torch.nn.init.normal_(model.head.weight)  # an untrained head knows no colours
    lab, weights_Q = torch.rand(1, 3, 96, 64) * 60 + 20, rebalancing_weights(load_prior())
    found = dict(decoded(model, lab, weights_Q))
    assert set(found) == set(DECODINGS)
    for way in (FORMER, Decoding(0.5, 0.6, 1.05)):
        shifted = deepcopy(model)
        shifted.shift_logits(unweighting(weights_Q, share=way.share))
        shifted.temperature, shifted.saturation = way.temperature, way.saturation
        wanted = predict_ab(shifted, lab[:, :1], working_px=64, bf16=True)
        torch.testing.assert_close(found[way], wanted, atol=0.1, rtol=0)  # a bias of bfloat16 is rounded in the network
    assert float((found[FORMER] - found[Decoding(0.5, 0.6, 1.05)]).abs().max()) > 1
