"""`python -m colorizer train | colorize | evaluate | stimuli | …`; `--help` lists every command.

Errors are one line on standard error and exit status 2; Ctrl-C is 130 after what was asked for is saved.
"""

import argparse
import ast
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colorizer.arguments import at_least, whole
from colorizer.commands import add_commands
from colorizer.options import (
    add_backend,
    add_device,
    add_limit,
    add_model,
    add_models,
    add_readers,
    add_seed,
    add_shares,
    add_size,
    add_temperature,
    add_working_px,
    weights_of,
)

CALM = "of the annealed mean; 1 is calm, 0 the likeliest bin"


def _train(arguments: argparse.Namespace) -> int:
    from colorizer.recipe_files import read_recipe
    from colorizer.train import train
    from colorizer.training_photos import LEAST_PHOTOS

    overrides: dict[str, Any] = {}
    for setting in arguments.set:
        key, _, text = setting.partition("=")
        try:
            overrides[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            overrides[key] = text
    recipe = read_recipe(arguments.recipe, overrides)
    if arguments.check:
        from colorizer.checking import as_text, check_training, refuse_too_few

        check = check_training(
            recipe, arguments.data, workers=arguments.workers, init=arguments.init, device=arguments.device,
            held_out=arguments.held_out, search=arguments.excerpts,
        )  # fmt: skip
        print(as_text(check))
        refuse_too_few(check, LEAST_PHOTOS)
        return 0
    if arguments.out is None:
        raise ValueError("--out DIR: say where the checkpoint, the recipe and the log go")
    path = train(
        recipe,
        arguments.data,
        arguments.out,
        resume=arguments.resume,
        small=arguments.small,
        workers=arguments.workers,
        init=arguments.init,
        held_out=arguments.held_out,
        device=arguments.device,
        compiled=arguments.compile,
        synchronised_norm=arguments.sync_batchnorm,
        excerpts=arguments.excerpts,
    )
    print(path)
    return 0


def _prior(arguments: argparse.Namespace) -> int:
    from colorizer.prior import compute_prior

    report = compute_prior(arguments.data, arguments.out, sigma=arguments.sigma, workers=arguments.workers)
    a, b = report.peak_ab
    told = ", ".join(f"{n} {reason}" for reason, n in sorted(report.n_refused.items())) or "none"
    print(
        f"{arguments.out}: from {report.n_photos} photographs (not used: {told}); {report.n_bins_seen} of 313 bins "
        f"occur, the likeliest is ab = ({a:.0f}, {b:.0f}) with {report.peak:.4f}"
    )
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    from colorizer.weights_by_name import PUBLISHED, fetch

    for name in arguments.names:
        if name not in PUBLISHED:
            raise ValueError(f"unknown weights {name!r}; known: {', '.join(PUBLISHED)}")
        print(fetch(PUBLISHED[name]))
    return 0


def _convolution(arguments: argparse.Namespace, device: str) -> str:
    """The convolution that was asked for, or that pays here; what cannot be is refused before any work."""
    from colorizer.winograd import pays

    asked: str = arguments.convolution
    is_possible = arguments.backend == "torch" and device == "cpu"
    if asked.startswith("winograd") and not is_possible:
        raise ValueError(f"--convolution {asked}: is for --backend torch and --device cpu; leave it out")
    if asked == "winograd-int8" and arguments.fp32:
        raise ValueError("--convolution winograd-int8: got --fp32, too; take one of them")
    if asked == "auto":
        return "winograd" if is_possible and not arguments.fp32 and pays() else "direct"
    return asked


def _with_convolution(model: Any, convolution: str, *, is_fp32: bool) -> Any:
    import torch

    from colorizer.winograd import with_winograd
    from colorizer.winograd_int8 import with_winograd_int8

    if convolution == "direct":
        return model
    if convolution == "winograd-int8":
        return with_winograd_int8(model)
    return with_winograd(model, dtype=torch.float32 if is_fp32 else torch.bfloat16)


def _colorize(arguments: argparse.Namespace) -> int:
    from colorizer.backends import on_backend
    from colorizer.checkpoints import load_model
    from colorizer.colouring import Options, colour_files, refuse_full_disk, targets_of
    from colorizer.distributed import pick_device
    from colorizer.hints import HintedColorizer, parse_hint, read_hints
    from colorizer.photos import open_photo
    from colorizer.render import Look
    from colorizer.sources import list_photos, shard_of

    photos = list_photos(*arguments.images)
    if arguments.out.exists() and not arguments.out.is_dir():
        raise ValueError(f"--out {arguments.out}: expected a folder, got a file; choose another name")
    if not photos:
        raise ValueError(f"no image among {', '.join(map(str, arguments.images))}")
    hints = [*(read_hints(arguments.hints) if arguments.hints else ()), *map(parse_hint, arguments.hint)]
    if hints and len(photos) > 1:
        raise ValueError(f"--hint: hints belong to one photograph, got {len(photos)}")
    device = pick_device(arguments.device)
    convolution = _convolution(arguments, device.type)
    weights = weights_of(arguments.weights, [arguments.model]).get(arguments.model)
    model = load_model(arguments.model, weights).to(device)
    model = on_backend(model, arguments.backend, temperature=arguments.temperature)
    model = _with_convolution(model, convolution, is_fp32=arguments.fp32)
    if hints:
        model = HintedColorizer(model, hints, open_photo(photos[0].read_bytes(), photos[0].name).size)
    look = Look(
        arguments.temperature, arguments.working_px, arguments.pipeline, not arguments.fp32, arguments.saturation
    )
    # Every host names all targets before it takes its share, so that no two write to one place.
    targets = targets_of(photos, arguments.out)
    arguments.out.mkdir(parents=True, exist_ok=True)
    options = Options(look, arguments.batch, arguments.workers, arguments.skip_existing)
    try:
        summary = colour_files(shard_of(photos, *arguments.shard), shard_of(targets, *arguments.shard), model, options)
    except OSError as error:
        raise ValueError(refuse_full_disk(error)) from None
    for line in summary.refused:
        print(f"error: not coloured: {line}; replace or remove it", file=sys.stderr)
    already = f", {len(summary.skipped)} already there" if summary.skipped else ""
    print(f"{len(summary.coloured)} coloured, {len(summary.refused)} refused{already}, in {arguments.out}")
    return 2 if summary.refused else 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from colorizer.evaluate import evaluate
    from colorizer.evaluation_tables import Gallery, as_csv, as_latex, as_text

    gallery = Gallery(arguments.gallery) if arguments.gallery else None
    result = evaluate(
        arguments.data,
        arguments.model,
        weights=weights_of(arguments.weights, arguments.model),
        size_px=arguments.size,
        limit=arguments.limit,
        temperature=arguments.temperature,
        working_px=arguments.working_px,
        backend=arguments.backend,
        seed=arguments.seed,
        paper_ids=arguments.paper_ids,
        workers=arguments.workers,
        on_picture=gallery.add if gallery else None,
    )
    written = {
        arguments.json: json.dumps(result, indent=1) + "\n",
        arguments.csv: as_csv(result),
        arguments.latex: as_latex(result),
    }
    for path, text in written.items():
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    print(as_text(result))
    if gallery:
        print(gallery.write(result))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m colorizer", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    sub = command("train", _train, "train a network by a recipe")
    sub.add_argument("recipe", metavar="RECIPE", help="a shipped recipe's name or a .toml file")
    sub.add_argument(
        "--data",
        nargs="+",
        required=True,
        metavar="DATA",
        help="folders, .zip, .tar shards, their addresses, torchvision:NAME[:SPLIT]:FOLDER",
    )
    sub.add_argument("--held-out", nargs="+", default=[], metavar="DATA", help="validate on these, split nothing off")
    sub.add_argument(
        "--excerpts",
        choices=("auto", "yes", "no"),
        default="auto",
        help="look for photographs that are cut out of others before the split (auto: among at most 20,000)",
    )
    sub.add_argument("--out", type=Path, metavar="DIR", help="checkpoint, recipe and log go here")
    sub.add_argument("--init", default="", metavar="NAME|FILE", help="start from these weights (fine-tuning)")
    sub.add_argument("--check", action="store_true", help="only say how many photographs are usable, and how long")
    add_device(sub)
    sub.add_argument("--compile", action="store_true", help="through torch.compile (needs a C++ compiler)")
    sub.add_argument("--sync-batchnorm", action="store_true", help="BatchNorm over all GPUs' batches")
    sub.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")
    sub.add_argument("--small", action="store_true", help="save int8 weights (a quarter of the size)")
    sub.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="override keys of the recipe")
    add_readers(sub, 1)

    sub = command("colorize", _colorize, "colour photographs at their full size")
    sub.add_argument("images", nargs="+", metavar="IMAGE|DIR|ZIP|TAR")
    sub.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_model(sub)
    add_temperature(sub, CALM)
    add_working_px(sub)
    add_backend(sub)
    sub.add_argument("--hint", action="append", default=[], metavar="X,Y,#RRGGBB", help="the colour at a point")
    sub.add_argument("--hints", type=Path, metavar="FILE", help="hints from a file, one per line")
    sub.add_argument(
        "--pipeline", choices=("ours", "published"), default="ours", help="published squashes to 256 x 256"
    )
    sub.add_argument(
        "--saturation", type=at_least(0), metavar="X", help="multiplies the colours; 1 is what the network means"
    )
    sub.add_argument("--fp32", action="store_true", help="full precision (default: bfloat16)")
    sub.add_argument(
        "--convolution",
        choices=("auto", "winograd", "winograd-int8", "direct"),
        default="auto",
        help="winograd multiplies less, winograd-int8 in integers (needs a C compiler); auto: winograd in bfloat16 on "
        "a CPU without matrix units",
    )
    add_device(sub)
    sub.add_argument("--batch", type=whole(1), default=4, help="photographs of one shape that go together (default 4)")
    sub.add_argument("--skip-existing", action="store_true", help="go on with an interrupted run")
    add_shares(sub)

    sub = command("evaluate", _evaluate, "judge colorizers on photographs with their originals")
    sub.add_argument("--data", nargs="+", required=True, metavar="DATA")
    add_models(sub)
    add_backend(sub)
    sub.add_argument("--json", type=Path, metavar="FILE", help="write the table with intervals here")
    sub.add_argument("--csv", type=Path, metavar="FILE", help="the same, one line per model and metric")
    sub.add_argument("--latex", type=Path, metavar="FILE", help="a table like the paper's Table 1")
    sub.add_argument("--gallery", type=Path, metavar="DIR", help="a page of before, after and original")
    sub.add_argument("--paper-ids", action="store_true", help="of ImageNet's validation files, the paper's 10,000 only")
    add_readers(sub)
    add_limit(sub)
    add_size(sub)
    add_seed(sub)
    add_temperature(sub, CALM)
    add_working_px(sub)

    sub = command("prior", _prior, "count the colours of photographs: the prior that rebalancing needs")
    sub.add_argument("data", nargs="+", metavar="DATA")
    sub.add_argument("--out", type=Path, required=True, metavar="FILE.npy")
    sub.add_argument(
        "--sigma", type=at_least(0), default=5.0, help="of the smoothing, CIE units (default 5, the paper's)"
    )
    add_readers(sub)

    sub = command("fetch", _fetch, "download published weights into the cache")
    sub.add_argument("names", nargs="+", metavar="NAME")

    add_commands(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt as stop:
        print(f"interrupted: {stop}" if str(stop) else "interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
