"""The 313 bins and the soft encoding over them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colorizer.ab_bins import N_BINS, bin_centres, nearest_bin, soft_encode
from colorizer.decoding import annealed_mean


def colours(n: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(1, 2, 1, n, generator=generator) - 0.5) * 220


def test_there_are_313_distinct_bins_on_the_grid() -> None:
    """313 distinct centres, all multiples of 10 (Zhang et al. 2016)."""
    centres = bin_centres()
    assert centres.shape == (N_BINS, 2)
    assert len({tuple(c) for c in centres.tolist()}) == N_BINS
    assert (centres % 10 == 0).all()


@pytest.mark.parametrize("k", [1, 5, 10])
def test_the_table_finds_what_brute_force_finds(k: int) -> None:
    """The nearest bins by the candidate table have the distances that brute force gives."""
    ab = colours(20_000)
    points = ab[0, :, 0].T
    distance = ((points[:, None] - bin_centres()) ** 2).sum(-1)
    expected = distance.topk(k, largest=False).values.sort(-1).values
    found = distance.gather(1, soft_encode(ab, k=k).bins_BKHW[0, :, 0].T).sort(-1).values
    torch.testing.assert_close(found, expected)


@settings(max_examples=40, deadline=None)
@given(st.floats(-250, 250), st.floats(-250, 250), st.integers(1, 10))
def test_weights_are_a_distribution_over_distinct_bins(a: float, b: float, k: int) -> None:
    """Weights are in [0, 1], sum to 1, and no bin counts twice, even far outside the gamut."""
    code = soft_encode(torch.tensor([a, b]).view(1, 2, 1, 1), k=k)
    weights, bins = code.weights_BKHW.flatten(), code.bins_BKHW.flatten()
    assert torch.isfinite(weights).all()
    assert weights.min() >= 0
    assert float(weights.sum()) == pytest.approx(1.0, abs=1e-5)
    assert len(set(bins.tolist())) == k


def test_a_centre_encodes_mostly_as_itself() -> None:
    """A colour at a bin's centre has that bin as its heaviest."""
    ab = bin_centres().T.reshape(1, 2, 1, -1)
    assert (nearest_bin(ab).flatten() == torch.arange(N_BINS)).all()


def test_encode_then_decode_stays_close() -> None:
    """In gamut, the mean of the soft code is within 8 CIE units of the colour (a bin's half diagonal is 7.1)."""
    rgb = torch.rand(1, 3, 60, 60, generator=torch.Generator().manual_seed(1))
    from colorizer.lab import rgb_to_lab

    ab = rgb_to_lab(rgb)[:, 1:]
    code = soft_encode(ab, k=5)
    dense = torch.zeros(1, N_BINS, 60, 60).scatter_(1, code.bins_BKHW, code.weights_BKHW)
    error = (annealed_mean(dense.clamp_min(1e-30).log(), temperature=1.0) - ab).norm(dim=1)
    assert float(error.max()) < 8.0
    assert float(error.mean()) < 2.5


def test_wrong_shapes_are_refused_with_the_shape() -> None:
    """The error names what was expected and what came."""
    with pytest.raises(ValueError, match=r"\(B, 2, H, W\), got \(3, 4\)"):
        soft_encode(torch.zeros(3, 4))
    with pytest.raises(ValueError, match="got 0"):
        soft_encode(torch.zeros(1, 2, 1, 1), k=0)


def test_temperature_goes_from_mode_to_mean() -> None:
    """T → 0 is the mode, T = 1 the mean of the distribution (Zhang et al. 2016, section 2.3)."""
    logits = torch.randn(2, N_BINS, 3, 4, generator=torch.Generator().manual_seed(2)) * 3
    mode = bin_centres()[logits.argmax(1)].permute(0, 3, 1, 2)
    torch.testing.assert_close(annealed_mean(logits, temperature=1e-4), mode)
    torch.testing.assert_close(annealed_mean(logits, temperature=0), mode)
    mean = torch.einsum("bqhw,qc->bchw", logits.softmax(1), bin_centres())
    torch.testing.assert_close(annealed_mean(logits, temperature=1.0), mean)
    with pytest.raises(ValueError, match="temperature >= 0"):
        annealed_mean(logits, temperature=-1)


def test_a_network_trains_after_colours_were_decoded_in_inference_mode() -> None:
    """What is made once and kept was made by whoever came first; that must not decide whether gradients flow."""
    bin_centres.cache_clear()
    with torch.inference_mode():
        annealed_mean(torch.zeros(1, N_BINS, 1, 1))
    logits = torch.zeros(1, N_BINS, 2, 2, requires_grad=True)
    annealed_mean(logits).square().sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() > 0
