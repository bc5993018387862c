"""What glibc is told to do with freed memory."""

import ctypes
import platform
import subprocess
import sys

import pytest

from colorizer import allocator

# A large block that was freed makes glibc take smaller ones from its heap, which keeps them.  Prints whether glibc was
# told otherwise, and how many blocks came from the system by themselves (mallinfo2's hblks).
PROGRAM = """
import ctypes
from colorizer import allocator
told = allocator.give_back()
C = ctypes.CDLL(None)
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd a b c d e".split()]
C.malloc.restype, C.malloc.argtypes, C.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
C.mallinfo2.restype = Info
C.free(C.malloc(16 << 20))
before = C.mallinfo2().hblks
C.malloc(2 << 20)
print(told, C.mallinfo2().hblks - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="asks glibc of 2.33 or newer")
def test_freed_memory_is_given_back() -> None:
    """Blocks of a megabyte and more come from the system and go back there; without the word they do not."""
    found = []
    for program in (PROGRAM, PROGRAM.replace("allocator.give_back()", "False")):
        command = [sys.executable, "-c", program]
        found.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert found == [["True", "1"], ["False", "0"]]


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another C library has no mallopt."""
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert allocator.give_back() is False
