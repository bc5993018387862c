"""What glibc is told to do with freed memory."""

import platform
import subprocess
import sys

import pytest

from colorizer import allocator

# Takes and frees 96 MB eight times; prints whether glibc was told, and how many pages were fresh after the first time.
PROGRAM = """
import resource, sys
from colorizer import allocator
told = allocator.prefer(sys.argv[1])
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def use():
    import ctypes
    block = ctypes.CDLL(None).malloc
    block.restype, block.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    free = ctypes.CDLL(None).free
    free.argtypes = [ctypes.c_void_p]
    places = [block(48 << 20) for _ in range(2)]
    for place in places:
        ctypes.memset(place, 1, 48 << 20)
    for place in places:
        free(place)
use()
before = faults()
for _ in range(7):
    use()
print(told, faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="tells glibc, which is not here")
def test_freed_memory_is_kept_or_given_back() -> None:
    """96 MB are 24,576 pages: kept, they are fresh once; given back, each time."""
    found = {}
    for what in ("time", "space"):
        command = [sys.executable, "-c", PROGRAM, what]
        told, n_fresh = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert told == "True"
        found[what] = int(n_fresh)
    assert found["time"] < 2_000
    assert found["space"] > 7 * 20_000


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another C library has no mallopt."""
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert allocator.prefer("space") is False
