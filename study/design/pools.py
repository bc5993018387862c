"""Which photograph serves which role, and which conditions are compared, for the whole study."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations

from study.definition import StudyDefinition
from study.design.errors import DesignError
from study.dice import Dice
from study.manifest import REAL, Manifest, Stimulus

_Stimuli = dict[tuple[str, str], Stimulus]
ROLES = ("low_anchor", "obvious", "instructed", "same", "practice", "test")


@dataclass(frozen=True, slots=True)
class Treatment:
    """What a trial compares: the condition under test, and what stands against it."""

    a: str
    b: str
    """The original, another condition (preference), or nothing (single picture)."""

    @property
    def name(self) -> str:
        """How arms and tables call it."""
        return f"{self.a} vs {self.b}" if self.b and self.b != REAL else self.a


@dataclass(frozen=True, slots=True)
class Pools:
    """Which photograph serves which role, for the whole study."""

    arms: tuple[str, ...]
    """What sessions are dealt: a condition (a pair of them, for preference), or a rotation of all of them."""
    treatments: Mapping[str, tuple[Treatment, ...]]
    """Arm → its comparisons; the photographs of the test are dealt to them in turn."""
    photos: Mapping[str, tuple[str, ...]]
    """Role → image_ids; no photograph, and no group of photographs, in two roles."""
    stimuli: Mapping[tuple[str, str], Stimulus]
    """(image_id, condition) → stimulus."""
    seed: int

    @property
    def compared(self) -> tuple[Treatment, ...]:
        """All comparisons of the study, in the order of its conditions."""
        return self.treatments[self.arms[0]] if self.is_within else tuple(t for (t,) in self.treatments.values())

    @property
    def is_within(self) -> bool:
        """Whether a session holds every comparison."""
        return len(self.treatments[self.arms[0]]) > 1


def partition_photos(definition: StudyDefinition, manifest: Manifest, *, seed: int) -> Pools:
    """Give each photograph of the set its role in the whole study."""
    stimuli = {(s.image_id, s.condition): s for s in manifest.stimuli}
    photos = [(p.image_id, p.group) for p in manifest.photos]
    if definition.is_single and REAL in manifest.conditions:
        stimuli, photos = _coupled(stimuli, manifest, seed=seed)
    compared = _treatments(definition, manifest)
    needed = {name for t in compared for name in (t.a, t.b) if name}
    if definition.is_single:
        needed.add(REAL)
    if reference := definition.trial.reference_condition:
        _require(manifest, "trial.reference_condition", reference, 'set it to ""')
        needed.add(reference)
    needs = _needs(definition)
    special = {"low_anchor": definition.catch.low_anchor_condition, "obvious": definition.catch.obvious_condition}
    fit: dict[str, Collection[str]] = {}
    for role in ROLES:
        wanted = needed
        if needs[role] and role in special:
            _require(manifest, f"catch.{role}_condition", special[role], f"set catch.n_{role} = 0")
        if role == "test" and definition.catch.low_anchor_probability:
            _require(manifest, "catch.low_anchor_condition", special["low_anchor"], "set low_anchor_probability = 0")
            wanted = needed | {special["low_anchor"]}
        if role in special:  # what a control colouring is compared with, and no model
            wanted = (needed - {t.a for t in compared}) | {special[role]}
            if definition.is_preference:
                wanted |= {t.b for t in compared}
        fit[role] = {image_id for image_id, _ in photos if all((image_id, name) in stimuli for name in wanted)}

    groups: dict[str, list[str]] = {}
    for image_id, group in photos:
        groups.setdefault(group, []).append(image_id)
    free = [groups[name] for name in sorted(groups)]
    Dice("photos", seed).shuffle(free)

    taken: dict[str, list[str]] = {role: [] for role in ROLES}
    for role in ROLES:
        wanted_n = (definition.test.pool_size or len(fit[role])) if role == "test" else needs[role]
        _take(taken[role], free, fit[role], wanted_n)
        if len(taken[role]) < needs[role]:
            motifs = {name for name, ids in groups.items() if any(image_id in fit[role] for image_id in ids)}
            raise _too_few(needs, role, len(fit[role]), len(motifs), condition=special.get(role, ""))
    if not definition.test.pool_size:
        _keep_spares(definition, taken, fit, groups)
    return Pools(
        arms=tuple(_arms(definition, compared)),
        treatments=_arms(definition, compared),
        photos={role: tuple(ids) for role, ids in taken.items()},
        stimuli=stimuli,
        seed=seed,
    )


def _coupled(stimuli: _Stimuli, manifest: Manifest, *, seed: int) -> tuple[_Stimuli, list[tuple[str, str]]]:
    """Couple each photograph without an original to one that has only its own colours, for single pictures.

    Such a couple serves as one photograph: as *real* the one is shown, as fake the other, and all balance holds as
    if they were the same. What finds no partner is left out.
    """
    archive = [p for p in manifest.photos if not p.has_original]
    if not archive:
        return stimuli, [(p.image_id, p.group) for p in manifest.photos]
    coloured = {image_id for image_id, name in stimuli if name != REAL}
    only_real = [p for p in manifest.photos if p.has_original and p.image_id not in coloured]
    Dice("couples", seed).shuffle(archive)
    Dice("partners", seed).shuffle(only_real)
    together, photos = dict(stimuli), [(p.image_id, p.group) for p in manifest.photos if p.image_id in coloured]
    photos = [(image_id, group) for image_id, group in photos if (image_id, REAL) in stimuli]
    used: set[str] = set()
    for fake in archive:
        # One photograph of a motif: a second one in another couple could land in another role.
        partner = next((p for p in only_real if p.group not in used), None)
        if partner is None or fake.group in used:
            continue
        used |= {partner.group, fake.group}
        name = f"{fake.image_id}+{partner.image_id}"
        together |= {(name, c): s for (image_id, c), s in stimuli.items() if image_id == fake.image_id}
        together[name, REAL] = stimuli[partner.image_id, REAL]
        photos.append((name, name))
    return together, photos


def _needs(definition: StudyDefinition) -> dict[str, int]:
    return {
        "practice": definition.practice.n_trials,
        "test": definition.test.n_trials,
        "low_anchor": definition.catch.n_low_anchor,
        "instructed": definition.catch.n_instructed,
        "obvious": definition.catch.n_obvious,
        "same": definition.catch.n_same,
    }


def _require(manifest: Manifest, key: str, condition: str, remedy: str) -> None:
    if condition not in manifest.conditions:
        raise DesignError(
            f"{key}: the stimulus set has no condition {condition!r} "
            f"(it has {', '.join(manifest.conditions)}); render it, or {remedy}"
        )


def _treatments(definition: StudyDefinition, manifest: Manifest) -> tuple[Treatment, ...]:
    models = tuple(definition.conditions.models) or manifest.models
    if not models:
        raise DesignError(
            "the stimulus set has no condition to test; render one with python -m colorizer stimuli --model NAME"
        )
    for model in models:
        if model not in manifest.conditions or model == REAL:
            there = ", ".join(name for name in manifest.conditions if name != REAL)
            raise DesignError(f"conditions.models: the stimulus set has no condition {model!r}; it has {there}")
    if definition.is_preference:
        if len(models) < 2:
            controls = ", ".join(name for name in manifest.conditions if name not in (REAL, *models))
            named = f", or name a control too ({controls})" if controls else ""
            raise DesignError(
                f"conditions.models: a preference compares two conditions or more, there is {models[0]}; "
                f"render another{named}"
            )
        return tuple(Treatment(a, b) for a, b in combinations(models, 2))
    if REAL not in manifest.conditions:
        raise DesignError(
            "the stimulus set has no originals, so nothing can be taken for real; use the preset preference, "
            "or add colour photographs for single pictures: python -m colorizer stimuli --archive DIR --originals DIR"
        )
    return tuple(Treatment(model, "" if definition.is_single else REAL) for model in models)


def _arms(definition: StudyDefinition, compared: tuple[Treatment, ...]) -> dict[str, tuple[Treatment, ...]]:
    """Name what sessions are dealt; within sessions, one row of the Latin square each."""
    if definition.conditions.assignment == "between" or len(compared) == 1:
        return {t.name: (t,) for t in compared}
    return {f"rotation {i + 1}": compared[i:] + compared[:i] for i in range(len(compared))}


def _take(taken: list[str], free: list[list[str]], fit: Collection[str], wanted: int) -> None:
    """Move whole groups from `free` to `taken` until `wanted` photographs are there; first those that fit."""
    for may_overshoot in (False, True):
        for group in list(free):
            usable = [image_id for image_id in group if image_id in fit]
            missing = wanted - len(taken)
            if usable and missing > 0 and (may_overshoot or len(usable) <= missing):
                taken.extend(usable)
                free.remove(group)


def _keep_spares(
    definition: StudyDefinition,
    taken: dict[str, list[str]],
    fit: Mapping[str, Collection[str]],
    groups: Mapping[str, list[str]],
) -> None:
    """Give control roles their spare photographs out of what the test does not need, one role after the other."""
    group_of = {image_id: ids for ids in groups.values() for image_id in ids}
    wishes = {
        "practice": definition.practice.n_spare if definition.practice.n_trials else 0,
        "low_anchor": definition.catch.n_spare if definition.catch.n_low_anchor else 0,
        "obvious": definition.catch.n_spare if definition.catch.n_obvious else 0,
        "instructed": definition.catch.n_spare if definition.catch.n_instructed else 0,
        "same": definition.catch.n_spare if definition.catch.n_same else 0,
    }
    surplus = len(taken["test"]) - definition.test.n_trials
    for n_given in range(max(wishes.values())):
        for role, wish in wishes.items():
            alone = [i for i in taken["test"] if i in fit[role] and len(group_of[i]) == 1]
            # Half of what is left over stays with the test: its trials are the many.
            if n_given < wish and alone and surplus >= 2:
                taken["test"].remove(alone[-1])
                taken[role].append(alone[-1])
                surplus -= 2


def _too_few(needs: Mapping[str, int], role: str, n_fit: int, n_motifs: int, *, condition: str) -> DesignError:
    """Say what is missing; photographs of one motif serve one role together, so their number alone would mislead."""
    name = role.replace("_", "-")
    there = f"the stimulus set has {n_fit}"
    if n_motifs < n_fit:
        there += f" of {n_motifs} different motifs (photos of one motif serve one role together)"
    if condition:
        return DesignError(
            f"too few photos: {needs[role]} {name} trials need as many photos with the condition {condition!r}, "
            f"{there}; render more of it, or lower catch.n_{role}"
        )
    parts = " + ".join(f"{n} {name.replace('_', '-')}" for name, n in sorted(needs.items(), key=lambda x: -x[1]) if n)
    return DesignError(
        f"too few photos: {parts} trials need {sum(needs.values())} photos (each serves one role only), "
        f"{there}; add photos{' of other motifs' if n_motifs < n_fit else ''}, "
        "or lower test.n_trials or practice.n_trials"
    )
