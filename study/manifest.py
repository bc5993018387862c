"""The stimulus set as the study knows it: `read_manifest()` is the only knowledge of images outside `stimuli.py`.

The format is `truehue-stimulus-set/1`, docs/formats.md.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from study.errors import Refusal

FORMAT = "truehue-stimulus-set/1"
REAL = "real"
NAME = re.compile(r"[a-z0-9-]+")
CONDITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@=-]*")
KINDS = ("real", "model", "control", "external")
RENDER = "run python -m colorizer stimuli"


class ManifestError(Refusal, ValueError):
    """A stimulus set that cannot be used; the message is one line: where, what, what to do."""


@dataclass(frozen=True, slots=True)
class Stimulus:
    """One picture file: a photograph in one condition."""

    stimulus_id: str
    image_id: str
    condition: str
    file: str
    pixels_sha256: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Photo:
    """One photograph of the set."""

    image_id: str
    group: str
    """Photographs of one motif; never split over two roles."""
    has_original: bool = True
    """Archive photographs have none."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """How the pictures of a condition were made."""

    kind: str
    model: str
    checkpoint_sha256: str
    description: str


@dataclass(frozen=True)
class Manifest:
    """A stimulus set."""

    name: str
    sha256: str
    """Over the bytes of the manifest file."""
    conditions: Mapping[str, Provenance]
    photos: tuple[Photo, ...]
    stimuli: tuple[Stimulus, ...]
    allow_seen: bool
    """The set holds photographs that a model was trained on."""

    @property
    def models(self) -> tuple[str, ...]:
        """The conditions under test, in the manifest's order."""
        return tuple(name for name, p in self.conditions.items() if p.kind in {"model", "external"})


def pixels_sha256(image: Image.Image) -> str:
    """Hash decoded 8-bit RGB pixels with their size, as docs/formats.md says."""
    digest = hashlib.sha256(f"{image.width}x{image.height}:RGB:".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def read_manifest(path: Path) -> Manifest:
    """Read `path` (the set's folder or its manifest.json) and verify every picture that it names."""
    file = path / "manifest.json" if path.is_dir() else path
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ManifestError(f"{file}: {error.strerror}; {RENDER}") from None
    manifest = parse_manifest(content, where=str(file))
    for stimulus in manifest.stimuli:
        _verify(file.parent, stimulus, where=str(file))
    return manifest


def parse_manifest(content: bytes, *, where: str = "manifest.json") -> Manifest:
    """Read a manifest's bytes without looking at the pictures."""
    try:
        data = json.loads(content)
    except ValueError as error:
        raise ManifestError(f"{where}: not valid JSON ({error}); {RENDER}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise ManifestError(f"{where}: format: expected {FORMAT}, got {found!r}; {RENDER} with this version")
    reader = _Reader(where)
    name = reader.text(data, "name", "the set", NAME)
    conditions = {
        key: _provenance(reader, key, value) for key, value in reader.table(data, "conditions", "the set").items()
    }
    if not conditions:
        raise ManifestError(f"{where}: conditions: expected at least one, got none; {RENDER}")
    photos = tuple(_photo(reader, item) for item in reader.rows(data, "images"))
    stimuli = tuple(_stimulus(reader, item) for item in reader.rows(data, "stimuli"))
    _check_whole(where, conditions, photos, stimuli)
    seen = data.get("seen_in_training", [])
    return Manifest(
        name=name,
        sha256=hashlib.sha256(content).hexdigest(),
        conditions=conditions,
        photos=photos,
        stimuli=stimuli,
        allow_seen=bool(seen),
    )


@dataclass(frozen=True)
class _Reader:
    """Takes fields out of JSON objects and says which one is wrong."""

    where: str

    def fail(self, who: str, key: str, expected: str, found: object) -> ManifestError:
        return ManifestError(f"{self.where}: {who}: {key}: expected {expected}, got {found!r}; {RENDER}")

    def text(self, data: Mapping[str, Any], key: str, who: str, pattern: re.Pattern[str] | None = None) -> str:
        value = data.get(key)
        if not isinstance(value, str):
            raise self.fail(who, key, "a string", value)
        if pattern is not None and not pattern.fullmatch(value):
            raise self.fail(who, key, pattern.pattern, value)
        return value

    def size(self, data: Mapping[str, Any], key: str, who: str) -> int:
        value = data.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 20_000:
            raise self.fail(who, key, "a number of pixels from 1 to 20000", value)
        return value

    def table(self, data: Mapping[str, Any], key: str, who: str) -> dict[str, Any]:
        value = data.get(key)
        if not isinstance(value, dict):
            raise self.fail(who, key, "an object", value)
        return value

    def rows(self, data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        value = data.get(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            found = f"{len(value)} entries" if isinstance(value, list) else value
            raise self.fail("the set", key, "a list of at least one object", found)
        return value


def _provenance(reader: _Reader, name: str, value: object) -> Provenance:
    who = f"condition {name}"
    if not CONDITION.fullmatch(name):
        raise reader.fail(who, "name", CONDITION.pattern, name)
    if not isinstance(value, dict):
        raise reader.fail("the set", f"conditions.{name}", "an object", value)
    kind = reader.text(value, "kind", who)
    if kind not in KINDS or (kind == "real") != (name == REAL):
        raise reader.fail(who, "kind", "real for the originals, else model, control or external", kind)
    return Provenance(
        kind=kind,
        model=reader.text(value, "model", who),
        checkpoint_sha256=reader.text(value, "checkpoint_sha256", who),
        description=reader.text(value, "description", who) if "description" in value else "",
    )


def _photo(reader: _Reader, item: dict[str, Any]) -> Photo:
    image_id = reader.text(item, "image_id", "an image", NAME)
    group = item.get("group") or image_id
    if not isinstance(group, str):
        raise reader.fail(f"image {image_id}", "group", "a string", group)
    has_original = item.get("has_original", True)
    if not isinstance(has_original, bool):
        raise reader.fail(f"image {image_id}", "has_original", "true or false", has_original)
    return Photo(image_id=image_id, group=group, has_original=has_original)


def _stimulus(reader: _Reader, item: dict[str, Any]) -> Stimulus:
    stimulus_id = reader.text(item, "stimulus_id", "a stimulus", NAME)
    who = f"stimulus {stimulus_id}"
    file = reader.text(item, "file", who)
    parts = PurePosixPath(file)
    if parts.is_absolute() or ".." in parts.parts or "\\" in file or "\0" in file or not parts.name:
        raise reader.fail(who, "file", "a path inside the set", file)
    return Stimulus(
        stimulus_id=stimulus_id,
        image_id=reader.text(item, "image_id", who, NAME),
        condition=reader.text(item, "condition", who),
        file=file,
        pixels_sha256=reader.text(item, "pixels_sha256", who, re.compile(r"[0-9a-f]{64}")),
        width_px=reader.size(item, "width_px", who),
        height_px=reader.size(item, "height_px", who),
    )


def _check_whole(
    where: str, conditions: Mapping[str, Provenance], photos: tuple[Photo, ...], stimuli: tuple[Stimulus, ...]
) -> None:
    """Check what only the whole can tell: unique names, known references, originals, equal sizes.

    A set without the condition `real` is of photographs that have no original (archive photographs): fit for designs
    that need none.  Beside originals, such photographs say so themselves.
    """
    image_ids = {photo.image_id for photo in photos}
    originals = {photo.image_id for photo in photos if photo.has_original} if REAL in conditions else set[str]()
    if len(image_ids) < len(photos):
        raise ManifestError(f"{where}: images: an image_id occurs twice; {RENDER}")
    by_cell: dict[tuple[str, str], Stimulus] = {}
    names: set[str] = set()
    for s in stimuli:
        if s.image_id not in image_ids:
            raise ManifestError(
                f"{where}: stimulus {s.stimulus_id}: image {s.image_id} is not among the images; {RENDER}"
            )
        if s.condition not in conditions:
            raise ManifestError(f"{where}: stimulus {s.stimulus_id}: condition {s.condition} is not declared; {RENDER}")
        if s.stimulus_id in names or (s.image_id, s.condition) in by_cell:
            raise ManifestError(
                f"{where}: stimulus {s.stimulus_id}: image {s.image_id} occurs twice in {s.condition}; {RENDER}"
            )
        names.add(s.stimulus_id)
        by_cell[s.image_id, s.condition] = s
    first: dict[str, Stimulus] = {}
    for s in stimuli:
        if s.image_id in originals and (s.image_id, REAL) not in by_cell:
            raise ManifestError(f"{where}: image {s.image_id}: the original is missing; {RENDER}")
        other = by_cell.get((s.image_id, REAL)) or first.setdefault(s.image_id, s)
        if (s.width_px, s.height_px) != (other.width_px, other.height_px):
            named = "the original" if other.condition == REAL else other.condition
            raise ManifestError(
                f"{where}: image {s.image_id}: {s.condition} is {s.width_px}×{s.height_px} px, "
                f"{named} {other.width_px}×{other.height_px}; {RENDER}"
            )


def open_pixels(folder: Path, stimulus: Stimulus, *, where: str) -> Image.Image:
    """Decode one picture to 8-bit RGB."""
    path = folder / stimulus.file
    who = f"{where}: image {stimulus.image_id}: {stimulus.file}"
    if not path.is_file():
        raise ManifestError(f"{who} is missing; {RENDER}")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ManifestError(f"{who} lies outside the set; {RENDER}")
    try:
        with Image.open(path) as image:
            if image.format not in {"PNG", "WEBP"} or image.mode != "RGB":
                raise ManifestError(
                    f"{who}: expected an 8-bit RGB PNG or WebP, got {image.format} {image.mode}; {RENDER}"
                )
            if image.size != (stimulus.width_px, stimulus.height_px):
                found = f"{image.width}×{image.height}"
                raise ManifestError(
                    f"{who}: expected {stimulus.width_px}×{stimulus.height_px} px, got {found}; {RENDER}"
                )
            image.load()
            return image.copy()
    except (OSError, Image.DecompressionBombError, SyntaxError) as error:
        raise ManifestError(f"{who} cannot be decoded ({error}); {RENDER}") from None


def _verify(folder: Path, stimulus: Stimulus, *, where: str) -> None:
    image = open_pixels(folder, stimulus, where=where)
    if pixels_sha256(image) != stimulus.pixels_sha256:
        raise ManifestError(
            f"{where}: image {stimulus.image_id}: the pixels of {stimulus.file} are not the ones that were rendered "
            f"(SHA-256 differs); {RENDER}"
        )
