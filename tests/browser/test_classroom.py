"""A class: the projector asks for a prediction, then reveals; the phones find the study by the code."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from study_server import write_stimuli
from test_accessibility import look

from study import create_app, db
from study.classroom.command import prepare
from study.classroom.room import RECORDED, key_of, outcomes
from study.config import Settings, read_settings
from study.serving import in_thread

pytestmark = pytest.mark.chromium
PROJECTOR, PHONE = {"width": 1920, "height": 1080}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Settings]]:
    """The server's address, the projector's, the settings: a class of nobody and a recorded one of three."""
    instance = tmp_path_factory.mktemp("class")
    write_stimuli(instance / "set", n_photos=16)
    settings = read_settings({"TRUEHUE_INSTANCE": str(instance), "TRUEHUE_CLASS": "8b"})
    app = create_app(settings)
    desk = app.extensions["truehue"].desk
    db.upgrade(desk.database)
    prepare(desk, settings, "8b", "en", instance / "set", n_recorded=3)
    with in_thread(app) as url:
        yield url, f"{url}/class/{key_of(settings.lasting_key, '8b')}", settings
    desk.database.dispose()


@pytest.fixture
def projector(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport=PROJECTOR)
    yield context.new_page()
    context.close()


def read_code(picture: np.ndarray) -> str:
    """The code in a picture, sharp or a little blurred, by OpenCV's one reader or its other.

    The port is drawn: the first reader overlooks the codes of 3 ports in 1,000 in a sharp picture.
    """
    for reader in (cv2.QRCodeDetector(), cv2.QRCodeDetectorAruco()):
        for seen in (picture, cv2.GaussianBlur(picture, (9, 9), 0)):
            if text := reader.detectAndDecode(seen)[0]:
                return str(text)
    return ""


def test_the_code_on_the_projector_leads_to_the_test(projector: Page, room: tuple[str, str, Settings]) -> None:
    url, there, _ = room
    projector.goto(f"{there}/")
    picture = cv2.imdecode(np.frombuffer(projector.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert read_code(picture) == f"{url}/"
    problems = look(projector)
    projector.set_viewport_size(PHONE)
    assert problems + look(projector) == []
    projector.goto(f"{url}/")
    expect(projector.get_by_role("button", name="I agree and start")).to_be_visible()
    assert "Not your name" in projector.inner_text("main")
    projector.get_by_role("button", name="I agree and start").click()
    projector.get_by_role("heading", name="How it goes").wait_for()
    assert projector.request.get(f"{there}/counts").json() == {"begun": 1, "done": 0}


def test_the_projector_reveals_nothing_before_a_prediction(projector: Page, room: tuple[str, str, Settings]) -> None:
    """And then the rate with both intervals, the prediction beside them; the first prediction stays."""
    _, there, settings = room
    projector.goto(f"{there}/recorded/result")
    assert projector.url.endswith("/recorded/predict")
    assert "%" not in projector.inner_text("main")
    guess = projector.get_by_label("testmodel")
    guess.fill("150")
    projector.get_by_role("button", name="Reveal").click()
    expect(projector.get_by_role("alert")).to_contain_text("from 0 to 100")
    problems = look(projector)
    guess.fill("40")
    projector.get_by_role("button", name="Reveal").click()
    projector.get_by_role("heading", name="How often the fakes passed for real").wait_for(timeout=280_000)
    for size in (PHONE, PROJECTOR):
        projector.set_viewport_size(size)
        problems.extend(look(projector))
    assert problems == []
    said = projector.inner_text("main")
    assert said.startswith("SIMULATED")
    (found,) = _outcomes(settings)
    assert f"testmodel: {found.rate:.0f} %" in said
    assert f"{found.n_fooled} of {found.n_trials} fakes were taken for real, by 3 people. You predicted 40 %." in said
    assert f"naive: {found.naive[0]:.0f} to {found.naive[1]:.0f} %" in said
    assert f"clustered: {found.clustered[0]:.0f} to {found.clustered[1]:.0f} %" in said
    assert found.rate == pytest.approx(100 * found.n_fooled / found.n_trials)
    projector.request.post(f"{there}/recorded/predict", form={"rate-testmodel": "1"})
    assert json.loads((settings.instance / "predictions" / f"8b{RECORDED}@1.json").read_text()) == {"testmodel": 40}
    projector.get_by_role("link", name="The whole report").click()
    expect(projector.locator("h1")).to_have_count(1, timeout=60_000)  # a click does not wait for the page behind a link


def _outcomes(settings: Settings) -> list:
    (tables,) = (settings.reports / f"8b{RECORDED}").glob("*/tables")
    return outcomes(tables, {})


def test_who_has_no_key_finds_no_projector(projector: Page, room: tuple[str, str, Settings]) -> None:
    url, there, _ = room
    assert projector.request.get(f"{url}/class/{'0' * 24}/").status == 404
    assert projector.request.get(f"{there}/elsewhere/predict").status == 404
    page = projector.request.get(f"{url}/s/8b/").text()
    assert not re.search("/class/", page)
    assert projector.request.get(f"{url}/report/8b/").status == 404


def test_a_condition_without_an_interval_is_left_out(tmp_path: Path) -> None:
    """One person gives a naive interval and no clustered one."""
    head = "condition,method,n_participants,n_trials,n_fooled,fool_rate,ci_low,ci_high\n"
    (tmp_path / "fool_rates.csv").write_text(f"{head}a,x,1,20,5,0.25,,\nb,x,2,20,5,0.25,0.1,0.5\n")
    (tmp_path / "secondary.csv").write_text(f"{head}a,Wilson,1,20,5,0.25,0.2,0.3\nb,Wilson,2,20,5,0.25,0.2,0.3\n")
    (found,) = outcomes(tmp_path, {"b": 30.0})
    assert (found.condition, found.predicted, found.naive, found.clustered) == ("b", 30.0, (20, 30), (10, 50))
