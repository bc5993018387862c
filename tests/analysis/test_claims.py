"""What may be written: "indistinguishable" needs three conditions at once."""

import dataclasses

import numpy as np
import pytest

from analysis.claims import claim
from analysis.estimate import fool_rate
from analysis.sentences import against, counted, main_sentence, number, p_text, percent


def at(rate):
    """Return the fool rate of a table in which every person and every photograph has exactly this rate."""
    people, photos = np.indices((100, 100))
    fooled = (people + photos) % 100 < round(100 * rate)
    return fool_rate(fooled.ravel(), people.ravel(), photos.ravel(), condition="model")


ANCHOR = dataclasses.replace(at(0.1), condition="random")


def test_all_three_conditions_allow_the_word():
    """A rate of 50 % inside a declared margin, with a caught low anchor and no spread, may be called so."""
    result = claim(at(0.5), (ANCHOR,), spread_p=0.6, margin=0.05)
    assert result.is_indistinguishable
    assert [check.holds for check in result.checks] == [True, True, True]
    assert "could not tell" in result.may_write


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"margin": None}, 0),
        ({"margin": 0.001}, 0),
        ({"anchors": ()}, 1),
        ({"anchors": (at(0.45),)}, 1),
        ({"spread_p": 0.01}, 2),
    ],
)
def test_each_condition_alone_forbids_the_word(changes, failed):
    """Whichever of the three fails, the word is forbidden, and the report says which failed."""
    arguments = {"anchors": (ANCHOR,), "spread_p": 0.6, "margin": 0.05} | changes
    result = claim(at(0.5), **arguments)
    assert not result.is_indistinguishable
    assert [i for i, check in enumerate(result.checks) if not check.holds] == [failed]
    assert "indistinguishable" not in result.may_write
    assert "could not tell" not in result.may_write


def test_above_chance_is_not_indistinguishable():
    """Above 50 % the fakes were judged more real than the originals."""
    assert "more real than the originals" in claim(at(0.7), (ANCHOR,), 0.0, 0.05).may_write


def test_one_participant_is_named(crossed):
    """A claim from one participant says that it is about this participant."""
    rate = fool_rate(*crossed(1, 20, rate=0.5))
    assert "this participant only" in claim(rate, (ANCHOR,), 0.5, None).may_write


def test_main_sentence_is_the_briefs():
    """The sentence has the form that statistics.md prints."""
    rate = dataclasses.replace(
        at(0.5),
        fool_rate=0.306875,
        n_fooled=491,
        n_trials=1600,
        ci_low=0.2459,
        ci_high=0.3754,
        n_images=40,
        n_participants=40,
        design_effect=7.84,
    )
    assert main_sentence(rate) == (
        "Participants were fooled on 30.7% of trials, 95% CI [24.6, 37.5] (491/1,600 trials; 40 participants, "
        "40 images; design effect 7.8)."
    )


@pytest.mark.parametrize(
    ("rate", "null", "words"), [(0.3, 0.5, "below"), (0.3, 0.1, "above"), (0.3, 0.3, "not distinguished from")]
)
def test_against_says_the_side(rate, null, words):
    """A comparison says on which side of the fixed rate the interval lies, with its p."""
    assert words in against(at(rate), null, "it")


@pytest.mark.parametrize(
    ("p", "text"), [(0.0001, "p < .001"), (0.0324, "p = .032"), (0.9999, "p > .999"), (0.5, "p = .500")]
)
def test_p_is_written_as_apa_does(p, text):
    """No leading zero, three decimals, never p = .000 or p = 1."""
    assert p_text(p).replace("\u00a0", " ") == text
    assert " " not in p_text(p)


def test_numbers_are_written_plainly():
    """Minus is a minus, zero has none, and what is no number is a dash."""
    assert (number(-1.5, 1), number(-0.001), number(float("nan")), percent(-0.05)) == ("−1.5", "0.00", "–", "−5.0")
    assert (counted(1, "trial"), counted(1600, "trial")) == ("1 trial", "1,600 trials")
