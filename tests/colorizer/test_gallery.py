"""One page, nothing fetched; and the table that can be interrupted."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from colorizer import table
from colorizer.cli import main
from colorizer.evaluation_tables import Gallery
from colorizer.gallery import GalleryError, write_gallery
from colorizer.recipe import RecipeError
from colorizer.recipe_files import read_recipe
from colorizer.table import as_markdown, make_table, scaled

from .conftest import make_photo


def test_the_page_is_whole_in_itself_and_every_slider_has_a_name(photo_folder: Path, tmp_path: Path) -> None:
    """No address in it, pictures inside, names escaped, labels for those who do not see."""
    (photo_folder / "photo 00 é.png").rename(photo_folder / "<b>&.png")
    (photo_folder / "bad.png").write_bytes(b"no")
    n, size = write_gallery([photo_folder], ["gray"], tmp_path / "g.html", longest_px=48, limit=4, title="A <title>")
    page = (tmp_path / "g.html").read_text(encoding="utf-8")
    assert (n, size) == (3, len(page.encode()))
    assert not re.search(r"(src|href)=\"(?!data:)|https?:|@import|url\(", page)
    assert "<b>&" not in page
    assert "A &lt;title&gt;" in page
    assert "Not shown: bad.png" in page
    sliders = re.findall(r'<input type="range"[^>]*>', page)
    assert len(sliders) == 6  # the original and gray
    assert all('aria-label="' in s for s in sliders)
    (tmp_path / "empty").mkdir()
    with pytest.raises(GalleryError, match="no image among"):
        write_gallery([tmp_path / "empty"], [], tmp_path / "h.html")


def test_steps_follow_the_minutes_and_are_never_more_than_the_recipe() -> None:
    """A third of the time, a third of the steps; a recipe that states no minutes is refused."""
    recipe = read_recipe("zhang2016-small")
    assert scaled(recipe, 5).steps == round(recipe.steps / 3)
    assert scaled(recipe, 100).steps == recipe.steps
    with pytest.raises(RecipeError, match="states no minutes"):
        scaled(read_recipe("zhang2016-imagenet"), 5)


def test_the_table_is_made_once_and_goes_on_where_it_stopped(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in training, then called again: the run goes on; called a third time: nothing is computed."""
    tiny = replace(read_recipe("wallner-alpha"), crop_px=32, working_px=32, batch=2, steps=4000, holdout_share=0.2)
    monkeypatch.setattr(table, "read_recipe", lambda _: tiny)
    calls: list[bool] = []
    plain = table.train

    def train(*arguments, resume: bool, **options):
        calls.append(resume)
        if len(calls) == 1:
            (arguments[2]).mkdir(parents=True)
            raise KeyboardInterrupt
        return plain(*arguments, resume=resume, **options)

    monkeypatch.setattr(table, "train", train)
    options = {"minutes": 0.003, "recipes": ["wallner-alpha"], "limit": 3, "results": tmp_path / "docs", "workers": 0}
    with pytest.raises(KeyboardInterrupt):
        make_table([photo_folder], [photo_folder], tmp_path / "out", **options)
    path = make_table([photo_folder], [photo_folder], tmp_path / "out", **options)
    assert calls == [False, False]
    result = json.loads((tmp_path / "docs" / "table.json").read_text())
    assert list(result["rows"]) == ["real", "gray", "random", "wallner-alpha"]
    assert result["rows"]["wallner-alpha"]["steps"] == 4
    assert path.read_text() == as_markdown(result)
    monkeypatch.setattr(table, "evaluate", lambda *_, **__: pytest.fail("judged twice"))
    make_table([photo_folder], [photo_folder], tmp_path / "out", **options)
    assert len(calls) == 2
    with pytest.raises(RecipeError, match="holds wallner-alpha with 4 steps, asked for 8"):
        make_table([photo_folder], [photo_folder], tmp_path / "out", **options | {"minutes": 0.006})


def test_a_trained_network_colours_by_its_recipes_and_its_models_name(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`train` into runs/NAME, then `colorize --model NAME` without --weights; the list says where they are."""
    monkeypatch.chdir(tmp_path)
    picture = str(next(photo_folder.iterdir()))
    assert main(["colorize", picture, "--model", "wallner-beta", "--out", "out"]) == 2
    assert "about 15 minutes on two CPU cores): python -m colorizer train wallner-beta" in capsys.readouterr().err
    tiny = ["steps=2", "batch=2", "crop_px=32", "arguments={'n_downs':5,'width':0.05}", "working_px=32"]
    tiny += ["objective_arguments={'l1_share':0.5,'width':0.05}"]
    options = ["--data", str(photo_folder), "--out", "runs/pix2pix-small", "--workers", "0", "--device", "cpu"]
    assert main(["train", "pix2pix-small", *options, "--set", *tiny]) == 0
    for name in ("pix2pix-small", "pix2pix"):
        assert main(["colorize", picture, "--model", name, "--out", f"out-{name}"]) == 0
    capsys.readouterr()
    assert main(["models"]) == 0
    assert "trained here: runs/pix2pix-small" in capsys.readouterr().out


def test_a_photograph_without_colours_has_no_original(tmp_path: Path) -> None:
    """Grey before, and what a colorizer made of it; a page without any picture is refused."""
    make_photo(1).convert("L").save(tmp_path / "old.png")
    make_photo(2).save(tmp_path / "new.png")
    n, _ = write_gallery([tmp_path], ["truehue-lite"], tmp_path / "g.html", longest_px=48)
    page = (tmp_path / "g.html").read_text(encoding="utf-8")
    assert n == 2
    captions = [re.findall("<figcaption>(.*?)</figcaption>", part) for part in page.split("<section>")[1:]]
    assert captions == [["real", "truehue-lite"], ["truehue-lite"]]
    assert "Not shown" not in page
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.png").write_bytes(b"no")
    with pytest.raises(GalleryError, match=r"no readable image among 1: .*x\.png"):
        write_gallery([tmp_path / "bad"], ["gray"], tmp_path / "h.html")


def test_the_gallery_of_an_evaluation_is_bounded(tmp_path: Path) -> None:
    """Beyond so many photographs none is taken in, and a missing picture leaves no hole."""
    gallery = Gallery(tmp_path, n_shown=1)
    grey, colour = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 90, np.uint8)
    for model, photo, rgb in (("grey", "a", grey), ("m", "a", colour), ("grey", "b", grey)):
        gallery.add(model, photo, rgb)
    assert list(gallery.rows) == ["a"]
    assert [f.name for f in sorted((tmp_path / "images").iterdir())] == ["00000-grey.webp", "00000-m.webp"]
