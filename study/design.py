"""From a definition and photographs to trials: pure functions of their arguments.

`partition_photos` gives each photograph its role for the whole study, `assign_arm` deals conditions to sessions,
`plan_trials` makes one session's trials, and `Plan.presented` says which trial comes when some had to be void.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from study.definition import StudyDefinition
from study.dice import Dice
from study.manifest import REAL, Manifest, Stimulus

C = TypeVar("C", bound=tuple[str, ...])
SIDES = ("left", "right")
ORDERS = ("first", "second")
CELLS = tuple((side, order) for side in SIDES for order in ORDERS)
ROLES = ("practice", "test", "low_anchor", "instructed")


class DesignError(ValueError):
    """A design that these pictures cannot serve; the message is one line."""


@dataclass(frozen=True, slots=True)
class Pools:
    """Which photograph serves which role, for the whole study."""

    arms: tuple[str, ...]
    """The conditions under test."""
    photos: Mapping[str, tuple[str, ...]]
    """Role → image_ids; no photograph, and no group of photographs, in two roles."""
    stimuli: Mapping[tuple[str, str], Stimulus]
    """(image_id, condition) → stimulus."""


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One trial as planned: `a` is the condition under test, `b` the original."""

    plan_index: int
    attempt: int
    """0 as planned; a replacement of a void trial counts up."""
    role: str
    a: Stimulus
    b: Stimulus
    side_of_a: str
    order_of_a: str
    instructed_response: str = ""

    @property
    def kind(self) -> str:
        """`practice`, `test` or `catch`."""
        return self.role if self.role in {"practice", "test"} else "catch"

    @property
    def control(self) -> str:
        """Which sort of catch trial, or empty."""
        return self.role if self.kind == "catch" else ""

    @property
    def block(self) -> str:
        """Practice comes before everything else."""
        return "practice" if self.role == "practice" else "main"

    @property
    def in_order(self) -> tuple[tuple[Stimulus, str], tuple[Stimulus, str]]:
        """The two pictures in order of presentation, each with its side."""
        a = (self.a, self.side_of_a)
        b = (self.b, other(self.side_of_a, SIDES))
        return (a, b) if self.order_of_a == "first" else (b, a)


@dataclass(frozen=True, slots=True)
class Plan:
    """One session's trials and the photographs left for replacements."""

    trials: tuple[PlannedTrial, ...]
    spares: Mapping[str, tuple[str, ...]]
    """Role → image_ids."""
    pools: Pools
    seed: int

    def presented(self, void: Collection[int] = ()) -> tuple[PlannedTrial, ...]:
        """List trials by trial_index, given which of them were void.

        A void trial is replaced at the end of its block, by a spare photograph in the same condition and role. The
        list before the last void trial never changes when another trial becomes void. When no photograph is left, the
        trial stays without a replacement.
        """
        if not void:
            return self.trials
        shown: list[PlannedTrial] = []
        n_used = dict.fromkeys(ROLES, 0)
        for block in ("practice", "main"):
            queue = [trial for trial in self.trials if trial.block == block]
            for trial in queue:  # grows while it is walked
                if len(shown) in void and n_used[trial.role] < len(self.spares[trial.role]):
                    queue.append(self._replacement(trial, self.spares[trial.role][n_used[trial.role]]))
                    n_used[trial.role] += 1
                shown.append(trial)
        return tuple(shown)

    def _replacement(self, trial: PlannedTrial, image_id: str) -> PlannedTrial:
        side, order = trial.side_of_a, trial.order_of_a
        if trial.role == "practice":  # with feedback: a coin of its own
            side, order = _coins(Dice("replacement", self.seed, trial.plan_index, trial.attempt + 1))
        return dataclasses.replace(
            trial,
            attempt=trial.attempt + 1,
            a=self.pools.stimuli[image_id, trial.a.condition],
            b=self.pools.stimuli[image_id, REAL],
            side_of_a=side,
            order_of_a=order,
        )


def other(value: str, of: Sequence[str]) -> str:
    """Give the other one of two."""
    return of[1] if value == of[0] else of[0]


def partition_photos(definition: StudyDefinition, manifest: Manifest, *, seed: int) -> Pools:
    """Give each photograph of the set its role in the whole study."""
    stimuli = {(s.image_id, s.condition): s for s in manifest.stimuli}
    arms = _arms(definition, manifest)
    low_anchor = definition.catch.low_anchor_condition
    if definition.catch.n_low_anchor and low_anchor not in manifest.conditions:
        raise DesignError(
            f"catch.low_anchor_condition: the stimulus set has no condition {low_anchor!r} "
            f"(it has {', '.join(manifest.conditions)}); render it, or set catch.n_low_anchor = 0"
        )
    complete = {p.image_id for p in manifest.photos if all((p.image_id, arm) in stimuli for arm in arms)}
    anchored = {p.image_id for p in manifest.photos if (p.image_id, low_anchor) in stimuli}

    groups: dict[str, list[str]] = {}
    for photo in manifest.photos:
        groups.setdefault(photo.group, []).append(photo.image_id)
    free = [groups[name] for name in sorted(groups)]
    Dice("photos", seed).shuffle(free)

    needs = {
        "low_anchor": definition.catch.n_low_anchor,
        "instructed": definition.catch.n_instructed,
        "practice": definition.practice.n_trials,
        "test": definition.test.n_trials,
    }
    taken: dict[str, list[str]] = {role: [] for role in needs}
    for role in ("low_anchor", "instructed", "practice", "test"):
        fit = anchored if role == "low_anchor" else complete
        wanted = len(complete) if role == "test" else needs[role]
        _take(taken[role], free, fit, wanted)
        if len(taken[role]) < needs[role]:
            raise _too_few(needs, taken, role, n_complete=len(complete), n_anchored=len(anchored), condition=low_anchor)
    _keep_spares(definition, taken, anchored, complete, groups)
    return Pools(arms=arms, photos={role: tuple(ids) for role, ids in taken.items()}, stimuli=stimuli)


def _arms(definition: StudyDefinition, manifest: Manifest) -> tuple[str, ...]:
    arms = definition.conditions.models or manifest.models
    if not arms:
        raise DesignError(
            "the stimulus set has no condition to test; render one with python -m colorizer stimuli --model NAME"
        )
    for arm in arms:
        if arm not in manifest.conditions or arm == REAL:
            there = ", ".join(name for name in manifest.conditions if name != REAL)
            raise DesignError(f"conditions.models: the stimulus set has no condition {arm!r}; it has {there}")
    return tuple(arms)


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
    anchored: Collection[str],
    complete: Collection[str],
    groups: Mapping[str, list[str]],
) -> None:
    """Give control roles their spare photographs out of what the test does not need, one role after the other."""
    group_of = {image_id: ids for ids in groups.values() for image_id in ids}
    wishes = {
        "practice": definition.practice.n_spare if definition.practice.n_trials else 0,
        "low_anchor": definition.catch.n_spare if definition.catch.n_low_anchor else 0,
        "instructed": definition.catch.n_spare if definition.catch.n_instructed else 0,
    }
    surplus = len(taken["test"]) - definition.test.n_trials
    for n_given in range(max(wishes.values())):
        for role, wish in wishes.items():
            fit = anchored if role == "low_anchor" else complete
            alone = [i for i in taken["test"] if i in fit and len(group_of[i]) == 1]
            # Half of what is left over stays with the test: its trials are the many.
            if n_given < wish and alone and surplus >= 2:
                taken["test"].remove(alone[-1])
                taken[role].append(alone[-1])
                surplus -= 2


def _too_few(
    needs: Mapping[str, int],
    taken: Mapping[str, list[str]],
    role: str,
    *,
    n_complete: int,
    n_anchored: int,
    condition: str,
) -> DesignError:
    parts = " + ".join(f"{n} {name.replace('_', '-')}" for name, n in sorted(needs.items(), key=lambda x: -x[1]) if n)
    if role == "low_anchor":
        return DesignError(
            f"too few photos: {needs[role]} low-anchor trials need as many photos with the condition {condition!r}, "
            f"the stimulus set has {n_anchored}; render more of it, or lower catch.n_low_anchor"
        )
    return DesignError(
        f"too few photos: {parts} trials need {sum(needs.values())} photos (each serves one role only), "
        f"the stimulus set has {n_complete}; add photos, or lower test.n_trials or practice.n_trials"
    )


def assign_arm(pools: Pools, *, seed: int, slot: int) -> str:
    """Deal the arm of the study's `slot`-th session: random permuted blocks with each arm once per block."""
    block, place = divmod(slot, len(pools.arms))
    arms = list(pools.arms)
    Dice("arms", seed, block).shuffle(arms)
    return arms[place]


def plan_trials(definition: StudyDefinition, pools: Pools, *, arm: str, seed: int) -> Plan:
    """Plan one session: which photograph, side, order and condition on which trial.

    Without feedback, sides and orders are crossed and balanced exactly. Practice gives feedback, so there each trial
    tosses its own coins: else counting what is left would beat chance.
    """
    dice = Dice("plan", seed)
    n = {
        "practice": definition.practice.n_trials,
        "test": definition.test.n_trials,
        "low_anchor": definition.catch.n_low_anchor,
        "instructed": definition.catch.n_instructed,
    }
    drawn = {role: _draw(dice, pools.photos[role], n[role], fixed=_is_fixed(definition, role)) for role in ROLES}
    instructed = _balanced(dice, [(side,) for side in SIDES], n["instructed"])

    def trials(role: str, cells: Iterable[tuple[str, str]], condition: str) -> list[PlannedTrial]:
        return [
            PlannedTrial(
                plan_index=-1,
                attempt=0,
                role=role,
                a=pools.stimuli[image_id, condition],
                b=pools.stimuli[image_id, REAL],
                side_of_a=side,
                order_of_a=order,
                instructed_response=instructed[number][0] if role == "instructed" else "",
            )
            for number, (image_id, (side, order)) in enumerate(zip(drawn[role], cells, strict=False))
        ]

    practice = trials("practice", [_coins(dice) for _ in range(n["practice"])], arm)
    main = trials("test", _balanced(dice, CELLS, n["test"]), arm)
    low_anchor = trials("low_anchor", _balanced(dice, CELLS, n["low_anchor"]), definition.catch.low_anchor_condition)
    controls = low_anchor + trials("instructed", _balanced(dice, CELLS, n["instructed"]), arm)
    dice.shuffle(controls)
    # A control trial never comes first: the first scored trial follows practice.
    places = dice.sample(range(1, len(main) + len(controls)), len(controls))
    for place, trial in sorted(zip(places, controls, strict=True), key=lambda pair: pair[0]):
        main.insert(place, trial)
    whole = [dataclasses.replace(t, plan_index=index) for index, t in enumerate(practice + main)]
    spares = {role: tuple(drawn[role][n[role] :]) for role in ROLES}
    return Plan(trials=tuple(whole), spares=spares, pools=pools, seed=seed)


def _is_fixed(definition: StudyDefinition, role: str) -> bool:
    return role != "test" or definition.test.photos == "fixed"


def _draw(dice: Dice, pool: Sequence[str], n: int, *, fixed: bool) -> list[str]:
    """Draw `n` photographs and as many spare ones again; `fixed`: the pool's first `n`, shuffled."""
    if not fixed:
        return dice.sample(pool, min(len(pool), 2 * n))
    used, left = list(pool[:n]), list(pool[n : 2 * n])
    dice.shuffle(used)
    dice.shuffle(left)
    return used + left


def _coins(dice: Dice) -> tuple[str, str]:
    return dice.choice(SIDES), dice.choice(ORDERS)


def _balanced(dice: Dice, cells: Sequence[C], n: int) -> list[C]:
    """Give `n` cells in random order, each as often as the others.

    What does not divide by four is filled with a diagonal of the crossing, so that sides and orders stay balanced.
    """
    whole, rest = divmod(n, len(cells))
    left = list(cells)
    dice.shuffle(left)
    if len(cells) == len(CELLS) and rest > 1:
        opposite = tuple(other(value, axis) for value, axis in zip(left[0], (SIDES, ORDERS), strict=True))
        left.remove(opposite)  # type: ignore[arg-type]
        left.insert(1, opposite)  # type: ignore[arg-type]
    result = list(cells) * whole + left[:rest]
    dice.shuffle(result)
    return result
