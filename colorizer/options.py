"""Command-line options that several commands share, each with one name, type and help."""

import argparse
from collections.abc import Sequence

from colorizer.arguments import at_least, shard, whole
from colorizer.defaults import DEFAULT_MODEL

Parser = argparse.ArgumentParser


def add_model(sub: Parser) -> None:
    """`--model` of one colorizer, and `--weights`."""
    sub.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help=f"default {DEFAULT_MODEL}")
    _add_weights(sub)


def add_models(sub: Parser) -> None:
    """`--model` of several, and `--weights`."""
    sub.add_argument("--model", nargs="+", default=[DEFAULT_MODEL], metavar="NAME", help="colorizers and controls")
    _add_weights(sub)


def _add_weights(sub: Parser) -> None:
    sub.add_argument("--weights", nargs="+", default=[], metavar="[NAME=]FILE", help="other than the shipped ones")


def add_temperature(sub: Parser, text: str = "of the annealed mean") -> None:
    """`--temperature` of the annealed mean."""
    sub.add_argument("--temperature", type=at_least(0), help=text)


def add_working_px(sub: Parser) -> None:
    """`--working-px`: the size at which the network looks."""
    sub.add_argument("--working-px", type=whole(32), help="short side that the network sees")


def add_backend(sub: Parser) -> None:
    """`--backend`: what computes the network."""
    sub.add_argument("--backend", choices=("torch", "onnxruntime", "opencv"), default="torch", help="what computes")


def add_shares(sub: Parser) -> None:
    """`--workers` and `--shard` of commands that read and write many pictures."""
    sub.add_argument("--workers", type=whole(1), default=2, help="threads that decode and encode (default 2)")
    sub.add_argument("--shard", type=shard, default=(0, 1), metavar="i/n", help="this host's share of the files")


def add_readers(sub: Parser, default: int = 0) -> None:
    """`--workers` of commands that only read photographs."""
    sub.add_argument("--workers", type=whole(0), default=default, help="processes that read photographs")


def add_size(sub: Parser, default: int = 256, text: str = "pixels, square (default 256)") -> None:
    """`--size` of the pictures."""
    sub.add_argument("--size", type=whole(32), default=default, help=text)


def add_limit(sub: Parser, text: str = "use the first so many photographs") -> None:
    """`--limit` to the first photographs."""
    sub.add_argument("--limit", type=whole(1), help=text)


def add_seed(sub: Parser) -> None:
    """`--seed` of what is drawn."""
    sub.add_argument("--seed", type=whole(0), default=0)


def add_device(sub: Parser) -> None:
    """`--device` of torch."""
    sub.add_argument("--device", default="auto", help="auto, cpu or cuda (default auto)")


def weights_of(pairs: Sequence[str], models: Sequence[str]) -> dict[str, str]:
    """Read `--weights`: `NAME=FILE` pairs, or one bare file for a single model. Raises ValueError."""
    named = (pair.partition("=") for pair in pairs)
    given = {name if equals else "": file if equals else name for name, equals, file in named}
    if "" in given:
        if len(models) != 1:
            raise ValueError("--weights: with several models say which: --weights NAME=FILE")
        given = {models[0]: given[""]}
    return given
