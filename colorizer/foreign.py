"""Weights files that others wrote: a PyTorch state dict, Caffe's blobs, safetensors of either.  Nothing is executed."""

import json
import pickle
import re
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor


class ForeignWeightsError(ValueError):
    """A file that holds no weights, or more than weights."""


@dataclass(frozen=True)
class ForeignWeights:
    """Tensors by their published names, and whose naming that is: `pytorch` or `caffe`."""

    state: dict[str, Tensor]
    flavour: str


def read_foreign(path: Path, own_format: str) -> ForeignWeights | None:
    """What somebody else's weights file holds; None for a file in our own format.

    Raises ForeignWeightsError for anything that is no plain weights file: a pickle that would run code is refused
    before it does.
    """
    if path.suffix == ".caffemodel":
        return ForeignWeights(read_caffemodel(path), "caffe")
    if path.suffix in (".pth", ".pt", ".bin"):
        return ForeignWeights(_read_state_dict(path), "pytorch")
    try:
        with safe_open(path, framework="pt") as file:
            story = json.loads((file.metadata() or {}).get("truehue", "{}"))
            if story.get("format", "").startswith(own_format.partition("/")[0]):
                return None
            state = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise ForeignWeightsError(
            f"{path}: expected a safetensors file, a released .pth or a .caffemodel, got: {error}"
        ) from None
    return ForeignWeights(state, "caffe" if any("conv1_1" in key for key in state) else "pytorch")


def _read_state_dict(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about the pickle's protocol; what is inside decides
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        why = f"it asks for {asked[1]}" if asked else "no plain pickle of tensors"
        raise ForeignWeightsError(
            f"{path}: expected a state dict of tensors, got a pickle with other objects in it, which may run code; it "
            f"was not opened ({why})"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ForeignWeightsError(f"{path}: expected a PyTorch state dict, got: {str(error)[:200]}") from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise ForeignWeightsError(f"{path}: expected a state dict of tensors, got {type(state).__name__}")
    return {str(k).removeprefix("module."): v for k, v in state.items()}


# The few fields of caffe.proto (BVLC Caffe) that hold blobs: NetParameter.layer = 100, LayerParameter.name = 1 and
# .blobs = 7, BlobProto.shape = 7 (BlobShape.dim = 1), .data = 5, and num, channels, height, width = 1 … 4 of old files.
_NET_LAYER, _LAYER_NAME, _LAYER_BLOBS = 100, 1, 7
_BLOB_DATA, _BLOB_SHAPE, _SHAPE_DIM = 5, 7, 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_caffemodel(path: Path) -> dict[str, Tensor]:
    """Every learned blob of a .caffemodel as `<layer>.<index>`, read from protobuf's wire format alone."""
    content = memoryview(path.read_bytes())
    blobs: dict[str, Tensor] = {}
    try:
        for number, layer in _fields(content):
            if number != _NET_LAYER or not isinstance(layer, memoryview):
                continue
            name, index = "", 0
            parts = list(_fields(layer))
            for part, value in parts:
                if part == _LAYER_NAME and isinstance(value, memoryview):
                    name = bytes(value).decode()
            for part, value in parts:
                if part == _LAYER_BLOBS and isinstance(value, memoryview):
                    blobs[f"{name}.{index}"] = _blob(value)
                    index += 1
    except (IndexError, ValueError, struct.error, RuntimeError) as error:
        raise ForeignWeightsError(f"{path}: expected a .caffemodel, got damaged data ({error})") from None
    if not blobs:
        raise ForeignWeightsError(f"{path}: expected a .caffemodel, found no layer with weights in it")
    return blobs


def _blob(message: memoryview) -> Tensor:
    values: list[np.ndarray[tuple[int], np.dtype[np.float32]]] = []
    shape: list[int] = []
    old_shape = {}
    for number, value in _fields(message):
        if number == _BLOB_DATA:
            raw = value if isinstance(value, memoryview) else memoryview(value.to_bytes(4, "little"))
            values.append(np.frombuffer(raw, dtype="<f4"))
        elif number == _BLOB_SHAPE and isinstance(value, memoryview):
            for part, dims in _fields(value):
                if part == _SHAPE_DIM:
                    shape += list(_varints(dims)) if isinstance(dims, memoryview) else [dims]
        elif number <= 4 and isinstance(value, int):
            old_shape[number] = value
    flat = torch.from_numpy(np.concatenate(values).astype(np.float32)) if values else torch.empty(0)
    return flat.view(shape or [old_shape[i] for i in sorted(old_shape)])


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """(field number, value) of a protobuf message: bytes as a view, numbers as unsigned integers."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield number, value
        elif kind == _BYTES:
            length, place = _varint(message, place)
            if place + length > len(message):
                raise ValueError(f"field {number} ends {place + length - len(message)} bytes after the file")
            yield number, message[place : place + length]
            place += length
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
            yield number, int.from_bytes(message[place : place + size], "little")
            place += size
        else:
            raise ValueError(f"wire type {kind} is none of protobuf's")


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _varints(message: memoryview) -> Iterator[int]:
    place = 0
    while place < len(message):
        value, place = _varint(message, place)
        yield value
