"""Numbers on the command line: those outside a range are refused before any photograph is read; counts have nouns."""

import argparse
import math
from collections.abc import Callable


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """An argument type: a whole number from `least` to `most` (both included)."""
    expected = f"a whole number of at least {least}" if most is None else f"a whole number from {least} to {most}"

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return read


def at_least(least: float, most: float = math.inf) -> Callable[[str], float]:
    """An argument type: a finite number from `least` to `most` (both included)."""
    expected = f"a number of at least {least:g}" if math.isinf(most) else f"a number from {least:g} to {most:g}"

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and least <= value <= most):
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return read


def shard(text: str) -> tuple[int, int]:
    """An argument type: `i/n`, the share of one of the n hosts of a command."""
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise argparse.ArgumentTypeError(f"expected i/n with 0 <= i < n, got {text!r}")
    return int(index), int(count)


def counted(n: int, noun: str) -> str:
    """Write a count with its noun: 1 photograph, 28 photographs."""
    return f"{n} {noun}{'' if n == 1 else 's'}"
