"""Before the trials: plates that a dichromat cannot read, screens, self-report, sizes; and what follows from them."""

import dataclasses
import io
import math

import pytest
from conftest import NOW, SMALL
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops
from sqlalchemy import select

from study import rights, sessions
from study.definition import DefinitionError, deviations, load_preset, parse_definition
from study.export import write_export
from study.models import CheckRow
from study.readiness import deal, draw, fitting_answers, sizes
from study.readiness.plates import CONTROL, COPUNCTAL, LINES, NOISE, PAPER, colours, linear_rgb
from study.readiness.screens import FACTS, judge_screen, read_facts

KEY = b"k" * 32
ALL = """
[readiness]
checks = ["vision", "plates", "display", "night_light"]
n_plates = 3
"""
SCREEN = (
    '{"screen_width_px": 1920, "screen_height_px": 1080, "colour_depth": 24, "gamut": "srgb", "forced_colours": false}'
)
# Linear RGB of BT.709 to the cones' responses of Smith and Pokorny: Vienot, Brettel and Mollon (1999), Digital video
# colourmaps for checking the legibility of displays by dichromats, Color Research and Application 24, p. 244-245.
RGB_TO_LMS = ((17.8824, 43.5161, 4.11935), (3.45565, 27.1554, 3.86714), (0.0299566, 0.184309, 1.46709))
CONE_OF = {"protan": 0, "deutan": 1, "tritan": 2}


def lms(line: str) -> list[tuple[float, ...]]:
    return [
        tuple(sum(m * v for m, v in zip(row, linear_rgb(xyz), strict=True)) for row in RGB_TO_LMS)
        for xyz in colours(line)
    ]


@pytest.mark.parametrize("line", LINES)
def test_figure_and_ground_of_a_plate_differ_for_the_missing_cone_alone(line):
    """By an independent set of cone responses: two cones hardly see a difference, the missing one does."""
    a, b = lms(line)
    ratios = [abs(math.log(x / y)) for x, y in zip(a, b, strict=True)]
    missing = ratios.pop(CONE_OF[line])
    assert missing > math.log(1.3)
    assert max(ratios) < 0.1 * missing
    assert max(ratios) < math.log(1 + NOISE) / 3, "what is left drowns in the noise of luminance"


@pytest.mark.parametrize("line", LINES)
def test_the_two_colours_lie_on_a_line_through_the_copunctal_point(line):
    points = [(x / (x + y + z), y / (x + y + z)) for x, y, z in colours(line)]
    (ax, ay), (bx, by), (cx, cy) = *points, COPUNCTAL[line]
    assert abs((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)) < 1e-4


def test_a_plate_is_fresh_for_every_session_and_the_same_for_one():
    plates = deal(KEY, "s-1", 6)
    assert plates == deal(KEY, "s-1", 6)
    assert sorted(plate.line for plate in plates) == sorted([*LINES, *LINES, CONTROL])
    assert draw(KEY, "s-1", plates[0]) == draw(KEY, "s-1", plates[0])
    other = dataclasses.replace(plates[0])
    first, second = (Image.open(io.BytesIO(draw(KEY, name, other))) for name in ("s-1", "s-2"))
    assert first.size == (360, 360)
    assert ImageChops.difference(first, second).getbbox() is not None
    digits = {plate.digit for n in range(40) for plate in deal(KEY, f"s-{n}", 6)}
    assert digits == set("2347")


@pytest.mark.parametrize("line", [*LINES, CONTROL])
def test_the_digit_is_in_the_picture_by_its_colour_and_not_by_its_luminance(line):
    """Take a picture apart again: dots of two colours; their mean luminances differ only on the control plate."""
    plate = next(p for n in range(9) for p in deal(KEY, f"s-{n}", 6) if p.line == line)
    picture = Image.open(io.BytesIO(draw(KEY, "s-x", plate))).convert("RGB")
    pixels = [p for _, p in picture.getcolors(1 << 20) if max(abs(a - b) for a, b in zip(p, PAPER, strict=True)) > 40]
    if line == CONTROL:
        grey = [p for p in pixels if max(p) - min(p) < 6]
        assert len(grey) > 0.9 * len(pixels)
        assert {p[0] < 110 for p in grey} == {True, False}
        return
    a, b = (linear_rgb(c) for c in colours(line))
    channel = max(range(3), key=lambda c: abs(a[c] - b[c]))
    reference = (channel + 1) % 3
    cut = (a[channel] / max(a[reference], 1e-3) * b[channel] / max(b[reference], 1e-3)) ** 0.5
    sides = {p[channel] / 255 > (p[reference] / 255) * cut ** (1 / 2.2) for p in pixels}
    assert sides == {True, False}


# ---- a session


def checks_of(desk, state):
    return {check.check_id: check for check in sessions.read_checks(desk, state)}


def to_the_form(participant):
    assert participant.agree().status_code == 303
    page = participant.client.get(participant.here)
    assert "Before you begin" in page.text
    return page


def answers_of(participant, **changes):
    plates = sessions.plates_of(participant.desk, participant.state)
    definition = participant.state.study.definition
    return fitting_answers(definition, plates) | {"display": SCREEN} | changes


def test_every_result_is_stored_once_and_the_session_goes_on(make_study, participant_of):
    participant = participant_of(SMALL + ALL)
    page = to_the_form(participant)
    desk = participant.desk
    plates = sessions.plates_of(desk, participant.state)
    assert participant.client.post(f"{participant.here}advance", data={"stage": "instructions"}).status_code == 409
    for plate in plates:
        reply = participant.client.get(f"{participant.here}plate/{plate.number}")
        assert (reply.status_code, reply.mimetype) == (200, "image/png")
    assert participant.client.get(f"{participant.here}plate/99").status_code == 404
    # The page holds addresses and numbers of plates, and none of the digits.
    fields = [line for line in page.text.splitlines() if "plate-" in line and "<input" in line]
    assert len(fields) == 4
    assert all('value=""' in line for line in fields)
    seen = next(plate for plate in plates if plate.line != CONTROL)
    given = answers_of(participant, vision="corrected", **{f"plate-{seen.number}": "9"})
    assert participant.client.post(f"{participant.here}checks", data=given).status_code == 303
    again = answers_of(participant, vision="not_corrected")
    assert participant.client.post(f"{participant.here}checks", data=again).status_code == 303
    found = checks_of(desk, participant.state)
    assert (found["vision"].answer, found["vision"].is_passed) == ("corrected", True)
    missed = found[f"plate-{seen.number}"]
    assert (missed.answer, missed.expected, missed.is_passed, missed.detail) == ("9", seen.digit, False, seen.line)
    assert (found["plates"].answer, found["plates"].is_passed, found["plates"].action) == ("2", False, "record")
    assert (found["gamut"].expected, found["gamut"].is_passed) == (">= srgb", True)
    assert found["colour_depth"].is_passed is True
    assert found["night_light"].is_passed is True
    assert (
        participant.client.get(f"{participant.here}plate/1").status_code == 404
        or participant.state.status == "consented"
    )
    assert "How it goes" in participant.client.get(participant.here).text


def test_what_is_left_out_is_asked_again_and_nothing_is_stored(participant_of):
    participant = participant_of(SMALL + ALL)
    to_the_form(participant)
    given = answers_of(participant)
    del given["vision"]
    reply = participant.client.post(f"{participant.here}checks", data=given)
    assert reply.status_code == 422
    assert "One question needs another look" in reply.text
    assert 'value="no" checked' in reply.text
    assert checks_of(participant.desk, participant.state) == {}


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("vision", {"colour_deficiency": "yes"}, "tell all colours apart"),
        ("plates", {"plate-1": "", "plate-2": "", "plate-3": "", "plate-4": ""}, ""),
        ("display", {"display": SCREEN.replace("24", "8")}, "shows more colours"),
        ("night_light", {"night_light": "still_on"}, "without night light"),
    ],
)
def test_a_study_excludes_only_where_it_says_so(participant_of, kind, changes, words):
    """By default the person goes on; `warn` says so on the next page; `exclude` ends kindly and frees the place."""
    for action, expected in (("record", "How it goes"), ("warn", "please note"), ("exclude", "Thank you for coming")):
        participant = participant_of(SMALL + ALL + f'{kind} = "{action}"\n', slug=f"{kind}-{action}".replace("_", "-"))
        to_the_form(participant)
        given = answers_of(participant, **changes)
        if kind == "plates":  # the control plate was read: then it is the colours
            control = next(p for p in sessions.plates_of(participant.desk, participant.state) if p.line == CONTROL)
            given[f"plate-{control.number}"] = control.digit
        participant.client.post(f"{participant.here}checks", data=given)
        page = participant.client.get(participant.here).text
        assert expected in page
        if action == "exclude":
            assert words in page
            assert participant.state.status == "unqualified"
            assert "mailto:lab@example.org" in page or "lab@example.org" in page
        else:
            assert (
                participant.client.post(f"{participant.here}advance", data={"stage": "instructions"}).status_code == 303
            )
            assert participant.state.status == "practice"


def test_who_cannot_read_the_control_plate_is_not_excluded(participant_of):
    """Then nobody can tell anything from the plates."""
    participant = participant_of(SMALL + ALL + 'plates = "exclude"\n')
    to_the_form(participant)
    given = answers_of(participant) | {f"plate-{n}": "" for n in range(1, 5)}
    participant.client.post(f"{participant.here}checks", data=given)
    assert checks_of(participant.desk, participant.state)["plates"].is_passed is None
    assert "How it goes" in participant.client.get(participant.here).text


def test_the_export_holds_the_checks_and_withdrawal_erases_them(participant_of, settings, tmp_path):
    participant = participant_of(SMALL + ALL)
    to_the_form(participant)
    participant.client.post(f"{participant.here}checks", data=answers_of(participant))
    state = participant.state
    out = write_export(participant.desk.database, settings.stimuli, state_study(participant), tmp_path / "one", now=NOW)
    lines = (out / "checks.csv").read_text().splitlines()
    assert lines[0].startswith("session_id,participant_id,check_id,kind,detail")
    assert sum(f"{state.session_id}," in line for line in lines) == len(lines) - 1 > 8
    rights.withdraw(participant.desk, state.session_id, by="test", now=NOW)
    with participant.desk.database.reading() as connection:
        assert connection.execute(select(CheckRow.check_id)).all() == []


def state_study(participant):
    return participant.state.study.id


def test_the_page_of_trials_tells_its_screen_and_each_fact_is_kept_once(participant):
    participant.begin()
    for width in (1920, 640):
        told = {"display": {"screen_width_px": width, "gamut": "p3", "zoom": 1.25, "nonsense": "x", "dark_mode": True}}
        assert participant.client.post(f"{participant.here}api/checks", json=told).status_code == 200
    found = checks_of(participant.desk, participant.state)
    assert (found["screen_width_px"].answer, found["zoom"].answer, found["dark_mode"].answer) == ("1920", "1.25", "yes")
    assert found["gamut"].is_passed is True
    assert "nonsense" not in found
    assert found["colour_depth"].is_passed is None, "asked for, but not told"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from(FACTS), x),
    )
)
def test_no_report_of_a_screen_breaks_anything(told):
    facts = read_facts(told)
    assert set(facts) <= set(FACTS)
    asked = parse_definition(SMALL).readiness
    assert all(name in FACTS for name, *_ in judge_screen(facts, asked))


def test_degrees_become_device_pixels():
    """At 57.3 cm one degree is about one centimetre, here with 4 device pixels to a millimetre."""
    found = sizes(10, 4.0, 572.96)
    assert float(found["picture_width_mm"]) == pytest.approx(2 * 572.96 * math.tan(math.radians(5)), rel=1e-5)
    assert float(found["picture_width_device_px"]) == pytest.approx(401, abs=0.5)


def test_a_study_in_degrees_asks_for_a_card_and_the_distance(participant_of):
    participant = participant_of(SMALL + '[trial]\nsize_unit = "degrees"\nsize_degrees = 6\n')
    page = to_the_form(participant)
    assert "bank card" in page.text
    reply = participant.client.post(f"{participant.here}checks", data={"viewing_distance_cm": "60"})
    assert reply.status_code == 422
    assert "as wide as yours" in reply.text
    given = {"viewing_distance_cm": "60", "device_px_per_mm": "3.78", "distance_method": "blind_spot"}
    participant.client.post(f"{participant.here}checks", data=given)
    participant.client.post(f"{participant.here}advance", data={"stage": "instructions"})
    assert '"device_width_px": 237.' in participant.client.get(participant.here).text.replace("&#34;", '"')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[readiness]\nchecks = ["eyes"]', "readiness.checks: expected some of vision, plates, display, night_light"),
        ('[readiness]\nchecks = ["plates", "plates"]', "each once"),
        ('[readiness]\nplates = "refuse"', "expected record or warn or exclude"),
        ('[trial]\nsize_unit = "degrees"', "trial.size_degrees: above 0"),
        ("[trial]\nsize_degrees = 4", "trial.size_degrees: above 0"),
        ('[lab]\nprofile = "maybe"', "expected record or warn or refuse"),
    ],
)
def test_a_wrong_key_is_explained(text, problem):
    with pytest.raises(DefinitionError, match=problem):
        parse_definition(SMALL + text)


def test_a_study_that_checks_more_than_its_preset_says_so():
    found = {d.key: d for d in deviations(load_preset(), parse_definition(SMALL + ALL + 'plates = "exclude"'))}
    assert found["readiness.plates"].b == "exclude"
    assert "plates" in found["readiness.checks"].b
