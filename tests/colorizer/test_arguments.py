"""Arguments out of range are refused by the parser, in one line, before any photograph is read."""

import argparse
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colorizer.arguments import at_least, shard, whole
from colorizer.cli import main


@given(st.integers(-1000, 1000), st.integers(-50, 50), st.integers(0, 100))
def test_a_whole_number_is_read_exactly_within_its_range(value: int, least: int, span: int) -> None:
    """What lies from least to most is the number itself; everything else is refused."""
    read = whole(least, least + span)
    if least <= value <= least + span:
        assert read(str(value)) == value
    else:
        with pytest.raises(argparse.ArgumentTypeError, match=f"from {least} to {least + span}, got"):
            read(str(value))


@pytest.mark.parametrize("text", ["nan", "inf", "-0.1", "4.1", "much", ""])
def test_a_number_outside_its_range_is_refused(text: str) -> None:
    """Neither NaN nor infinity nor text is a number from 0 to 4."""
    with pytest.raises(argparse.ArgumentTypeError, match="from 0 to 4, got"):
        at_least(0, 4)(text)
    assert at_least(0)("1e-3") == pytest.approx(1e-3)
    assert not math.isinf(at_least(0)("1e300"))


@given(st.integers(0, 20), st.integers(0, 20))
def test_a_share_is_one_of_its_hosts(index: int, count: int) -> None:
    """i/n with i below n, and nothing else."""
    if index < count:
        assert shard(f"{index}/{count}") == (index, count)
    else:
        with pytest.raises(argparse.ArgumentTypeError):
            shard(f"{index}/{count}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["stimuli", "--real", "x", "--model", "gray", "--out", "o", "--workers", "0"],
        ["stimuli", "--real", "x", "--model", "gray", "--out", "o", "--shard", "3/2"],
        ["machine-judge", "--data", "x", "--model", "gray", "--folds", "1"],
        ["colorize", "x", "--out", "o", "--temperature", "-1"],
        ["evaluate", "--data", "x", "--model", "gray", "--size", "0"],
    ],
    ids=lambda a: a[0] + a[-2],
)
def test_every_command_refuses_what_it_cannot_do(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2 and a line with what was expected and what came."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert ": expected " in capsys.readouterr().err.splitlines()[-1]
