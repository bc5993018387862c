"""A part of a photograph is found wherever it was cut, and no other photograph is taken for one."""

import io
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from colorizer import excerpts, motifs, training_photos
from colorizer.checking import Check, as_text
from colorizer.data import Photo, PhotoOnDisk, scan_photos
from colorizer.distributed import World
from colorizer.excerpts import Excerpt, Sketch, find_excerpts, sketch_of
from colorizer.motifs import find_motifs
from colorizer.recipe import Recipe
from colorizer.sources import PhotoFile
from colorizer.training_photos import gather_photographs

from .conftest import make_photo

SAMPLES = Path(__file__).parents[2] / "samples" / "photos"
NAMES = ("aitzgorri-1", "astronaut", "chelsea", "china", "coffee", "dragonfly-1", "flower", "rocket")


@pytest.fixture(scope="module")
def wholes() -> list[Image.Image]:
    photos = []
    for name in NAMES:
        with Image.open(SAMPLES / f"{name}.jpg") as image:
            photos.append(ImageOps.contain(image.convert("RGB"), (320, 320)))
    return photos


def cut(image: Image.Image, scale: float, draw: np.random.Generator, *, quality: int = 60) -> Image.Image:
    """A part at a random place, resized, mirrored at random, as a JPEG."""
    width, height = round(image.width * scale), round(image.height * scale)
    left, top = int(draw.integers(image.width - width + 1)), int(draw.integers(image.height - height + 1))
    part = image.crop((left, top, left + width, top + height))
    part = ImageOps.scale(part, draw.uniform(0.7, 1.4), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    (ImageOps.mirror(part) if draw.integers(2) else part).save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


def sketches_of(images: list[Image.Image]) -> list[Sketch]:
    return [sketch_of(np.asarray(image)) for image in images]


@pytest.mark.parametrize("scale", [0.9, 0.65, 0.4])
def test_a_part_is_found_in_its_photograph_and_in_no_other(scale: float, wholes: list[Image.Image]) -> None:
    """Anywhere, resized, recompressed, every second one mirrored: all eight, and no other pair."""
    draw = np.random.default_rng(4)
    n = len(wholes)
    found = find_excerpts(sketches_of([*wholes, *(cut(w, scale, draw) for w in wholes)]), np.arange(2 * n))
    # At .9 the photograph's middle is nearly the part's: each may look cut out of the other.
    assert {(e.whole % n, e.part % n) for e in found} == {(i, i) for i in range(n)}
    assert {(i, n + i) for i in range(n)} <= {(e.whole, e.part) for e in found}


def test_another_shape_is_found_too(wholes: list[Image.Image]) -> None:
    """A square out of the middle, an upright third, and a square out of a panorama's end; parts of parts as well."""
    wide = wholes[0]
    height = wide.height
    panorama = Image.new("RGB", (height * 3, height))
    for i in range(3):
        panorama.paste(ImageOps.fit(wholes[i], (height, height)), (i * height, 0))
    upright = wide.crop((40, 0, 40 + height // 2, height))
    parts = [ImageOps.fit(wide, (200, 200)), upright, panorama.crop((2 * height, 0, 3 * height, height))]
    found = find_excerpts(sketches_of([wide, panorama, *parts]), np.arange(5))
    assert {(0, 2), (0, 3), (1, 4)} <= {(e.whole, e.part) for e in found}
    thin = sketch_of(np.asarray(make_photo(1, size=(900, 40))))
    assert thin.grey_HW.shape == (96, 384)


def test_different_photographs_are_not_joined(wholes: list[Image.Image]) -> None:
    """Smooth pictures, flat ones and real ones with the same palette: no pair; those of one group are not compared."""
    smooth = [make_photo(seed) for seed in range(40)]
    flat = [Image.new("RGB", (64, 64), c) for c in ("red", "white")]
    turned = [w.transpose(Image.Transpose.ROTATE_180) for w in wholes]
    images = [*smooth, *flat, *wholes, *turned]
    assert find_excerpts(sketches_of(images), np.arange(len(images))) == []
    twice = sketches_of([wholes[0], wholes[0]])
    assert len(find_excerpts(twice, np.arange(2))) == 2
    assert find_excerpts(twice, np.zeros(2, dtype=np.int64)) == []


def test_shares_together_are_the_whole_search(wholes: list[Image.Image]) -> None:
    """Three processes find what one finds, each pair once."""
    draw = np.random.default_rng(1)
    sketches = sketches_of([*wholes[:4], *(cut(w, 0.6, draw) for w in wholes[:4])])
    whole = find_excerpts(sketches, np.arange(8))
    shares = [find_excerpts(sketches, np.arange(8), share=(i, 3)) for i in range(3)]
    assert sorted((e.whole, e.part) for e in itertools.chain(*shares)) == [(e.whole, e.part) for e in whole]
    assert len(whole) >= 4


def test_an_interrupted_search_goes_on_and_is_not_done_twice(
    wholes: list[Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written down is known; a line cut short is searched again; other photographs begin anew."""
    draw = np.random.default_rng(1)
    sketches = sketches_of([*wholes[:4], *(cut(w, 0.6, draw) for w in wholes[:4])])
    expected = find_excerpts(sketches, np.arange(8))
    monkeypatch.setattr(excerpts, "_KEPT_EVERY", 2)
    looked: list[int] = []
    parts_of = excerpts._Search.parts_of

    def counted_parts_of(search: excerpts._Search, whole: int) -> list[int]:
        if len(looked) == 5:
            raise KeyboardInterrupt
        looked.append(whole)
        return parts_of(search, whole)

    monkeypatch.setattr(excerpts._Search, "parts_of", counted_parts_of)
    with pytest.raises(KeyboardInterrupt):
        find_excerpts(sketches, np.arange(8), records=tmp_path)
    (record,) = tmp_path.iterdir()
    record.write_text(record.read_text() + '{"n": 2, "fou')
    looked.clear()
    assert find_excerpts(sketches, np.arange(8), records=tmp_path) == expected
    assert looked == [4, 5, 6, 7]
    looked.clear()
    assert find_excerpts(sketches, np.arange(8), records=tmp_path) == expected
    assert looked == []
    find_excerpts(sketches[:3], np.arange(3), records=tmp_path)
    assert looked == [0, 1, 2]
    record.write_text("{}\n")  # a collision, or another version's
    looked.clear()
    with pytest.raises(KeyboardInterrupt):
        find_excerpts(sketches, np.arange(8), records=tmp_path)
    assert looked == [0, 1, 2, 3, 4]


def test_a_photograph_and_its_part_fall_on_one_side(
    wholes: list[Image.Image], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the seed: where the part is trained on, the photograph is, too; the run says how many there are."""
    draw = np.random.default_rng(2)
    for i, photo in enumerate(wholes):
        photo.save(tmp_path / f"{i}.png")
        if i < 6:
            cut(photo, 0.5, draw, quality=80).save(tmp_path / f"{i} part.png")
    for seed in range(2):
        recipe = Recipe(model="zhang2016", crop_px=32, holdout_share=0.3, seed=seed)
        given = gather_photographs(recipe, [tmp_path], [], World(), 0)
        trained = {p.name.removesuffix(".png") for p in given.training}
        assert 0 < len(trained) < 14
        assert all((str(i) in trained) == (f"{i} part" in trained) for i in range(6))
    assert "6 photographs found to be cut out of others" in capsys.readouterr().out
    apart = gather_photographs(replace(recipe, seed=0), [tmp_path], [], World(), 0, search="no")
    assert "may be on both sides of the split; --excerpts yes does" in capsys.readouterr().out
    assert len(apart.training) < 14


def test_motifs_are_searched_up_to_a_number_and_survive_a_lost_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auto` ends at the limit, `yes` does not; what has become unreadable is like no other; a long search is kept."""
    photos = [Photo(str(i), np.asarray(make_photo(i)), i << 32 | 0xFFFF * i) for i in range(4)]
    lost = PhotoOnDisk("lost", PhotoFile(tmp_path, "lost.png"), 64, 7 << 50)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert find_motifs([*photos, lost]).is_searched
    assert not (tmp_path / "truehue").exists()
    monkeypatch.setattr(motifs, "MOST_SEARCHED", 4)
    monkeypatch.setattr(motifs, "_RECORDED_FROM", 5)
    assert [find_motifs([*photos, lost], search=s).is_searched for s in ("auto", "yes", "no")] == [False, True, False]
    assert len(list((tmp_path / "truehue" / "excerpts").iterdir())) == 1
    assert len(find_motifs([])) == 0


def test_check_names_the_parts() -> None:
    """Which photograph is cut out of which; beyond twenty their number; what was not looked for is said."""
    pairs = [(f"part {i}.jpg", "whole.jpg") for i in range(22)]
    text = as_text(Check(30, [], 8, 2, 1.0, 10, [], pairs))
    assert "cut out of others: 22 photographs" in text
    assert "  part 19.jpg: out of whole.jpg\n  … and 2 more" in text
    assert training_photos.NOT_SEARCHED not in text
    assert training_photos.NOT_SEARCHED in as_text(Check(30, [], 8, 2, 1.0, 10, [], [], is_searched=False))


def test_what_is_on_disk_is_grouped_as_what_is_in_memory(wholes: list[Image.Image], tmp_path: Path) -> None:
    """The photographs that do not fit into memory are read again for the search."""
    wholes[1].save(tmp_path / "a.png")
    wholes[1].crop((30, 20, 200, 190)).save(tmp_path / "b.png")
    for memory in (0, 1 << 30):
        photos, _ = scan_photos([tmp_path], longest_px=256, shortest_px=16, memory_bytes=memory)
        found = find_motifs(photos)
        assert (found.excerpts, len(found)) == ([Excerpt(0, 1)], 1)
