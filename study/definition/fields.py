"""Limits that stand beside a key's type; `reading` checks them."""

import dataclasses
from dataclasses import field
from typing import Any


def one_of(*values: str, default: Any = dataclasses.MISSING) -> Any:
    """Declare a key with a few values."""
    return field(default=default, metadata={"one_of": values})


def some_of(*values: str) -> Any:
    """Declare a list of names out of a few, each at most once; empty by default."""
    return field(default=(), metadata={"some_of": values})


def within(low: float, high: float, default: Any = dataclasses.MISSING) -> Any:
    """Declare a number with limits, both allowed."""
    return field(default=default, metadata={"within": (low, high)})
