"""Many files: each is coloured or refused by name, in parts or at once, and none is lost."""

import importlib.util
import io
import resource
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import lab2rgb, rgb2lab

from colorizer import colouring
from colorizer.cli import main
from colorizer.colouring import Options, colour_files, targets_of
from colorizer.models.base import Colorizer, no_grad_eval
from colorizer.models.zhang2016 import Zhang2016
from colorizer.render import Look, colorize, to_lab
from colorizer.sources import PhotoFile, list_photos, shard_of

from .conftest import make_photo

ROOT = Path(__file__).resolve().parents[2]


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


@pytest.fixture(scope="module")
def fuzzer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", ROOT / "tools" / "fuzz.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module
    spec.loader.exec_module(module)
    return module


def test_five_hundred_damaged_files_are_coloured_or_refused_by_name(fuzzer: ModuleType) -> None:
    """No crash, no hang, no file lost (`make fuzz` tries 10,000)."""
    counts = fuzzer.fuzz(500, 2016)
    assert counts["coloured"] + counts["refused"] == 500
    assert min(counts.values()) > 50


def test_undamaged_files_of_every_format_are_all_coloured(fuzzer: ModuleType, tmp_path: Path) -> None:
    """The same files before the damage: not one is refused, and each keeps its size as it stands upright."""
    for i, (content, suffix) in enumerate(fuzzer.wholes(np.random.default_rng(0))):
        (tmp_path / f"{i:02d}{suffix}").write_bytes(content)
    photos = list_photos(tmp_path)
    targets = targets_of(photos, tmp_path / "out")
    summary = colour_files(photos, targets, fuzzer.Flat(), Options())
    assert summary.refused == []
    assert {size_of(t) for t in targets} <= {(44, 31), (31, 44)}


def test_names_never_collide_and_never_leave_the_folder(tmp_path: Path) -> None:
    """Same stem, same name from two folders, another case, a zip's `../`: all different, all below --out."""
    names = ["a.jpg", "a.tif", "b/a.jpg", "A.JPG", "a.jpg", "../../evil.png", "/etc/x.png", "日本 語.webp"]
    targets = targets_of([PhotoFile(Path("x"), n) for n in names], tmp_path)
    assert len({str(t).casefold() for t in targets}) == len(names)
    pair = targets_of([PhotoFile(Path("x"), "p.jpg"), PhotoFile(Path("x"), "p.png")], tmp_path)
    assert [t.name for t in pair] == ["p.jpg.png", "p.png"]  # the one that is a .png keeps its name
    assert all(t.resolve().is_relative_to(tmp_path.resolve()) and t.suffix == ".png" for t in targets)


def test_shards_together_are_the_whole(photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hosts with --shard i/3 and any number of workers write what one host writes, to the byte."""
    (photo_folder / "broken.jpg").write_bytes(b"no")
    run = ["colorize", str(photo_folder), "--fp32", "--batch", "1", "--working-px", "32"]
    assert main([*run, "--out", str(tmp_path / "one"), "--workers", "1"]) == 2
    statuses = [main([*run, "--out", str(tmp_path / "three"), "--shard", f"{i}/3"]) for i in range(3)]
    assert sorted(statuses) == [0, 0, 2]
    one, three = ({p.name: p.read_bytes() for p in (tmp_path / f).iterdir()} for f in ("one", "three"))
    assert one == three
    assert len(one) == 12
    with pytest.raises(ValueError, match="0 <= i < n"):
        shard_of([1], 3, 3)


def test_an_interrupted_run_goes_on(photo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--skip-existing colours what is missing and says how many were there."""
    run = ["colorize", str(photo_folder), "--out", str(tmp_path / "out"), "--working-px", "32", "--skip-existing"]
    main(run)
    done = sorted((tmp_path / "out").iterdir())
    with Image.open(done[0]) as image:
        assert image.info["srgb"] == 0
    done[3].unlink()
    before = done[5].stat().st_mtime_ns
    capsys.readouterr()
    assert main(run) == 0
    assert "1 coloured, 0 refused, 11 already there" in capsys.readouterr().out
    assert done[3].is_file()
    assert done[5].stat().st_mtime_ns == before


class Constant(Colorizer):
    """One colour everywhere."""

    name, working_px = "constant", 32

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def predict_ab(self, L_B1HW: torch.Tensor, *, temperature: float | None = None) -> torch.Tensor:
        return torch.tensor([12.0, -20.0]).view(1, 2, 1, 1).expand(len(L_B1HW), 2, *L_B1HW.shape[-2:])


def test_a_large_photograph_and_a_long_one_stay_within_memory(tmp_path: Path) -> None:
    """3000 x 2000 and 60,000 x 100 pixels at full size, with less than 0.5 GB more (`make bench` has 24 megapixels)."""
    coarse = np.random.default_rng(0).integers(0, 256, size=(4, 6), dtype=np.uint8)
    Image.fromarray(coarse).resize((3000, 2000)).save(tmp_path / "large.png", compress_level=1)
    Image.fromarray(coarse).resize((60_000, 100)).save(tmp_path / "long.png", compress_level=1)
    photos = list_photos(tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    summary = colour_files(photos, targets_of(photos, tmp_path / "out"), Constant(), Options(workers=1))
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert summary.refused == []
    assert sorted(size_of(t) for t in summary.coloured) == [(3000, 2000), (60_000, 100)]
    assert grown_kb < 0.5e6


def test_the_published_pipeline_squashes_to_256_and_keeps_the_photographs_lightness() -> None:
    """Bicubic squash, network at 256 x 256, ab bilinear to full size, L of the original: as scikit-image has it."""
    torch.manual_seed(0)
    model = no_grad_eval(Zhang2016(width=0.125))
    photo = make_photo(4, size=(130, 90))
    L_256 = rgb2lab(np.asarray(photo.resize((256, 256), Image.Resampling.BICUBIC)))[..., 0]
    with torch.no_grad():
        ab = model.predict_ab(torch.from_numpy(L_256).float()[None, None])
    ab = torch.nn.functional.interpolate(ab, size=(90, 130), mode="bilinear")[0].permute(1, 2, 0).numpy()
    L = rgb2lab(np.asarray(photo))[..., :1]
    expected = (lab2rgb(np.concatenate((L, ab), axis=2)) * 255).round()
    found = np.asarray(colorize(photo, model=model, pipeline="published", bf16=False)).astype(float)
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize(
    ("mode", "kind", "value"), [("I;16", "PNG", 40 * 257), ("RGB", "TIFF", 40), ("F", "TIFF", 40 / 255)]
)
def test_a_dark_picture_stays_dark_at_any_depth(mode: str, kind: str, value: float) -> None:
    """Level 40 of 255 in 8, 16 and 32 bits comes out at level 40."""
    dtype = {"I;16": np.uint16, "RGB": np.uint8, "F": np.float32}[mode]
    values = np.full((20, 30, 3) if mode == "RGB" else (20, 30), value, dtype=dtype)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, kind)
    grey = to_lab(np.asarray(colorize(stream.getvalue(), model=Constant())))[:, :1]
    expected = to_lab(np.full((1, 1, 3), 40, dtype=np.uint8))[0, 0, 0, 0]
    assert float((grey - expected).abs().median()) < 1.0


def test_bfloat16_and_batches_change_little() -> None:
    """The look's precision is an option: bf16 differs from fp32 by less than half a CIE unit in the mean."""
    torch.manual_seed(0)
    model = no_grad_eval(Zhang2016(width=0.125))
    photo = make_photo(1)
    a, b = (to_lab(np.asarray(colorize(photo, model=model, bf16=x)))[:, 1:] for x in (True, False))
    assert float((a - b).abs().mean()) < 0.5
    assert Look().bf16


def test_photographs_of_many_shapes_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No two fit one batch: what is decoded and not yet written stays within a few photographs."""
    for i in range(14):
        make_photo(i, size=(40 + 8 * i, 300)).save(tmp_path / f"{i:02d}.png")
    photos = list_photos(tmp_path)
    monkeypatch.setattr(colouring, "_IN_FLIGHT_PIXELS", 60_000)
    decode, encode = colouring._decode, colouring._encode
    inside, most = set(), 0

    def decoding(photo, target, *rest):
        nonlocal most
        found = decode(photo, target, *rest)
        inside.add(target)
        most = max(most, len(inside))
        return found

    def encoding(waiting, ab):
        written = encode(waiting, ab)
        inside.discard(waiting.target)
        return written

    monkeypatch.setattr(colouring, "_decode", decoding)
    monkeypatch.setattr(colouring, "_encode", encoding)
    summary = colour_files(photos, targets_of(photos, tmp_path / "out"), Constant(), Options(batch=4, workers=1))
    assert (len(summary.coloured), summary.refused, inside) == (14, [], set())
    assert most <= 7  # 60,000 pixels are four or five of them; one or two are decoded ahead
