"""The lab: seats, measured displays that grow old, and pages that need nothing from outside."""

import re
from datetime import timedelta

import pytest
from conftest import NOW, SMALL

from study import sessions
from study.export import write_export
from study.lab import DisplayError, add_display, list_displays, read_profile
from study.recruitment import configure
from tools.proof.material import display_profile

PROFILE = display_profile(measured_on="2026-11-01", viewing_distance_mm=572.96)
SEAT = "?seat=3&experimenter=AB&display=seat-1"


@pytest.fixture
def at_the_seat(app, desk, make_study, tmp_path, monkeypatch):
    """Make a lab study, perhaps with a measured display, and knock at its door `days` after NOW."""

    def come(text, *, has_profile=True, days=0):
        make_study(text)
        configure(desk.database, "small", "lab", {}, now=NOW)
        if has_profile:
            (tmp_path / "seat.toml").write_text(PROFILE)
            add_display(desk.database, read_profile(tmp_path / "seat.toml"), now=NOW)
        monkeypatch.setattr("study.participant.entrance.now", lambda: NOW + timedelta(days=days))
        client = app.test_client()
        return client, client.get(f"/s/small/{SEAT}")

    return come


def enter(client, door):
    entry = re.search(r'name="entry" value="([^"]*)"', door.text)[1]
    return client.post("/s/small/start", data={"entry": entry}).headers["Location"]


def test_seat_experimenter_and_display_are_stored_and_exported(at_the_seat, desk, settings, tmp_path):
    client, door = at_the_seat(SMALL)
    state = sessions.read_state(desk, enter(client, door).split("/")[2])
    found = {check.check_id: check for check in sessions.read_checks(desk, state)}
    assert (found["seat"].answer, found["experimenter"].answer) == ("3", "AB")
    assert found["display_profile_age_days"].answer == "21"
    out = write_export(desk.database, settings.stimuli, state.study.id, tmp_path / "export", now=NOW)
    study = (out / "study.json").read_text()
    assert found["display_profile"].answer in study
    assert '"instrument": "a colorimeter"' in study


@pytest.mark.parametrize(("has_profile", "days"), [(False, 0), (True, 400)])
@pytest.mark.parametrize(
    ("action", "status", "words"),
    [("refuse", 403, "not ready"), ("warn", 200, "missing or too old"), ("record", 200, "I agree and start")],
)
def test_a_display_that_is_missing_or_old_is_recorded_warned_of_or_refused(
    at_the_seat, action, status, words, has_profile, days
):
    client, door = at_the_seat(SMALL + f'[lab]\nprofile = "{action}"\n', has_profile=has_profile, days=days)
    assert door.status_code == status
    assert words in door.text
    if action == "refuse":
        assert client.post("/s/small/start").status_code == 403, "not by another way either"


def test_a_profile_gives_the_size_in_degrees(at_the_seat, desk):
    """4 device pixels to a millimetre at 57.3 cm: 10 degrees are 401 device pixels, and nobody is asked for a card."""
    client, door = at_the_seat(SMALL + '[trial]\nsize_unit = "degrees"\nsize_degrees = 10\n')
    here = enter(client, door)
    assert "How it goes" in client.get(here).text
    checks = sessions.read_checks(desk, sessions.read_state(desk, here.split("/")[2]))
    assert sessions.device_width_px(checks) == pytest.approx(401, abs=0.5)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("gamma = 2.2", "gamma = 22", "gamma: expected a number from 0.5 to 5"),
        ("gamma = 2.2\n", "", "gamma is missing"),
        ("[0.64, 0.33]", "[64, 33]", "red_xy: expected chromaticities"),
        ("2026-11-01", '"yesterday"', "measured_on: expected a date"),
        ("display/1", "display/2", "expected format"),
        ("gamma", "gama", "unknown key gama"),
        ("gamma = 2.2", "gamma = true", "gamma: expected a number from 0.5 to 5, got True"),
        ("gamma = 2.2", "gamma = inf", "gamma: expected a number from 0.5 to 5"),
        ('name = "seat-1"', 'name = "  "', "name: expected 1 to 100 characters, got '  '"),
        ('name = "seat-1"', "name = 1", "name: expected 1 to 100 characters, got 1"),
        ("gamma = 2.2", "gamma = ", "not valid TOML"),
    ],
)
def test_a_wrong_profile_is_explained(tmp_path, old, new, problem):
    (tmp_path / "p.toml").write_text(PROFILE.replace(old, new))
    with pytest.raises(DisplayError, match=problem):
        read_profile(tmp_path / "p.toml")


@pytest.mark.parametrize("path", ["/lab/patches", "/lab/photodiode"])
def test_the_labs_pages_need_nothing_from_outside(app, path):
    client = app.test_client()
    page = client.get(path)
    assert page.status_code == 200
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        with client.get(address) as reply:
            content = reply.data
        assert reply.status_code == 200
        assert not re.search(rb"(?:https?:)?//(?!www\.w3\.org)\w+\.\w", re.sub(rb"/\*.*?\*/", b"", content))


def test_display_commands(app, tmp_path):
    run = app.test_cli_runner().invoke
    (tmp_path / "p.toml").write_text(PROFILE)
    assert "seat-1, measured on 2026-11-01" in run(args=["display", "add", str(tmp_path / "p.toml")]).output
    assert "seat-1" in run(args=["display", "list"]).output
    missing = run(args=["display", "add", str(tmp_path / "none.toml")])
    assert missing.exit_code == 2
    assert missing.output.startswith("error: ")


def test_a_profile_that_was_added_twice_is_there_once(desk, tmp_path):
    """Under the same hash."""
    (tmp_path / "seat.toml").write_text(PROFILE)
    profile = read_profile(tmp_path / "seat.toml")
    assert add_display(desk.database, profile, now=NOW) == add_display(desk.database, profile, now=NOW)
    with desk.database.reading() as connection:
        assert len(list_displays(connection)) == 1


def test_nobody_sits_down_at_a_display_that_grew_old_at_the_door(at_the_seat, monkeypatch):
    """The page was open overnight; what it holds is still good, the display is not."""
    client, door = at_the_seat(SMALL + '[lab]\nprofile = "refuse"\n')
    entry = re.search(r'name="entry" value="([^"]*)"', door.text)[1]
    monkeypatch.setattr("study.participant.entrance.now", lambda: NOW + timedelta(days=400))
    reply = client.post("/s/small/start", data={"entry": entry})
    assert (reply.status_code, "not ready" in reply.text) == (403, True)
