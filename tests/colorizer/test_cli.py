"""The command line, in one process: what it hands on, and what it refuses before any work."""

import errno
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorizer.checkpoints import save_checkpoint
from colorizer.cli import main
from colorizer.models.siggraph17 import Siggraph17
from colorizer.models.zhang2016 import Zhang2016
from colorizer.options import weights_of
from colorizer.weights_by_name import PUBLISHED, PublishedWeights, cache_folder
from colorizer.winograd import with_winograd

from .conftest import make_photo


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """An untrained tiny network."""
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, Zhang2016(width=0.0625), arguments={"width": 0.0625}, recipe={}, results={}, seen_phashes=[])
    return str(path)


def colorize(photos: Path, out: Path, weights: str, *more: str, model: str = "zhang2016") -> int:
    run = ["colorize", str(photos), "--out", str(out), "--model", model, "--weights", weights, "--working-px", "32"]
    return main([*run, "--device", "cpu", *more])


def test_training_without_a_place_for_the_result_says_so(
    photo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--out` is needed for all but `--check`."""
    assert main(["train", "truehue-lite", "--data", str(photo_folder)]) == 2
    assert "error: --out DIR: say where the checkpoint, the recipe and the log go" in capsys.readouterr().err


def test_fetch_prints_where_the_weights_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is in the cache with the right hash is not asked for again; an unknown name lists the known ones."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    digest = hashlib.sha256(b"weights").hexdigest()
    known = PublishedWeights("here", "", "w.pth", "http://127.0.0.1:9/w.pth", digest)
    monkeypatch.setitem(PUBLISHED, "here", known)
    cache_folder().mkdir(parents=True)
    (cache_folder() / "w.pth").write_bytes(b"weights")
    assert main(["fetch", "here"]) == 0
    assert capsys.readouterr().out == f"{cache_folder() / 'w.pth'}\n"
    assert main(["fetch", "nobody"]) == 2
    assert "unknown weights 'nobody'; known: zhang2016-pytorch-v2, " in capsys.readouterr().err


def test_weights_belong_to_a_model() -> None:
    """One bare file for one model, NAME=FILE for several."""
    assert weights_of(["f"], ["a"]) == {"a": "f"}
    assert weights_of(["a=f", "b=g=h"], ["a", "b"]) == {"a": "f", "b": "g=h"}
    with pytest.raises(ValueError, match="with several models say which"):
        weights_of(["f"], ["a", "b"])


def test_colouring_is_refused_before_any_work(
    photo_folder: Path, tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file as --out, a folder without images, hints for many, and options that exclude each other."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    for photos, out, more, message in (
        (photo_folder, "file", [], f"--out {tmp_path / 'file'}: expected a folder, got a file"),
        (tmp_path / "empty", "o", [], f"no image among {tmp_path / 'empty'}"),
        (photo_folder, "o", ["--hint", "1,2,#ff0000"], "--hint: hints belong to one photograph, got 12"),
        (photo_folder, "o", ["--convolution", "winograd", "--backend", "onnxruntime"], "is for --backend torch"),
        (photo_folder, "o", ["--convolution", "winograd-int8", "--fp32"], "got --fp32, too; take one of them"),
    ):
        assert colorize(photos, tmp_path / out, weights, *more) == 2
        assert message in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "o").exists()


def test_the_convolution_that_was_asked_for_colours(
    photo_folder: Path, tmp_path: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each name puts in its own convolution; `auto` asks the processor, and leaves fp32 alone."""
    photo = next(photo_folder.iterdir())
    used: list[str] = []

    def noting(name, make):
        return lambda model, **options: (used.append(f"{name} {options.get('dtype', '')}"), make(model, **options))[1]

    monkeypatch.setattr("colorizer.winograd.with_winograd", noting("winograd", with_winograd))
    # Products of integers need a compiler, which not every machine has: here it matters that they are asked for.
    monkeypatch.setattr("colorizer.winograd_int8.with_winograd_int8", noting("int8", lambda model: model))
    for asked, pays, is_fp32, expected in (
        ("winograd", False, False, ["winograd torch.bfloat16"]),
        ("winograd", False, True, ["winograd torch.float32"]),
        ("winograd-int8", False, False, ["int8 "]),
        ("direct", True, False, []),
        ("auto", True, False, ["winograd torch.bfloat16"]),
        ("auto", False, False, []),
        ("auto", True, True, []),
    ):
        used.clear()
        monkeypatch.setattr("colorizer.winograd.pays", lambda pays=pays: pays)
        more = ["--convolution", asked, *(["--fp32"] if is_fp32 else [])]
        assert colorize(photo, tmp_path / "out", weights, *more) == 0
        assert used == expected, (asked, pays, is_fp32)


def test_a_hint_on_the_command_line_steers(tmp_path: Path) -> None:
    """One photograph with hints from the line and from a file: coloured, otherwise than without."""
    torch.manual_seed(0)
    model = Siggraph17(width=0.125)
    with torch.no_grad():
        model.model_out[0].weight.normal_(0, 0.1)
    path = tmp_path / "s.safetensors"
    save_checkpoint(path, model, arguments={"width": 0.125}, recipe={}, results={}, seen_phashes=[])
    make_photo(1, size=(40, 32)).save(tmp_path / "a.png")
    (tmp_path / "hints.txt").write_text("; sky\n30,20,#0000ff\n")
    hints = ["--hint", "5,5,#ff0000", "--hints", str(tmp_path / "hints.txt")]
    for out, more in (("plain", []), ("hinted", hints), ("one", hints[:2])):
        assert colorize(tmp_path / "a.png", tmp_path / out, str(path), *more, model="siggraph17") == 0
    plain, hinted, one = (np.asarray(Image.open(tmp_path / d / "a.png")).copy() for d in ("plain", "hinted", "one"))
    assert plain.shape == (32, 40, 3)
    assert not np.array_equal(plain, one)
    assert not np.array_equal(one, hinted)


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.ENOSPC, "is full; make room and run the same command with --skip-existing"), (errno.EROFS, "Read-only")],
    ids=["full", "read-only"],
)
def test_a_disk_that_takes_no_picture_ends_the_run_in_one_line(
    number: int, message: str, photo_folder: Path, tmp_path: Path, weights: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Status 2, what to do, and no half-written picture."""

    def refuse(_image: Image.Image, path: Path, *_: object, **__: object) -> None:
        path.write_bytes(b"half")
        raise OSError(number, "Read-only file system", str(path))

    monkeypatch.setattr(Image.Image, "save", refuse)
    assert colorize(photo_folder, tmp_path / "out", weights) == 2
    assert message in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []
