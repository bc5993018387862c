"""docs/benchmarks.md, from what tools/bench_colorizer.py measured."""

import time
from typing import Any

import torch

from tools.bench_rows import processor

GMAC_AT_256 = 41.8  # of the network (counted from its layers)
WAYS = {
    "published": "published way (one at a time, fp32, scikit-image)",
    "direct": "ours (bf16, batches of 4, decoding and encoding beside it)",
    "winograd": "ours with Winograd's convolution",
    "winograd-int8": "the same, products in int8 (`--convolution winograd-int8`)",
}


def colouring_section(c: dict[str, Any], title: str) -> list[str]:
    """The table of file-to-file colouring."""
    return [
        f"## {title}", "",
        f"{c['n']} photographs of 256 x 256, the 2016 network at full width, {c['weights']}.  Wanted: a ratio of 5 "
        f"and a difference below 0.5.  `colorize` takes {c['default']} here.", "",
        "| | images per second | ratio, wall | ratio, processor time | mean ab difference to fp32 |",
        "|---|---|---|---|---|",
        *(
            f"| {WAYS[way]} | {x['images_per_s']:.2f} | {x['ratio_wall']:.2f} | {x['ratio_cpu']:.2f} | "
            f"{x['ab_apart']:.3f} |"
            for way, x in c["rows"].items()
        ), "",
        f"Peak memory of the process, all ways and their networks: {c['peak_mb']:.0f} MB.", "",
    ]  # fmt: skip


def training_section(t: dict[str, Any], title: str) -> list[str]:
    """The table of training steps."""
    dense = t["dense"]

    def against(x: dict[str, Any], wanted: str) -> str:
        return (
            f"{x['n'] / x['wall']:.2f} | {dense['wall'] / x['wall']:.2f} | {dense['cpu'] / x['cpu']:.2f} | "
            f"{x['peak_mb']:.0f} | {x['peak_mb'] / dense['peak_mb']:.0%} | {wanted}"
        )

    return [
        f"## {title}", "",
        f"Batch {dense['n']} of 176 x 176, full width, Adam.", "",
        "| | images per second | ratio, wall | ratio, processor time | peak MB | of dense | wanted |",
        "|---|---|---|---|---|---|---|",
        f"| straightforward: dense targets, fp32 | {against(dense, '')} |",
        f"| ours: sparse targets, bf16, channels last | {against(t['sparse'], '4 x at 85 %')} |",
        f"| ours with activation checkpointing | {against(t['recompute'], '3 x at 60 %')} |", "",
    ]  # fmt: skip


def page(
    c: dict[str, Any], t: dict[str, Any], p: dict[str, Any], px: list[Any], ns: list[Any], gpu: list[str], command: str
) -> str:
    """docs/benchmarks.md."""
    sparse = t["sparse"]
    lines = [
        "# Benchmarks of the colorizer", "",
        f"Written by `{command}` on {time.strftime('%Y-%m-%d')}; torch {torch.__version__}, {p['threads']} thread(s), "
        f"{processor()}.", "",
        "Ratios are of ways that took turns in one run.  Ratios of processor time hold on a crowded machine, too.", "",
        *colouring_section(c, "Colouring, file to file"),
        *training_section(t, "A training step"),
        "## Share of the machine's peak", "",
        "| | matrix multiply, GFLOP/s | network, GFLOP/s | share |", "|---|---|---|---|",
        *(
            f"| {k}, inference | {p['matmul_' + k]:.0f} | {p['network_' + k]:.0f} | "
            f"{p['network_' + k] / p['matmul_' + k]:.0%} |"
            for k in ("fp32", "bf16")
        ),
        f"| bf16, inference, Winograd, counted as if direct | {p['matmul_bf16']:.0f} | {p['network_winograd']:.0f} | "
        f"{p['network_winograd'] / p['matmul_bf16']:.0%} |",
        f"| bf16, training (3 x the forward pass) | {p['matmul_bf16']:.0f} | {_training_rate(sparse, p):.0f} | "
        f"{_training_rate(sparse, p) / p['matmul_bf16']:.0%} |", "",
        f"bf16 multiplies {p['matmul_bf16'] / p['matmul_fp32']:.1f} times as fast as fp32 here.  With direct "
        "convolutions that factor, not the program, bounds what can be won: nearly all time is in 3 x 3 convolutions "
        "of 512 channels.  Winograd's convolution needs a quarter of their multiplications; what stands in its way are "
        "its transforms and the layers that it leaves alone (stride 2, few channels, 1 x 1).  A machine with AMX "
        "multiplies bf16 faster by another factor.",
        "",
        "## Growth", "",
        "| photographs of 256 x 256 (network at an eighth of the width) | seconds | processor seconds each | peak MB |",
        "|---|---|---|---|",
        *(f"| {x['n']} | {x['wall']:.1f} | {x['cpu'] / x['n']:.3f} | {x['peak_mb']:.0f} |" for x in ns), "",
        "| megapixels of one photograph | seconds | processor seconds per megapixel | peak MB | of it for it |",
        "|---|---|---|---|---|",
        *(
            f"| {x['megapixels']} | {x['wall']:.1f} | {x['cpu'] / x['megapixels']:.2f} | {x['peak_mb']:.0f} | "
            f"{x['grown_mb']:.0f} |"
            for x in px
        ), "",
        *(gpu or ["No GPU was at hand.", ""]),
    ]  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"


def _training_rate(step: dict[str, Any], peak: dict[str, Any]) -> float:
    flop = 3 * 2 * GMAC_AT_256 * (176 / 256) ** 2 * step["n"]
    return float(flop / (step["cpu"] / peak["threads"]))
