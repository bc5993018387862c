"""Every model on every backend: how far the colours are from PyTorch's, and how long they take.

    make bench-backends

Networks have their full size.  Those without weights get random ones with random statistics (seeded): parity and
speed do not depend on what a network has learned.  Times are medians of passes that alternate between the backends,
so that a busy machine hits all alike; read their ratios.  An interrupted run goes on with the next model.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from colorizer.backends import BACKENDS, OnnxColorizer
from colorizer.checkpoints import load_model, shipped_path
from colorizer.models import MODELS, Colorizer
from colorizer.models.base import no_grad_eval
from colorizer.onnx_export import export_onnx
from tools.bench_rows import Rows

MEAN_LIMIT, MAX_LIMIT = 1e-3, 1e-2  # of ab, CIE units
SIZES = ((256, 256), (192, 341), (97, 130))  # height, width: square, wide, fitting no stride
TIMED = (256, 256)


def network(name: str) -> Colorizer:
    """The model at full size: with its shipped weights, or with random ones."""
    if shipped_path(name) is not None:
        return load_model(name)
    torch.manual_seed(0)
    model = MODELS[name]()
    with torch.no_grad():
        for key, buffer in model.named_buffers():
            if "running" in key:
                buffer.copy_(torch.rand_like(buffer) + 0.5)
        for parameter in model.parameters():
            if parameter.abs().max() == 0:
                nn.init.normal_(parameter, 0, 0.05)
    return no_grad_eval(model)


def compare(name: str, passes: int) -> dict[str, Any]:
    """Parity over all sizes and time at one, by backend."""
    model = network(name)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        path = Path(folder) / "model.onnx"
        started = time.perf_counter()
        export_onnx(model, path)
        export_s = time.perf_counter() - started
        runs: dict[str, Any] = {"torch": model}
        runs |= {backend: OnnxColorizer(path, backend) for backend in BACKENDS if backend != "torch"}
        rows: dict[str, Any] = {backend: {"mean": 0.0, "max": 0.0, "times_s": []} for backend in runs}
        for size in SIZES:
            L = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(1)) * 100.0
            expected = model.predict_ab(L)
            for backend, run in runs.items():
                difference = (run.predict_ab(L) - expected).abs()
                rows[backend]["mean"] = max(rows[backend]["mean"], float(difference.mean()))
                rows[backend]["max"] = max(rows[backend]["max"], float(difference.max()))
        L = torch.rand(1, 1, *TIMED) * 100.0
        for run in runs.values():
            run.predict_ab(L)  # each backend prepares itself for the size
        for _ in range(passes):
            for backend, run in runs.items():
                started = time.perf_counter()
                run.predict_ab(L)
                rows[backend]["times_s"].append(round(time.perf_counter() - started, 4))
        megabytes = path.stat().st_size / 1e6
    for row in rows.values():
        row["median_s"] = round(statistics.median(row["times_s"]), 4)
    for row in rows.values():
        row["over_torch"] = round(row["median_s"] / rows["torch"]["median_s"], 3)
    return {"export_s": round(export_s, 1), "onnx_mb": round(megabytes, 1), "backends": rows}


def as_markdown(result: dict[str, Any]) -> str:
    """The page for docs/."""
    lines = [
        "# The same colours from three backends",
        "",
        f"Written by `make bench-backends` on {result['machine']}, {result['threads']} thread(s). Difference of ab "
        f"from PyTorch's in CIE units, the worst of {len(SIZES)} sizes (allowed: {MEAN_LIMIT:g} in the mean, "
        f"{MAX_LIMIT:g} at most); time for one picture of {TIMED[0]} x {TIMED[1]} in fp32, median of "
        f"{result['passes']} passes that alternate between the backends; "
        "read the ratios, for the machine may have had other work.",
        "",
        "| model | MB | onnxruntime: mean, max | OpenCV: mean, max | torch, s | onnxruntime/torch | OpenCV/torch |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in result["models"].items():
        b = row["backends"]
        apart = [f"{b[k]['mean']:.1e}, {b[k]['max']:.1e}" for k in ("onnxruntime", "opencv")]
        lines.append(
            f"| {name} | {row['onnx_mb']} | {apart[0]} | {apart[1]} | {b['torch']['median_s']:.3f} | "
            f"{b['onnxruntime']['over_torch']:.2f} | {b['opencv']['over_torch']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, write JSON and the page beside it; exit 1 if a backend's colours differ too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--passes", type=int, default=5)
    arguments = parser.parse_args()
    result = {
        "command": "make bench-backends", "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(), "passes": arguments.passes, "models": {},
    }  # fmt: skip
    bad = []
    rows = Rows(arguments.out.with_suffix(".rows.jsonl"))
    for name in arguments.models:
        row = result["models"][name] = rows.row(f"{name} {arguments.passes}", partial(compare, name, arguments.passes))
        bad += [f"{name} on {k}" for k, v in row["backends"].items() if v["mean"] > MEAN_LIMIT or v["max"] > MAX_LIMIT]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    arguments.out.with_suffix(".md").write_text(as_markdown(result), encoding="utf-8")
    rows.forget()
    for told in bad:
        print(f"differs too much: {told}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
