"""The audit of leaks: it finds nothing in the real server, and it finds what is put in on purpose."""

from dataclasses import replace

import numpy as np
import pytest

from study import create_app
from tools.proof.instance import define, fresh
from tools.proof.leaks import leaky
from tools.proof.leaks.adversary import attack, auc, permutation_p
from tools.proof.leaks.collect import watch
from tools.proof.leaks.features import n_recognised, practice_truth
from tools.proof.material import derive
from tools.proof.person import Wsgi

N_SESSIONS = 16


class Timeless(Wsgi):
    """Tells no times: in a process that does much else they are chance, and `make leaks` looks at them."""

    def send(self, *arguments, **options):
        return replace(super().send(*arguments, **options), ms=0.0)


@pytest.fixture
def place(tmp_path, same_draws):
    """A study over the shipped pictures, shrunk: real and fake still differ in length before padding."""
    text = define(n_practice=3, n_test=8, n_low_anchor=1, n_instructed=0)
    with fresh(text, stimuli=derive(tmp_path / "set", size_px=128), folder=tmp_path / "i") as instance:
        yield instance
    leaky.mend()


def watched_by(app, place):
    """Watch sessions of an application without a network."""
    try:
        return watch(place, N_SESSIONS, transport=Timeless(app.test_client(use_cookies=False)))
    finally:
        app.extensions["truehue"].desk.database.dispose()


def test_the_server_tells_nothing_and_the_audit_would_notice(place):
    """Chance for the server as it is; a leak put in is found by at least one adversary. Always of the same draws."""
    # Of so few trials an honest server is called leaky about once in a hundred times: plans are balanced across
    # sessions, which a shuffle within sessions does not copy.  So other draws, after a change, may try again.  And the
    # size that was put in had an AUC of .68 to .89 in other draws; what says that it is found is p. `make leaks` has
    # 20,000 trials.
    for attempt in range(3):
        watched = watched_by(create_app(place.settings), place)
        assert n_recognised(watched) == 0
        found = attack(watched, n_permutations=999, only={"extra trees"})
        if all(verdict.p > 0.001 for verdict in found):
            break
        assert attempt < 2, found
    told = [(each, practice_truth(each.seen)) for each in watched]
    assert all((truth is not None) == (each.truth.kind == "practice") for each, truth in told)
    for each, truth in told:
        if truth is not None:  # what feedback says is what was true
            assert truth == (each.truth.is_fake_first, each.truth.is_fake_left)
    for kind in ("size", "order"):  # `make leaks` puts in every kind
        leaking = watched_by(leaky.create_app(kind, place.settings), place)
        leaky.mend()
        found = attack(leaking, n_permutations=999, only={"extra trees"})
        best = max(found, key=lambda v: v.auc)
        assert best.auc > 0.6, (kind, best)
        assert best.p <= 0.001, (kind, best)


def test_the_permutation_test_is_honest():
    """Scores that follow the label are caught, noise and a session's own level are not."""
    dice = np.random.default_rng(5)
    sessions = np.repeat(np.arange(50), 10)
    labels = np.tile([True, False], 250)
    noise = dice.normal(size=500)
    assert permutation_p(noise, labels, sessions, n=999, seed=1) > 0.01
    assert permutation_p(noise + labels, labels, sessions, n=999, seed=1) == 0.001
    level = sessions % 7 + 0.001 * noise
    assert permutation_p(level, labels, sessions, n=999, seed=1) > 0.01
    assert auc(labels.astype(float), labels) == 1.0
    assert auc(np.zeros(500), labels) == 0.5


def test_rendering_shares_the_intended_lightness(tmp_path):
    """A linear probe finds nothing in the intended L of any pair; the probe finds a difference that is there."""
    from PIL import Image

    from tools.proof.leaks.rendering import audit, bandwidth, probe

    photos = tmp_path / "photos"
    photos.mkdir()
    dice = np.random.default_rng(1)
    for n in range(6):
        small = dice.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC).save(photos / f"{n}.png")
    real, random, gray = audit(photos, ["random", "gray"], size_px=64)
    for condition in (real, random, gray):
        assert condition.intended_L_max_difference == 0
        assert condition.intended_L_probe_auc == pytest.approx(0.5, abs=1e-9)
        assert condition.n_pictures == 6
    assert real.rendered_L_mean_difference < 0.01
    assert random.gamut_clipped_share > 0 == gray.gamut_clipped_share
    assert random.rendered_L_mean_difference > random.rendered_L_mean_difference_unclipped
    pictures = [dice.normal(50, 10, (64, 64)) for _ in range(6)]
    smooth = [(p + np.roll(p, 1, axis=0)) / 2 for p in pictures]
    assert probe(smooth, pictures) > 0.9
    waves = np.sin(2 * np.pi * 5 * np.arange(64) / 64)
    assert bandwidth(np.broadcast_to(waves, (2, 64, 64)).copy()) == pytest.approx(5, abs=0.01)
