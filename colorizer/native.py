"""C of ours, compiled on the machine that runs it: once, by whatever C compiler is there, into the cache.

Nothing needs it: where there is no compiler, the same is computed by torch, more slowly.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

from colorizer.weights_by_name import cache_folder

_COMPILERS = ("cc", "gcc", "clang")
_FLAGS = ("-O3", "-shared", "-fPIC")
_TIMEOUT_S = 300.0  # of a crowded machine; on a calm one it takes two


@cache
def compiled(source: Path) -> ctypes.CDLL | None:
    """The library made of this C file, or None where it cannot be made."""
    compiler = shlex.split(os.environ.get("CC", "")) or [c for c in _COMPILERS if shutil.which(c)][:1]
    if not compiler:
        return None
    processor = _processor()
    own = ["-march=native"] if processor else []
    told = [source.read_text(encoding="utf-8"), processor, *compiler, *_FLAGS, *own]
    path = cache_folder().parent / "native" / f"{hashlib.sha256(repr(told).encode()).hexdigest()[:16]}.so"
    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{os.getpid()}")
            command = [*compiler, *_FLAGS, *own, str(source), "-o", str(part)]
            try:
                _run([*command, "-fopenmp"])
            except subprocess.CalledProcessError:  # a compiler without it: one core
                _run(command)
            part.replace(path)
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError):
        return None


def _run(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, check=True, timeout=_TIMEOUT_S)  # noqa: S603 - their compiler


def _processor() -> str:
    """What this processor can do, where that is known: a cache may be shared by machines that differ."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()} {flags}" if flags else ""
