"""Render a stimulus set: real and fake through one path, so that nothing but the colours differs.

The format is `truehue-stimulus-set/1` of docs/formats.md.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from colorizer.baselines import CONTROLS
from colorizer.checkpoints import current_commit, load_checkpoint
from colorizer.conditions import condition, external_condition, wanted_of
from colorizer.drawing import Drawn, Settings, StimuliError, draw_photos
from colorizer.externals import TIMEOUT_S, External, collect
from colorizer.pictures import REAL, forget_records, open_part, read_records, stimulus_id_of, write_pictures

__all__ = ["Settings", "StimuliError", "render_stimuli"]

FORMAT = "truehue-stimulus-set/1"
_REAL_TOLD = {
    "kind": "real",
    "model": "",
    "checkpoint_sha256": "",
    "settings": {},
    "description": "The photograph's own colours.",
}


def render_stimuli(
    folder: Path,
    models: list[str],
    out: Path,
    settings: Settings,
    *,
    weights: dict[str, str] | None = None,
    allow_seen: bool = False,
    name: str = "",
    n_random: int | None = None,
    has_original: bool = True,
    originals: Path | None = None,
    fakes: Sequence[External] = (),
    fake_timeout_s: float = TIMEOUT_S,
    fake_jobs: int = 0,
    backend: str = "torch",
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
) -> dict[str, Any]:
    """Write a stimulus set to `out` and return its manifest.  `out` appears whole or not at all.

    The same call goes on with one that was interrupted.  `shard` (i, n) renders every n-th photograph only, for
    several processes or hosts on one folder; whoever is last makes `out` of it, and until then the manifest that is
    returned lacks the others' stimuli.  `workers` threads encode; the files are the same for any number.

    `models` are registry names or controls; `real` is always there, unless the photographs in `folder` have no
    colour original (`has_original`): then the set is for designs that need none, or for single pictures beside the
    photographs in `originals`, which appear in their own colours only, as many as the others.  `n_random` renders
    the *random* control for that many photographs only (they serve as catch trials; the rest of the set stays
    small).  `fakes` are conditions that other programs colour; a photograph that one of them lacks is left out and
    listed.
    """
    name = _name_of(out, name)
    if shard[1] > 1 and any(f.command for f in fakes):
        raise StimuliError(
            "--shard: a --fake command colours in parallel by itself (--fake-jobs); render it in one call"
        )
    _check_conditions(models, [f.name for f in fakes], has_original=has_original)
    weights = weights or {}
    seen_phashes = _seen_in_training(models, weights)
    drawn, refused = draw_photos(
        folder, settings, seen_phashes=seen_phashes, allow_seen=allow_seen, has_original=has_original
    )
    collected = {}
    for fake in fakes if drawn else ():
        collected[fake.name] = collect(fake, [wanted_of(d) for d in drawn], timeout_s=fake_timeout_s, jobs=fake_jobs)
        failures = collected[fake.name].failures
        refused += [{"source": f, "reason": "fake_missing", "detail": f"{fake.name}: {t}"} for f, t in failures.items()]
        drawn = [d for d in drawn if d.file.name not in failures]
    others = list[Drawn]()
    if originals is not None and drawn:
        as_many = replace(settings, n_requested=len(drawn))
        others, refused_others = _draw_originals(originals, as_many, seen_phashes, allow_seen=allow_seen)
        refused += refused_others
    refused.sort(key=lambda r: r["source"])
    if not drawn:
        reasons = ", ".join(sorted({r["reason"] for r in refused}))
        first = f"; the first: {refused[0]['source']}: {refused[0]['detail']}" if refused else ""
        raise StimuliError(f"{folder}: no usable photograph among {len(refused)} ({reasons}){first}")
    conditions = {m: condition(m, weights.get(m), settings, drawn, backend=backend) for m in models}
    conditions |= {f.name: external_condition(f, collected[f.name], drawn) for f in fakes}
    wearers = _wearers(drawn, n_random, settings.seed)
    wanted = [(d, _appearances(d, conditions, wearers)) for d in drawn] + [(d, [REAL]) for d in others]
    manifest = {
        "format": FORMAT,
        "name": name,
        "settings": asdict(settings),
        "commit": current_commit(),
        "conditions": ({REAL: _REAL_TOLD} if has_original or others else {})
        | {c: told for c, (_, told) in conditions.items()},
        "images": [_image_entry(d) for d in (*drawn, *others)],
        "stimuli": [],
        "refused": refused,
        "seen_in_training": [d.image_id for d in (*drawn, *others) if d.is_seen],
    }
    part = out.with_name(out.name + ".part")
    fingerprint = hashlib.sha256(json.dumps([manifest, n_random], sort_keys=True).encode()).hexdigest()
    open_part(part, fingerprint, is_shared=shard[1] > 1)
    predict = {c: how for c, (how, _) in conditions.items()}
    try:
        write_pictures(wanted, predict, part, settings, workers=workers, shard=shard)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the same command goes on with {part}") from None
    written = read_records(part)
    missing = {stimulus_id_of(settings.seed, d.image_id, c) for d, names in wanted for c in names} - set(written)
    if missing and shard[1] == 1:
        raise StimuliError(f"{part}: {len(missing)} pictures are missing although all were rendered; call again")
    # Sorted by their random-looking ids: the order of the list tells nothing either.
    manifest["stimuli"] = [written[stimulus_id] for stimulus_id in sorted(written)]
    if not missing:
        _finish(part, out, manifest)
    return manifest


def _name_of(out: Path, name: str) -> str:
    """The set's name, by default from its folder, which must hold nothing yet."""
    if out.exists() and any(out.iterdir()):
        raise StimuliError(f"{out}: is not empty; choose another --out or remove it")
    name = name or re.sub(r"[^a-z0-9]+", "-", out.name.lower()).strip("-") or "stimuli"
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise StimuliError(f"--name: expected lower-case letters, digits and hyphens, got {name!r}")
    return name


def _seen_in_training(models: list[str], weights: dict[str, str]) -> npt.NDArray[np.uint64]:
    """Perceptual hashes of what any of the colorizers was trained on."""
    seen = [load_checkpoint(m, weights.get(m))[1].seen_phashes for m in models if m not in CONTROLS]
    return torch.cat(seen).numpy().astype(np.uint64) if seen else np.empty(0, dtype=np.uint64)


def _draw_originals(
    folder: Path, settings: Settings, seen_phashes: npt.NDArray[np.uint64], *, allow_seen: bool
) -> tuple[list[Drawn], list[dict[str, Any]]]:
    """Photographs that appear in their own colours only; one of a group."""
    drawn, refused = draw_photos(
        folder, settings, seen_phashes=seen_phashes, allow_seen=allow_seen, id_prefix="o", one_of_a_group=True
    )
    if not drawn:
        first = f": {refused[0]['source']}: {refused[0]['detail']}" if refused else ""
        raise StimuliError(f"{folder}: no usable colour photograph for --originals{first}")
    return drawn, refused


def _wearers(drawn: list[Drawn], n_random: int | None, seed: int) -> set[str]:
    """The photographs that wear another's colours: all, or `n_random` of them."""
    ids = {photo.image_id for photo in drawn}
    if n_random is None:
        return ids
    return set(np.random.default_rng((seed, 1)).permutation(sorted(ids))[:n_random].tolist())


def _appearances(photo: Drawn, conditions: Iterable[str], wearers: set[str]) -> list[str]:
    """The conditions in which a photograph appears: not every one wears another's colours (`random`)."""
    worn = [told for told in conditions if told != "random" or photo.image_id in wearers]
    return [REAL, *worn] if photo.has_original else worn


def _finish(part: Path, out: Path, manifest: dict[str, Any]) -> None:
    """Turn the folder into the set; of several hosts that come here at once, one does."""
    text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True)
    try:
        (part / f"manifest.{os.getpid()}.json").write_text(text + "\n", encoding="utf-8")
        (part / f"manifest.{os.getpid()}.json").replace(part / "manifest.json")
        part.rename(out)  # also onto an empty folder
    except OSError:
        if not (out / "manifest.json").is_file():
            raise
    forget_records(out)


def _check_conditions(models: list[str], fakes: list[str], *, has_original: bool) -> None:
    if "real" in models:
        raise StimuliError("--model real: the original is always in the set; name colorizers or controls")
    for control in ("random", "obvious"):
        if not has_original and control in models:
            raise StimuliError(
                f"--model {control}: photographs without an original have no colours to lend; leave it out"
            )
    names = [*models, *fakes, "real"]
    for told in (n for n in names if names.count(n) > 1):
        raise StimuliError(f"{told}: two conditions have this name; give one of them another")
    if len(names) == 1:
        raise StimuliError("expected at least one condition: --model or --fake")


def _image_entry(photo: Drawn) -> dict[str, Any]:
    entry = {
        "image_id": photo.image_id,
        "source": photo.file.name,
        "source_sha256": photo.source_sha256,
        "group": photo.group,
        "perceptual_hash": f"{photo.phash:016x}",
        "author": photo.credit.get("author", ""),
        "licence": photo.credit.get("licence", ""),
        "credit": photo.credit.get("source", ""),
        "mean_chroma": round(photo.chroma, 2),
    }
    return entry if photo.has_original else entry | {"has_original": False, "cleaning": photo.cleaning}
