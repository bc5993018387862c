"""What a study did otherwise than its preset, as the export lists it."""

import json

from study.definition import load_preset, parse_definition, presets
from study.deviations import deviations


def test_a_preset_does_not_deviate_from_itself():
    """Words, title and contact are not compared; everything else is equal."""
    for name in presets():
        text = f'preset = "{name}"\n[study]\ntitle = "x"\ncontact = "y@z.org"\n[words]\nleft = "L"'
        assert deviations(parse_definition(text).canonical) == []


def test_every_changed_key_is_listed_with_both_values():
    """Keys of all sections, in order, and nothing else."""
    text = 'preset = "zhang2016"\n[timing]\nexposure_ms = 500\n[analysis]\nmargin = 0.05'
    assert deviations(parse_definition(text).canonical) == [
        {"key": "analysis.margin", "preset": None, "study": 0.05},
        {"key": "timing.exposure_ms", "preset": 1000, "study": 500},
    ]


def test_a_preset_of_another_version_cannot_be_compared():
    """None is not the same as no deviation."""
    data = json.loads(load_preset().canonical)
    data["protocol"]["name"] = "of-the-future"
    assert deviations(json.dumps(data)) is None
