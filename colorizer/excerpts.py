"""Which photographs are parts of others: cut out anywhere, resized, recompressed, perhaps mirrored.

Every photograph is compared with the windows of every other one, in three sieves.  Its palette: a photograph that
lacks its colours cannot contain it.  Its central square by the low frequencies of its lightness (8 x 8 of the cosine
transform, weighted against their natural fall) against those of some thousand windows of 37 to 100 % of the short
side: one matrix product.  What passes is registered (Lucas and Kanade 1981, with the template's gradients once, as in
Baker and Matthews 2004) and correlated, also in its fine detail, which different photographs of one kind do not share.

Time grows with the square of the number of photographs, memory with the number (18 kB each).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage
from tqdm import tqdm

Floats = npt.NDArray[np.float32]

LEAST_SCALE = 0.37  # of the excerpt's short side over the photograph's
_FORMAT = "truehue-excerpts/1"
_WINDOW_PX = 64  # short side at which windows are compared
_DETAIL_PX = 96  # short side that is kept for the last sieve
_LONGEST = 4  # times the short side; the middle of what is longer stands for it
_FREQUENCIES = 8
_STEP = 1.1  # between the windows' sides
_STRIDE = 0.1  # between the windows' places, of their side
_SHADES = 5  # of each of R, G and B in the palette
_LEAST_SHARE = 0.13  # of the photograph that an excerpt covers
_FOREIGN = 0.05  # share of an excerpt whose colours the photograph may lack: recompression moves some
_LEAST_LIKENESS = 0.76  # cosine between central square and window
_BLOCK = 512  # photographs per matrix product: what it gives stays in the cache
# True parts and different photographs: docs/decisions/0023-excerpts.md
_LEAST_COARSE, _LEAST_CORRELATION, _LEAST_DETAIL = 0.85, 0.93, 0.7
_MOST_STRETCH = 0.1  # log of the aspect ratio's change
_KEPT_EVERY = 64  # photographs between two lines of the record


@dataclass(frozen=True)
class Sketch:
    """What the search keeps of a photograph: lightness (H, W), 96 px on the short side, and its palette."""

    grey_HW: npt.NDArray[np.uint8]
    palette_C: Floats

    @property
    def image(self) -> Image.Image:
        """The lightness as an image."""
        return Image.fromarray(self.grey_HW)


@dataclass(frozen=True)
class Excerpt:
    """Photograph `part` is cut out of photograph `whole`; both are indices."""

    whole: int
    part: int


def sketch_of(rgb_HW3: npt.NDArray[np.uint8]) -> Sketch:
    """The sketch of a photograph, uint8 (H, W, 3)."""
    image = Image.fromarray(rgb_HW3)
    short = min(image.size)
    if max(image.size) > _LONGEST * short:
        width, height = (min(side, _LONGEST * short) for side in image.size)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    scale = _DETAIL_PX / short
    size = (max(_DETAIL_PX, round(image.width * scale)), max(_DETAIL_PX, round(image.height * scale)))
    grey = np.asarray(image.convert("L").resize(size, Image.Resampling.LANCZOS))
    return Sketch(grey, _palette(image))


def _palette(image: Image.Image) -> Floats:
    """Shares of 5 x 5 x 5 colours, each pixel spread over the eight around it."""
    pixels_N3 = np.asarray(image.resize((32, 32), Image.Resampling.BOX), dtype=np.float32).reshape(-1, 3)
    place_N3 = pixels_N3 / 255 * (_SHADES - 1)
    low_N3 = np.minimum(place_N3.astype(np.int64), _SHADES - 2)
    rest_N3 = place_N3 - low_N3
    counts = np.zeros(_SHADES**3)
    for corner in np.ndindex(2, 2, 2):
        share_N = np.where(corner, rest_N3, 1 - rest_N3).prod(axis=1)
        cell_N = (low_N3 + corner) @ (_SHADES**2, _SHADES, 1)
        counts += np.bincount(cell_N, share_N, minlength=_SHADES**3)
    return np.asarray(counts / counts.sum(), dtype=np.float32)


@cache
def _cosines(side: int) -> Floats:
    """The first rows of the orthonormal cosine transform of `side` samples, (8, side), comparable over sides."""
    k, n = np.arange(_FREQUENCIES)[:, None], np.arange(side) + 0.5
    rows = np.cos(np.pi * k * n / side) * np.sqrt(np.where(k, 2, 1) / side)
    return np.asarray(rows * np.sqrt(_WINDOW_PX / side), dtype=np.float32)


@lru_cache(maxsize=512)
def _along(length: int, side: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Where windows of this side begin along one dimension, and their cosines in place, (windows * 8, length)."""
    n = -(-(length - side) // max(1, round(_STRIDE * side))) + 1
    starts = np.unique(np.linspace(0, length - side, n).round().astype(np.int64))
    rows = np.zeros((len(starts), _FREQUENCIES, length), dtype=np.float32)
    for i, start in enumerate(starts):
        rows[i, :, start : start + side] = _cosines(side)
    return starts, rows.reshape(-1, length)


_SIDES = tuple(
    dict.fromkeys(
        round(_WINDOW_PX / _STEP**i)
        for i in range(_WINDOW_PX)
        if round(_WINDOW_PX / _STEP**i) >= LEAST_SCALE * _WINDOW_PX
    )
)
_WEIGHT = np.hypot(*np.indices((_FREQUENCIES, _FREQUENCIES))).astype(np.float32).reshape(-1)[1:]
# What a mirrored photograph's description is, times this: odd cosines change their sign.
_MIRROR = np.tile((-1.0) ** np.arange(_FREQUENCIES), _FREQUENCIES).astype(np.float32)[1:]


def _unit(cosines_N64: Floats) -> Floats:
    """Descriptions (N, 63) of length 1, without the mean; of nothing where there is no detail."""
    weighted = cosines_N64[:, 1:] * _WEIGHT
    length = np.linalg.norm(weighted, axis=1, keepdims=True)
    return np.asarray(np.where(length > 1.0, weighted / np.maximum(length, 1.0), 0.0), dtype=np.float32)


def _lightness(sketch: Sketch) -> Floats:
    height, width = sketch.grey_HW.shape
    scale = _WINDOW_PX / min(height, width)
    size = (max(_WINDOW_PX, round(width * scale)), max(_WINDOW_PX, round(height * scale)))
    return np.asarray(sketch.image.resize(size, Image.Resampling.LANCZOS), dtype=np.float32)


def _central(L_HW: Floats) -> Floats:
    """Description of the central square, (63,)."""
    top, left = ((side - _WINDOW_PX) // 2 for side in L_HW.shape)
    rows: Floats = _cosines(_WINDOW_PX)
    cosines = np.asarray(rows @ L_HW[top : top + _WINDOW_PX, left : left + _WINDOW_PX] @ rows.T, dtype=np.float32)
    return np.asarray(_unit(cosines.reshape(1, -1))[0])


def _windows(L_HW: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Descriptions (N, 63) of all windows, and where they are: top, left, side (N, 3)."""
    found, places = [], []
    for side in _SIDES:
        (tops, down), (lefts, across) = _along(L_HW.shape[0], side), _along(L_HW.shape[1], side)
        cosines = (down @ L_HW @ across.T).reshape(len(tops), _FREQUENCIES, len(lefts), _FREQUENCIES)
        found.append(cosines.transpose(0, 2, 1, 3).reshape(-1, _FREQUENCIES**2))
        top, left = (grid.ravel() for grid in np.meshgrid(tops, lefts, indexing="ij"))
        places.append(np.stack((top, left, np.full_like(top, side)), axis=1))
    return _unit(np.concatenate(found)), np.concatenate(places)


Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class _Template:
    """A photograph at one size, normalised, and the least-squares solution for its shift and stretch."""

    size: tuple[int, int]
    grey_HW: Floats
    solve_4N: Floats


def _normal(grey_HW: Floats) -> Floats:
    centred = grey_HW - grey_HW.mean()
    return np.asarray(centred / max(float(np.sqrt((centred**2).mean())), 1e-6), dtype=np.float32)


def _template(image: Image.Image, short_px: int) -> _Template:
    scale = short_px / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    grey = _normal(np.asarray(image.resize(size, Image.Resampling.BILINEAR), dtype=np.float32))
    dy, dx = np.gradient(grey)
    across = (np.arange(size[0]) + 0.5) / size[0] - 0.5
    down = ((np.arange(size[1]) + 0.5) / size[1] - 0.5)[:, None]
    slopes_4N = np.stack([d.ravel() for d in (dx, dx * across, dy, dy * down)]).astype(np.float32)
    # The ridge is nothing beside a photograph's slopes, and keeps one without any from being singular.
    square_44 = slopes_4N @ slopes_4N.T + np.float32(1e-4) * np.eye(4, dtype=np.float32)
    return _Template(size, grey, np.linalg.solve(square_44, slopes_4N))


def _seen(whole: Image.Image, box: Box, size: tuple[int, int]) -> Floats:
    return _normal(np.asarray(whole.resize(size, Image.Resampling.BILINEAR, box=box), dtype=np.float32))


def _inside(box: Box, size: tuple[int, int]) -> Box:
    left, right = sorted(min(max(x, 0.0), float(size[0])) for x in box[::2])
    top, bottom = sorted(min(max(y, 0.0), float(size[1])) for y in box[1::2])
    return left, top, right, bottom


def _register(whole: Image.Image, template: _Template, box: Box, n_steps: int) -> Box:
    """Shift and stretch the box until the whole in it looks like the template, by least squares."""
    for _ in range(n_steps):
        error = (_seen(whole, box, template.size) - template.grey_HW).ravel()
        shift_x, grow_x, shift_y, grow_y = template.solve_4N @ error
        width, height = box[2] - box[0], box[3] - box[1]
        x = (box[0] + box[2]) / 2 - float(shift_x) * width / template.size[0]
        y = (box[1] + box[3]) / 2 - float(shift_y) * height / template.size[1]
        width *= 1 - min(max(float(grow_x) / template.size[0], -0.1), 0.1)
        height *= 1 - min(max(float(grow_y) / template.size[1], -0.1), 0.1)
        moved = _inside((x - width / 2, y - height / 2, x + width / 2, y + height / 2), whole.size)
        if min(moved[2] - moved[0], moved[3] - moved[1]) < 8:
            break
        is_there = max(abs(a - b) for a, b in zip(moved, box, strict=True)) < 0.02
        box = moved
        if is_there:
            break
    return box


class _Search:
    """Everything that is compared with everything."""

    def __init__(self, sketches: Sequence[Sketch], group_N: npt.NDArray[np.int64]) -> None:
        self.sketches, self.group_N = sketches, group_N
        self.central_NF = np.stack([_central(_lightness(s)) for s in sketches])
        self.palette_NC = np.stack([s.palette_C for s in sketches])
        self._template_of = lru_cache(maxsize=8192)(self._make_template)

    def _make_template(self, part: int, is_mirrored: bool, short_px: int) -> _Template:
        image = self.sketches[part].image
        return _template(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if is_mirrored else image, short_px)

    def parts_of(self, whole: int) -> list[int]:
        """The photographs that are cut out of this one, those of its group apart."""
        lacking_N = np.maximum(_LEAST_SHARE * self.palette_NC - self.palette_NC[whole], 0).sum(axis=1)
        could_be = (lacking_N <= _FOREIGN * _LEAST_SHARE) & (self.group_N != self.group_N[whole])
        image = self.sketches[whole].image
        L_HW = _lightness(self.sketches[whole])
        windows_WF, places_W3 = _windows(L_HW)
        both = (windows_WF.T, (windows_WF * _MIRROR).T)
        scale = image.width / L_HW.shape[1]
        found = []
        candidates = np.flatnonzero(could_be)
        for block in (candidates[i : i + _BLOCK] for i in range(0, len(candidates), _BLOCK)):
            for is_mirrored, windows_FW in enumerate(both):
                likeness_BW = self.central_NF[block] @ windows_FW
                for b in np.flatnonzero(likeness_BW.max(axis=1) >= _LEAST_LIKENESS).tolist():
                    top, left, side = (float(v) * scale for v in places_W3[likeness_BW[b].argmax()])
                    if self._is_part(image, int(block[b]), bool(is_mirrored), (left + side / 2, top + side / 2), side):
                        found.append(int(block[b]))
        return sorted(set(found))

    def _is_part(
        self, whole: Image.Image, part: int, is_mirrored: bool, centre: tuple[float, float], side: float
    ) -> bool:
        coarse = self._template_of(part, is_mirrored, 16)
        per_px = side / min(coarse.size)
        half = (coarse.size[0] * per_px / 2, coarse.size[1] * per_px / 2)
        box = (centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1])
        beyond = max(-box[0], -box[1], box[2] - whole.width, box[3] - whole.height)
        if beyond > side / 5:
            return False
        box = _register(whole, coarse, _inside(box, whole.size), 6)
        if float((_seen(whole, box, coarse.size) * coarse.grey_HW).mean()) < _LEAST_COARSE:
            return False
        box = _register(whole, self._template_of(part, is_mirrored, 32), box, 4)
        fine = self._template_of(part, is_mirrored, 48)
        stretch = np.log((box[2] - box[0]) / (box[3] - box[1]) * fine.size[1] / fine.size[0])
        seen = _seen(whole, box, fine.size)
        correlation = float((seen * fine.grey_HW).mean())
        if abs(stretch) > _MOST_STRETCH or correlation < _LEAST_CORRELATION:
            return False
        a, b = (g - ndimage.gaussian_filter(g, 2.0) for g in (seen, fine.grey_HW))
        return float((a * b).sum() / max(1e-6, np.sqrt((a * a).sum() * (b * b).sum()))) >= _LEAST_DETAIL


def find_excerpts(
    sketches: Sequence[Sketch],
    group_N: npt.NDArray[np.int64],
    *,
    records: Path | None = None,
    share: tuple[int, int] = (0, 1),
) -> list[Excerpt]:
    """Every photograph that is part of another one of another group.

    `share` (i, n) looks into every n-th photograph only.  `records` is a folder with a file for each search, which
    grows with it: the same call goes on after an interruption, and knows at once what an earlier one found.
    """
    mine = list(range(share[0], len(sketches), share[1]))
    kept = _Record(records, sketches, group_N, share) if records is not None else None
    found = list(kept.found) if kept else []
    todo = mine[kept.n_done if kept else 0 :]
    if not todo:
        return found
    search = _Search(sketches, group_N)
    bar = tqdm(
        todo, total=len(mine), initial=len(mine) - len(todo), desc="looking for excerpts", unit="photo",
        disable=share[0] > 0 or len(mine) < _KEPT_EVERY,
    )  # fmt: skip
    new: list[Excerpt] = []
    for n, whole in enumerate(bar, start=1):
        new += [Excerpt(whole, part) for part in search.parts_of(whole)]
        if n % _KEPT_EVERY == 0 or n == len(todo):
            found += new
            if kept:
                kept.add((n - 1) % _KEPT_EVERY + 1, new)
            new = []
    return found


class _Record:
    """What a search found so far, one line for every 64 photographs; a line that a crash cut short does not count."""

    def __init__(
        self, folder: Path, sketches: Sequence[Sketch], group_N: npt.NDArray[np.int64], share: tuple[int, int]
    ) -> None:
        digest = hashlib.sha256(group_N.tobytes())
        for sketch in sketches:
            digest.update(sketch.grey_HW.tobytes())
        self._head = {"format": _FORMAT, "photographs": digest.hexdigest(), "share": list(share)}
        self._path = path = folder / f"{digest.hexdigest()[:16]}-{share[0]}of{share[1]}.jsonl"
        self.n_done, self.found = 0, list[Excerpt]()
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        whole = [line for line in lines if line.endswith("}")]
        if not whole or json.loads(whole[0]) != self._head:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(self._head) + "\n", encoding="utf-8")
            return
        for entry in map(json.loads, whole[1:]):
            self.n_done += entry["n"]
            self.found += [Excerpt(*pair) for pair in entry["found"]]
        path.write_text("\n".join(whole) + "\n", encoding="utf-8")

    def add(self, n: int, found: Sequence[Excerpt]) -> None:
        self.n_done += n
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"n": n, "found": [[e.whole, e.part] for e in found]}) + "\n")
