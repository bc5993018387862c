"""Anything else that colours, as one more condition: a folder of its outputs, or a command run on each photograph.

Only the colours of an output are used: its ab under the lightness that every other picture of the photograph has.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from colorizer.photos import PhotoError, open_photo
from colorizer.sources import list_photos

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]*")
_ASPECT_SLACK = 0.02  # shapes that differ by less are the same one, rounded
TIMEOUT_S = 300.0

Pixels = npt.NDArray[np.uint8]


class ExternalError(ValueError):
    """A `--fake` that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class External:
    """A condition made by someone else's program: either `folder` or `command` is set."""

    name: str
    folder: Path | None = None
    command: str = ""


@dataclass(frozen=True)
class Wanted:
    """A photograph that needs colours: its name, its size as a file, and the grey square that a command gets."""

    source: str
    width_px: int
    height_px: int
    grey_HW3: Pixels


@dataclass
class Outputs:
    """What came: squares of the wanted size by photograph; why others did not; files that fit no photograph."""

    squares: dict[str, Pixels] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)


def parse_fake(text: str) -> External:
    """`NAME=DIR` or `NAME=command with {input} and {output}`.  Raises ExternalError."""
    name, equals, what = text.partition("=")
    if not equals or not _NAME.fullmatch(name) or not what.strip():
        raise ExternalError(f"--fake: expected NAME=DIR or NAME='command {{input}} {{output}}', got {text!r}")
    if "{input}" not in what and "{output}" not in what:
        folder = Path(what)
        if not folder.is_dir() and folder.suffix.lower() != ".zip":
            raise ExternalError(
                f"--fake {name}: {what}: no such folder; give a folder or .zip of outputs, or a command with "
                "{input} and {output}"
            )
        return External(name, folder=folder)
    words = _words(name, what)
    for mark in ("{input}", "{output}"):
        if not any(mark in word for word in words):
            raise ExternalError(f"--fake {name}: the command lacks {mark}: {what}")
    if shutil.which(words[0]) is None:
        raise ExternalError(f"--fake {name}: {words[0]}: no such program; give its path")
    return External(name, command=what)


def _words(name: str, command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise ExternalError(f"--fake {name}: cannot split the command into words ({error}): {command}") from None


def collect(external: External, wanted: Sequence[Wanted], *, timeout_s: float = TIMEOUT_S, jobs: int = 0) -> Outputs:
    """The outputs for these photographs; what is missing or failed is listed, never fatal.

    `jobs` commands run at a time (0: one per core), each for at most `timeout_s` seconds.
    """
    if external.folder is not None:
        return _from_folder(external.folder, wanted)
    return _from_command(external, wanted, timeout_s=timeout_s, jobs=jobs or os.cpu_count() or 1)


def square_like(image: Image.Image, wanted: Wanted) -> Pixels:
    """The output as the square that the set shows.

    It may be of any size, but either square or shaped like the photograph, whose centre square is then taken.
    Raises ExternalError for another shape: nobody can tell what was cut.
    """
    side = wanted.grey_HW3.shape[0]
    shape, photo = image.width / image.height, wanted.width_px / wanted.height_px
    if abs(shape - 1.0) <= _ASPECT_SLACK:
        box = (0, 0, image.width, image.height)
    elif abs(shape / photo - 1.0) <= _ASPECT_SLACK:
        short = min(image.size)
        left, top = (image.width - short) // 2, (image.height - short) // 2
        box = (left, top, left + short, top + short)
    else:
        raise ExternalError(
            f"is {image.width} x {image.height}, expected the photograph's shape "
            f"({wanted.width_px} x {wanted.height_px}) or a square"
        )
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS, box=box))


def _keys(name: str) -> tuple[str, str, str]:
    """What a file may be recognised by: its path, its path without the suffix, its bare name."""
    path = PurePosixPath(name)
    return name, path.with_suffix("").as_posix().casefold(), path.stem.casefold()


def _from_folder(folder: Path, wanted: Sequence[Wanted]) -> Outputs:
    files = list_photos(folder)
    levels = [{}, {}, {}]  # type: list[dict[str, int]]
    counts: list[Counter[str]] = [Counter(), Counter(), Counter()]
    for place, file in enumerate(files):
        for level, key in enumerate(_keys(file.name)):
            levels[level][key] = place
            counts[level][key] += 1
    wanted_stems = Counter(_keys(w.source)[2] for w in wanted)
    out, used = Outputs(), set()
    for photo in wanted:
        keys = _keys(photo.source)
        found = None
        for level, key in enumerate(keys):
            # A bare name decides only where it is the only one on both sides.
            if counts[level][key] == 1 and (level < 2 or wanted_stems[key] == 1):
                found = levels[level][key]
                break
        if found is None:
            several = counts[1][keys[1]] > 1 or counts[2][keys[2]] > 1
            out.failures[photo.source] = "several outputs have its name" if several else "no output has its name"
            continue
        used.add(found)
        file = files[found]
        try:
            out.squares[photo.source] = square_like(open_photo(file.read_bytes(), file.name), photo)
        except (PhotoError, ExternalError, OSError) as error:
            out.failures[photo.source] = f"{file.name} {error}".replace(f"{file.name} {file.name}:", f"{file.name}:")
    out.unused = [f.name for place, f in enumerate(files) if place not in used]
    return out


class _Programs:
    """Starts programs without a shell and ends what is left of them, children included."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def run(self, words: list[str], timeout_s: float) -> str:
        """Empty if it succeeded, else why not."""
        try:
            process = subprocess.Popen(  # noqa: S603 - the researcher's own command, split into words, no shell
                words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        with self._lock:
            self._running.add(process)
        try:
            _, told = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return f"took longer than {timeout_s:g} s (--fake-timeout)"
        finally:
            self._end(process)
            with self._lock:
                self._running.discard(process)
        if process.returncode:
            lines = told.decode(errors="replace").strip().splitlines()
            return f"exit status {process.returncode}: {lines[-1][:200] if lines else 'said nothing'}"
        return ""

    def end_all(self) -> None:
        with self._lock:
            running = list(self._running)
        for process in running:
            self._end(process)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # its own session, so its children go with it
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _from_command(external: External, wanted: Sequence[Wanted], *, timeout_s: float, jobs: int) -> Outputs:
    out = Outputs()
    words = _words(external.name, external.command)
    programs = _Programs()
    with tempfile.TemporaryDirectory(prefix="truehue-fake-") as folder:

        def one(number: int, photo: Wanted) -> Pixels | str:
            given, made = Path(folder) / f"{number:05d}-grey.png", Path(folder) / f"{number:05d}-colour.png"
            Image.fromarray(photo.grey_HW3).save(given)
            filled = [w.replace("{input}", str(given)).replace("{output}", str(made)) for w in words]
            if trouble := programs.run(filled, timeout_s):
                return trouble
            if not made.is_file():
                return "wrote no {output}"
            try:
                return square_like(open_photo(made, "its output"), photo)
            except (PhotoError, ExternalError) as error:
                return f"its output {error}".replace("its output its output:", "its output:")

        pool = ThreadPoolExecutor(max_workers=jobs)
        try:
            futures = {pool.submit(one, i, photo): photo for i, photo in enumerate(wanted)}
            bar = tqdm(as_completed(futures), total=len(futures), desc=f"running {external.name}", unit="photo")
            for future in bar:
                made, source = future.result(), futures[future].source
                if isinstance(made, str):
                    out.failures[source] = made
                else:
                    out.squares[source] = made
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            programs.end_all()
            pool.shutdown(wait=True)
    out.failures = dict(sorted(out.failures.items()))
    return out
