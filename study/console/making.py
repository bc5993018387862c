"""A new study from a preset: a form, what a session will be, what it will cost, and the draft."""

import json
import re
import tomllib
from dataclasses import dataclass
from typing import Any

from flask import Response, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from study.console.doors import blueprint, owners_only
from study.console.estimating import DEFAULT_AIM, DEFAULT_RATE, Cost, Question, compute, cost, question_of, whole
from study.console.record import name_of, note
from study.console.sets import list_sets
from study.definition import DEFAULT_PRESET, DefinitionError, StudyDefinition, load_preset, parse_definition, presets
from study.design import DesignError
from study.manifest import REAL, Manifest, ManifestError, read_manifest
from study.models import StimulusSet
from study.studies import StudyError, check_design, create_study, find_row, load_study, replace_draft
from study.web import now, truehue

FIELDS = {
    "test.n_trials": "scored trials",
    "practice.n_trials": "practice trials",
    "timing.exposure_ms": "exposure of each picture, ms",
    "catch.n_low_anchor": "low-anchor trials",
    "catch.n_instructed": "instructed trials",
}
MAX_TEXT = 60_000
LANGUAGES = {"en": "English", "de": "German"}
"""Of presets; the console speaks English."""
ANSWER_MS = 1500.0  # what `minutes` of a definition reckons with, too


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the trial's timeline."""

    name: str
    ms: float


def timeline(definition: StudyDefinition) -> list[Phase]:
    """Give the stretches of one trial, in order; the answer's is as long as people take."""
    t, trial = definition.timing, definition.trial
    phases = [Phase("blank", t.blank_before_ms)]
    phases += [Phase("countdown", t.countdown_from * t.countdown_ms)] * bool(t.countdown_from)
    phases += [Phase("reference", t.reference_ms)] * bool(trial.reference_condition and t.reference_ms)
    if trial.design == "sequential_pair":
        phases += [
            Phase("first picture", t.exposure_ms),
            Phase("blank", t.blank_between_ms),
            Phase("second picture", t.exposure_ms),
        ]
    else:
        start = definition.staircase.start_ms if definition.staircase.is_on else t.exposure_ms
        name = "picture" if trial.design == "single" else "both pictures"
        # An exposure of 0 lasts until the answer.
        phases.append(Phase(name, start or ANSWER_MS))
    phases += [Phase("masks", t.n_masks * t.mask_ms)] * bool(t.n_masks)
    return [phase for phase in (*phases, Phase("pause", t.buttons_after_ms), Phase("answer", ANSWER_MS)) if phase.ms]


def toml_of(form: dict[str, str]) -> str:
    """Write the definition that a form asks for: the preset, what was changed, and what was typed."""
    preset = form.get("preset", DEFAULT_PRESET)
    sections: dict[str, dict[str, Any]] = {
        "study": {key: form[f"study.{key}"] for key in ("title", "contact") if form.get(f"study.{key}", "").strip()}
    }
    base = load_preset(preset) if preset in presets() else None
    for name in FIELDS:
        section, key = name.split(".")
        text = form.get(name, "").strip()
        if not text:
            continue
        if not re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text):
            raise DefinitionError(f"{FIELDS[name]}: expected a number, got {text[:20]!r}")
        value = float(text) if "." in text else int(text)
        if base is None or value != getattr(getattr(base, section), key):
            sections.setdefault(section, {})[key] = value
    models = [m for m in re.split(r"[\s,]+", form.get("models", "")) if m]
    if models:
        sections["conditions"] = {"models": models}
    lines = [f"preset = {_toml(preset)}"]
    for section, values in sections.items():
        if values:
            lines += [f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    more = form.get("more", "").strip()
    return _merged("\n".join(lines) + "\n", more)


def _merged(text: str, more: str) -> str:
    """Add typed TOML; a section that the form wrote is joined with the typed one, which wins."""
    if not more:
        return text
    try:
        typed, ours = tomllib.loads(more), tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"more settings: not valid TOML: {error}") from None
    if not any(isinstance(ours.get(section), dict) for section in typed):
        return f"{text}{more}\n"
    lines = [f"{key} = {_toml(value)}" for key, value in {**ours, **typed}.items() if not isinstance(value, dict)]
    for section in {**ours, **typed}:
        values = {**_table(ours, section), **_table(typed, section)}
        if values:
            lines += [f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _table(data: dict[str, Any], section: str) -> dict[str, Any]:
    value = data.get(section)
    return value if isinstance(value, dict) else {}


def _toml(value: Any) -> str:
    """Write a value as TOML; JSON's forms are TOML's but for tables."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # the one character that TOML forbids


def _choices() -> dict[str, Any]:
    return {
        "presets": [(name, load_preset(name)) for name in presets()],
        "sets": list_sets(),
        "languages": LANGUAGES,
        "fields": FIELDS,
        "defaults": {
            name: {
                field: getattr(getattr(load_preset(name), field.split(".")[0]), field.split(".")[1]) for field in FIELDS
            }
            for name in presets()
        },
    }


@blueprint.get("/new")
@owners_only
def new() -> str:
    """Show the form; `from` takes an existing study's values."""
    values: dict[str, str] = {
        "preset": DEFAULT_PRESET,
        "n_participants": "40",
        "pay_per_hour": "12",
        "fee_percent": "33",
        "expected_rate": str(DEFAULT_RATE),
        "aim": str(DEFAULT_AIM),
    }
    source = request.args.get("from", "")
    if source:
        values |= _values_of(source)
    return render_template("console/new.html", values=values, problem="", plan=None, **_choices())


def _values_of(name: str) -> dict[str, str]:
    try:
        with truehue().desk.database.reading_session() as session:
            row = find_row(session, name)
            study = load_study(session, row.id)
    except StudyError:
        return {}
    definition = study.definition
    values = {
        "slug": row.slug,
        "preset": definition.protocol.name if definition.protocol.name in presets() else DEFAULT_PRESET,
        "study.title": definition.study.title,
        "study.contact": definition.study.contact,
        "models": " ".join(definition.conditions.models),
        "set": str(row.stimulus_set_id),
    }
    for field in FIELDS:
        section, key = field.split(".")
        values[field] = f"{getattr(getattr(definition, section), key):g}"
    return values


@blueprint.post("/new")
@owners_only
def make() -> Response | Redirect:
    """Show what the form amounts to, or make the draft."""
    form = {name: value[:MAX_TEXT] for name, value in request.form.items()}
    try:
        plan = plan_of(form)
        if form.get("do") == "create":
            return _create(form, plan)
    except (DefinitionError, DesignError, StudyError, ManifestError) as problem:
        return _form(form, problem=str(problem), status=422)
    return _form(form, plan=plan)


@dataclass(frozen=True, slots=True)
class Planned:
    """What a form amounts to."""

    definition: StudyDefinition
    stimuli: StimulusSet
    arms: tuple[str, ...]
    roles: dict[str, int]
    phases: list[Phase]
    cost: Cost
    question: Question | None
    """What can be asked of a simulation; None for outcomes that it does not know."""
    pictures: tuple[str, str]
    """Addresses of one pair, for the moving preview."""
    toml: str


def plan_of(form: dict[str, str]) -> Planned:
    """Read a form. Raises DefinitionError, DesignError, StudyError, ManifestError."""
    text = toml_of(form)
    definition = parse_definition(text, where="the form")
    if not definition.study.contact:
        raise DefinitionError("contact: missing; participants must be able to reach somebody")
    sets = {str(row.id): row for row in list_sets()}
    if form.get("set") not in sets:
        raise StudyError("stimulus set: choose one, or make one under Stimulus sets")
    row = sets[form["set"]]
    manifest = _manifest_of(row)
    pools = check_design(definition, manifest)
    model = pools.arms[0]
    image = next(s.image_id for s in manifest.stimuli if s.condition == model)
    pair = {s.condition: s.stimulus_id for s in manifest.stimuli if s.image_id == image}
    return Planned(
        definition=definition,
        stimuli=row,
        arms=pools.arms,
        roles={role: len(ids) for role, ids in pools.photos.items()},
        phases=timeline(definition),
        cost=cost(
            definition,
            n_participants=whole(form, "n_participants", 40),
            pay_per_hour=whole(form, "pay_per_hour", 12),
            fee_percent=whole(form, "fee_percent", 33),
        ),
        question=question_of(definition, pools, form),
        pictures=(
            url_for("console.set_picture", set_id=row.id, stimulus_id=pair[model]),
            url_for("console.set_picture", set_id=row.id, stimulus_id=pair.get(REAL, pair[model])),
        ),
        toml=text,
    )


def _manifest_of(row: StimulusSet) -> Manifest:
    return read_manifest(truehue().settings.stimuli / row.folder)


def _form(form: dict[str, str], *, plan: Planned | None = None, problem: str = "", status: int = 200) -> Response:
    body = render_template("console/new.html", values=form, problem=problem, plan=plan, **_choices())
    return make_response(body, status)


@blueprint.post("/new/estimate")
@owners_only
def estimate() -> str:
    """Answer with the part of the page that says what the form amounts to in time, money and certainty."""
    form = {name: value[:MAX_TEXT] for name, value in request.form.items()}
    is_asked = form.get("power") == "yes"
    try:
        plan = plan_of(form)
    except (DefinitionError, DesignError, StudyError, ManifestError) as problem:
        return render_template("console/estimate.html", plan=None, problem=str(problem))
    power = compute(plan.question) if is_asked and plan.question is not None else None
    return render_template("console/estimate.html", plan=plan, power=power, is_asked=is_asked, problem="")


def _create(form: dict[str, str], plan: Planned) -> Redirect:
    here = truehue()
    slug = form.get("slug", "").strip().lower()
    exists = replace_draft(here.desk.database, slug)
    made = create_study(
        here.desk.database,
        here.settings.stimuli,
        plan.definition,
        here.settings.stimuli / plan.stimuli.folder,
        slug=slug,
        now=now(),
        is_new_version=exists,
    )
    note("study drafted", slug, version=made.version, definition_sha256=made.definition_sha256)
    flash(f"{made.name} is a draft: try it, start a pilot, or launch it.")
    with here.desk.database.reading_session() as session:
        return redirect(url_for("console.study", name=name_of(find_row(session, made.name))), 303)
