"""The sparse loss is the dense one; the prior and its weights are the paper's."""

from pathlib import Path

import numpy as np
import pytest
import torch

from colorizer.ab_bins import N_BINS, soft_encode
from colorizer.losses import non_grey_mask, rebalanced_cross_entropy
from colorizer.rebalancing import PriorError, load_prior, rebalancing_weights

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
