"""How well photographs that are cut out of others are found, beside local features, and what the search costs.

    python -m tools.excerpts recall DATA… [--limit 200]     # parts of every size, ours, SIFT and ORB
    python -m tools.excerpts cost DATA… [--numbers 500 1000 2000]
    python -m tools.excerpts found DATA… [--sheet FILE.png]  # every pair, to be looked at

Parts are cut at random places, resized by .7 to 1.3, saved as JPEG of quality 40 to 94, every second one mirrored.
SIFT and ORB are OpenCV's; they see each part and its photograph as a pair (no index, not mirrored), a match passes the
ratio test at .8, and what counts are the inliers of a similarity found by RANSAC at 3 px.
"""

import argparse
import io
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from colorizer.data import AnyPhoto, scan_photos
from colorizer.excerpts import find_excerpts, sketch_of
from colorizer.motifs import find_motifs, near_duplicate_groups

SCALES = (0.97, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
INLIERS = (6, 10)
N_OTHERS = 3000
Draw = np.random.Generator


def part_of(image: Image.Image, scale: float, draw: Draw, *, may_mirror: bool = True) -> Image.Image:
    """A part of this side, as it may come from the net."""
    width, height = round(image.width * scale), round(image.height * scale)
    left, top = int(draw.integers(image.width - width + 1)), int(draw.integers(image.height - height + 1))
    resized = draw.uniform(0.7, 1.3)
    part = image.crop((left, top, left + width, top + height)).resize(
        (max(24, round(width * resized)), max(24, round(height * resized))), Image.Resampling.BICUBIC
    )
    if may_mirror and draw.integers(2):
        part = ImageOps.mirror(part)
    stream = io.BytesIO()
    part.save(stream, "JPEG", quality=int(draw.integers(40, 95)))
    return Image.open(stream).convert("RGB")


def ours(whole: Image.Image, part: Image.Image) -> bool:
    """Whether the part is found in the whole."""
    sketches = [sketch_of(np.asarray(image)) for image in (whole, part)]
    return any(e.part == 1 for e in find_excerpts(sketches, np.arange(2)))


def local_features(kind: str) -> Callable[[Image.Image], Any]:
    """Points and descriptors of a photograph."""
    import cv2

    cv2.setNumThreads(1)
    finder: Any = cv2.SIFT_create() if kind == "SIFT" else cv2.ORB_create(1000, edgeThreshold=15, patchSize=31)  # type: ignore[attr-defined]

    def features(image: Image.Image) -> Any:
        grey = image.convert("L")
        if kind == "ORB" and min(grey.size) < 200:  # its patches need room
            grey = ImageOps.scale(grey, 256 / min(grey.size), Image.Resampling.BICUBIC)
        points, told = finder.detectAndCompute(np.asarray(grey), None)
        return np.array([p.pt for p in points], dtype=np.float32), told

    return features


def inliers(kind: str, a: Any, b: Any) -> int:
    """How many matches of two photographs agree on one similarity."""
    import cv2

    if any(told is None or len(told) < 3 for _, told in (a, b)):
        return 0
    matcher = cv2.BFMatcher(cv2.NORM_L2 if kind == "SIFT" else cv2.NORM_HAMMING)
    good = [m for m, *n in matcher.knnMatch(a[1], b[1], k=2) if n and m.distance < 0.8 * n[0].distance]
    if len(good) < 3:
        return 0
    found, agree = cv2.estimateAffinePartial2D(
        a[0][[g.queryIdx for g in good]], b[0][[g.trainIdx for g in good]], ransacReprojThreshold=3
    )
    return 0 if found is None else int(np.sum(agree))


def recall(photos: Sequence[AnyPhoto]) -> None:
    """Print the share of parts that is found, by size."""
    images = [Image.fromarray(p.rgb_HW3) for p in photos]
    n_others = min(N_OTHERS, len(images) * (len(images) - 1) // 2)
    heads = [f"{scale:.0%}" for scale in SCALES]
    print(f"| of {len(images)} photographs, found at | {' | '.join(heads)} | other pairs joined |")
    print(f"|---|{'---|' * len(heads)}---|")
    draw = np.random.default_rng(0)
    shares = [np.mean([ours(i, part_of(i, s, draw)) for i in images]) for s in SCALES]
    joined = len(find_motifs(photos).excerpts)
    n_pairs = len(images) * (len(images) - 1)
    print(f"| ours | {' | '.join(f'{x:.1%}' for x in shares)} | {joined} of {n_pairs:,} |", flush=True)
    others = [(i, j) for i in range(len(images)) for j in range(i)][:n_others]
    for kind in ("SIFT", "ORB"):
        features, draw = local_features(kind), np.random.default_rng(0)
        known = [features(i) for i in images]
        counts = [
            [
                inliers(kind, features(part_of(i, s, draw, may_mirror=False)), k)
                for i, k in zip(images, known, strict=True)
            ]
            for s in SCALES
        ]
        false = [inliers(kind, known[i], known[j]) for i, j in others]
        for least in INLIERS:
            row = " | ".join(f"{np.mean([c >= least for c in at]):.1%}" for at in counts)
            wrong = sum(f >= least for f in false)
            print(f"| {kind}, {least} inliers | {row} | {wrong} of {len(others):,} |", flush=True)


def cost(photos: Sequence[AnyPhoto], numbers: Sequence[int]) -> None:
    """Print the processor time of a search against the number of photographs."""
    print("| photographs | sketches, s | search, s of processor time | ms per photograph |\n|---|---|---|---|")
    for n in (n for n in numbers if n <= len(photos)):
        begun = time.process_time()
        sketches = [sketch_of(p.rgb_HW3) for p in photos[:n]]
        sketched = time.process_time()
        find_excerpts(sketches, near_duplicate_groups([p.phash for p in photos[:n]]))
        spent = time.process_time() - sketched
        print(f"| {n:,} | {sketched - begun:.1f} | {spent:.0f} | {1000 * spent / n:.0f} |", flush=True)


def found(photos: Sequence[AnyPhoto], sheet: str) -> None:
    """Print every pair that is joined by more than its pHash, and show it."""
    begun = time.process_time()
    motifs = find_motifs(photos, search="yes")
    told = f"{len(photos)} photographs, {len(photos) * (len(photos) - 1):,} ordered pairs"
    print(f"{told}: {len(motifs.excerpts)} joined in {time.process_time() - begun:.0f} s of processor time")
    for e in motifs.excerpts:
        print(f"{photos[e.part].name}: out of {photos[e.whole].name}")
    if sheet and motifs.excerpts:
        side, across = 128, 8
        page = Image.new("RGB", (across * (2 * side + 12), -(-len(motifs.excerpts) // across) * (side + 8)), "white")
        for i, e in enumerate(motifs.excerpts):
            for k, at in enumerate((e.whole, e.part)):
                tile = ImageOps.contain(Image.fromarray(photos[at].rgb_HW3), (side, side))
                page.paste(tile, ((i % across) * (2 * side + 12) + k * (side + 2), (i // across) * (side + 8)))
        page.save(sheet)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("what", choices=("recall", "cost", "found"))
    parser.add_argument("data", nargs="+")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--numbers", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--sheet", default="")
    given = parser.parse_args()
    photos, _ = scan_photos(given.data, longest_px=256, shortest_px=16)
    # In an order of no kind: names often begin with what a photograph shows.
    order = np.random.default_rng(0).permutation(len(photos))[: given.limit]
    photos = [photos[i] for i in order]
    if given.what == "recall":
        recall(photos)
    elif given.what == "cost":
        cost(photos, given.numbers)
    else:
        found(photos, given.sheet)


if __name__ == "__main__":
    main()
