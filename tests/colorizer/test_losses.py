"""The sparse loss is the dense one; prior and weights are the paper's; the perceptual term leads to the truth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from colorizer.ab_bins import N_BINS, soft_encode
from colorizer.judges import EfficientNetLite
from colorizer.lab import lab_to_rgb, rgb_to_lab
from colorizer.losses import non_grey_mask, rebalanced_cross_entropy
from colorizer.models import MODELS
from colorizer.objectives import Classification
from colorizer.objectives.judged import Judged
from colorizer.objectives.perceptual import Perceptual, feature_distance
from colorizer.rebalancing import PriorError, load_prior, rebalancing_weights
from colorizer.recipe import Recipe

from .conftest import make_photo

CPU = torch.device("cpu")
REFERENCE = Path(__file__).parent / "reference"


@pytest.mark.parametrize("k", [5, 10])
def test_sparse_loss_equals_dense_loss_in_value_and_gradient(k: int) -> None:
    """Equation 2 of Zhang et al. 2016 over a dense target gives the same number and the same gradient."""
    generator = torch.Generator().manual_seed(k)
    ab = (torch.rand(3, 2, 5, 4, generator=generator) - 0.5) * 160
    ab[1] = 0.5  # a grey image: masked
    weights = rebalancing_weights(load_prior())
    sparse = torch.randn(3, N_BINS, 5, 4, generator=generator, dtype=torch.float32).requires_grad_()
    dense = sparse.detach().clone().requires_grad_()
    code, mask = soft_encode(ab, k=k), non_grey_mask(ab)
    loss = rebalanced_cross_entropy(sparse, code, weights, mask)
    target = torch.zeros(3, N_BINS, 5, 4).scatter_(1, code.bins_BKHW, code.weights_BKHW)
    weight = weights[target.argmax(1)] * mask
    expected = -(weight * (target * dense.log_softmax(1)).sum(1)).sum() / 3
    loss.backward()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    torch.testing.assert_close(sparse.grad, dense.grad, atol=1e-6, rtol=1e-5)
    assert float(mask[1]) == 0
    assert float(mask[0]) == 1


def test_weights_of_the_papers_prior_are_the_known_ones() -> None:
    """λ = .5 on the shipped prior: min .0965, max 6.175, mean 5.175, median 5.999 (measured on the released files)."""
    weights = rebalancing_weights(load_prior())
    known = {"min": 0.0965, "max": 6.175, "mean": 5.175, "median": 5.999}
    assert {name: round(float(getattr(weights, name)()), 3 + (name == "min")) for name in known} == known


@pytest.mark.parametrize("lam", [0.0, 0.3, 0.5, 1.0])
def test_prior_weighted_mean_of_weights_is_one(lam: float) -> None:
    """Rebalancing does not change the size of the loss; λ = 1 is no rebalancing at all."""
    prior = load_prior()
    weights = rebalancing_weights(prior, lam=lam)
    assert float((prior * weights).sum()) == pytest.approx(1.0, abs=1e-5)
    if lam == 1.0:
        torch.testing.assert_close(weights, torch.ones(N_BINS))
    with pytest.raises(ValueError, match="lambda"):
        rebalancing_weights(prior, lam=1.5)


def test_the_corrupt_prior_that_circulates_is_refused_with_the_reason() -> None:
    """The copy with its peak at (-90, 90) is refused, and the message says why."""
    with pytest.raises(PriorError, match=r"\(-90, 90\).*far from grey.*shipped"):
        load_prior(REFERENCE / "corrupt_prior_probs.npy")


def test_broken_priors_are_refused(tmp_path: Path) -> None:
    """Wrong length, wrong sum, negative or no file at all: each is one clear error."""
    good = load_prior().numpy()
    cases = {"short": good[:10], "sum": good * 2, "negative": good - good.max()}
    for name, values in cases.items():
        np.save(tmp_path / f"{name}.npy", values)
        with pytest.raises(PriorError, match="expected"):
            load_prior(tmp_path / f"{name}.npy")
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(PriorError, match=r"\.npy file"):
        load_prior(tmp_path / "text.npy")


def test_the_perceptual_term_is_zero_for_the_truth_and_pulls_towards_it() -> None:
    """No distance to itself; grey is farther than half the colour; a step against the gradient comes nearer."""
    torch.manual_seed(0)
    encoder = EfficientNetLite().encoder.requires_grad_(False)
    rgb = torch.from_numpy(np.array(make_photo(3, size=(64, 64)))).permute(2, 0, 1)[None]
    true = rgb.float() / 255.0
    lab = rgb_to_lab(true)

    def distance(ab: torch.Tensor) -> torch.Tensor:
        return feature_distance(encoder, lab_to_rgb(torch.cat((lab[:, :1], ab), dim=1)), true)

    half = (0.5 * lab[:, 1:]).requires_grad_()
    at_half = distance(half)
    assert float(distance(lab[:, 1:])) == pytest.approx(0, abs=1e-4)
    assert float(distance(torch.zeros_like(half))) > float(at_half.detach()) > 1e-3
    at_half.backward()
    assert half.grad is not None
    assert float(distance(half.detach() - 2.0 * half.grad / half.grad.norm())) < float(at_half.detach())


def test_a_perceptual_weight_of_zero_is_the_classification() -> None:
    """The same loss and gradient; with a weight the loss grows by it; what it does not know is refused."""
    rgb = torch.from_numpy(np.stack([np.asarray(make_photo(s, size=(32, 32))) for s in (1, 2)])).permute(0, 3, 1, 2)
    recipe = Recipe(model="zhang2016", arguments={"width": 0.0625}, objective="perceptual", bf16=False)
    torch.manual_seed(0)
    networks = {"model": MODELS["zhang2016"](width=0.0625).eval()}
    shown = []
    for weight in (0.0, 1.0, 3.0):
        given = replace(recipe, objective_arguments={"weight": weight})
        shown.append(Perceptual(given, CPU).loss("model", networks, rgb, torch.Generator()).shown)
    assert shown[0] == pytest.approx(Classification(recipe, CPU).loss("model", networks, rgb, torch.Generator()).shown)
    assert shown[1] > shown[0] + 1e-3
    assert shown[2] - shown[0] == pytest.approx(3 * (shown[1] - shown[0]), rel=1e-3)
    for wrong in ({"strength": 1.0}, {"weight": -1.0}):
        with pytest.raises(ValueError, match="objective_arguments"):
            Perceptual.refuse(replace(recipe, objective_arguments=wrong))
    with pytest.raises(ValueError, match="a model that classifies, got zhang2016-l2"):
        Perceptual.refuse(replace(recipe, model="zhang2016-l2"))


def test_a_judged_network_is_the_classification_with_a_term_for_what_is_found_out() -> None:
    """Weight 0: the classification's loss; else more by what the discriminator sees, whose gradient reaches logits."""
    rgb = torch.from_numpy(np.stack([np.asarray(make_photo(s, size=(32, 32))) for s in (1, 2)])).permute(0, 3, 1, 2)
    recipe = Recipe(model="zhang2016", arguments={"width": 0.0625}, objective="judged", bf16=False)
    torch.manual_seed(0)
    networks = {"model": MODELS["zhang2016"](width=0.0625).eval()}
    networks |= Judged(replace(recipe, objective_arguments={"width": 0.125}), CPU).companions()
    shown, pulls = [], []
    for weight in (0.0, 1.0, 3.0):
        given = replace(recipe, objective_arguments={"weight": weight, "width": 0.125})
        networks["model"].zero_grad()
        loss = Judged(given, CPU).loss("model", networks, rgb, torch.Generator())
        loss.total.backward()  # type: ignore[no-untyped-call]
        shown.append(loss.shown)
        pulls.append(next(networks["model"].parameters()).grad.clone())
    assert shown[0] == pytest.approx(Classification(recipe, CPU).loss("model", networks, rgb, torch.Generator()).shown)
    assert shown[1] > shown[0] + 1e-2
    assert shown[2] - shown[0] == pytest.approx(3 * (shown[1] - shown[0]), rel=1e-3)
    torch.testing.assert_close(pulls[2] - pulls[0], 3 * (pulls[1] - pulls[0]), rtol=2e-2, atol=2e-6)
    assert float((pulls[1] - pulls[0]).abs().max()) > 1e-5
    for wrong in ({"strength": 1.0}, {"weight": -1.0}, {"temperature": 0.0}, {"width": -1.0}):
        with pytest.raises(ValueError, match="objective_arguments"):
            Judged.refuse(replace(recipe, objective_arguments=wrong))
    with pytest.raises(ValueError, match="a model that classifies, got pix2pix"):
        Judged.refuse(replace(recipe, model="pix2pix"))


def test_the_judge_learns_from_photographs_and_leaves_the_network_alone() -> None:
    """Its phase has a gradient for the discriminator only."""
    rgb = torch.from_numpy(np.array(make_photo(1, size=(32, 32)))).permute(2, 0, 1)[None]
    recipe = Recipe(model="zhang2016", objective="judged", objective_arguments={"width": 0.125}, bf16=False)
    judged = Judged(recipe, CPU)
    torch.manual_seed(0)
    networks = {"model": MODELS["zhang2016"](width=0.0625)} | judged.companions()
    loss = judged.loss("discriminator", networks, rgb, torch.Generator())
    assert loss.shown == pytest.approx(np.log(2), abs=0.2), "untrained, it guesses"
    loss.total.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in networks["discriminator"].parameters())
    assert all(p.grad is None for p in networks["model"].parameters())
