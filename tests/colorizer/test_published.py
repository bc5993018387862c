"""Weights that others published load unchanged, come by name, and are never executed."""

import functools
import hashlib
import http.server
import os
import pickle
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from colorizer import weights_by_name
from colorizer.ab_bins import bin_centres
from colorizer.checkpoints import CheckpointError, load_checkpoint, load_model
from colorizer.foreign import ForeignWeightsError, read_caffemodel, read_foreign
from colorizer.weights_by_name import PUBLISHED, PublishedWeights, WeightsError, fetch

# (block, its convolutions' places, channels in and out, strides, dilation): the released module, from its own table.
BLOCKS = [
    ("model1", (0, 2), (1, 64, 64), (1, 2), 1),
    ("model2", (0, 2), (64, 128, 128), (1, 2), 1),
    ("model3", (0, 2, 4), (128, 256, 256, 256), (1, 1, 2), 1),
    ("model4", (0, 2, 4), (256, 512, 512, 512), (1, 1, 1), 1),
    ("model5", (0, 2, 4), (512, 512, 512, 512), (1, 1, 1), 2),
    ("model6", (0, 2, 4), (512, 512, 512, 512), (1, 1, 1), 2),
    ("model7", (0, 2, 4), (512, 512, 512, 512), (1, 1, 1), 1),
]
CAFFE = {
    "model1": ("bw_conv1_1", "conv1_2"),
    "model2": ("conv2_1", "conv2_2"),
    **{f"model{i}": tuple(f"conv{i}_{j}" for j in (1, 2, 3)) for i in range(3, 8)},
}


@functools.cache
def released_state() -> dict[str, Tensor]:
    """Random numbers under the released state dict's keys and shapes."""
    draw = torch.Generator().manual_seed(7)

    def normal(*shape: int, fan_in: int) -> Tensor:
        return torch.randn(*shape, generator=draw) * (2 / fan_in) ** 0.5

    state = {}
    for name, places, channels, _, _ in BLOCKS:
        for place, c_in, c_out in zip(places, channels, channels[1:], strict=False):
            state[f"{name}.{place}.weight"] = normal(c_out, c_in, 3, 3, fan_in=9 * c_in)
            state[f"{name}.{place}.bias"] = torch.randn(c_out, generator=draw) * 0.1
        norm, c = f"{name}.{places[-1] + 2}", channels[-1]
        state[f"{norm}.weight"] = torch.rand(c, generator=draw) + 0.5
        state[f"{norm}.bias"] = torch.randn(c, generator=draw) * 0.1
        state[f"{norm}.running_mean"] = torch.rand(c, generator=draw)
        state[f"{norm}.running_var"] = torch.rand(c, generator=draw) + 0.5
        state[f"{norm}.num_batches_tracked"] = torch.tensor(0)
    state["model8.0.weight"] = normal(512, 256, 4, 4, fan_in=4 * 512)
    for place, c_out, side in ((2, 256, 3), (4, 256, 3), (6, 313, 1)):
        state[f"model8.{place}.weight"] = normal(c_out, 256, side, side, fan_in=256 * side * side)
    for place, c_out in ((0, 256), (2, 256), (4, 256), (6, 313)):
        state[f"model8.{place}.bias"] = torch.randn(c_out, generator=draw) * 0.1
    # Not exactly the centres, so that a loader which ignores them is found out.
    state["model_out.weight"] = (bin_centres().T / 110 + 0.01 * torch.randn(2, 313, generator=draw)).view(2, 313, 1, 1)
    return state


def convolutions(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """Logits by plain functions, from normalised lightness."""
    for name, places, _, strides, dilation in BLOCKS:
        for place, stride in zip(places, strides, strict=True):
            weight, bias = state[f"{name}.{place}.weight"], state[f"{name}.{place}.bias"]
            x = F.relu(F.conv2d(x, weight, bias, stride=stride, padding=dilation, dilation=dilation))
        n = f"{name}.{places[-1] + 2}"
        mean, var = state[f"{n}.running_mean"], state[f"{n}.running_var"]
        x = F.batch_norm(x, mean, var, state[f"{n}.weight"], state[f"{n}.bias"], eps=1e-5)
    x = F.relu(F.conv_transpose2d(x, state["model8.0.weight"], state["model8.0.bias"], stride=2, padding=1))
    for place in (2, 4):
        x = F.relu(F.conv2d(x, state[f"model8.{place}.weight"], state[f"model8.{place}.bias"], padding=1))
    return F.conv2d(x, state["model8.6.weight"], state["model8.6.bias"])


LIGHTNESS = torch.rand(1, 1, 64, 48, generator=torch.Generator().manual_seed(1)) * 100


def test_the_released_state_dict_loads_unchanged_and_computes_the_released_ab(tmp_path: Path) -> None:
    """Published keys and shapes at full width: ab as the released forward gives it, to 1e-4 of its scale."""
    state = released_state()
    assert sum(v.numel() for k, v in state.items() if "running" not in k and "tracked" not in k) == 32_236_011
    torch.save(state, tmp_path / "released.pth")
    model = load_model("zhang2016", weights=tmp_path / "released.pth")
    logits = convolutions(state, (LIGHTNESS - 50) / 100)
    expected = 110 * F.interpolate(
        F.conv2d(logits.softmax(1), state["model_out.weight"]), scale_factor=4, mode="bilinear", align_corners=False
    )
    assert float(expected.std()) > 1
    torch.testing.assert_close(model.predict_ab(LIGHTNESS), expected, atol=1e-4, rtol=1e-4)
    assert (model.name, model.temperature) == ("zhang2016-pytorch", 1.0)


def caffe_blobs() -> tuple[dict[str, list[Tensor]], dict[str, Tensor]]:
    """A Caffe network's layers with their blobs, and the same numbers in PyTorch's names without affine BatchNorm."""
    state = dict(released_state())
    layers: dict[str, list[Tensor]] = {}
    for name, names in CAFFE.items():
        for i, layer in enumerate(names):
            layers[layer] = [state[f"{name}.{2 * i}.weight"], state[f"{name}.{2 * i}.bias"]]
        norm = f"{name}.{2 * len(names)}"
        state[f"{norm}.weight"] = torch.ones_like(state[f"{norm}.weight"])
        state[f"{norm}.bias"] = torch.zeros_like(state[f"{norm}.bias"])
        factor = torch.tensor([999.98])  # Caffe keeps sums and divides by this
        sums = [state[f"{norm}.{key}"] * factor for key in ("running_mean", "running_var")]
        layers[names[-1] + "norm"] = [*sums, factor]
    for i, layer in enumerate(("conv8_1", "conv8_2", "conv8_3", "conv8_313")):
        layers[layer] = [state[f"model8.{2 * i}.weight"], state[f"model8.{2 * i}.bias"]]
    layers["bw_conv1_1"][0] = state["model1.0.weight"] / 100  # it reads L - 50
    return layers, state


def as_caffemodel(layers: dict[str, list[Tensor]]) -> bytes:
    """NetParameter of caffe.proto in protobuf's wire format."""

    def varint(n: int) -> bytes:
        out = b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])

    def sub(number: int, content: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(content)) + content

    net = sub(1, b"LtoAB")
    for name, blobs in layers.items():
        layer = sub(1, name.encode()) + sub(2, b"Convolution") + varint(10 << 3) + varint(0)
        for blob in blobs:
            shape = sub(1, b"".join(varint(n) for n in blob.shape))
            layer += sub(7, sub(7, shape) + sub(5, blob.numpy().astype("<f4").tobytes()))
        net += sub(100, layer)
    return net + struct.pack("<Bf", 3 << 3 | 5, 1.0)


@pytest.mark.parametrize("container", ["caffemodel", "safetensors"])
def test_the_caffe_flavour_is_an_adapter(container: str, tmp_path: Path) -> None:
    """L - 50 in, BatchNorm without scale and shift, logits times 2.606: the same ab as plain functions give."""
    layers, state = caffe_blobs()
    path = tmp_path / f"release.{container}"
    if container == "caffemodel":
        path.write_bytes(as_caffemodel(layers))
    else:
        save_file({f"{n}.{i}": b.contiguous() for n, blobs in layers.items() for i, b in enumerate(blobs)}, path)
    model = load_model("zhang2016", weights=path)
    by_caffe = dict(state) | {"model1.0.weight": layers["bw_conv1_1"][0]}
    logits = convolutions(by_caffe, LIGHTNESS - 50)
    ab = torch.einsum("bqhw,qc->bchw", (2.606 * logits).softmax(1), bin_centres())
    expected = F.interpolate(ab, scale_factor=4, mode="bilinear", align_corners=False)
    torch.testing.assert_close(model.predict_ab(LIGHTNESS), expected, atol=1e-3, rtol=1e-4)
    assert model.name == "zhang2016-caffe"


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pwned",)


def test_a_malicious_pickle_is_refused_before_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .pth that would run code when unpickled: one line that says so, and the code has not run."""
    monkeypatch.chdir(tmp_path)
    torch.save({"model1.0.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match=r"may run code; it was not opened \(it asks for \w+\.mkdir\)"):
        load_model("zhang2016", weights=tmp_path / "evil.pth")
    assert not (tmp_path / "pwned").exists()
    (tmp_path / "raw.pth").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError):
        load_model("zhang2016", weights=tmp_path / "raw.pth")
    assert not (tmp_path / "pwned").exists()


def test_files_that_are_no_such_weights_are_refused(tmp_path: Path) -> None:
    """Missing keys, other shapes, another kind of content: one line each that names the file."""
    state = dict(released_state())
    state["model1.0.weight"] = torch.zeros(3, 1, 3, 3)
    torch.save(state, tmp_path / "shape.pth")
    torch.save({"x": torch.zeros(1)}, tmp_path / "keys.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("<html>gone</html>")
    (tmp_path / "cut.caffemodel").write_bytes(as_caffemodel(caffe_blobs()[0])[:5000])
    (tmp_path / "empty.caffemodel").write_bytes(b"")
    save_file({"conv1_1.0": torch.zeros(1)}, tmp_path / "part.safetensors")
    for path in tmp_path.iterdir():
        with pytest.raises(CheckpointError, match=path.name):
            load_model("zhang2016", weights=path)


class _Ranges(http.server.BaseHTTPRequestHandler):
    """Serves one file with byte ranges, as object stores do; notes what was asked for."""

    content = b""
    asked: list[str]
    cut_after: int | None = None
    gone = False

    def do_GET(self) -> None:
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self.asked.append(self.headers.get("Range", ""))
        if self.gone:
            self.send_error(404)
            return
        if start >= len(self.content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        body = self.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.cut_after is None else body[: self.cut_after])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Ranges]]:
    """A local server with 300 kB of weights called `test-weights`, and an empty cache."""
    content = np.random.default_rng(0).bytes(300_000)
    handler = type("Handler", (_Ranges,), {"content": content, "asked": []})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{httpd.server_port}/w.pth"
        digest = hashlib.sha256(content).hexdigest()
        monkeypatch.setitem(PUBLISHED, "test-weights", PublishedWeights("test-weights", "", "w.pth", url, digest[:8]))
        yield handler
        httpd.shutdown()
        thread.join()


def test_weights_by_name_are_downloaded_once_and_checked(server: type[_Ranges]) -> None:
    """The first call fetches into the XDG cache, the second asks nobody."""
    path = fetch(PUBLISHED["test-weights"])
    assert path.read_bytes() == server.content
    assert path.parent == weights_by_name.cache_folder()
    assert fetch(PUBLISHED["test-weights"]) == path
    assert server.asked == [""]


def test_an_interrupted_download_goes_on_where_it_stopped(server: type[_Ranges]) -> None:
    """The connection ends early: an error; the next call asks for the rest only, and the whole is right."""
    server.cut_after = 100_000
    with pytest.raises(WeightsError, match=r"after 100000 of 300000 bytes.*goes on from there"):
        fetch(PUBLISHED["test-weights"])
    server.cut_after = None
    assert fetch(PUBLISHED["test-weights"]).read_bytes() == server.content
    assert server.asked == ["", "bytes=100000-"]


def test_a_wrong_hash_is_refused_and_removed(server: type[_Ranges], monkeypatch: pytest.MonkeyPatch) -> None:
    """Other bytes than expected never reach the cache; the error has both hashes."""
    wrong = PublishedWeights("wrong", "", "w.pth", PUBLISHED["test-weights"].url, "00000000")
    with pytest.raises(WeightsError, match=r"expected 00000000; the file was removed"):
        fetch(wrong)
    assert list(weights_by_name.cache_folder().iterdir()) == []


def test_offline_the_error_says_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network: the file's name, its address, its hash and the folder are in the one line."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    closed = "http://127.0.0.1:9/w-12345678.pth"
    weights = PublishedWeights("gone", "zhang2016", "w-12345678.pth", closed, "12345678")
    monkeypatch.setitem(PUBLISHED, "gone", weights)
    with pytest.raises(WeightsError) as caught:
        load_model("gone")
    for part in ("w-12345678.pth", closed, "SHA-256 12345678", str(tmp_path / "truehue" / "weights")):
        assert part in str(caught.value)
    with pytest.raises(WeightsError, match=r"zhang2016-caffe: no address .*f5af1e60.*by hand"):
        load_model("zhang2016-caffe")


def test_published_names_stand_beside_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`zhang2016-pytorch-v2` from the cache runs with T as released; a judge's weights are no colorizer's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = weights_by_name.cache_folder()
    folder.mkdir(parents=True)
    known = PUBLISHED["zhang2016-pytorch-v2"]
    torch.save(released_state(), folder / known.file)
    digest = weights_by_name.file_sha256(folder / known.file)
    here = PublishedWeights(known.name, known.model, known.file, known.url, digest)
    monkeypatch.setitem(PUBLISHED, known.name, here)
    model, checkpoint = load_checkpoint("zhang2016-pytorch-v2")
    assert (model.name, model.temperature, checkpoint.flavour) == ("zhang2016-pytorch-v2", 1.0, "pytorch")
    assert load_model("zhang2016", weights="zhang2016-pytorch-v2").name == "zhang2016-pytorch-v2"
    with pytest.raises(CheckpointError, match="a judge"):
        load_model("zhang2016", weights="vgg16-imagenet")


def test_a_download_that_was_whole_already_is_only_checked(server: type[_Ranges]) -> None:
    """Ended between the last byte and the check: the server has no more (416), and the hash decides."""
    folder = weights_by_name.cache_folder()
    folder.mkdir(parents=True)
    (folder / "w.pth.part").write_bytes(server.content)
    assert fetch(PUBLISHED["test-weights"]).read_bytes() == server.content
    assert server.asked == ["bytes=300000-"]


def test_an_address_that_serves_nothing_is_told(server: type[_Ranges]) -> None:
    """404, and an address that is none: one line with what to do by hand."""
    server.gone = True
    with pytest.raises(WeightsError, match=r"cannot fetch http.*404.*; put w\.pth .* by hand"):
        fetch(PUBLISHED["test-weights"])
    with pytest.raises(WeightsError, match="expected an http"):
        fetch(PublishedWeights("odd", "", "o.pth", "file:///etc/passwd", ""))


def field(number: int, content: bytes) -> bytes:
    """A short field of bytes in protobuf's wire format."""
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def test_blobs_as_old_caffe_wrote_them(tmp_path: Path) -> None:
    """Sizes as num, channels, height, width; numbers one by one; other fields passed over; what is no layer, too."""
    values = np.arange(6, dtype="<f4")
    old = b"".join(bytes([n << 3, size]) for n, size in ((1, 1), (2, 1), (3, 2), (4, 3)))
    old += b"".join(bytes([5 << 3 | 5]) + v.tobytes() for v in values)
    old += field(6, values.tobytes())  # its gradient
    unpacked = field(7, bytes([1 << 3, 3, 1 << 3, 2, 2 << 3, 9])) + field(5, values.tobytes())
    layer = field(1, b"ip") + field(7, old) + field(7, unpacked)
    # layer is field 100, whose key takes two bytes
    net = bytes([3 << 3 | 1]) + bytes(8) + bytes([100 << 3 & 127 | 2 | 128, 100 >> 4, len(layer)]) + layer
    (tmp_path / "old.caffemodel").write_bytes(net)
    blobs = read_caffemodel(tmp_path / "old.caffemodel")
    assert {k: tuple(v.shape) for k, v in blobs.items()} == {"ip.0": (1, 1, 2, 3), "ip.1": (3, 2)}
    assert blobs["ip.0"].flatten().tolist() == blobs["ip.1"].flatten().tolist() == list(range(6))
    (tmp_path / "odd.caffemodel").write_bytes(net + bytes([1 << 3 | 3]))
    with pytest.raises(ForeignWeightsError, match="wire type 3 is none of protobuf's"):
        read_caffemodel(tmp_path / "odd.caffemodel")


def test_a_state_dict_inside_a_training_checkpoint_is_found(tmp_path: Path) -> None:
    """Whole training states (`{"epoch": …, "state_dict": …}`) and DataParallel's `module.` are unwrapped."""
    torch.save({"epoch": 3, "state_dict": {"module.a": torch.ones(2)}}, tmp_path / "c.pth")
    found = read_foreign(tmp_path / "c.pth", "truehue-checkpoint/1")
    assert found is not None
    assert (list(found.state), found.flavour) == (["a"], "pytorch")
    torch.save({"epoch": 3, "state_dict": {}}, tmp_path / "e.pth")
    with pytest.raises(ForeignWeightsError, match="expected a state dict of tensors"):
        read_foreign(tmp_path / "e.pth", "truehue-checkpoint/1")
