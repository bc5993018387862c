"""Networks as ONNX files: L in, ab out at the same size, any size that is a multiple of the network's own.

What `predict_ab` does around a network (padding, cropping) stays outside; what it does behind one (softmax, annealed
mean, upsampling) is in the file, and so is the temperature.  L must be real CIE L in [0, 100], not grey levels.
"""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorizer.ab_bins import bin_centres
from colorizer.models import ClassifyingColorizer, Colorizer
from colorizer.models.siggraph17 import Siggraph17

FORMAT = "truehue-onnx/1"
INPUT, OUTPUT = "L", "ab"
OPSET = 18
_PIP = "pip install onnx onnxscript"


class ExportError(ValueError):
    """A network that cannot be exported here; the message says what to do."""


@dataclass(frozen=True)
class OnnxStory:
    """What an exported file says of itself: the network's name, its sizes and the look that is baked in.

    `channels` is 1 for L, 4 for L with hint a, hint b and hint mask.
    """

    name: str
    model: str
    multiple: int
    working_px: int
    channels: int
    temperature: float | None
    saturation: float = 1.0


class _Whole(nn.Module):
    """A network with what comes behind it, (1, channels, H, W) -> ab (1, 2, H, W), in operators that OpenCV reads."""

    def __init__(self, model: Colorizer, temperature: float | None) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature
        if isinstance(model, ClassifyingColorizer):
            colours_Q2 = bin_centres() if model.colours_Q2 is None else model.colours_Q2
            self.register_buffer("colours", colours_Q2.T[:, :, None, None].clone())
        self.colours: Tensor

    def forward(self, given: Tensor) -> Tensor:
        if isinstance(self.model, ClassifyingColorizer):
            out = self.model.small_ab(given, self._decoded)
        else:
            out = self.model(given)
        if isinstance(self.model, Siggraph17):
            return torch.as_tensor(out[0])
        stride = int(getattr(self.model, "stride", 1))
        if stride > 1:
            out = F.interpolate(out, scale_factor=float(stride), mode="bilinear", align_corners=False)
        return torch.as_tensor(out) * self.model.saturation

    def _decoded(self, logits_BQHW: Tensor) -> Tensor:
        # A convolution is the einsum of the annealed mean; softmax over T is what `annealed_mean` takes.
        assert self.temperature is not None
        return F.conv2d(torch.softmax(logits_BQHW / self.temperature, dim=1), self.colours)


def export_onnx(model: Colorizer, path: Path, *, temperature: float | None = None) -> OnnxStory:
    """Write `model` to `path` and return what the file says of itself.  Never half-written.

    `temperature` is that of the annealed mean, by default the model's own; 0 cannot be exported.  Raises
    ExportError, also when the packages are missing that write ONNX.
    """
    try:
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError:
        raise ExportError(f"writing ONNX needs onnx and onnxscript; run: {_PIP}") from None
    T = None
    if isinstance(model, ClassifyingColorizer):
        T = model.temperature if temperature is None else temperature
        if T <= 0:
            raise ExportError(f"expected a temperature above 0 for ONNX, got {T}; the mode is no smooth function")
    channels = 4 if isinstance(model, Siggraph17) else 1
    story = OnnxStory(model.name, type(model).name, model.multiple, model.working_px, channels, T, model.saturation)
    whole = _Whole(model, T).eval().to(memory_format=torch.contiguous_format)
    # Sides of two and three multiples: equal or single ones would be taken for constants.
    example = torch.rand(1, channels, 2 * model.multiple, 3 * model.multiple) * 100.0
    height, width = (torch.export.Dim(name, min=1, max=4096 // model.multiple) for name in ("rows", "columns"))
    sizes = {2: model.multiple * height, 3: model.multiple * width}
    exporter_log = logging.getLogger("torch.onnx")
    before = exporter_log.level
    exporter_log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.inference_mode(False):
            warnings.simplefilter("ignore")  # the exporter warns of its own future
            program = torch.onnx.export(
                whole, (example,), dynamo=True, opset_version=OPSET, input_names=[INPUT], output_names=[OUTPUT],
                dynamic_shapes=(sizes,), verbose=False,
            )  # fmt: skip
    finally:
        exporter_log.setLevel(before)
    if program is None:
        raise ExportError(f"{model.name}: torch's exporter gave no program")
    told = {k: "" if v is None else str(v) for k, v in vars(story).items()}
    program.model.metadata_props.update({f"truehue.{k}": v for k, v in told.items()} | {"truehue.format": FORMAT})
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    program.save(str(part), external_data=False)
    part.replace(path)
    return story


def story_of(metadata: dict[str, str], where: str) -> OnnxStory:
    """Read an exported file's own words.  Raises ExportError for a file that is not ours."""
    if metadata.get("truehue.format") != FORMAT:
        raise ExportError(
            f"{where}: expected an ONNX file of {FORMAT}, got {metadata.get('truehue.format', 'none')}; "
            "write one with python -m colorizer export"
        )
    told = {k.removeprefix("truehue."): v for k, v in metadata.items()}
    return OnnxStory(
        name=told["name"],
        model=told["model"],
        multiple=int(told["multiple"]),
        working_px=int(told["working_px"]),
        channels=int(told["channels"]),
        temperature=float(told["temperature"]) if told["temperature"] else None,
        saturation=float(told.get("saturation", 1.0)),
    )
