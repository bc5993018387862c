"""How many photographs of 256 x 256 the default model colours in a second, file to file.

    python -m tools.bench_default --photos 200 --out docs/results/default-speed.json

What `python -m colorizer colorize FOLDER --out DIR` does, in this process: JPEG files are read, coloured and written as
PNG.  Batch sizes and numbers of threads take turns in each round, so that their order holds on a crowded machine, too;
processor time per photograph is given beside the clock's.  The start (importing torch, reading weights) is apart.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from colorizer.arguments import whole
from colorizer.checkpoints import load_model
from colorizer.colouring import Options, colour_files, targets_of
from colorizer.render import Look
from colorizer.winograd import pays, with_winograd
from tools.bench_colorizer import ab_apart, photographs
from tools.bench_rows import processor

WANTED = 12.0  # photographs per second on two cores, issue 5
# The network (as loaded, or with Winograd's convolution, which `colorize` takes where it pays) and how it is run.
USUAL = "winograd" if pays() else "direct"
WAYS = {
    "default": (USUAL, Options()),
    "the other convolution": ("direct" if USUAL == "winograd" else "winograd", Options()),
    "one at a time": (USUAL, Options(batch=1)),
    "batches of 32": (USUAL, Options(batch=32)),
    "one reading and writing thread": (USUAL, Options(workers=1)),
    "fp32": ("direct", Options(look=Look(bf16=False))),
}


def measure(n: int, rounds: int) -> dict[str, Any]:
    """Every way in each round on the same photographs."""
    started = time.perf_counter()
    model = load_model()
    networks = {"direct": model, "winograd": with_winograd(model)}
    loading = time.perf_counter() - started
    wall: dict[str, list[float]] = {name: [] for name in WAYS}
    cpu: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as place:
        photos = photographs(Path(place) / "in", n)
        for name, (network, options) in WAYS.items():
            colour_files(photos[:8], targets_of(photos[:8], Path(place) / "warm" / name), networks[network], options)
        for turn in range(rounds):
            for name, (network, options) in WAYS.items():
                out = Path(place) / f"{turn}-{name}"
                begun, used = time.perf_counter(), time.process_time()
                done = colour_files(photos, targets_of(photos, out), networks[network], options)
                wall[name].append((time.perf_counter() - begun) / n)
                cpu[name].append((time.process_time() - used) / n)
                assert len(done.coloured) == n, done.refused
        apart = ab_apart(model, networks, photos[:: max(1, n // 25)])
    return {
        "format": "truehue-default-speed/1", "model": model.name, "n": n, "rounds": rounds, "side_px": 256,
        "processor": processor(), "cores": os.cpu_count(), "threads": torch.get_num_threads(),
        "torch": torch.__version__, "date": time.strftime("%Y-%m-%d"), "loading_s": round(loading, 2),
        "wanted_per_s": WANTED, "convolution": USUAL, "ab_apart": {way: round(x, 4) for way, x in apart.items()},
        "ways": {
            name: {
                "photos_per_s": round(1 / statistics.median(wall[name]), 2),
                "photos_per_s_best": round(1 / min(wall[name]), 2),
                "cpu_s_per_photo": round(statistics.median(cpu[name]), 4),
            }
            for name in WAYS
        },
    }  # fmt: skip


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=whole(8), default=200)
    parser.add_argument("--rounds", type=whole(1), default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = measure(given.photos, given.rounds)
    for name, way in found["ways"].items():
        print(
            f"{name}: {way['photos_per_s']:.1f} photographs per second (best round {way['photos_per_s_best']:.1f}), "
            f"{way['cpu_s_per_photo'] * 1000:.0f} ms of processor time each"
        )
    for network, difference in found["ab_apart"].items():
        print(f"{network} convolutions in bfloat16: {difference:.3f} CIE units of ab from fp32 in the mean")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(given.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
