"""Commands beyond training, colouring and judging: stimuli, models, export, hints, gallery, table."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from colorizer.arguments import at_least, counted, whole
from colorizer.defaults import DEFAULT_MODEL, HINT_COUNTS, TABLE_RECIPES
from colorizer.options import (
    add_backend,
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


def _stimuli(arguments: argparse.Namespace) -> int:
    from colorizer.externals import parse_fake
    from colorizer.stimuli import Settings, StimuliError, render_stimuli

    if arguments.originals is not None and arguments.archive is None:
        raise StimuliError("--originals goes with --archive: the photographs of --real are their own originals")
    fakes = [parse_fake(text) for text in arguments.fake]
    models = arguments.model if arguments.model is not None else [] if fakes else [DEFAULT_MODEL]
    manifest = render_stimuli(
        arguments.real or arguments.archive,
        models,
        arguments.out,
        Settings(
            size_px=arguments.size,
            image_format=arguments.format,
            seed=arguments.seed,
            n_requested=arguments.n,
            retouch=not arguments.no_retouch,
        ),
        weights=weights_of(arguments.weights, models),
        allow_seen=arguments.allow_seen,
        name=arguments.name,
        n_random=arguments.n_random,
        has_original=arguments.real is not None,
        originals=arguments.originals,
        fakes=fakes,
        fake_timeout_s=arguments.fake_timeout,
        fake_jobs=arguments.fake_jobs,
        backend=arguments.backend,
        workers=arguments.workers,
        shard=arguments.shard,
    )
    for told, condition in manifest["conditions"].items():
        for file in condition["settings"].get("unused_outputs", []):
            print(f"unused: {told}: {file}: fits no photograph of the set", file=sys.stderr)
    for refusal in manifest["refused"]:
        if refusal["reason"] != "not_drawn":
            print(f"refused: {refusal['source']}: {refusal['reason']}: {refusal['detail']}", file=sys.stderr)
    if not (arguments.out / "manifest.json").is_file():
        index, count = arguments.shard
        print(f"share {index}/{count} is rendered, others are not yet: {arguments.out} appears with the last of them")
        return 0
    n_refused = sum(r["reason"] != "not_drawn" for r in manifest["refused"])
    told = f"{counted(len(manifest['images']), 'photograph')}, {counted(len(manifest['stimuli']), 'picture')}"
    print(f"{told}, {n_refused} refused: {arguments.out / 'manifest.json'}")
    return 0


def _looks(arguments: argparse.Namespace) -> int:
    from colorizer.looks import write_looks

    weights = weights_of(arguments.weights, [arguments.model]).get(arguments.model)
    n, size = write_looks(arguments.photos, arguments.model, arguments.out, weights=weights)
    print(f"{arguments.out}: {n} photograph{'' if n == 1 else 's'}, {size / 1e6:.1f} MB")
    return 0


def _machine_judge(arguments: argparse.Namespace) -> int:
    from colorizer.machine_judge import as_text, machine_fool_rates

    result = machine_fool_rates(
        arguments.data,
        arguments.model,
        weights=weights_of(arguments.weights, arguments.model),
        size_px=arguments.size,
        limit=arguments.limit,
        temperature=arguments.temperature,
        working_px=arguments.working_px,
        folds=arguments.folds,
        repeats=arguments.repeats,
        seed=arguments.seed,
    )
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(as_text(result))
    return 0


def _models(_: argparse.Namespace) -> int:
    from colorizer.listing import list_models

    print(list_models())
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from colorizer.checkpoints import load_model
    from colorizer.onnx_export import export_onnx

    weights = weights_of(arguments.weights, [arguments.model]).get(arguments.model)
    story = export_onnx(load_model(arguments.model, weights), arguments.out, temperature=arguments.temperature)
    size = arguments.out.stat().st_size / 1e6
    decoded = "" if story.temperature is None else f", T = {story.temperature:g}"
    print(
        f"{arguments.out}: {story.name}, {size:.1f} MB, input {story.channels} x H x W, sides multiples of "
        f"{story.multiple}, L in [0, 100] (CIE, not grey levels){decoded}"
    )
    return 0


def _hints(arguments: argparse.Namespace) -> int:
    from colorizer.checkpoints import load_model
    from colorizer.hint_curve import as_text, measure, plot

    weights = weights_of(arguments.weights, [arguments.model]).get(arguments.model)
    model = load_model(arguments.model, weights)
    curve = measure(
        model, arguments.data, counts=tuple(arguments.counts), size_px=arguments.size, limit=arguments.limit,
        seed=arguments.seed,
    )  # fmt: skip
    for path, write in ((arguments.json, lambda p: p.write_text(json.dumps(curve, indent=1) + "\n", encoding="utf-8")),
                        (arguments.plot, lambda p: plot(curve, p))):  # fmt: skip
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
    print(as_text(curve))
    return 0


def _gallery(arguments: argparse.Namespace) -> int:
    from colorizer.gallery import write_gallery

    given = weights_of(arguments.weights, arguments.model)
    n, bytes_written = write_gallery(
        arguments.photos, arguments.model, arguments.out, weights=given, longest_px=arguments.size,
        limit=arguments.limit, title=arguments.title,
    )  # fmt: skip
    told = f"{counted(n, 'photograph')}, {counted(len(arguments.model), 'colorizer')}"
    print(f"{arguments.out}: {told}, {bytes_written / 1e6:.1f} MB")
    return 0


def _table(arguments: argparse.Namespace) -> int:
    from colorizer.table import make_table

    path = make_table(
        arguments.data, arguments.val, arguments.out, minutes=arguments.minutes, recipes=arguments.recipes,
        limit=arguments.limit, results=arguments.results, workers=arguments.workers,
    )  # fmt: skip
    print(path)
    return 0


Command = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_commands(command: Command) -> None:
    """Add these commands to the parser that cli.py makes."""
    sub = command("stimuli", _stimuli, "render a stimulus set: real and fake pairs, or archive photographs")
    source = sub.add_mutually_exclusive_group(required=True)
    source.add_argument("--real", type=Path, metavar="DIR", help="folder or .zip of colour photographs or paintings")
    source.add_argument("--archive", type=Path, metavar="DIR", help="photographs that have no colour original")
    sub.add_argument(
        "--originals",
        type=Path,
        metavar="DIR",
        help="--archive: colour photographs to be judged beside them, as they are",
    )
    sub.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_models(sub)
    sub.set_defaults(model=None)
    sub.add_argument("--n", type=whole(1), help="draw so many photographs (default: all usable ones)")
    add_seed(sub)
    add_size(sub)
    sub.add_argument("--format", choices=("png", "webp"), default="png", help="both lossless")
    sub.add_argument("--name", default="", help="of the set (default: the folder's)")
    sub.add_argument("--n-random", type=whole(0), help="render the control `random` for so many photographs only")
    sub.add_argument("--allow-seen", action="store_true", help="let in photographs a model was trained on, marked")
    sub.add_argument(
        "--fake",
        action="append",
        default=[],
        metavar="NAME=DIR|COMMAND",
        help="a folder of another program's outputs, or a command with {input} and {output}",
    )
    sub.add_argument("--fake-timeout", type=at_least(0.1), default=300.0, metavar="S", help="per picture (default 300)")
    sub.add_argument("--fake-jobs", type=whole(0), default=0, metavar="N", help="commands at a time (default: cores)")
    sub.add_argument("--no-retouch", action="store_true", help="--archive: leave scratches and specks")
    add_backend(sub)
    add_shares(sub)

    sub = command("looks", _looks, "what temperature, saturation and working size do to one's own photographs")
    sub.add_argument("photos", nargs="+", metavar="PHOTO")
    add_model(sub)
    sub.add_argument("--out", type=Path, required=True, metavar="PAGE.html")

    sub = command("machine-judge", _machine_judge, "how often a classifier takes the fake for the original: a screen")
    sub.add_argument("--data", nargs="+", required=True, metavar="DATA", help="photographs no model was trained on")
    add_models(sub)
    add_size(sub)
    add_limit(sub)
    add_temperature(sub)
    add_working_px(sub)
    sub.add_argument("--folds", type=whole(2), default=10, help="of the cross-validation (default 10)")
    sub.add_argument("--repeats", type=whole(1), default=5, help="times the folds are dealt anew (default 5)")
    add_seed(sub)
    sub.add_argument("--json", type=Path, metavar="FILE")

    command("models", _models, "list the colorizers, their size, their weights and their recipes")

    sub = command("export", _export, "write a network as an ONNX file")
    add_model(sub)
    sub.add_argument("--out", type=Path, required=True, metavar="FILE.onnx")
    add_temperature(sub, "of the annealed mean, baked into the file")

    sub = command("hints", _hints, "PSNR against the number of hints, as JSON and as a plot")
    sub.add_argument("--data", nargs="+", required=True, metavar="DATA")
    add_model(sub)
    sub.set_defaults(model="siggraph17")
    sub.add_argument(
        "--counts", nargs="+", type=whole(0), default=list(HINT_COUNTS), metavar="N", help="numbers of hints"
    )
    add_size(sub)
    add_limit(sub)
    add_seed(sub)
    sub.add_argument("--json", type=Path, metavar="FILE")
    sub.add_argument("--plot", type=Path, metavar="FILE.png")

    sub = command("gallery", _gallery, "one page with before and after of every colorizer, with sliders")
    sub.add_argument("--photos", nargs="+", required=True, metavar="DATA", help="colour or archive photographs")
    add_models(sub)
    sub.add_argument("--out", type=Path, required=True, metavar="FILE.html")
    add_size(sub, 480, "longer side in pixels (default 480)")
    add_limit(sub)
    sub.add_argument("--title", default="Before and after")

    sub = command("table", _table, "train every small recipe and judge all, resumably")
    sub.add_argument("--data", nargs="+", required=True, metavar="DATA", help="photographs to train on")
    sub.add_argument("--val", nargs="+", required=True, metavar="DATA", help="photographs to judge on")
    sub.add_argument("--out", type=Path, required=True, metavar="DIR", help="runs and results; call again to go on")
    sub.add_argument("--minutes", type=at_least(0.01), default=15.0, help="per recipe at most, 15 is the whole of it")
    sub.add_argument("--recipes", nargs="+", default=list(TABLE_RECIPES), metavar="NAME")
    add_limit(sub, "judge on the first so many photographs")
    sub.add_argument("--results", type=Path, metavar="DIR", help="also write table.json and table.md here")
    add_readers(sub, 1)
