"""Colours that are settled in rounds: which cells, in which order, what training shows, and that it is learnt."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st
from torch import Tensor

from colorizer.ab_bins import bin_centres, soft_encode
from colorizer.backends import _fingerprint
from colorizer.checkpoints import CheckpointError, load_model, read_checkpoint, save_checkpoint, shipped_path
from colorizer.models import MODELS
from colorizer.models.base import no_grad_eval
from colorizer.models.commitment import (
    ROUNDS,
    Given,
    expected_chroma,
    mean_chroma_of,
    mean_colour,
    nothing_given,
    settled_after,
)
from colorizer.models.truehue_lite import TruehueLite, Unsettled
from colorizer.objectives.masked import cell_cross_entropy, shown_cells
from colorizer.rebalancing import load_prior, rebalancing_weights, unweighting
from colorizer.recipe import Recipe, RecipeError
from colorizer.recipe_files import read_recipe
from colorizer.train import start_from, train
from tools import settling_sweep, unweight
from tools.experiments import Scores
from tools.settling_sweep import FORMER, Found, Way, coloured, table

TINY = (12, 8, 8)


def tiny(*, settles: bool = True) -> TruehueLite:
    torch.manual_seed(3)
    model = TruehueLite(TINY, n_frozen_stages=7, settles=settles)
    torch.nn.init.normal_(model.head.weight)
    return model


def test_rounds_settle_twice_as_many_cells_each_far_apart() -> None:
    before = torch.zeros(1, 1, 8, 12)
    for round_, n in enumerate(ROUNDS):
        mask = settled_after(round_, before)
        assert bool((mask >= before).all())  # what is settled stays settled
        blocks = torch.nn.functional.avg_pool2d(mask, 4) * 16
        assert torch.equal(blocks, torch.full_like(blocks, n))  # as many in every block of 4 x 4
        before = mask
    rows, columns = settled_after(1, before)[0, 0, :4, :4].nonzero().T.tolist()
    assert (abs(rows[0] - rows[1]), abs(columns[0] - columns[1])) == (2, 2)
    assert torch.equal(settled_after(4, before), torch.ones_like(before))


def test_a_network_begins_as_what_it_was_before_it_settled() -> None:
    """Hints add nothing yet, whatever they are."""
    plain, settling = no_grad_eval(tiny(settles=False)), no_grad_eval(tiny())
    settling.load_state_dict(plain.state_dict() | {k: v for k, v in settling.state_dict().items() if "commit" in k})
    L = torch.rand(2, 1, 64, 96) * 100
    some = Given(torch.randn(2, 2, 8, 12) * 30, torch.ones(2, 1, 8, 12), torch.tensor([[20.0, 1.0]] * 2))
    wanted = plain(L)
    for given in (nothing_given(torch.zeros(2, 1, 8, 12)), some):
        of_cells, of_pixels = settling(L, given)
        torch.testing.assert_close(of_pixels, wanted)
        assert of_cells.shape == (2, 313, 8, 12)
        assert not of_cells.any()
    torch.testing.assert_close(settling(L), wanted)


def test_what_is_settled_stays_and_the_chroma_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model = no_grad_eval(tiny())
    assert model.commitment is not None
    for layer in (model.commitment.head, model.commitment.into8, model.commitment.chroma8):
        torch.nn.init.normal_(layer.weight)
    seen: list[Given] = []
    coarse = model._coarse

    def watched(taps: list[Tensor], given: Given) -> Any:
        seen.append(given)
        return coarse(taps, given)

    monkeypatch.setattr(model, "_coarse", watched)
    L = torch.rand(1, 1, 64, 64) * 100
    settled, free = model.settle(L)
    assert [int(g.mask_B1hw.sum()) for g in seen] == [0, 0, 4, 8, 16, 32, 64]
    for earlier, later in pairwise(seen[2:]):
        kept = earlier.mask_B1hw.expand_as(earlier.ab_B2hw) > 0
        assert torch.equal(earlier.ab_B2hw[kept], later.ab_B2hw[kept])
        assert not later.ab_B2hw[later.mask_B1hw.expand_as(later.ab_B2hw) == 0].any()
    assert not seen[0].chroma_B2.any()
    x, _ = coarse(model._encoded(L), seen[0])
    chroma = expected_chroma(model.commitment.head(x)) * model.boldness
    for given in seen[1:]:
        torch.testing.assert_close(given.chroma_B2, torch.stack((chroma, torch.ones(1)), dim=1))
    assert not torch.allclose(settled, free)
    ab = model.small_ab(L, lambda logits: mean_colour(logits, temperature=0.6))
    whole = [mean_colour(logits, temperature=0.6) for logits in (settled, free)]
    fine = whole[1] - torch.nn.functional.interpolate(
        torch.nn.functional.avg_pool2d(whole[1], 4), scale_factor=4, mode="bilinear"
    )
    torch.testing.assert_close(ab, whole[0] + model.detail * fine)


def test_pictures_of_a_batch_do_not_see_each_other() -> None:
    model = no_grad_eval(tiny())
    assert model.commitment is not None
    torch.nn.init.normal_(model.commitment.head.weight)
    torch.nn.init.normal_(model.commitment.into16.weight)
    L = torch.rand(3, 1, 64, 96) * 100
    alone = torch.cat([model.predict_ab(one) for one in L.split(1)])
    torch.testing.assert_close(model.predict_ab(L), alone, atol=1e-3, rtol=1e-4)
    assert model.predict_ab(L[:, :, :50, :70]).shape == (3, 2, 50, 70)


def test_the_mean_chroma_is_not_the_chroma_of_the_mean() -> None:
    centres = bin_centres()
    there, opposite = (int((centres - torch.tensor(c)).norm(dim=1).argmin()) for c in ([40.0, 0.0], [-40.0, 0.0]))
    logits = torch.full((1, 313, 2, 2), -50.0)
    logits[:, [there, opposite]] = 0.0
    assert float(mean_colour(logits, temperature=1.0).abs().max()) < 1e-4
    assert float(expected_chroma(logits)) == pytest.approx(40.0, abs=1e-3)
    cells = torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])
    assert mean_chroma_of(cells).tolist() == [[2.5, 1.0]]


@drawn(seed=st.integers(0, 2**31), height=st.integers(4, 12), width=st.integers(4, 12))
def test_shown_cells_are_true_but_for_a_bounded_error(seed: int, height: int, width: int) -> None:
    cells = torch.randn((4, 2, height, width), generator=torch.Generator().manual_seed(seed)) * 30
    shown = shown_cells(cells, torch.Generator().manual_seed(seed))
    again = shown_cells(cells, torch.Generator().manual_seed(seed))
    assert all(torch.equal(a, b) for a, b in zip(shown, again, strict=True))
    mask = shown.mask_B1hw
    assert bool(((mask == 0) | (mask == 1)).all())
    assert not (shown.ab_B2hw * (1 - mask)).any()
    assert float(((shown.ab_B2hw - cells) * mask).abs().max()) < 5.0 * 6  # six standard deviations of the largest noise
    told = shown.chroma_B2[:, 1] == 1
    factor = shown.chroma_B2[told, 0] / mean_chroma_of(cells)[told, 0]
    assert bool(((factor > 0.5) & (factor < 2.0)).all())
    assert not shown.chroma_B2[~told].any()


def test_every_kind_of_mask_is_shown() -> None:
    cells = torch.zeros(400, 2, 8, 8)
    shown = shown_cells(cells, torch.Generator().manual_seed(5))
    share = shown.mask_B1hw.mean((1, 2, 3))
    assert 0.10 < float((share == 0).float().mean()) < 0.25
    assert 0.10 < float((share == 1).float().mean()) < 0.25
    blocks = torch.nn.functional.avg_pool2d(shown.mask_B1hw, 4)
    even = (blocks == blocks[:, :, :1, :1]).flatten(1).all(1) & (share > 0) & (share < 1)
    assert 0.30 < float(even.float().mean()) < 0.50
    assert 0.6 < float(shown.chroma_B2[:, 1].mean()) < 0.8


def test_only_cells_that_are_asked_for_count() -> None:
    torch.manual_seed(2)
    logits = torch.randn(2, 313, 3, 4, requires_grad=True)
    cells = torch.randn(2, 2, 3, 4) * 20
    asked = (torch.rand(2, 1, 3, 4) < 0.5).float()
    loss = cell_cross_entropy(logits, cells, asked, k=5)
    code = soft_encode(cells, k=5)
    target = torch.zeros_like(logits).scatter_(1, code.bins_BKHW, code.weights_BKHW)
    dense = -(target * logits.log_softmax(1)).sum(1)
    torch.testing.assert_close(loss, dense[asked[:, 0] > 0].mean())
    loss.backward()
    assert logits.grad is not None
    assert not (logits.grad * (1 - asked)).any()
    assert float(cell_cross_entropy(logits.detach(), cells, torch.zeros_like(asked), k=5)) == 0.0


def test_the_shipped_network_follows_what_is_given() -> None:
    """Lightness alone, the same everywhere: a quarter of the cells says which colour the others get."""
    model = load_model("truehue-lite")
    assert isinstance(model, TruehueLite)
    L = torch.full((1, 1, 128, 128), 55.0) + torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(1)) * 4
    found = []
    for a in (25.0, -25.0):
        ab = torch.tensor([a, 15.0]).view(1, 2, 1, 1).expand(-1, -1, 16, 16)
        mask = settled_after(2, ab)
        of_cells, of_pixels = model(L, Given(ab * mask, mask, mean_chroma_of(ab)))
        open_cells = mean_colour(of_cells, temperature=0.5)[:, 0][mask[:, 0] == 0]
        found.append((float(open_cells.mean()), float(mean_colour(of_pixels, temperature=0.5)[:, 0].mean())))
    assert min(found[0]) > 12.0
    assert max(found[1]) < -12.0


def test_statistics_are_kept_while_it_learns() -> None:
    model = tiny().train()
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    assert not any(m.training for m in norms)
    assert any(m.training for m in tiny(settles=False).train().up8.modules() if isinstance(m, torch.nn.BatchNorm2d))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arguments": {"n_frozen_stages": 7}}, "objective: masked: expected the model truehue-lite with"),
        ({"model": "zhang2016", "arguments": {}}, "objective: masked: expected the model truehue-lite with"),
        ({"unweighting": 0.5}, "unweighting: nothing to take back"),
        ({"objective_arguments": {"weight": 1}}, "objective_arguments: expected none"),
    ],
)
def test_recipes_that_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_recipe("truehue-lite-settled", change)


RECIPE = {"arguments": {"decoder": [12, 8, 8], "n_frozen_stages": 7, "settles": True}, "steps": 4, "batch": 4,
          "crop_px": 64, "validate_every": 2, "checkpoint_every": 2, "warmup_steps": 1}  # fmt: skip


def recipe_of(**change: Any) -> Recipe:
    return read_recipe("truehue-lite-settled", RECIPE | change)


def test_a_run_needs_weights_and_goes_from_weighted_to_plain_and_back(photo_folder: Path, tmp_path: Path) -> None:
    """What was learnt under weights is taken as what it says without, and the other way round."""
    with pytest.raises(RecipeError, match="add --init truehue-lite or a file"):
        train(recipe_of(), [photo_folder], tmp_path / "none", workers=0)
    shape = {"decoder": [12, 8, 8]}
    first = train(
        read_recipe("truehue-lite", RECIPE | {"arguments": shape, "start": "scratch", "unweighting": 0.25}),
        [photo_folder], tmp_path / "first", workers=0,
    )  # fmt: skip
    second = train(recipe_of(), [photo_folder], tmp_path / "second", workers=0, init=str(first))
    assert (tmp_path / "second" / "log.csv").read_text().splitlines()[0].endswith("loss,cross_entropy,auc_raw")
    weights_Q = rebalancing_weights(load_prior())
    for path, owed, becomes in (
        (first, 1.0 - 0.25, recipe_of()),
        (second, -1.0, read_recipe("truehue-lite", {"arguments": shape, "unweighting": 0.25})),
    ):
        model = MODELS["truehue-lite"](**becomes.arguments)
        start_from(model, str(path), becomes)
        saved = read_checkpoint(path).state["head.bias"]
        shift = unweighting(weights_Q, share=abs(owed)) * (1 if owed > 0 else -1)
        torch.testing.assert_close(model.state_dict()["head.bias"], saved + shift, atol=1e-4, rtol=1e-4)


def test_an_exported_file_holds_for_one_way_to_settle() -> None:
    """The cache of exported networks must not answer for another boldness."""
    model = tiny()
    before = _fingerprint(model, 0.6)
    assert _fingerprint(model, 0.6) == before
    model.boldness = 2.0
    assert _fingerprint(model, 0.6) != before
    assert tiny(settles=False).knobs == ()


def test_the_sweep_uses_the_same_weights_in_several_ways() -> None:
    model = no_grad_eval(tiny())
    assert isinstance(model, TruehueLite)
    for layer in (model.commitment.head, model.commitment.into8):
        torch.nn.init.normal_(layer.weight)
    lab = torch.cat((torch.rand(1, 1, 64, 64) * 100, torch.zeros(1, 2, 64, 64)), dim=1)
    ways = (Way("a"), Way("b", is_settled=False), Way("c", detail=0.0), Way("d", boldness=2.0))
    found = [coloured(model, lab, way) for way in ways]
    free = model.settle(lab[:, :1])[1]
    torch.testing.assert_close(Unsettled(model)(lab[:, :1]), free)
    for i, one in enumerate(found):
        assert one.shape == (1, 2, 64, 64)
        # Boldness acts through what is told, to which these weights are deaf.
        assert [torch.equal(one, other) for other in found].count(True) == (2 if i in (0, 3) else 1)
    rng = np.random.default_rng(1)
    scores = Scores(*rng.uniform(0.5, 1.0, size=(6, 30)))
    lines = table("VAL.zip", {FORMER: Found(scores, 0.25), Way("a"): Found(scores, 0.5)})
    assert lines[0] == "## 30 photographs of VAL.zip"
    assert lines[-3].startswith("| the weights before | ")
    assert "(+0.0000 [+0.0000, +0.0000])" in lines[-2]
    assert lines[-2].endswith("| 0.500 |")


def test_the_sweep_refuses_weights_that_do_not_settle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plain.safetensors"
    save_checkpoint(
        path, tiny(settles=False), arguments={"decoder": list(TINY), "n_frozen_stages": 7},
        recipe={"model": "truehue-lite"}, results={}, seen_phashes=[],
    )  # fmt: skip
    monkeypatch.setattr(
        "sys.argv", ["settling_sweep", "--weights", str(path), "--former", str(path), "--val", str(path)]
    )
    with pytest.raises(SystemExit):
        settling_sweep.main()
    assert "has not learnt to settle; take weights of truehue-lite-settled" in capsys.readouterr().err


def test_what_was_never_weighted_is_not_unweighted(tmp_path: Path) -> None:
    path = shipped_path("truehue-lite")
    assert path is not None
    with pytest.raises(CheckpointError, match="learnt without rebalancing"):
        unweight.unweight(path, "truehue-lite", share=0.5, saturation=1.0, small=True, out=tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())
