"""The human study of Zhang et al. (2016), table 1, with simulated participants whose true rates are the published ones.

    python -m tools.replication [--per-arm 40] [--repeats 200] [--visible 3] [--photos samples/photos] [--out DIR]

Renders a stimulus set, creates and freezes the study, lets 40 participants per arm take part over HTTP at a real server
(a few of them in Chromium, in real time), exports, reports; then repeats the whole study data only and counts how often
the intervals cover the truth. What is done is kept in --out: after an interruption the same command goes on. A run of
full size writes docs/replication.md, docs/results/replication.json and .png; a smaller one writes into --out only.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from study.simulate import SimulationError
from tools.proof.server import ROOT, serving
from tools.replication import humans, page
from tools.replication.coverage import DATABASE, Repeats, repeat
from tools.replication.design import Places, ReplicationError, Scale
from tools.replication.photos import SAMPLES

RESULTS, PAGE = ROOT / "docs" / "results", ROOT / "docs" / "replication.md"


class Times:
    """Seconds of each stage, kept over interruptions."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.seconds: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of one stage."""
        print(f"— {name}", file=sys.stderr, flush=True)
        before = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - before
            self.file.write_text(json.dumps(self.seconds), encoding="utf-8")


def replicate(
    places: Places, scale: Scale, *, photos: Path, seed: int, n_at_once: int, n_jobs: int
) -> dict[str, object]:
    """Run what is missing; give the result."""
    scale.check()
    places.out.mkdir(parents=True, exist_ok=True)
    _claim(places, scale, photos, seed)
    times = Times(places.out / "seconds.json")
    with times.stage("render"):
        humans.render(places, photos, seed=seed)
    with times.stage("create"):
        humans.create(places, scale, seed=seed)
    with times.stage("take part over HTTP"):
        if humans.is_anybody_missing(places, scale):
            with serving(humans.environment(places)) as server:
                url = f"http://127.0.0.1:{server.port}"
                humans.take_part(places, scale, url, seed=seed, n_at_once=n_at_once)
    # In real time and mostly waiting: the repeats use that time.
    with times.stage("repeat, and wait for Chromium"), humans.visibly(places, scale, seed=seed):
        known = Repeats(places.out / DATABASE, humans.imported(places), scale, seed)
        with tqdm(total=scale.n_repeats, unit=" studies", disable=None) as bar:
            repeats = repeat(known, places.repeats, n_jobs=n_jobs, tell=bar.update)
    with times.stage("report"):
        report = humans.report(places)
    manifest = json.loads((places.stimuli / "manifest.json").read_text(encoding="utf-8"))
    return page.summarise(report, manifest, repeats, scale, seed=seed, seconds=times.seconds)


def _claim(places: Places, scale: Scale, photos: Path, seed: int) -> None:
    """Two different studies never mix in one folder."""
    mine = {"definition": scale.definition, "per_arm": scale.per_arm, "n_visible": scale.n_visible, "seed": seed,
            "photos": str(photos.resolve())}  # fmt: skip
    claim = places.out / "asked.json"
    if not claim.exists():
        if any(places.out.iterdir()):
            raise ReplicationError(f"--out: expected an empty folder or an earlier run, got {places.out}; name another")
        claim.write_text(json.dumps(mine, indent=1), encoding="utf-8")
        return
    there = json.loads(claim.read_text(encoding="utf-8"))
    differs = [name for name, value in mine.items() if there.get(name) != value]
    if differs:
        raise ReplicationError(
            f"{places.out} holds a run with another {' and '.join(differs)}; name another --out, or begin with --fresh"
        )


def main() -> int:
    """Read the command line, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "replication")
    parser.add_argument("--photos", type=Path, default=SAMPLES, help="folder of photographs (default: the samples)")
    parser.add_argument("--per-arm", type=int, default=40, help="participants")
    parser.add_argument("--repeats", type=int, default=200, help="whole studies, data only")
    parser.add_argument("--visible", type=int, default=3, help="participants in Chromium, five minutes each")
    parser.add_argument("--at-once", type=int, default=8, help="participants at a time over HTTP")
    parser.add_argument("--jobs", type=int, default=1, help="repeats at a time")
    parser.add_argument("--seed", type=int, default=2016)
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run left in --out")
    options = parser.parse_args()
    places = Places(options.out.resolve())
    scale = Scale(options.per_arm, options.visible, options.repeats)
    begun = time.perf_counter()
    try:
        if not 1 <= options.jobs <= 64:
            raise ReplicationError(f"--jobs: expected 1 to 64, got {options.jobs}")
        if not 1 <= options.at_once <= 256:
            raise ReplicationError(f"--at-once: expected 1 to 256, got {options.at_once}")
        if not 0 <= options.seed < 2**32:
            raise ReplicationError(f"--seed: expected 0 to 4294967295, got {options.seed}")
        scale.check()
        if options.fresh and (places.out / "asked.json").is_file():
            shutil.rmtree(places.out)
        result = replicate(
            places, scale, photos=options.photos, seed=options.seed, n_at_once=options.at_once, n_jobs=options.jobs
        )
    except (ReplicationError, SimulationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"interrupted; the same command goes on with what is in {places.out}", file=sys.stderr)
        return 130
    page.write(result, places.out)
    print(page.tables(result))
    if scale.is_whole:
        page.write(result, RESULTS)
        page.put_into(PAGE, page.tables(result))
        print(f"written: {PAGE.relative_to(ROOT)}, docs/results/replication.json", file=sys.stderr)
    else:
        print("smaller than the study: docs/ is left as it was", file=sys.stderr)
    print(f"{time.perf_counter() - begun:.0f} s; the report: {places.report / 'report.html'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
