"""A disk that is full: a small tmpfs, filled while people answer, then freed."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


class CannotMountError(OSError):
    """A tmpfs needs root and a sandbox that allows it."""


@contextlib.contextmanager
def small_disk(size_mb: int) -> Iterator[Path]:
    """Give a folder that holds `size_mb` megabytes."""
    with tempfile.TemporaryDirectory(prefix="truehue-disk-") as folder:
        options = ["-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", folder]
        done = subprocess.run(["mount", *options], capture_output=True, check=False)  # noqa: S603, S607 - no shell
        if done.returncode:
            raise CannotMountError(f"tmpfs cannot be mounted here: {done.stderr.decode().strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], capture_output=True, check=False)  # noqa: S603, S607 - no shell


def fill(folder: Path) -> Path:
    """Fill the disk to its last byte; removing the file frees it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for chunk in (1 << 16, 1 << 9, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * chunk):
                    pass
    return ballast
