"""The plan: a pure function, balanced, without repeats, in separate pools."""

import dataclasses
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.definition import load_preset
from study.design import CELLS, DesignError, assign_arm, partition_photos, plan_trials
from study.dice import Dice
from study.manifest import REAL, Manifest, Photo, Provenance, Stimulus

SEEDS = st.integers(0, 2**63 - 1)


def paper_manifest(n: int = 70, *, n_random: int = 12, models: tuple[str, ...] = ("lite",), per_group: int = 1):
    """A manifest in memory; no pictures are needed to plan."""
    photos = tuple(Photo(f"p{i:03d}", f"g{i // per_group}") for i in range(n))
    conditions = {name: Provenance("model", name, "", "") for name in models}
    conditions |= {REAL: Provenance("real", REAL, "", ""), "random": Provenance("control", "random", "", "")}
    stimuli = tuple(
        Stimulus(f"{photo.image_id}-{name}", photo.image_id, name, "x.png", "0" * 64, 8, 8)
        for i, photo in enumerate(photos)
        for name in conditions
        if name != "random" or i < n_random
    )
    return Manifest("paper", "0" * 64, conditions, photos, stimuli, allow_seen=False)


def define(**sections):
    base = load_preset()
    parts = {name: dataclasses.replace(getattr(base, name), **values) for name, values in sections.items()}
    return dataclasses.replace(base, **parts)


def plan(definition, manifest, *, study_seed=1, seed=2):
    pools = partition_photos(definition, manifest, seed=study_seed)
    return plan_trials(definition, pools, arm=pools.arms[0], seed=seed)


@given(study_seed=SEEDS, seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_the_default_plan_is_the_papers(study_seed, seed):
    """10 practice, then 40 test trials with 4 low anchors and 2 instructed ones among them, the first one scored."""
    trials = plan(load_preset(), paper_manifest(), study_seed=study_seed, seed=seed).trials
    assert [t.plan_index for t in trials] == list(range(56))
    assert {t.role for t in trials[:10]} == {"practice"}
    assert Counter(t.role for t in trials[10:]) == {"test": 40, "low_anchor": 4, "instructed": 2}
    assert trials[10].role == "test"
    assert len({t.a.image_id for t in trials}) == 56


@given(n_test=st.integers(1, 30), n_low=st.integers(0, 5), n_instructed=st.integers(0, 4), seed=SEEDS)
@settings(max_examples=100, deadline=None)
def test_sides_and_orders_are_crossed_and_balanced_where_nothing_is_told(n_test, n_low, n_instructed, seed):
    """Each cell as often as the next one, each side and each order as often as the other."""
    definition = define(
        test={"n_trials": n_test}, catch={"n_low_anchor": n_low, "n_instructed": n_instructed}, practice={"n_trials": 3}
    )
    trials = plan(definition, paper_manifest(), seed=seed).trials
    for role in ("test", "low_anchor", "instructed"):
        chosen = [t for t in trials if t.role == role]
        cells = Counter((t.side_of_a, t.order_of_a) for t in chosen)
        assert max(cells[c] for c in CELLS) - min(cells[c] for c in CELLS) <= 1
        for values in (("left", "right"), ("first", "second")):
            counts = [sum(n for cell, n in cells.items() if value in cell) for value in values]
            assert abs(counts[0] - counts[1]) == len(chosen) % 2
    asked = Counter(t.instructed_response for t in trials if t.role == "instructed")
    assert abs(asked["left"] - asked["right"]) == n_instructed % 2


def test_practice_tosses_coins():
    """Where feedback tells, sides are independent: all 2^6 sequences of six trials occur about equally often."""
    definition = define(practice={"n_trials": 6}, test={"n_trials": 4})
    pools = partition_photos(definition, paper_manifest(), seed=1)
    n = 3200
    counts = Counter(
        tuple(t.side_of_a for t in plan_trials(definition, pools, arm="lite", seed=seed).trials[:6])
        for seed in range(n)
    )
    expected = n / 64
    chi_squared = sum((counts[key] - expected) ** 2 / expected for key in counts) + (64 - len(counts)) * expected
    assert chi_squared < 120  # 63 degrees of freedom: beyond .99999


@given(seed=SEEDS, study_seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_the_same_seed_gives_the_same_plan(seed, study_seed):
    """And another seed gives another."""
    definition, manifest = load_preset(), paper_manifest()
    once = plan(definition, manifest, study_seed=study_seed, seed=seed)
    assert once.trials == plan(definition, manifest, study_seed=study_seed, seed=seed).trials
    assert once.trials != plan(definition, manifest, study_seed=study_seed, seed=seed + 1).trials


@given(per_group=st.integers(1, 4), study_seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_roles_share_no_photo_and_no_group_in_the_whole_study(per_group, study_seed):
    """A photograph that is practice for one participant is never a test for another."""
    manifest = paper_manifest(90, n_random=20, per_group=per_group)
    pools = partition_photos(load_preset(), manifest, seed=study_seed)
    group = {p.image_id: p.group for p in manifest.photos}
    roles = {role: {group[image_id] for image_id in ids} for role, ids in pools.photos.items()}
    names = sorted(roles)
    for i, one in enumerate(names):
        for two in names[i + 1 :]:
            assert not roles[one] & roles[two]
    for seed in range(3):
        for trial in plan_trials(load_preset(), pools, arm="lite", seed=seed).trials:
            assert trial.a.image_id in pools.photos[trial.role]


@given(data=st.data(), seed=SEEDS)
@settings(max_examples=80, deadline=None)
def test_void_trials_never_change_the_past_and_are_replaced_in_kind(data, seed):
    """What was shown stays; each replacement has its trial's index, role, condition and a photo not yet seen."""
    whole = plan(load_preset(), paper_manifest(90), seed=seed)
    void, shown = set(), whole.presented()
    for index in sorted(data.draw(st.sets(st.integers(0, 60), max_size=8))):
        if index < len(shown):
            before = shown[: index + 1]
            void.add(index)
            shown = whole.presented(tuple(sorted(void)))
            assert shown[: index + 1] == before
    assert len({t.a.image_id for t in shown}) == len(shown)
    answered = [t for index, t in enumerate(shown) if index not in void]
    assert len({t.plan_index for t in answered}) == len(answered)
    blocks = [t.block for t in shown]
    assert blocks == sorted(blocks)
    for trial in shown:
        origin = whole.trials[trial.plan_index]
        assert (trial.role, trial.a.condition) == (origin.role, origin.a.condition)
        if trial.role != "practice":
            assert (trial.side_of_a, trial.order_of_a) == (origin.side_of_a, origin.order_of_a)


@given(seed=SEEDS, n_arms=st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_arms_come_in_permuted_blocks(seed, n_arms):
    """After every whole block each arm has been dealt equally often."""
    models = tuple(f"m{i}" for i in range(n_arms))
    pools = partition_photos(load_preset(), paper_manifest(models=models), seed=seed)
    dealt = Counter(assign_arm(pools, seed=seed, slot=slot) for slot in range(6 * n_arms))
    assert set(dealt.values()) == {6}


def test_fixed_photos_are_the_same_for_all_and_fresh_ones_are_not():
    """test.photos decides."""
    sets = {}
    for photos in ("fixed", "fresh"):
        definition = define(test={"photos": photos, "n_trials": 20})
        pools = partition_photos(definition, paper_manifest(), seed=1)
        plans = [plan_trials(definition, pools, arm="lite", seed=seed, slot=seed).trials for seed in range(6)]
        sets[photos] = {frozenset(t.a.image_id for t in trials if t.role == "test") for trials in plans}
    assert len(sets["fixed"]) == 1
    assert len(sets["fresh"]) == 6


@pytest.mark.parametrize(
    ("manifest", "sections", "words"),
    [
        (paper_manifest(30), {}, ["need 56 photos", "has 30"]),
        (paper_manifest(n_random=2), {}, ["4 low-anchor", "has 2"]),
        (paper_manifest(), {"conditions": {"models": ("zhang",)}}, ["'zhang'", "lite"]),
        (paper_manifest(models=()), {}, ["no condition to test"]),
        (paper_manifest(), {"catch": {"low_anchor_condition": "gray"}}, ["'gray'", "n_low_anchor = 0"]),
    ],
)
def test_what_cannot_be_planned_is_said_with_numbers(manifest, sections, words):
    """How many are needed, how many there are, what to do."""
    with pytest.raises(DesignError) as caught:
        partition_photos(define(**sections), manifest, seed=1)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_exactly_enough_photos_are_enough():
    """56 photographs serve 56 trials."""
    for seed in range(20):
        assert len(plan(load_preset(), paper_manifest(56, n_random=4), study_seed=seed).trials) == 56


def test_dice_are_uniform_and_repeatable():
    """Bits and floats of a key are always the same; the mean of many is what it should be."""
    assert [Dice("a", 1).getrandbits(64) for _ in range(2)] == [Dice("a", 1).getrandbits(64)] * 2
    assert Dice("a", 1).random() != Dice("a", 2).random()
    dice = Dice("mean")
    mean = sum(dice.random() for _ in range(20_000)) / 20_000
    assert abs(mean - 0.5) < 0.01
    assert Counter(dice.choice("ab") for _ in range(2000))["a"] in range(880, 1120)


def test_planning_is_quick():
    """A plan is remade in a worker that has not seen the session; it must not be noticed."""
    import time

    pools = partition_photos(load_preset(), paper_manifest(1000, n_random=20), seed=1)
    start = time.process_time()
    for seed in range(20):
        plan_trials(load_preset(), pools, arm="lite", seed=seed)
    assert (time.process_time() - start) / 20 < 0.02
