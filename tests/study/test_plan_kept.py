"""A session is planned anew from its seeds whenever it is looked at, so plans never change from version to version."""

import dataclasses
import hashlib
from collections import Counter

import pytest

from study.definition import load_preset, presets
from study.design import DesignError, assign_arm, partition_photos, plan_trials
from study.design.cells import Cell, cells_of
from study.design.pools import _take
from study.manifest import REAL, Manifest, Photo, Provenance, Stimulus


def manifest_of(photos, conditions_of):
    """A manifest in memory; `conditions_of(photo)` names its pictures."""
    kinds = {REAL: "real", "random": "control", "obvious": "control", "gray": "control"}
    stimuli = tuple(
        Stimulus(f"{photo.image_id}-{name}", photo.image_id, name, "x.png", "0" * 64, 8, 8)
        for photo in photos
        for name in conditions_of(photo)
    )
    names = dict.fromkeys(stimulus.condition for stimulus in stimuli)
    conditions = {name: Provenance(kinds.get(name, "model"), name, "", "") for name in names}
    return Manifest("kept", "0" * 64, conditions, tuple(photos), stimuli, allow_seen=False)


def everything(n=240):
    photos = [Photo(f"p{i:03d}", f"g{i // 2 if i < 20 else i}") for i in range(n)]
    return manifest_of(photos, lambda _: (REAL, "lite", "deep", "random", "obvious", "gray"))


def archive():
    """Archive photographs, two of a motif, beside coloured ones with and without originals and plain originals."""
    photos = [Photo(f"a{i:02d}", f"old{i // 2}", has_original=False) for i in range(60)]
    photos += [Photo(f"c{i:02d}", f"both{i}") for i in range(20)]
    photos += [Photo(f"o{i:02d}", f"new{i // 2}") for i in range(70)]
    named = {"a": ("lite",), "c": (REAL, "lite"), "o": (REAL,)}
    return manifest_of(photos, lambda photo: named[photo.image_id[0]])


def digest(definition, manifest, *, n_slots=4):
    """A hash of some sessions' trials, of replacements of void ones, and of the photographs left over."""
    pools = partition_photos(definition, manifest, seed=2016)
    told = [repr(sorted((role, ids) for role, ids in pools.photos.items()))]
    for slot in range(n_slots):
        arm = assign_arm(pools, seed=2016, slot=slot)
        plan = plan_trials(definition, pools, arm=arm, seed=900 + slot, slot=slot)
        for trial in plan.presented({0, 1, 5, 11, len(plan.trials) - 1}):
            shown = [None if one is None else one.stimulus_id for one in (trial.a, trial.b, trial.reference)]
            told.append(
                f"{arm} {trial.plan_index} {trial.attempt} {trial.role} {trial.block} {shown} {trial.side_of_a} "
                f"{trial.order_of_a} {trial.instructed_response} {trial.pool} {trial.fake}"
            )
        told.append(repr(sorted(plan.spares.items())))
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]


KEPT = {
    "coltran": "630319f747cf",
    "hype-infinity": "d3d5c07cdf67",
    "palette": "2bab31302046",
    "pix2pix": "630319f747cf",
    "preference": "13c16cc193fb",
    "simultaneous": "c6505fccd19e",
    "zhang2016": "76e419b15d60",
    "zhang2016-as-published": "b8981afa8623",
    "zhang2016-de": "76e419b15d60",
    "between": "76e419b15d60",
    "within, blocks": "717fab0d8910",
    "fixed photographs": "dde414d0be6f",
    "controls": "429fd321ee6b",
    "feedback": "79be1a73c036",
    "low anchor by chance": "f07054aaf777",
    "no practice": "1b068a3587d9",
    "left first": "4ed1e57eebe2",
    "reference": "8e984d46e0b7",
    "archive": "3ba4f6fd560e",
    "hype-time": "00bd5cc026c0",
}


CHANGES = {
    "between": {"conditions": {"assignment": "between"}},
    "within, blocks": {"conditions": {"assignment": "within"}, "test": {"n_blocks": 4}},
    "fixed photographs": {"test": {"photos": "fixed"}},
    "controls": {"catch": {"n_low_anchor": 3, "n_obvious": 2, "n_instructed": 3, "n_same": 2}},
    "feedback": {"test": {"feedback": True}},
    "low anchor by chance": {"catch": {"low_anchor_probability": 0.2, "n_low_anchor": 0}},
    "no practice": {"practice": {"n_trials": 0}},
    "left first": {"trial": {"first_side": "left"}},
    "reference": {"trial": {"reference_condition": "gray"}},
}


@pytest.mark.parametrize("name", sorted(set(KEPT) - {*CHANGES, "archive"}))
def test_a_presets_plans_are_those_of_1_0(name):
    """Who changes one of these numbers breaks the sessions of every study that is running."""
    assert name in presets()
    definition = load_preset(name)
    assert digest(definition, everything(700 if definition.staircase.is_on else 240)) == KEPT[name]


def changed(name, base="zhang2016"):
    definition = load_preset(base)
    parts = {part: dataclasses.replace(getattr(definition, part), **values) for part, values in CHANGES[name].items()}
    return dataclasses.replace(definition, **parts)


@pytest.mark.parametrize("name", CHANGES)
def test_the_plans_of_settings_are_those_of_1_0(name):
    """Each way of planning that a definition can ask for."""
    assert digest(changed(name), everything()) == KEPT[name]


def test_couples_of_archive_photographs_are_those_of_1_0():
    """And each holds one of either kind, no motif twice, whatever else lies in the set."""
    single = load_preset("hype-infinity")
    parts = {
        "practice": dataclasses.replace(single.practice, n_trials=4, n_spare=1),
        "test": dataclasses.replace(single.test, n_trials=16),
    }
    definition, manifest = dataclasses.replace(single, **parts), archive()
    assert digest(definition, manifest) == KEPT["archive"]
    pools = partition_photos(definition, manifest, seed=2016)
    used = [image_id for ids in pools.photos.values() for image_id in ids]
    couples = [image_id.split("+") for image_id in used if "+" in image_id]
    assert {(fake[0], original[0]) for fake, original in couples} == {("a", "o")}
    assert len(couples) == 30, "one photograph of each of 30 motifs found a partner"
    assert {image_id[0] for image_id in used if "+" not in image_id} == {"c"}
    motif = {photo.image_id: photo.group for photo in manifest.photos}
    assert max(Counter(motif[one] for couple in couples for one in couple).values()) == 1


def test_the_left_picture_may_come_first():
    """Then two cells are left: a left and first, or right and second."""
    definition = changed("left first")
    assert cells_of(definition) == (Cell("left", "first"), Cell("right", "second"))
    pools = partition_photos(definition, everything(), seed=1)
    plan = plan_trials(definition, pools, arm=pools.arms[0], seed=3)
    assert {place for trial in plan.trials for _, place in trial.in_order[:1]} == {"left"}


def test_replacements_of_practice_toss_coins_of_their_own():
    """Trials made void one after the other are not all replaced with one side; a reference goes with its photograph."""
    definition = changed("reference")
    definition = dataclasses.replace(definition, practice=dataclasses.replace(definition.practice, n_spare=8))
    pools = partition_photos(definition, everything(), seed=1)
    plan = plan_trials(definition, pools, arm=pools.arms[0], seed=3)
    again = [trial for trial in plan.presented(set(range(10))) if trial.attempt == 1]
    assert len(again) == 8
    assert len({(trial.side_of_a, trial.order_of_a) for trial in again}) > 1
    for trial in again:
        assert trial.reference.image_id == trial.a.image_id == trial.b.image_id
        assert trial.reference.condition == "gray"


@pytest.mark.parametrize(
    ("changes", "condition", "message"),
    [
        (
            {"trial": {"reference_condition": "gray"}},
            "gray",
            'trial.reference_condition: the stimulus set .* set it to ""',
        ),
        ({"catch": {"n_obvious": 2}}, "obvious", "catch.obvious_condition: .* render it, or set catch.n_obvious = 0"),
        ({"catch": {"n_low_anchor": 2}}, "random", "catch.low_anchor_condition: .* or set catch.n_low_anchor = 0"),
        (
            {"catch": {"n_low_anchor": 0, "low_anchor_probability": 0.1}},
            "random",
            "catch.low_anchor_condition: the .* low_anchor_probability = 0",
        ),
    ],
)
def test_a_condition_that_the_set_lacks_is_named_with_the_key_that_asks_for_it(changes, condition, message):
    """And with the way to do without."""
    definition = load_preset("zhang2016")
    parts = {part: dataclasses.replace(getattr(definition, part), **values) for part, values in changes.items()}
    names = tuple(name for name in (REAL, "lite", "random", "obvious", "gray") if name != condition)
    photos = [Photo(f"p{i:03d}", f"g{i}") for i in range(100)]
    with pytest.raises(DesignError, match=message):
        partition_photos(dataclasses.replace(definition, **parts), manifest_of(photos, lambda _: names), seed=1)


def test_where_low_anchors_come_by_chance_every_photograph_of_the_test_has_one():
    """Any trial may become one."""
    photos = [Photo(f"p{i:03d}", f"g{i}") for i in range(140)]
    names = {True: (REAL, "lite", "random"), False: (REAL, "lite")}
    manifest = manifest_of(photos, lambda photo: names[int(photo.image_id[1:]) < 80])
    pools = partition_photos(changed("low anchor by chance"), manifest, seed=1)
    assert all((image_id, "random") in pools.stimuli for image_id in pools.photos["test"])


def test_a_set_of_originals_alone_says_how_to_render_more():
    """With the command's own words."""
    manifest = manifest_of([Photo("p", "g")], lambda _: (REAL,))
    with pytest.raises(DesignError, match=r"no condition to test; .* python -m colorizer stimuli --model NAME$"):
        partition_photos(load_preset("zhang2016"), manifest, seed=1)


def test_arms_are_dealt_in_blocks_that_the_studys_seed_shuffles():
    """Each block of sessions has each arm once; another study has another order."""
    pools = partition_photos(load_preset("zhang2016"), everything(), seed=1)
    assert len(pools.arms) == 2
    orders = set()
    for seed in range(8):
        dealt = [assign_arm(pools, seed=seed, slot=slot) for slot in range(20)]
        assert all(set(dealt[at : at + 2]) == set(pools.arms) for at in range(0, 20, 2))
        orders.add(tuple(dealt))
    assert len(orders) == 8


@pytest.mark.parametrize(
    ("per_group", "words"), [(1, "; add photos, or lower"), (2, "; add photos of other motifs, or lower")]
)
def test_too_few_photographs_ask_for_what_is_missing(per_group, words):
    """More photographs, or more motifs."""
    photos = [Photo(f"p{i:02d}", f"g{i // per_group}") for i in range(30)]
    manifest = manifest_of(photos, lambda _: (REAL, "lite", "random"))
    with pytest.raises(DesignError) as caught:
        partition_photos(load_preset("zhang2016"), manifest, seed=1)
    assert words in str(caught.value)


@pytest.mark.parametrize("surplus", [0, 1, 2, 3, 5, 6, 40])
def test_half_of_what_is_left_over_stays_with_the_test(surplus):
    """Control roles get one spare of every two photographs that nobody needs, in turn, until their wishes are met."""
    definition = load_preset("zhang2016")
    needed = definition.practice.n_trials + definition.test.n_trials
    needed += definition.catch.n_low_anchor + definition.catch.n_instructed
    photos = [Photo(f"p{i:03d}", f"g{i}") for i in range(needed + surplus)]
    pools = partition_photos(definition, manifest_of(photos, lambda _: (REAL, "lite", "random")), seed=1).photos
    wishes = {
        "practice": definition.practice.n_spare,
        "low_anchor": definition.catch.n_spare,
        "instructed": definition.catch.n_spare,
    }
    n_trials = {
        "practice": definition.practice.n_trials,
        "low_anchor": definition.catch.n_low_anchor,
        "instructed": definition.catch.n_instructed,
    }
    given = {role: len(pools[role]) - n for role, n in n_trials.items()}
    assert sum(given.values()) == min(surplus // 2, sum(wishes.values()))
    assert all(n <= wishes[role] for role, n in given.items())
    assert len(pools["test"]) == definition.test.n_trials + surplus - sum(given.values())


def test_only_single_pictures_are_coupled():
    """In a pair an archive photograph has nothing to stand beside."""
    parts = {"catch": {"n_low_anchor": 0}, "practice": {"n_trials": 2}, "test": {"n_trials": 6}}
    definition = load_preset("zhang2016")
    changes = {part: dataclasses.replace(getattr(definition, part), **values) for part, values in parts.items()}
    pools = partition_photos(dataclasses.replace(definition, **changes), archive(), seed=1)
    assert {image_id[0] for ids in pools.photos.values() for image_id in ids} == {"c"}
    assert not any("+" in image_id for image_id, _ in pools.stimuli)


def test_too_few_photographs_for_a_control_name_its_condition():
    """And what to render."""
    photos = [Photo(f"p{i:03d}", f"g{i}") for i in range(200)]
    manifest = manifest_of(photos, lambda photo: (REAL, "lite", *(("random",) if photo.image_id < "p002" else ())))
    with pytest.raises(DesignError, match=r"4 low-anchor .* photos with the condition 'random', .* has 2"):
        partition_photos(load_preset("zhang2016"), manifest, seed=1)


def test_a_group_that_fits_goes_before_one_that_is_too_many():
    """Groups stay whole; one photograph too many is taken only where nothing fits."""
    free = [["a", "b", "c"], ["d", "e"], ["f"]]
    taken = []
    _take(taken, free, set("abcdef"), 2)
    assert (taken, free) == (["d", "e"], [["a", "b", "c"], ["f"]])
    _take(taken, free, set("abc"), 3)
    assert (taken, free) == (["d", "e", "a", "b", "c"], [["f"]])
