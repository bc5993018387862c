"""Measure the colorizer side by side with the published way, and write docs/benchmarks.md.

    python -m tools.bench_colorizer --photos 200 --out docs/benchmarks.md

Each measurement runs in a process of its own, so that its peak memory is its own.  The ways of a comparison take turns
in the same run.  Besides wall time, processor time is given: it means something on a crowded machine, too.  What is
measured is kept beside the page until the page is written: an interrupted run goes on with the next row, as long as
neither the program nor its arguments have changed.
"""

import argparse
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from colorizer import allocator
from colorizer.ab_bins import N_BINS, soft_encode
from colorizer.arguments import whole
from colorizer.colouring import Options, colour_files, targets_of
from colorizer.lab import rgb_to_lab
from colorizer.losses import non_grey_mask, rebalanced_cross_entropy
from colorizer.models.base import Colorizer, no_grad_eval
from colorizer.models.zhang2016 import Zhang2016
from colorizer.rebalancing import load_prior, rebalancing_weights
from colorizer.render import Look, lightness_for, predict_batch
from colorizer.sources import PhotoFile, list_photos
from colorizer.winograd import pays, with_winograd
from colorizer.winograd_int8 import with_winograd_int8
from tools.bench_page import GMAC_AT_256, colouring_section, page, training_section
from tools.bench_rows import ROOT, Rows

SAMPLES = ROOT / "samples" / "photos"


def peak_mb() -> float:
    """Highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Watch:
    """Wall and processor time of a block."""

    def __enter__(self) -> "Watch":
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu


def network() -> tuple[Colorizer, str]:
    """The 2016 network: the published weights if they are in the cache, else seeded ones with settled BatchNorm."""
    from colorizer.checkpoints import load_model
    from colorizer.weights_by_name import PUBLISHED, cached

    if cached(PUBLISHED["zhang2016-pytorch-v2"]):
        return load_model("zhang2016-pytorch-v2"), "zhang2016-pytorch-v2"
    torch.manual_seed(0)
    model = Zhang2016().train()
    with torch.no_grad():
        model(lightness_for(np.asarray(Image.open(sorted(SAMPLES.glob("*.jpg"))[0]))[:256, :256], Look(), model))
    return no_grad_eval(model), "seeded random weights (the published ones are not in the cache)"


def photographs(folder: Path, n: int) -> list[PhotoFile]:
    """`n` JPEG files of 256 x 256: crops of the samples."""
    rng = np.random.default_rng(0)
    sources = sorted(SAMPLES.glob("*.jpg"))
    folder.mkdir(parents=True)
    for i in range(n):
        with Image.open(sources[i % len(sources)]) as image:
            side = min(image.size)
            left, top = rng.integers(0, image.width - side + 1), rng.integers(0, image.height - side + 1)
            box = (int(left), int(top), int(left) + side, int(top) + side)
            image.convert("RGB").resize((256, 256), box=box).save(folder / f"{i:05d}.jpg", quality=92)
    return list_photos(folder)


@torch.inference_mode()
def published_way(photos: list[PhotoFile], out: Path, model: Colorizer) -> None:
    """One photograph at a time, fp32, scikit-image's Lab: what the released script does, with the same network."""
    from skimage.color import lab2rgb, rgb2lab

    out.mkdir(parents=True, exist_ok=True)
    for photo in photos:
        with Image.open(photo.source / photo.name) as image:
            rgb = np.asarray(image.convert("RGB"))
        squashed = np.asarray(Image.fromarray(rgb).resize((256, 256), Image.Resampling.BICUBIC))
        L_full, L = rgb2lab(rgb)[..., 0], rgb2lab(squashed)[..., 0]
        device = next(model.parameters()).device
        ab = model.predict_ab(torch.from_numpy(L).float()[None, None].to(device)).cpu()
        ab = F.interpolate(ab, size=rgb.shape[:2], mode="bilinear")
        lab = np.concatenate((L_full[..., None], ab[0].permute(1, 2, 0).numpy()), axis=2)
        picture = (np.clip(lab2rgb(lab), 0, 1) * 255).round().astype(np.uint8)
        Image.fromarray(picture).save(out / (Path(photo.name).stem + ".png"))


def ab_apart(model: Colorizer, networks: dict[str, Colorizer], photos: list[PhotoFile]) -> dict[str, float]:
    """Mean absolute difference in ab, in CIE units, of each network in bfloat16 from the model in fp32."""
    apart: dict[str, list[float]] = {way: [] for way in networks}
    for photo in photos:
        with Image.open(photo.source / photo.name) as image:
            L = lightness_for(np.asarray(image), Look(), model)
        exact = predict_batch(model, L, Look(bf16=False))
        for way, network in networks.items():
            apart[way].append(float((predict_batch(network, L, Look()) - exact).abs().mean()))
    return {way: statistics.mean(found) for way, found in apart.items()}


def part_colouring(n: int, device: str = "cpu", rounds: int = 5) -> dict[str, Any]:
    """File to file, the ways taking turns; the difference in ab on a few."""
    model, weights = network()
    networks = {"direct": model.to(device)}
    if device == "cpu":
        networks["winograd"] = with_winograd(model)
        with contextlib.suppress(ValueError):  # no C compiler
            networks["winograd-int8"] = with_winograd_int8(model)
    with tempfile.TemporaryDirectory() as place:
        photos = photographs(Path(place) / "in", n)
        ways: dict[str, Callable[[list[PhotoFile], str], object]] = {
            "published": lambda chunk, folder: published_way(chunk, Path(place) / folder, model)
        } | {
            way: lambda chunk, folder, x=x: colour_files(chunk, targets_of(chunk, Path(place) / folder), x, Options())
            for way, x in networks.items()
        }
        for run in ways.values():
            run(photos[:4], "warm")
        times: dict[str, list[Watch]] = {way: [] for way in ways}
        for i in range(rounds):
            for way, run in ways.items():
                with Watch() as watch:
                    run(photos[i * n // rounds : (i + 1) * n // rounds], way)
                times[way].append(watch)
        apart = ab_apart(model, networks, photos[:: max(1, n // 8)])
    rows = {
        way: {
            "images_per_s": n / rounds / statistics.median(w.wall for w in found),
            "ratio_wall": statistics.median(p.wall / w.wall for p, w in zip(times["published"], found, strict=True)),
            "ratio_cpu": statistics.median(p.cpu / w.cpu for p, w in zip(times["published"], found, strict=True)),
            "ab_apart": apart.get(way, 0.0),
        }
        for way, found in times.items()
    }
    return {
        "weights": weights,
        "n": n,
        "rows": rows,
        "peak_mb": peak_mb(),
        "default": "winograd" if pays() else "direct",
    }


def _batch(n: int, side: int) -> Tensor:
    with Image.open(sorted(SAMPLES.glob("*.jpg"))[0]) as image:
        rgb = torch.from_numpy(np.asarray(image.convert("RGB").resize((2 * side, 2 * side)))).permute(2, 0, 1)
    rng = np.random.default_rng(0)
    places = rng.integers(0, side, size=(n, 2)).tolist()
    return torch.stack([rgb[:, y : y + side, x : x + side] for y, x in places])


def part_training(way: str, n: int, device: str = "cpu", side: int = 176, steps: int = 2) -> dict[str, Any]:
    """A training step: `dense` is the straightforward loop, `sparse` ours, `recompute` ours with checkpointing."""
    torch.manual_seed(0)
    model = Zhang2016(has_affine_norm=False).train().to(device)
    weights_Q = rebalancing_weights(load_prior()).to(device)
    is_ours = way != "dense"
    if is_ours:
        if device == "cpu" and way == "recompute":
            allocator.give_back()
        model = model.to(memory_format=torch.channels_last)
        model.keeps_activations = way != "recompute"
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-5, betas=(0.9, 0.99), weight_decay=1e-3)
    rgb = _batch(n, side).to(device)
    walls, cpus, loss = [], [], torch.zeros(())
    for _ in range(steps):
        with Watch() as watch:
            optimizer.zero_grad(set_to_none=True)
            lab = rgb_to_lab(rgb.float() / 255.0)
            L, ab = lab[:, :1], lab[:, 1:, ::4, ::4].contiguous()
            if is_ours:
                code = soft_encode(ab, k=5)
                with torch.autocast(device, torch.bfloat16):
                    logits = model(L.contiguous(memory_format=torch.channels_last))
                loss = rebalanced_cross_entropy(logits, code, weights_Q, non_grey_mask(ab))
            else:
                loss = _dense_loss(model(L), ab, weights_Q)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            float(loss.detach())  # waits for a GPU
            if device != "cpu":
                torch.cuda.synchronize()
        walls.append(watch.wall)
        cpus.append(watch.cpu)
    peak = peak_mb() if device == "cpu" else torch.cuda.max_memory_allocated() / 2**20
    return {"wall": min(walls), "cpu": min(cpus), "peak_mb": peak, "loss": float(loss.detach()), "n": n}


def _dense_loss(logits: Tensor, ab: Tensor, weights_Q: Tensor) -> Tensor:
    """Equation 2 with a dense target, its bins found by the distances to all of them."""
    from colorizer.ab_bins import bin_centres

    points = ab.permute(0, 2, 3, 1).reshape(-1, 2)
    distance, nearest = torch.cdist(points, bin_centres().to(points.device)).topk(5, largest=False)
    weights = torch.exp(-(distance**2) / 50)
    target = torch.zeros(len(points), N_BINS, device=points.device).scatter_(
        1, nearest, weights / weights.sum(1, keepdim=True)
    )
    target = target.view(len(ab), *ab.shape[-2:], N_BINS).permute(0, 3, 1, 2)
    weight = weights_Q[target.argmax(1)] * non_grey_mask(ab)
    return -(weight * (target * logits.log_softmax(1)).sum(1)).sum() / len(ab)


def part_peak() -> dict[str, Any]:
    """Matrix-multiply peak of this machine and what the network reaches of it, as GFLOP per second."""

    def best(run: Callable[[], Any], n: int = 5) -> float:
        run()
        times = []
        for _ in range(n):
            with Watch() as watch:
                run()
            times.append(watch.cpu / torch.get_num_threads())
        return min(times)

    found: dict[str, Any] = {"threads": torch.get_num_threads()}
    model, _ = network()
    with torch.inference_mode():
        for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            a, b = (torch.randn(2048, 2048).to(kind) for _ in range(2))
            seconds = best(lambda a=a, b=b: a @ b)  # type: ignore[misc]
            found[f"matmul_{name}"] = 2 * 2048**3 / seconds / 1e9
            L = torch.rand(4, 1, 256, 256) * 100
            seconds = best(lambda L=L, x=name: predict_batch(model, L, Look(bf16=x == "bf16")), 2)  # type: ignore[misc]
            found[f"network_{name}"] = 4 * 2 * GMAC_AT_256 / seconds
        fast = with_winograd(model)
        found["network_winograd"] = 4 * 2 * GMAC_AT_256 / best(lambda: predict_batch(fast, L, Look()), 2)
    return found


def part_pixels(megapixels: int) -> dict[str, Any]:
    """One photograph of so many megapixels, file to file; the network is a small one, the pixels are what costs."""
    torch.manual_seed(0)
    model = no_grad_eval(Zhang2016(width=0.125))
    width = round((megapixels * 1.5e6) ** 0.5)
    with tempfile.TemporaryDirectory() as place:
        with Image.open(sorted(SAMPLES.glob("*.jpg"))[0]) as image:
            image.convert("RGB").resize((width, width * 2 // 3)).save(Path(place) / "large.jpg", quality=90)
        photos = list_photos(Path(place))
        before = peak_mb()
        with Watch() as watch:
            colour_files(photos, targets_of(photos, Path(place) / "out"), model, Options())
    return {
        "megapixels": megapixels,
        "wall": watch.wall,
        "cpu": watch.cpu,
        "peak_mb": peak_mb(),
        "grown_mb": peak_mb() - before,
    }


def part_number(n: int) -> dict[str, Any]:
    """`n` photographs of 256 x 256 with a small network: growth with their number."""
    torch.manual_seed(0)
    model = no_grad_eval(Zhang2016(width=0.125))
    with tempfile.TemporaryDirectory() as place:
        photos = photographs(Path(place) / "in", n)
        colour_files(photos[:8], targets_of(photos[:8], Path(place) / "warm"), model, Options())
        with Watch() as watch:
            colour_files(photos, targets_of(photos, Path(place) / "out"), model, Options())
    return {"n": n, "wall": watch.wall, "cpu": watch.cpu, "peak_mb": peak_mb()}


def measured(part: str, *arguments: object) -> Any:
    """Run one part in a process of its own."""
    command = [sys.executable, "-m", "tools.bench_colorizer", "--part", part, "--arguments", json.dumps(arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - this file
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise SystemExit(f"error: {part}{arguments}: {last}; the rows before it are kept, run the same command again")
    return json.loads(done.stdout.splitlines()[-1])


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "colouring": part_colouring, "training": part_training, "peak": part_peak, "pixels": part_pixels,
    "number": part_number,
}  # fmt: skip


def main() -> int:
    """Measure, or one part of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=whole(10), default=200)
    parser.add_argument("--batch", type=whole(1), default=40)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--arguments", default="[]")
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(PARTS[arguments.part](*json.loads(arguments.arguments))))
        return 0
    rows = Rows(arguments.out.with_suffix(".rows.jsonl"))

    def row(part: str, *given: object) -> Any:
        return rows.row(f"{part}{json.dumps(given)}", lambda: measured(part, *given))

    ways = ("dense", "sparse", "recompute")
    colouring = row("colouring", arguments.photos)
    training = {way: row("training", way, arguments.batch) for way in ways}
    pixels = [row("pixels", n) for n in (1, 6, 24)]
    numbers = [row("number", arguments.photos // n) for n in (8, 4, 2, 1)]
    gpu: list[str] = []
    if torch.cuda.is_available():
        on_gpu = {way: row("training", way, arguments.batch, "cuda") for way in ways}
        gpu += colouring_section(row("colouring", arguments.photos, "cuda"), "Colouring on the GPU")
        gpu += training_section(on_gpu, f"A training step on the GPU, {torch.cuda.get_device_name()}; its own memory")
    command = f"python -m tools.bench_colorizer --photos {arguments.photos} --batch {arguments.batch}"
    text = page(colouring, training, row("peak"), pixels, numbers, gpu, command)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text, encoding="utf-8")
    rows.forget()
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
