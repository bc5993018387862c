"""Memory that a training step gave up goes back to the system at once, where memory is short.

glibc, the C library of Linux, keeps blocks of up to 32 MB for later.  They lie between others and fit the next ones
badly: a quarter of what a step holds.  Elsewhere than on glibc nothing is done.
"""

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_ALONE = 2**20  # bytes from which a block is taken from the system by itself, and given back as soon as it is free


def give_back() -> bool:
    """Let this process hold no more memory than it uses, at a few percent of its time; says whether that could be."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(option, _ALONE) for option in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD))
