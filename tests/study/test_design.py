"""The plan: a pure function, balanced, without repeats, in separate pools."""

import dataclasses
from collections import Counter

import pytest
from hypothesis import given
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
def test_the_default_plan_is_the_papers(study_seed, seed):
    """10 practice, then 40 test trials with 4 low anchors and 2 instructed ones among them, the first one scored."""
    trials = plan(load_preset(), paper_manifest(), study_seed=study_seed, seed=seed).trials
    assert [t.plan_index for t in trials] == list(range(56))
    assert {t.role for t in trials[:10]} == {"practice"}
    assert Counter(t.role for t in trials[10:]) == {"test": 40, "low_anchor": 4, "instructed": 2}
    assert trials[10].role == "test"
    assert len({t.a.image_id for t in trials}) == 56


@given(n_test=st.integers(1, 30), n_low=st.integers(0, 5), n_instructed=st.integers(0, 4), seed=SEEDS)
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
    """Where feedback tells, sides are independent: all 2^4 sequences of four trials occur about equally often."""
    definition = define(practice={"n_trials": 4}, test={"n_trials": 4})
    pools = partition_photos(definition, paper_manifest(), seed=1)
    n = 800
    counts = Counter(
        tuple(t.side_of_a for t in plan_trials(definition, pools, arm="lite", seed=seed).trials[:4])
        for seed in range(n)
    )
    expected = n / 16
    chi_squared = sum((counts[key] - expected) ** 2 / expected for key in counts) + (16 - len(counts)) * expected
    assert chi_squared < 49  # 15 degrees of freedom: beyond .99998


@given(seed=SEEDS, study_seed=SEEDS)
def test_the_same_seed_gives_the_same_plan(seed, study_seed):
    """And another seed gives another."""
    definition, manifest = load_preset(), paper_manifest()
    once = plan(definition, manifest, study_seed=study_seed, seed=seed)
    assert once.trials == plan(definition, manifest, study_seed=study_seed, seed=seed).trials
    assert once.trials != plan(definition, manifest, study_seed=study_seed, seed=seed + 1).trials


@given(per_group=st.integers(1, 4), study_seed=SEEDS)
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


@pytest.mark.parametrize(
    ("n", "per_group", "said"),
    [
        (40, 1, "the stimulus set has 40; add photos, or"),
        # Two instructed trials take a motif of four from the rest, so 56 photographs do not suffice for 56 trials.
        (56, 4, "the stimulus set has 56 of 14 different motifs (photos of one motif serve one role together); add p"),
    ],
)
def test_too_few_photographs_are_told_with_their_motifs(n, per_group, said):
    """Where photographs share motifs, their number alone would not explain the refusal."""
    manifest = paper_manifest(n, n_random=n, per_group=per_group)
    with pytest.raises(DesignError, match=r"40 test \+ 10 practice .* need 56 photos") as raised:
        partition_photos(load_preset(), manifest, seed=1)
    assert said in str(raised.value)


@given(data=st.data(), seed=SEEDS)
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
        plans = [plan_trials(definition, pools, arm="lite", seed=seed, slot=seed).trials for seed in range(5)]
        sets[photos] = {frozenset(t.a.image_id for t in trials if t.role == "test") for trials in plans}
    assert len(sets["fixed"]) == 1
    assert len(sets["fresh"]) == 5


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


DESIGNS = {
    "zhang2016": ("sequential_pair", "fake"),
    "simultaneous": ("simultaneous_pair", "fake"),
    "hype-infinity": ("single", "real_or_fake"),
    "preference": ("simultaneous_pair", "natural"),
}


def study_of(preset, *, n, models, assignment, photos, n_blocks=1):
    d = load_preset(preset)
    parts = {
        "test": dataclasses.replace(d.test, n_trials=n, photos=photos, n_blocks=n_blocks),
        "conditions": dataclasses.replace(d.conditions, models=models, assignment=assignment),
        "practice": dataclasses.replace(d.practice, n_trials=4, pass_share=0.0, n_spare=0),
        "catch": dataclasses.replace(d.catch, n_low_anchor=0, n_instructed=2, n_spare=0),
    }
    return dataclasses.replace(d, **parts)


def cell_of(trial):
    return trial.side_of_a, trial.order_of_a, trial.a.condition == REAL


@given(
    preset=st.sampled_from(sorted(DESIGNS)),
    n=st.integers(1, 30),
    n_models=st.integers(2, 4),
    assignment=st.sampled_from(["between", "within"]),
    photos=st.sampled_from(["fresh", "fixed"]),
    slot=st.integers(0, 300),
    seed=SEEDS,
)
def test_every_design_is_balanced_without_repeats_and_pure(preset, n, n_models, assignment, photos, slot, seed):
    """Sides, orders, kinds as often as the other; conditions as often as the next; each photo once; same again."""
    models = tuple(f"m{i}" for i in range(n_models))
    definition = study_of(preset, n=n, models=models, assignment=assignment, photos=photos)
    pools = partition_photos(definition, paper_manifest(70, models=models), seed=3)
    arm = assign_arm(pools, seed=3, slot=slot)
    whole = plan_trials(definition, pools, arm=arm, seed=seed, slot=slot)
    assert plan_trials(definition, pools, arm=arm, seed=seed, slot=slot) == whole
    assert len({t.a.image_id for t in whole.trials}) == len(whole.trials)
    test = [t for t in whole.trials if t.role == "test"]
    assert len(test) == n
    per_condition = Counter((t.fake, t.b.condition if t.b else "") for t in test)
    assert max(per_condition.values()) - min(per_condition.values()) <= 1
    assert len(per_condition) == min(n, len(pools.treatments[arm]))
    for condition in per_condition:
        mine = [cell_of(t) for t in test if (t.fake, t.b.condition if t.b else "") == condition]
        for axis in range(3):
            values = Counter(cell[axis] for cell in mine)
            if len({cell[axis] for cell in map(cell_of, test)}) > 1 and len(mine) > 1:
                assert max(values.values()) - (len(mine) - max(values.values())) <= len(mine) % 2
    if n % len(per_condition) == 0:  # odd ones out of two conditions cancel
        for axis in range(3):
            if len(kinds := Counter(cell_of(t)[axis] for t in test)) == 2:
                assert abs(kinds.most_common()[0][1] - kinds.most_common()[1][1]) <= n % 2


@pytest.mark.parametrize("preset", sorted(DESIGNS))
@pytest.mark.parametrize("photos", ["fresh", "fixed"])
@pytest.mark.parametrize("assignment", ["between", "within"])
def test_over_the_slots_each_photo_meets_each_condition_and_cell_equally_often(preset, photos, assignment):
    """Exactly, after a whole round: 24 photos, 12 trials, every arm and every cell."""
    models = ("m0", "m1", "m2")
    definition = study_of(preset, n=12, models=models, assignment=assignment, photos=photos)
    pools = partition_photos(definition, paper_manifest(30, n_random=0, models=models), seed=9)
    n_cells = len({cell_of(t) for t in plan_trials(definition, pools, arm=pools.arms[0], seed=1).trials[4:]})
    used = Counter()
    for slot in range(len(pools.arms) * 2 * n_cells):
        arm = assign_arm(pools, seed=9, slot=slot)
        for t in plan_trials(definition, pools, arm=arm, seed=slot, slot=slot).trials:
            if t.role == "test":
                used[t.a.image_id, t.fake, t.b and t.b.condition, cell_of(t)] += 1
    assert len(used) == (24 if photos == "fresh" else 12) * 3 * n_cells
    assert len(set(used.values())) == 1


def test_blocks_are_equal_and_controls_are_spread_over_them():
    """Three blocks of ten, half real each, never a control first."""
    definition = study_of("hype-infinity", n=30, models=("m0",), assignment="between", photos="fresh", n_blocks=3)
    pools = partition_photos(definition, paper_manifest(70, models=("m0",)), seed=1)
    for seed in range(10):
        trials = plan_trials(definition, pools, arm="m0", seed=seed, slot=seed).trials
        for block in (1, 2, 3):
            mine = [t for t in trials if t.block == block]
            assert Counter(t.a.condition for t in mine if t.role == "test") == {"real": 5, "m0": 5}
            assert mine[0].role == "test"
        assert [t.block for t in trials] == sorted(t.block for t in trials)


def test_where_answers_are_told_kinds_are_coins():
    """With feedback in the test the number of originals varies as coins do: mean half, variance a quarter per trial."""
    definition = study_of("hype-time", n=20, models=("m0",), assignment="between", photos="fresh")
    pools = partition_photos(definition, paper_manifest(70, models=("m0",)), seed=1)
    counts = [
        sum(t.a.condition == REAL for t in plan_trials(definition, pools, arm="m0", seed=seed, slot=seed).trials[4:])
        for seed in range(400)
    ]
    mean = sum(counts) / 400
    variance = sum((c - mean) ** 2 for c in counts) / 399
    n = 22  # the two instructed trials are coins, too
    assert abs(mean - n / 2) < 4 * (n / 4 / 400) ** 0.5
    assert n / 4 * 0.72 < variance < n / 4 * 1.3


@pytest.mark.parametrize(
    ("preset", "manifest", "words"),
    [
        ("preference", paper_manifest(models=("m0",)), ["compares two conditions", "m0"]),
        (
            "zhang2016",
            dataclasses.replace(paper_manifest(), conditions={"lite": Provenance("model", "lite", "", "")}),
            ["no originals", "preference"],
        ),
    ],
)
def test_what_a_design_needs_is_said(preset, manifest, words):
    """Two conditions for a preference, originals for everything else."""
    with pytest.raises(DesignError) as caught:
        partition_photos(load_preset(preset), manifest, seed=1)
    for word in words:
        assert word in str(caught.value)


@given(study_seed=SEEDS, n_archive=st.integers(26, 40), n_originals=st.integers(26, 40), per_group=st.integers(1, 2))
def test_single_pictures_of_archive_photographs_stand_beside_others_originals(
    study_seed, n_archive, n_originals, per_group
):
    """Half of the trials are originals, all of other photographs.

    Nothing occurs twice, over a round of sessions all couples are shown both ways equally often, and no photograph
    serves two roles.
    """
    single = load_preset("hype-infinity")
    parts = {
        "practice": dataclasses.replace(single.practice, n_trials=2, n_spare=1),
        "test": dataclasses.replace(single.test, n_trials=8),
    }
    definition = dataclasses.replace(single, **parts)
    photos = [Photo(f"p{i:03d}", f"g{i // per_group}", has_original=False) for i in range(n_archive)]
    photos += [Photo(f"o{i:03d}", f"h{i // per_group}") for i in range(n_originals)]
    names = {p.image_id: REAL if p.has_original else "lite" for p in photos}
    stimuli = tuple(Stimulus(f"{i}-{name}", i, name, "x.png", "0" * 64, 8, 8) for i, name in names.items())
    conditions = {"lite": Provenance("model", "lite", "", ""), REAL: Provenance("real", REAL, "", "")}
    manifest = Manifest("old", "0" * 64, conditions, tuple(photos), stimuli, allow_seen=False)
    pools = partition_photos(definition, manifest, seed=study_seed)
    roles = [{i for couple in ids for i in couple.split("+")} for ids in pools.photos.values()]
    assert not any(a & b for a in roles for b in roles if a is not b)
    shown = Counter()
    n_sessions = 2 * len(pools.photos["test"])
    for slot in range(n_sessions):
        trials = plan_trials(definition, pools, arm=pools.arms[0], seed=slot, slot=slot).trials
        test = [t for t in trials if t.role == "test"]
        assert Counter(t.a.condition for t in test) == {"lite": 4, REAL: 4}
        assert all(names[t.a.image_id] == t.a.condition for t in trials)
        assert len({t.a.image_id for t in trials}) == len(trials)
        shown.update(t.a.image_id for t in test)
    assert len(set(shown.values())) == 1, shown


def test_single_pictures_need_originals_of_some_photographs():
    """An archive set alone is refused by the way to add originals."""
    photos = tuple(Photo(f"p{i:03d}", f"g{i}") for i in range(120))
    stimuli = tuple(Stimulus(p.image_id, p.image_id, "lite", "x.png", "0" * 64, 8, 8) for p in photos)
    manifest = Manifest("old", "0" * 64, {"lite": Provenance("model", "lite", "", "")}, photos, stimuli, False)
    with pytest.raises(DesignError, match="--originals"):
        partition_photos(load_preset("hype-infinity"), manifest, seed=1)
