"""The same colours from every backend: an exported network equals PyTorch's."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from colorizer import backends
from colorizer.backends import BackendError, OnnxColorizer, on_backend
from colorizer.checkpoints import save_checkpoint
from colorizer.cli import main
from colorizer.models import MODELS, Colorizer
from colorizer.models.base import no_grad_eval
from colorizer.onnx_export import ExportError, export_onnx, story_of

from .conftest import make_photo

# One of each kind; `make bench-backends` does this for every model at full size, and writes it down.
NARROW = {
    "zhang2016": {"width": 0.0625}, "siggraph17": {"width": 0.0625}, "pix2pix": {"n_downs": 5, "width": 0.05},
    "wallner-alpha": {},
}  # fmt: skip


def shaken(name: str) -> Colorizer:
    """A small network with random statistics and no parameter at zero."""
    torch.manual_seed(0)
    model = MODELS[name](**NARROW[name])
    with torch.no_grad():
        for key, buffer in model.named_buffers():
            if "running" in key:
                buffer.copy_(torch.rand_like(buffer) + 0.5)
        for parameter in model.parameters():
            if parameter.abs().max() == 0:
                nn.init.normal_(parameter, 0, 0.05)
    return no_grad_eval(model)


@pytest.mark.parametrize("name", ["zhang2016", "siggraph17", "pix2pix"])
def test_every_backend_gives_torchs_colours_at_any_size(name: str, tmp_path: Path) -> None:
    """Mean 1e-3 and greatest 1e-2 of ab, for sizes that were not the exported one and fit no stride.

    The temperature is the exported one: another is refused.
    """
    model = shaken(name)
    export_onnx(model, tmp_path / "m.onnx", temperature=0.7)
    runs = [OnnxColorizer(tmp_path / "m.onnx", backend) for backend in ("onnxruntime", "opencv")]
    for size in ((64, 64), (40, 70), (97, 33)):
        L = torch.rand(2, 1, *size) * 100
        hints = {}
        if model.takes_hints:
            mask = (torch.rand(2, 1, *size) > 0.9).float()
            hints = {"hint_ab": torch.rand(2, 2, *size) * 80 - 40, "hint_mask": mask}
        expected = model.predict_ab(L, temperature=0.7, **hints)
        for run in runs:
            difference = (run.predict_ab(L, **hints) - expected).abs()
            assert difference.mean() < 1e-3, run.backend
            assert difference.max() < 1e-2, run.backend
    assert runs[0].story.multiple == model.multiple
    if name == "zhang2016":
        assert (runs[0].predict_ab(L) - model.predict_ab(L)).abs().max() > 0.1  # T mattered
        with pytest.raises(BackendError, match=r"exported with T = 0.7, got 0.38"):
            runs[0].predict_ab(L, temperature=0.38)


def test_the_mode_cannot_be_exported(tmp_path: Path) -> None:
    """T = 0 is refused before the exporter's work."""
    with pytest.raises(ExportError, match="temperature above 0"):
        export_onnx(shaken("zhang2016"), tmp_path / "n.onnx", temperature=0)


def test_the_command_line_colours_on_a_backend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`colorize --backend` makes its ONNX file once, in the cache, and gives the picture that torch gives."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = shaken("wallner-alpha")
    weights = tmp_path / "w.safetensors"
    save_checkpoint(weights, model, arguments={}, recipe={}, results={}, seen_phashes=[])
    make_photo(1, size=(50, 70)).save(tmp_path / "p.png")
    pictures = {}
    for backend in ("torch", "opencv", "onnxruntime"):
        out = tmp_path / backend
        arguments = [str(tmp_path / "p.png"), "--model", "wallner-alpha", "--weights", str(weights), "--out", str(out)]
        assert main(["colorize", *arguments, "--backend", backend, "--working-px", "48"]) == 0
        pictures[backend] = np.asarray(Image.open(out / "p.png")).astype(int)
    assert len(list((tmp_path / "cache" / "truehue" / "onnx").glob("*.onnx"))) == 1
    folder = tmp_path / "photos"
    folder.mkdir()
    make_photo(1, size=(50, 70)).save(folder / "p.png")
    judged = {}
    for backend in ("torch", "opencv"):
        options = ["--model", "wallner-alpha", "--weights", str(weights), "--size", "48", "--backend", backend]
        assert main(["evaluate", "--data", str(folder), *options, "--json", str(tmp_path / "e.json")]) == 0
        told = json.loads((tmp_path / "e.json").read_text())
        assert told["backend"] == backend
        judged[backend] = told["models"]["wallner-alpha"]["psnr_db"]["mean"]
    assert judged["opencv"] == pytest.approx(judged["torch"], abs=0.05)
    # torch runs in bf16 in `colorize`, the others in fp32: a level or two.
    assert np.abs(pictures["opencv"] - pictures["onnxruntime"]).max() <= 1
    assert np.abs(pictures["opencv"] - pictures["torch"]).mean() < 2
    capsys.readouterr()


@pytest.mark.parametrize(("backend", "module", "package"), [("onnxruntime", "onnxruntime", "onnxruntime"),
                                                            ("opencv", "cv2", "opencv-python-headless")])  # fmt: skip
def test_a_missing_package_is_named_with_its_pip_line(
    backend: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is exported."""
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(backends, "export_onnx", lambda *_, **__: pytest.fail("exported first"))
    with pytest.raises(BackendError, match=f"run: pip install {package}"):
        on_backend(shaken("wallner-alpha"), backend)


def test_a_strange_onnx_file_is_refused(tmp_path: Path) -> None:
    """Not an ONNX file, and one that is not ours."""
    (tmp_path / "x.onnx").write_bytes(b"not at all")
    with pytest.raises(ExportError):
        OnnxColorizer(tmp_path / "x.onnx", "opencv")
    with pytest.raises(ExportError, match="expected an ONNX file of truehue-onnx/1, got none"):
        story_of({}, "other.onnx")
