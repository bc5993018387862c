"""Hints steer, and only where they may."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import colorizer
from colorizer.cli import main
from colorizer.hint_curve import measure
from colorizer.hints import Hint, HintedColorizer, HintError, hint_maps, parse_hint, read_hints
from colorizer.models.base import Colorizer, no_grad_eval
from colorizer.models.siggraph17 import Siggraph17
from colorizer.models.wallner import WallnerAlpha

from .conftest import make_photo


class Obedient(Colorizer):
    """Colours what was hinted as it was hinted, and nothing else: the best that hints alone can do."""

    name = "obedient"
    takes_hints = True
    working_px = 64

    def predict_ab(self, L_B1HW: Tensor, *, temperature: float | None = None, **hints: Tensor) -> Tensor:
        ab = torch.zeros_like(L_B1HW).expand(-1, 2, -1, -1)
        return hints["hint_ab"] * hints["hint_mask"] if hints else ab


def test_a_hint_lands_where_it_points_at_any_working_size() -> None:
    """A point of the full photograph, its patch in the network's pixels, cut at the edge; the later one wins."""
    red = Hint(399, 0, (255, 0, 0))
    ab, mask = hint_maps([red, Hint(0, 299, (0, 0, 255)), Hint(9, 299, (0, 255, 0))], (400, 300), (80, 60), patch_px=3)
    assert mask[0, 0, :2, 78:].all()
    assert mask.sum() == 4 + 6  # two rows each; the second hint lies under the third
    assert ab[0, 0, 0, 79] > 70  # red has a = 80
    assert ab[0, 0, 59, 0] < -80  # green has a = -86
    with pytest.raises(HintError, match=r"\(400, 0\) lies outside the photograph of 400 x 300"):
        hint_maps([Hint(400, 0, (0, 0, 0))], (400, 300), (80, 60))


@pytest.mark.parametrize("text", ["", "1,2", "1,2,red", "-1,2,#ff0000", "1,2,#ff00", "1.5,2,#ff0000"])
def test_a_hint_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    """On the command line, and with its line in a file."""
    with pytest.raises(HintError, match="expected x,y,#rrggbb"):
        parse_hint(text)
    if text:
        (tmp_path / "h.txt").write_text(f"; sky\n\n3,4,#0000FF\n{text}\n")
        with pytest.raises(HintError, match=re.escape("h.txt, line 4: hint: expected")):
            read_hints(tmp_path / "h.txt")


def test_hints_from_a_file_are_those_of_the_command_line(tmp_path: Path) -> None:
    """Comments and empty lines do not count."""
    (tmp_path / "h.txt").write_text("; sky\n10, 20, #aabbcc\n\n5,6,010203\n")
    assert read_hints(tmp_path / "h.txt") == [Hint(10, 20, (170, 187, 204)), Hint(5, 6, (1, 2, 3))]


def test_the_library_takes_hints_and_refuses_them_where_nobody_listens() -> None:
    """`colorize(…, hints=…)` changes the picture near the hint; a model without hints says which one has them."""
    grey = make_photo(1, size=(90, 60)).convert("L")
    hinted = np.asarray(colorizer.colorize(grey, model=Obedient(), hints=[Hint(20, 30, (200, 40, 40))])).astype(int)
    assert hinted[30, 20, 0] - hinted[30, 20, 1] > 60
    assert np.ptp(hinted[:, 60:], axis=2).max() <= 1
    with pytest.raises(HintError, match="wallner-alpha takes no hints; use --model siggraph17"):
        colorizer.colorize(grey, model=no_grad_eval(WallnerAlpha()), hints=[Hint(1, 1, (0, 0, 0))])


def test_a_hinted_network_is_a_colorizer_like_any_other() -> None:
    """The same as giving siggraph17 the maps by hand."""
    torch.manual_seed(0)
    model = no_grad_eval(Siggraph17(width=0.125))
    with torch.no_grad():
        model.model_out[0].weight.normal_(0, 0.1)
    L = torch.rand(1, 1, 32, 48) * 100
    ab, mask = hint_maps([Hint(10, 10, (255, 0, 0))], (96, 64), (48, 32))
    by_hand = model.predict_ab(L, hint_ab=ab, hint_mask=mask)
    torch.testing.assert_close(HintedColorizer(model, [Hint(10, 10, (255, 0, 0))], (96, 64)).predict_ab(L), by_hand)


def test_more_hints_never_hurt_who_obeys_them(photo_folder: Path) -> None:
    """PSNR rises with the number of hints, from that of grey; intervals hold the means; the draw is seeded."""
    curve = measure(Obedient(), [photo_folder], counts=(0, 5, 50, 5), size_px=64, limit=4, patch_px=5, seed=1)
    points = curve["points"]
    assert [p["n_hints"] for p in points] == [0, 5, 50]
    assert points[0]["psnr_db"] < points[1]["psnr_db"] < points[2]["psnr_db"]
    assert all(p["ci_low"] <= p["psnr_db"] <= p["ci_high"] for p in points)
    again = measure(Obedient(), [photo_folder], counts=(0, 5, 50), size_px=64, limit=4, patch_px=5, seed=1)
    assert again == curve


def test_the_command_writes_the_curve_as_json_and_as_a_plot(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m colorizer hints`; without weights it exits with 2 and says recipe, command and time."""
    monkeypatch.chdir(tmp_path)
    assert main(["hints", "--data", str(photo_folder)]) == 2
    told = capsys.readouterr().err
    assert (
        "recipe siggraph17-small (about 15 minutes on two CPU cores): python -m colorizer train siggraph17-small"
        in told
    )
    monkeypatch.setattr("colorizer.checkpoints.load_model", lambda *_: Obedient())
    files = ["--json", str(tmp_path / "c.json"), "--plot", str(tmp_path / "c.png")]
    assert (
        main(["hints", "--data", str(photo_folder), "--counts", "0", "3", "--size", "32", "--limit", "2", *files]) == 0
    )
    assert json.loads((tmp_path / "c.json").read_text())["format"] == "truehue-hint-curve/1"
    assert (tmp_path / "c.png").stat().st_size > 5000


def test_a_curve_that_cannot_be_is_refused(photo_folder: Path, tmp_path: Path) -> None:
    """A model that takes no hints, fewer than none, and no photographs."""
    with pytest.raises(HintError, match="wallner-alpha takes no hints"):
        measure(no_grad_eval(WallnerAlpha()), [photo_folder], counts=(0,))
    with pytest.raises(HintError, match="--counts: expected numbers of hints from 0, got -1"):
        measure(Obedient(), [photo_folder], counts=(3, -1))
    (tmp_path / "empty").mkdir()
    with pytest.raises(HintError, match="no usable photograph in"):
        measure(Obedient(), [tmp_path / "empty"], counts=(0,))
