"""The page of looks: one thing changes per row, the defaults are marked, nothing is fetched."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorizer.checkpoints import load_model, save_checkpoint
from colorizer.cli import main
from colorizer.looks import SATURATIONS, TEMPERATURES, WORKING_PX, write_looks
from colorizer.models.zhang2016 import Zhang2016, Zhang2016L2
from colorizer.render import colorize

from .conftest import make_photo


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """An untrained tiny network."""
    torch.manual_seed(0)
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, Zhang2016(width=0.0625), arguments={"width": 0.0625}, recipe={}, results={}, seen_phashes=[])
    return str(path)


def test_every_look_is_there_and_the_defaults_are_marked(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows of temperatures, saturations and sizes, and the photograph's own colours; unreadable files are named."""
    make_photo(1, size=(60, 48)).save(tmp_path / "a <b>.png")
    (tmp_path / "broken.jpg").write_bytes(b"x")
    out = tmp_path / "looks.html"
    arguments = ["looks", str(tmp_path / "a <b>.png"), str(tmp_path / "broken.jpg"), "--model", "zhang2016"]
    assert main([*arguments, "--weights", weights, "--out", str(out)]) == 0
    page = out.read_text(encoding="utf-8")
    model = load_model("zhang2016", weights)
    n = len({*TEMPERATURES, model.temperature}) + len(SATURATIONS) + len({*WORKING_PX, model.working_px})
    assert page.count("<img ") == n + 2
    assert page.count("<b>default</b>") == 3
    assert "a &lt;b&gt;.png" in page
    assert "Not shown: broken.jpg" in page
    assert not re.search(r"(src|href)=.?(https?:)?//", page)
    assert (
        main(["looks", str(tmp_path / "broken.jpg"), "--model", "zhang2016", "--weights", weights, "--out", "x"]) == 2
    )
    assert "no picture to show: broken.jpg" in capsys.readouterr().err


def test_saturation_multiplies_the_colours(weights: str) -> None:
    """0 is grey, 1 the network's own; nonsense is refused."""
    model, photo = load_model("zhang2016", weights), make_photo(2, size=(64, 48))
    grey = np.asarray(colorize(photo, model, saturation=0.0)).astype(int)
    assert np.ptp(grey, axis=2).max() <= 1
    spread = [
        np.ptp(np.asarray(colorize(photo, model, saturation=s)).astype(int), axis=2).mean() for s in (0.5, 1.0, 2.0)
    ]
    assert spread == sorted(spread)
    assert np.array_equal(np.asarray(colorize(photo, model, saturation=1.0)), np.asarray(colorize(photo, model)))
    with pytest.raises(ValueError, match="saturation: expected 0 to 4, got 9"):
        colorize(Image.new("RGB", (32, 32)), model, saturation=9)


def test_a_grey_photograph_has_no_own_colours_and_a_regression_no_temperature(tmp_path: Path) -> None:
    """Rows and pictures that would mean nothing are not there."""
    path = tmp_path / "l2.safetensors"
    model = Zhang2016L2(width=0.0625)
    save_checkpoint(path, model, arguments={"width": 0.0625}, recipe={}, results={}, seen_phashes=[])
    make_photo(1, size=(60, 48)).convert("L").save(tmp_path / "old.png")
    write_looks([tmp_path / "old.png"], "zhang2016-l2", tmp_path / "p.html", weights=str(path))
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "own colours" not in page
    assert "Not shown" not in page
    assert "--temperature" not in page
    assert page.count("<img ") == len({*SATURATIONS, 1.0}) + len({*WORKING_PX, model.working_px}) + 1
