"""What bytes a browser gets, and why nothing but the pixels tells real from fake.

A picture that comes from a camera and one that comes from a network compress differently, and whoever encoded them may
leave marks. So every picture of a set is decoded on import, encoded again by one encoder with fixed settings and the
sRGB tag as its only metadata, and padded to the length of the longest. It lies under a random name and is answered with
the same headers as every other picture.
"""

import hashlib
import io
import secrets
import shutil
import struct
import tempfile
import zlib
from datetime import datetime
from pathlib import Path

from flask import Response
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sqlalchemy import select

from study.db import Database
from study.manifest import Manifest, open_pixels, read_manifest
from study.models import StimulusRow, StimulusSet

PAD_CHUNK = b"trPd"  # ancillary, private, safe to copy: decoders skip it
SRGB_PERCEPTUAL = b"\x00"
IEND_BYTES = 12
CHUNK_OVERHEAD_BYTES = 12


def encode(image: Image.Image) -> bytes:
    """Encode 8-bit RGB pixels as PNG, the same way for every picture."""
    info = PngInfo()
    info.add(b"sRGB", SRGB_PERCEPTUAL)
    buffer = io.BytesIO()
    Image.frombytes("RGB", image.size, image.tobytes()).save(buffer, "PNG", pnginfo=info, compress_level=9)
    return buffer.getvalue()


def pad(png: bytes, length: int, *, filler: bytes = b"") -> bytes:
    """Lengthen a PNG to `length` bytes by a private chunk before its end.

    The filler is noise: zeros would shrink again wherever something on the way compresses.
    """
    n = length - len(png) - CHUNK_OVERHEAD_BYTES
    if n < 0:
        raise ValueError(f"expected a length of at least {len(png) + CHUNK_OVERHEAD_BYTES} bytes, got {length}")
    data = hashlib.shake_256(filler or png).digest(n)
    checksum = zlib.crc32(PAD_CHUNK + data)
    chunk = struct.pack(">I", n) + PAD_CHUNK + data + struct.pack(">I", checksum)
    return png[:-IEND_BYTES] + chunk + png[-IEND_BYTES:]


def import_set(database: Database, root: Path, path: Path, *, now: datetime) -> tuple[int, Manifest]:
    """Take a stimulus set into the instance and return its row's id; a set that is there already is reused."""
    manifest = read_manifest(path)
    source = path if path.is_dir() else path.parent
    with database.reading_session() as session:
        row = session.scalars(select(StimulusSet).where(StimulusSet.manifest_sha256 == manifest.sha256)).one_or_none()
        if row is not None and (root / row.folder).is_dir():
            return row.id, manifest
    root.mkdir(parents=True, exist_ok=True)
    folder = f"{manifest.name[:40]}-{manifest.sha256[:12]}"
    served = {s.stimulus_id: f"{secrets.token_hex(16)}.png" for s in manifest.stimuli}
    if row is not None:  # the folder was lost: write it again under the names that the database has
        served = _served_names(database, row.id)
        folder = row.folder
    with tempfile.TemporaryDirectory(dir=root, prefix=".import-") as scratch:
        n_bytes = _write(Path(scratch) / "set", source, manifest, served)
        with database.session() as session:
            if row is None:
                row = StimulusSet(
                    manifest_sha256=manifest.sha256,
                    name=manifest.name,
                    manifest=(source / "manifest.json").read_bytes(),
                    folder=folder,
                    served_bytes=n_bytes,
                    imported_at_utc=now,
                    stimuli=[StimulusRow(stimulus_id=i, served_name=name) for i, name in sorted(served.items())],
                )
                session.add(row)
                session.flush()
            # Renamed inside the transaction: if either fails, neither is left behind.
            shutil.rmtree(root / folder, ignore_errors=True)
            (Path(scratch) / "set").rename(root / folder)
    return row.id, manifest


def _served_names(database: Database, set_id: int) -> dict[str, str]:
    with database.reading_session() as session:
        rows = session.scalars(select(StimulusRow).where(StimulusRow.stimulus_set_id == set_id))
        return {row.stimulus_id: row.served_name for row in rows}


def _write(folder: Path, source: Path, manifest: Manifest, served: dict[str, str]) -> int:
    """Write originals (for the export) and served pictures; return the served length."""
    (folder / "served").mkdir(parents=True)
    shutil.copyfile(source / "manifest.json", folder / "manifest.json")
    longest = 0
    for stimulus in manifest.stimuli:
        copy = folder / stimulus.file
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / stimulus.file, copy)
        png = encode(open_pixels(source, stimulus, where="manifest.json"))
        longest = max(longest, len(png))
        (folder / "served" / served[stimulus.stimulus_id]).write_bytes(png)
    length = longest + CHUNK_OVERHEAD_BYTES
    for name in served.values():
        file = folder / "served" / name
        file.write_bytes(pad(file.read_bytes(), length))
    return length


def picture(root: Path, folder: str, served_name: str, *, accel_prefix: str = "") -> Response:
    """Answer with a picture: the same headers for each, nothing to compare or to keep."""
    response = Response(mimetype="image/png")
    if accel_prefix:
        response.headers["X-Accel-Redirect"] = f"{accel_prefix}/{folder}/served/{served_name}"
    else:
        response.set_data((root / folder / "served" / served_name).read_bytes())
    response.headers["Cache-Control"] = "no-store"
    return response
