"""Stimulus sets: what there is, whether it is sound, and new ones from an upload."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, abort, flash, g, make_response, redirect, render_template, request, send_file, url_for
from sqlalchemy import select
from sqlalchemy.orm import undefer
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response as Redirect

from study.console.doors import blueprint, owners_only, signed_in
from study.console.record import note
from study.jobs import JobError, enqueue
from study.jobs.uploads import keep
from study.jobs.work import has_colorizer
from study.manifest import REAL
from study.models import StimulusSet
from study.web import now, truehue
from study.words import counted

PAGE = 24
NEAR_IDENTICAL_DE00 = 2.0  # about what a careful observer can just see side by side
NEAR_DUPLICATE_BITS = 6
SHIPPED_MODELS = ("truehue-lite", "random", "gray")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    is_good: bool
    text: str


def check_set(manifest: Mapping[str, Any]) -> list[Check]:
    """Look a manifest over: sizes, partners, near-identical pairs, motifs that come twice, photographs seen before."""
    stimuli, images = manifest["stimuli"], manifest["images"]
    sizes = Counter((s["width_px"], s["height_px"]) for s in stimuli)
    by_image: dict[str, set[str]] = {}
    for stimulus in stimuli:
        by_image.setdefault(stimulus["image_id"], set()).add(stimulus["condition"])
    models = [name for name, c in manifest["conditions"].items() if c["kind"] in {"model", "external"}]
    alone = [i for i, conditions in by_image.items() if any(m not in conditions for m in models)]
    near = [
        s
        for s in stimuli
        if s["condition"] != REAL and s.get("delta_e00_mean") is not None and s["delta_e00_mean"] < NEAR_IDENTICAL_DE00
    ]
    twins = _twins(images)
    seen = manifest.get("seen_in_training", [])
    listed = ", ".join(f"{w} × {h}" for w, h in sizes)
    looked = (
        (len(sizes) == 1, f"all pictures are {listed}", f"sizes differ: {listed}"),
        (not alone, "every photograph has every model's picture", f"{_n(alone)} lack a model's picture"),
        (
            not near,
            f"no pair is near-identical (mean ΔE00 below {NEAR_IDENTICAL_DE00:g})",
            f"{_n(near, 'pair')} can hardly be told apart: mean ΔE00 below {NEAR_IDENTICAL_DE00:g}",
        ),
        (
            not twins,
            "no photograph looks like one of another motif",
            f"{_n(twins, 'pair')} of photographs look alike: {', '.join(f'{a} and {b}' for a, b in twins[:3])}",
        ),
        (not seen, "no photograph was seen in training", f"{_n(seen)} were seen in training"),
    )
    return [Check(is_good, good if is_good else bad) for is_good, good, bad in looked]


def _n(things: list[Any], word: str = "photograph") -> str:
    return counted(len(things), word)


def _twins(images: list[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Find photographs of different groups whose perceptual hashes nearly agree; a thousand photographs take 0.3 s."""
    known = [(i["image_id"], i["group"], int(i["perceptual_hash"], 16)) for i in images if i.get("perceptual_hash")]
    found = []
    for n, (name, group, value) in enumerate(known):
        for other, other_group, other_value in known[n + 1 :]:
            if group != other_group and (value ^ other_value).bit_count() <= NEAR_DUPLICATE_BITS:
                found.append((name, other))
    return found


def _find(set_id: int) -> tuple[StimulusSet, dict[str, Any]]:
    with truehue().desk.database.reading_session() as session:
        row = session.get(StimulusSet, set_id, options=[undefer(StimulusSet.manifest)])
        if row is None:
            abort(404)
        return row, json.loads(row.manifest)


def list_sets() -> list[StimulusSet]:
    """List the instance's sets, newest first."""
    with truehue().desk.database.reading_session() as session:
        return list(session.scalars(select(StimulusSet).order_by(StimulusSet.id.desc())))


@blueprint.get("/sets")
@signed_in
def sets() -> str:
    """List the stimulus sets and take new ones."""
    return render_template(
        "console/sets.html", sets=list_sets(), has_colorizer=has_colorizer(), models=SHIPPED_MODELS, problem=""
    )


@blueprint.get("/sets/<int:set_id>/")
@signed_in
def stimulus_set(set_id: int) -> str:
    """Show a set: conditions, checks, and its pictures side by side."""
    row, manifest = _find(set_id)
    page = max(0, request.args.get("page", 0, type=int))
    order = {"real": 0, "model": 1, "external": 1}
    conditions = sorted(manifest["conditions"], key=lambda c: (order.get(manifest["conditions"][c]["kind"], 2), c))
    pictures: dict[str, dict[str, Any]] = {}
    for stimulus in manifest["stimuli"]:
        pictures.setdefault(stimulus["image_id"], {})[stimulus["condition"]] = stimulus
    names = [image["image_id"] for image in manifest["images"]]
    return render_template(
        "console/set.html",
        row=row,
        manifest=manifest,
        conditions=conditions,
        checks=check_set(manifest),
        photos=[(name, pictures.get(name, {})) for name in names[page * PAGE : (page + 1) * PAGE]],
        page=page,
        n_pages=-(-len(names) // PAGE),
    )


@blueprint.get("/sets/<int:set_id>/picture/<stimulus_id>")
@signed_in
def set_picture(set_id: int, stimulus_id: str) -> Response:
    """Answer with one picture of a set."""
    row, manifest = _find(set_id)
    file = next((s["file"] for s in manifest["stimuli"] if s["stimulus_id"] == stimulus_id), None)
    path = truehue().settings.stimuli / row.folder / (file or "")
    if file is None or not path.is_file():
        abort(404)
    return send_file(path, max_age=3600)


def _uploaded(field: str) -> list[FileStorage]:
    return [file for file in request.files.getlist(field) if file.filename]


@blueprint.post("/sets/upload")
@owners_only
def upload_set() -> Response | Redirect:
    """Take a rendered stimulus set (zip)."""
    files = _uploaded("archive")
    try:
        if len(files) != 1:
            raise JobError("choose one zip of a stimulus set")
        name = keep(truehue().settings, [(files[0].filename or "", files[0].stream)])
    except JobError as problem:
        return _problem(problem)
    return _begin("take-set", f"stimulus set {files[0].filename}", {"archive": name})


@blueprint.post("/sets/render")
@owners_only
def render_set() -> Response | Redirect:
    """Take photographs and have them coloured."""
    form = request.form
    try:
        if not has_colorizer():
            raise JobError("this server has no colorizer")
        files = _uploaded("photos")
        title = "".join(c if c.isascii() and c.isalnum() else "-" for c in form.get("name", "").lower()).strip("-")[:40]
        models = [m.strip() for m in form.get("models", "").replace(",", " ").split()]
        if not title or not models:
            raise JobError("give the set a name and at least one colorizer")
        if any(not all(c.isalnum() or c in "-_." for c in m) or m.startswith("-") for m in models):
            raise JobError("colorizers: expected names such as truehue-lite")
        numbers = {key: _number(form.get(key, ""), key) for key in ("n", "size", "seed")}
        name = keep(truehue().settings, [(f.filename or "", f.stream) for f in files])
    except JobError as problem:
        return _problem(problem)
    return _begin(
        "render", f"colour photographs for {title}", {"photos": name, "models": models, "name": title, **numbers}
    )


def _number(text: str, key: str) -> int | None:
    if not text.strip():
        return None
    if not text.strip().isdecimal() or len(text) > 9:
        raise JobError(f"{key}: expected a whole number, got {text[:20]!r}")
    return int(text)


def _begin(kind: str, title: str, arguments: dict[str, Any]) -> Redirect:
    here = truehue()
    enqueue(here.desk, here.settings, kind, title, arguments, by=g.researcher.email, now=now())
    note(f"job {kind}", "", title=title)
    flash("The job is in the queue.")
    return redirect(url_for("console.jobs"), 303)


def _problem(problem: JobError) -> Response:
    text = str(problem)
    body = render_template(
        "console/sets.html",
        sets=list_sets(),
        has_colorizer=has_colorizer(),
        models=SHIPPED_MODELS,
        problem=text[:1].upper() + text[1:],
    )
    return make_response(body, 422)
