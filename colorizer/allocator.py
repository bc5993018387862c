"""How the C library of Linux (glibc) keeps memory that a training step gave up: for the next one, or not at all.

By its own rule glibc gives large tensors back to the system at once and takes fresh pages for the next ones, which the
system must clear: a tenth of a training step on a CPU.  Elsewhere than on glibc nothing is done.
"""

import ctypes
import platform
from typing import Literal

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_MB = 2**20
# Smallest block that is taken from the system by itself and given back as soon as it is free; free memory that is kept.
_KEPT_MB = {"time": (64, 256), "space": (1, 1)}


def prefer(what: Literal["time", "space"]) -> bool:
    """Let this process save time, at more memory than it needs, or the reverse; says whether that could be done."""
    if platform.libc_ver()[0] != "glibc":
        return False
    alone, kept = _KEPT_MB[what]
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, alone * _MB)) and bool(mallopt(_M_TRIM_THRESHOLD, kept * _MB))
