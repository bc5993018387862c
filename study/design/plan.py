"""One session's trials: a pure function of (definition, stimulus set, study seed, slot, session seed)."""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

from study.definition import StudyDefinition
from study.design.cells import ANSWERS, SIDES, Cell, balanced, cells_of, other, pairs_of, rotated
from study.design.pools import ROLES, Pools, Treatment
from study.dice import Dice
from study.manifest import REAL, Stimulus

PRACTICE = 0  # the block before the others
COLOURED = ("low_anchor", "obvious")  # controls that are never an original


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One trial as planned: `a` is the condition under test, `b` the original, another condition, or nothing."""

    plan_index: int
    attempt: int
    """0 as planned; a replacement of a void trial counts up."""
    role: str
    block: int
    """0: practice; the test's blocks count from 1."""
    a: Stimulus
    b: Stimulus | None
    side_of_a: str
    order_of_a: str
    instructed_response: str = ""
    reference: Stimulus | None = None
    pool: str = ""
    """Which spare photographs may replace this one."""
    fake: str = ""
    """The condition under test where a single picture is the original, too."""

    @property
    def kind(self) -> str:
        """`practice`, `test` or `catch`."""
        return self.role if self.role in {"practice", "test"} else "catch"

    @property
    def control(self) -> str:
        """Which sort of catch trial, or empty."""
        return self.role if self.kind == "catch" else ""

    @property
    def in_order(self) -> tuple[tuple[Stimulus, str], ...]:
        """The pictures in order of presentation (at once: from left to right), each with its place."""
        if self.b is None:
            return ((self.a, "middle"),)
        a, b = (self.a, self.side_of_a), (self.b, other(self.side_of_a, SIDES))
        a_is_first = self.order_of_a == "first" if self.order_of_a else self.side_of_a == "left"
        return (a, b) if a_is_first else (b, a)

    @property
    def pictures(self) -> tuple[Stimulus, ...]:
        """Everything that is shown: the pictures in order of presentation, then the reference if there is one."""
        shown = tuple(stimulus for stimulus, _ in self.in_order)
        return shown if self.reference is None else (*shown, self.reference)


@dataclass(frozen=True, slots=True)
class Plan:
    """One session's trials and the photographs left for replacements."""

    trials: tuple[PlannedTrial, ...]
    spares: Mapping[str, tuple[str, ...]]
    """Pool → image_ids."""
    pools: Pools
    seed: int
    tossed: frozenset[str]
    """Roles whose cells are coins: so are those of their replacements."""
    cells: tuple[Cell, ...]

    def presented(self, void: Collection[int] = ()) -> tuple[PlannedTrial, ...]:
        """List trials by trial_index, given which of them were void.

        A void trial is replaced at the end of its block, by a spare photograph in the same condition and role. The
        list before the last void trial never changes when another trial becomes void. When no photograph is left, the
        trial stays without a replacement.
        """
        if not void:
            return self.trials
        shown: list[PlannedTrial] = []
        n_used = dict.fromkeys(self.spares, 0)
        for block in sorted({trial.block for trial in self.trials}):
            queue = [trial for trial in self.trials if trial.block == block]
            for trial in queue:  # grows while it is walked
                spares = self.spares[trial.pool]
                if len(shown) in void and n_used[trial.pool] < len(spares):
                    queue.append(self._replacement(trial, spares[n_used[trial.pool]]))
                    n_used[trial.pool] += 1
                shown.append(trial)
        return tuple(shown)

    def _replacement(self, trial: PlannedTrial, image_id: str) -> PlannedTrial:
        a, side, order = trial.a.condition, trial.side_of_a, trial.order_of_a
        if trial.role in self.tossed:  # with feedback: a coin of its own
            cell = Dice("replacement", self.seed, trial.plan_index, trial.attempt + 1).choice(self.cells)
            side, order = cell.side, cell.order
            if cell.truth and trial.role not in COLOURED:
                a = REAL if cell.truth == "real" else trial.fake
        return dataclasses.replace(
            trial,
            attempt=trial.attempt + 1,
            a=self.pools.stimuli[image_id, a],
            b=trial.b and self.pools.stimuli[image_id, trial.b.condition],
            reference=trial.reference and self.pools.stimuli[image_id, trial.reference.condition],
            side_of_a=side,
            order_of_a=order,
        )


def assign_arm(pools: Pools, *, seed: int, slot: int) -> str:
    """Deal the arm of the study's `slot`-th session: random permuted blocks with each arm once per block."""
    block, place = divmod(slot, len(pools.arms))
    arms = list(pools.arms)
    Dice("arms", seed, block).shuffle(arms)
    return arms[place]


def plan_trials(definition: StudyDefinition, pools: Pools, *, arm: str, seed: int, slot: int = 0) -> Plan:
    """Plan one session: which photograph, side, order and condition on which trial.

    Where nothing is told, sides, orders, kinds and conditions are balanced exactly, in the session and over the slots.
    Where answers are told, each trial tosses its own coins: else counting what is left would beat chance.
    """
    planner = _Planner(definition, pools, pools.treatments[arm], Dice("plan", seed), slot // len(pools.arms))
    test, spares = planner.test()
    blocks = planner.blocks(test)
    whole = [*planner.simple("practice", definition.practice.n_trials), *(trial for block in blocks for trial in block)]
    for role in ROLES:
        if role != "test":
            n = planner.needs[role]
            spares[role] = tuple(planner.dice.sample(pools.photos[role][n:], len(pools.photos[role][n:])))
    return Plan(
        trials=tuple(dataclasses.replace(trial, plan_index=index) for index, trial in enumerate(whole)),
        spares=spares,
        pools=pools,
        seed=seed,
        tossed=frozenset(role for role in ROLES if planner.is_tossed(role)),
        cells=planner.cells,
    )


@lru_cache(maxsize=256)  # every session of a round deals from the same deck
def _deck(pool: tuple[str, ...], *key: int) -> tuple[str, ...]:
    deck = list(pool)
    Dice("deck", *key).shuffle(deck)
    return tuple(deck)


@dataclass
class _Planner:
    """What the steps of planning one session share."""

    definition: StudyDefinition
    pools: Pools
    treatments: tuple[Treatment, ...]
    dice: Dice
    turn: int
    """How many sessions this arm had before."""

    def __post_init__(self) -> None:
        self.cells = cells_of(self.definition)
        catch = self.definition.catch
        self.needs = {
            "practice": self.definition.practice.n_trials,
            "low_anchor": catch.n_low_anchor,
            "obvious": catch.n_obvious,
            "instructed": catch.n_instructed,
            "same": catch.n_same,
        }

    def is_tossed(self, role: str) -> bool:
        """Whether a role's cells are independent coins."""
        told = self.definition.practice.feedback if role == "practice" else self.definition.test.feedback
        return told or self.definition.plan.randomization == "coins"

    def cells_for(self, role: str, n: int) -> list[Cell]:
        """Give the cells of a role's trials, coins or balanced."""
        if self.is_tossed(role):
            return [self.dice.choice(self.cells) for _ in range(n)]
        return balanced(self.dice, self.cells, n)

    def simple(self, role: str, n: int) -> list[PlannedTrial]:
        """Plan practice, or one sort of control: the same photographs for everybody, in random order."""
        photos = list(self.pools.photos[role][:n])
        self.dice.shuffle(photos)
        cells = self.cells_for(role, n)
        treatments = [self.treatments[i % len(self.treatments)] for i in range(n)]
        self.dice.shuffle(treatments)
        asked = self._asked(n) if role == "instructed" else [""] * n
        return [
            self.trial(role, image_id, treatment, cell, pool=role, instructed=side)
            for image_id, treatment, cell, side in zip(photos, treatments, cells, asked, strict=True)
        ]

    def _asked(self, n: int) -> list[str]:
        answers = ANSWERS if self.definition.is_single else SIDES
        if self.is_tossed("instructed"):
            return [self.dice.choice(answers) for _ in range(n)]
        asked = list(answers) * (n // 2) + [self.dice.choice(answers)] * (n % 2)
        self.dice.shuffle(asked)
        return asked

    def test(self) -> tuple[list[PlannedTrial], dict[str, tuple[str, ...]]]:
        """Plan the scored trials, and say which photographs are left to replace them.

        The pool is dealt to the conditions in turn (with the rows of the Latin square as arms, each photograph meets
        each condition equally often). A condition's share of it lies in a random order on a circle, from which each
        session takes the next photographs, until every one has been used equally often; then it is shuffled anew.
        """
        n, k = self.definition.test.n_trials, len(self.treatments)
        pairs = pairs_of(Dice("cells", self.pools.seed), self.cells)
        trials: list[PlannedTrial] = []
        spares: dict[str, tuple[str, ...]] = {}
        for group, treatment in enumerate(self.treatments):
            n_here = n // k + (group < n % k)
            window, left, turn = self._window(group, n_here)
            if self.is_tossed("test"):
                cells = self.cells_for("test", n_here)
            else:
                cells = rotated(pairs, n_here, turn=turn, group=group)
            pool = f"test {group}"
            spares[pool] = left
            trials += [
                self.trial(self._role_by_chance(), image_id, treatment, cell, pool=pool)
                for image_id, cell in zip(window, cells, strict=True)
            ]
        return trials, spares

    def _role_by_chance(self) -> str:
        probability = self.definition.catch.low_anchor_probability
        return "low_anchor" if probability and self.dice.random() < probability else "test"

    def _window(self, group: int, n: int) -> tuple[list[str], tuple[str, ...], int]:
        """Give a condition's photographs in this session, those left, and the turn of the rotation of cells.

        A round is over when every photograph was used equally often. The same deck serves as many rounds as there are
        cells, each turned by one: so each photograph meets each cell equally often.
        """
        if n == 0:
            return [], (), 0
        pool, k = list(self.pools.photos["test"]), len(self.treatments)
        n_dealt = self.definition.test.n_trials if self.definition.test.photos == "fixed" else len(pool)
        mine = pool[group:n_dealt:k]
        # Shares of one size, so that all conditions turn together.
        size = max(n, n_dealt // k)
        spare = [*mine[size:], *pool[n_dealt:][group::k]]
        round_, place = divmod(self.turn, size // gcd(size, n))
        circle = _deck(tuple(mine[:size]), self.pools.seed, group, round_ // len(self.cells))
        start = place * n % size
        circle = circle[start:] + circle[:start]
        return list(circle[:n]), (*circle[n:], *spare)[:n], round_ + place

    def blocks(self, test: list[PlannedTrial]) -> list[list[PlannedTrial]]:
        """Divide the test into equal blocks, balance each, and put the control trials among them, never first."""
        n_blocks = self.definition.test.n_blocks
        self.dice.shuffle(test)
        test.sort(key=lambda t: (t.fake, t.b.condition if t.b else "", t.a.condition, t.side_of_a, t.order_of_a))
        blocks = [test[number::n_blocks] for number in range(n_blocks)]
        controls = [
            t for role in ROLES if role not in {"test", "practice"} for t in self.simple(role, self.needs[role])
        ]
        self.dice.shuffle(controls)
        result = []
        for number, block in enumerate(blocks):
            self.dice.shuffle(block)
            mine = controls[number::n_blocks]
            places = self.dice.sample(range(1, len(block) + len(mine)), len(mine))
            for place, trial in sorted(zip(places, mine, strict=True), key=lambda pair: pair[0]):
                block.insert(place, trial)
            result.append([dataclasses.replace(trial, block=number + 1) for trial in block])
        return result

    def trial(
        self, role: str, image_id: str, treatment: Treatment, cell: Cell, *, pool: str, instructed: str = ""
    ) -> PlannedTrial:
        """Put one trial together."""
        catch = self.definition.catch
        fake = {"low_anchor": catch.low_anchor_condition, "obvious": catch.obvious_condition}.get(role, treatment.a)
        a, b = fake, treatment.b
        if cell.truth == "real" and role not in COLOURED:
            a = REAL
        if role == "same":
            a = treatment.b
        reference = self.definition.trial.reference_condition
        stimuli = self.pools.stimuli
        return PlannedTrial(
            plan_index=-1,
            attempt=0,
            role=role,
            block=PRACTICE,
            a=stimuli[image_id, a],
            b=stimuli[image_id, b] if b else None,
            side_of_a=cell.side,
            order_of_a=cell.order,
            instructed_response=instructed,
            reference=stimuli[image_id, reference] if reference else None,
            pool=pool,
            fake=fake,
        )
