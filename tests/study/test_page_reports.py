"""What a page tells the server: what is taken, what is refused, and in which words."""

import dataclasses
from types import SimpleNamespace

import pytest
from conftest import NOW, SMALL

from study.definition import parse_definition
from study.definition.schema import Item
from study.questionnaire import _error
from study.readiness.screens import judge_screen
from study.scoring import score
from study.sessions.checks import record_screen
from study.sessions.errors import Conflict, Invalid
from study.sessions.report import parse_device, parse_report


@pytest.mark.parametrize(
    ("minimum", "maximum", "value", "message"),
    [
        (18, 99, "17", "at least 18 and at most 99."),
        (18, 99, "100", "at least 18 and at most 99."),
        (18, None, "17", "Please enter a number, at least 18."),
        (None, 99, "100", "Please enter a number, at most 99."),
        (None, None, "inf", "Please enter a number."),
        (None, None, "nan", "Please enter a number."),
        (None, None, "many", "Please enter a number."),
        (18, 99, "18", ""),
        (18, 99, "99", ""),
        (None, None, "-1e9", ""),
    ],
)
def test_a_number_outside_its_limits_is_told_the_limits_that_there_are(minimum, maximum, value, message):
    """Both, one, or none."""
    item = Item(item_id="age", type="number", question="How old?", minimum=minimum, maximum=maximum)
    found = _error(item, value)
    assert found.endswith(message)
    assert bool(found) == bool(message)


REPORT = {
    "trial_id": "t", "idempotency_key": "k", "page_id": "p", "response": "left", "void_reason": None, "rt_ms": 500,
    "exposures": [{"achieved_ms": 1000, "frames": 60}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "expected a JSON object"),
        (None, "expected a JSON object"),
        ({**REPORT, "exposures": [{"achieved_ms": 1000}]}, "achieved_ms and frames of each picture"),
        ({**REPORT, "exposures": [{"frames": 60}]}, "achieved_ms and frames of each picture"),
        ({**REPORT, "exposures": None}, "one object for each exposure"),
        ({**REPORT, "exposures": []}, "one object for each exposure"),
        ({**REPORT, "exposures": [3]}, "exposures: expected objects"),
        ({**REPORT, "rt_ms": 0}, "rt_ms: expected a number above 0"),
    ],
)
def test_a_report_of_another_form_is_refused(data, message):
    """What a page of ours never sends."""
    with pytest.raises(Invalid, match=message):
        parse_report(data)


def test_a_void_trial_needs_no_exposures():
    """Nothing may have been shown; what was shown may lack numbers."""
    void = {**REPORT, "response": None, "void_reason": "hidden", "rt_ms": None}
    assert parse_report({**void, "exposures": None}).exposures == ()
    (one,) = parse_report({**void, "exposures": [{"achieved_ms": 200}]}).exposures
    assert (one.achieved_ms, one.frames) == (200, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("phone", "device: expected an object"),
        ({"language": 7}, "expected a language tag"),
        ({"language": "x" * 1000}, "expected a language tag"),
        ({"language": "de\n"}, "expected a language tag"),
        ({"screen_width_px": True}, "screen_width_px: expected a number"),
        ({"refresh_hz": -1}, "refresh_hz: expected a number"),
    ],
)
def test_a_device_of_another_form_is_refused(data, message):
    """Its numbers are numbers and its language a tag."""
    with pytest.raises(Invalid, match=message):
        parse_device(data)
    assert parse_device(None) == {}
    assert parse_device({"language": "de"})["language"] == "de"


def test_an_instructed_single_picture_is_right_where_it_was_obeyed():
    """And says nothing about real and fake."""
    empty = dict.fromkeys(("stimulus_b", "side_of_a"), "")
    shown = {
        **empty,
        "question": "real_or_fake",
        "stimulus_a": "s",
        "condition_a": "lite",
        "control": "instructed",
        "instructed_response": "real",
    }
    for response in ("real", "fake"):
        found = score(SimpleNamespace(**shown, response=response))
        assert found.is_correct == (response == "real")
        assert found.is_fooled is None
        assert not found.said_real


@pytest.mark.parametrize(
    ("asked", "facts", "expected"),
    [
        ({"gamut": "p3"}, {"gamut": "srgb"}, ("gamut", "srgb", ">= p3", False)),
        ({"gamut": "p3"}, {"gamut": "rec2020"}, ("gamut", "rec2020", ">= p3", True)),
        ({"dynamic_range": "standard"}, {"dynamic_range": "high"}, ("dynamic_range", "high", "standard", False)),
        ({"dynamic_range": "standard"}, {}, ("dynamic_range", "", "standard", None)),
        ({"min_colour_depth": 24}, {"colour_depth": "much"}, ("colour_depth", "much", ">= 24", False)),
    ],
)
def test_a_screen_is_judged_by_what_is_asked_for(asked, facts, expected):
    """Told and wanted, told and not wanted, wanted and not told."""
    readiness = dataclasses.replace(parse_definition(SMALL).readiness, **asked)
    assert expected in list(judge_screen(facts, readiness))


def test_a_screen_is_told_of_in_the_trials_and_nowhere_else(participant):
    """Not before the instructions are left."""
    participant.agree()
    with pytest.raises(Conflict, match="the session is not in its trials; open its page"):
        record_screen(participant.desk, participant.token, {}, now=NOW)
