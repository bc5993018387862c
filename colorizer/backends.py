"""The same network run by something else than PyTorch: onnxruntime, or OpenCV's DNN module, from an ONNX file."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from colorizer.models import Colorizer
from colorizer.models.base import check_lightness, pad_to_multiple
from colorizer.models.siggraph17 import stack_hints
from colorizer.onnx_export import INPUT, OUTPUT, ExportError, OnnxStory, export_onnx, story_of

BACKENDS = ("torch", "onnxruntime", "opencv")
_PIP = {"onnxruntime": "onnxruntime", "cv2": "opencv-python-headless", "onnx": "onnx"}

Floats = npt.NDArray[np.float32]
Runner = Callable[[Floats], Floats]


class BackendError(ValueError):
    """A backend that cannot be used here; the message names the pip line."""


def _need(module: str, why: str) -> Any:
    """Import an optional package, or say how to get it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        raise BackendError(
            f"{why} needs {_PIP[module]}, which is not installed; run: pip install {_PIP[module]}"
        ) from None


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of an ONNX file."""
    onnx = _need("onnx", f"reading {path.name}")
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's errors have no common base
        raise ExportError(f"{path}: expected an ONNX file, got: {type(error).__name__}") from None
    return {p.key: p.value for p in proto.metadata_props}


def onnxruntime_runner(path: Path) -> Runner:
    """Run `path` by onnxruntime on the CPU, with as many threads as torch uses."""
    ort = _need("onnxruntime", "--backend onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda x: np.asarray(session.run([OUTPUT], {INPUT: x})[0])


def opencv_runner(path: Path) -> Runner:
    """Run `path` by OpenCV's DNN module on the CPU.

    OpenCV 4 works out shapes while it reads and stumbles over some open ones, so the size is written into the file's
    input in memory and each size gets a reader of its own.
    """
    cv2, onnx = _need("cv2", "--backend opencv"), _need("onnx", "--backend opencv")
    proto = onnx.load(str(path))
    del proto.graph.value_info[:]  # inferred shapes of open sizes; OpenCV infers its own
    nets: dict[tuple[int, ...], Any] = {}
    cv2.setNumThreads(torch.get_num_threads())

    def run(x: Floats) -> Floats:
        if x.shape not in nets:
            for dim, side in zip(proto.graph.input[0].type.tensor_type.shape.dim, x.shape, strict=True):
                dim.dim_value = side
            nets.clear()  # one size at a time: a folder of photographs has many
            nets[x.shape] = cv2.dnn.readNetFromONNX(np.frombuffer(proto.SerializeToString(), dtype=np.uint8))
        net = nets[x.shape]
        net.setInput(x)
        return np.array(net.forward())

    return run


class OnnxColorizer(Colorizer):
    """A colorizer behind the same call as the others, computed by another program from an ONNX file."""

    def __init__(self, path: Path, backend: str) -> None:
        super().__init__()
        self.story: OnnxStory = story_of(read_metadata(path), str(path))
        self.backend = backend
        self.name, self.multiple, self.working_px = self.story.name, self.story.multiple, self.story.working_px
        self.takes_hints = self.story.channels == 4
        self.saturation = self.story.saturation
        if self.story.temperature is not None:
            self.temperature = self.story.temperature
        self._run = onnxruntime_runner(path) if backend == "onnxruntime" else opencv_runner(path)

    def predict_ab(
        self,
        L_B1HW: Tensor,
        *,
        temperature: float | None = None,
        hint_ab: Tensor | None = None,
        hint_mask: Tensor | None = None,
    ) -> Tensor:
        """ab at the size of L, one picture after the other.  The temperature is the exported one."""
        if temperature is not None and self.story.temperature not in (None, temperature):
            raise BackendError(
                f"{self.name}: was exported with T = {self.story.temperature:g}, got {temperature:g}; export it again "
                "with --temperature"
            )
        check_lightness(L_B1HW, self.name)
        height, width = L_B1HW.shape[-2:]
        if self.takes_hints:
            given = stack_hints(L_B1HW, hint_ab, hint_mask, multiple=self.multiple, name=self.name)
        else:
            given = pad_to_multiple(L_B1HW, self.multiple)
        pictures = np.ascontiguousarray(given.detach().float().cpu().numpy())
        ab = np.concatenate([self._run(pictures[i : i + 1]) for i in range(len(pictures))])
        return torch.from_numpy(ab)[..., :height, :width]


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/truehue/onnx`, by default below `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "truehue" / "onnx"


def _fingerprint(model: Colorizer, temperature: float | None) -> str:
    """Changes whenever the exported file would: weights, temperature, sizes, torch."""
    digest = hashlib.sha256(
        f"{model.name}:{temperature}:{model.saturation}:{model.working_px}:{model.knobs}:{torch.__version__}".encode()
    )
    for key, value in model.state_dict().items():
        digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def on_backend(model: Colorizer, backend: str, *, temperature: float | None = None) -> Colorizer:
    """The same colorizer on another backend; its ONNX file is written once into the cache.

    Raises BackendError for an unknown backend or a missing package, ExportError if it cannot be exported.
    """
    if backend == "torch":
        return model
    if backend not in BACKENDS:
        raise BackendError(f"--backend: expected one of {', '.join(BACKENDS)}, got {backend!r}")
    _need("onnxruntime" if backend == "onnxruntime" else "cv2", f"--backend {backend}")  # before the export's minute
    folder = cache_folder()
    path = folder / f"{model.name}-{_fingerprint(model, temperature)}.onnx"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as own:  # two processes may export at once
            export_onnx(model, Path(own) / "model.onnx", temperature=temperature)
            (Path(own) / "model.onnx").replace(path)
    return OnnxColorizer(path, backend)
