"""A session of every design in Chromium against the real server; the database is the judge."""

from typing import Any

import pytest
from person import Person
from playwright.sync_api import expect
from study_server import Server

pytestmark = pytest.mark.chromium
OF_THE_STUDY = ("Ready?", "Practice is over", "A break")  # not of a machine that slept


def take(person: Person, slug: str) -> list[str]:
    """Go through a session by the keys F and J in turn; give the texts of the gates met."""
    gates: list[str] = []
    person.enter(slug)
    while (at := person.look()) != "over":
        if at == "gate":
            gates.append(person.gate.locator("h1").inner_text())
            person.proceed()
        else:
            person.answer("right" if len(person.answers) % 2 else "left", "letter")
    return [gate for gate in gates if gate in OF_THE_STUDY]


def rows_of(person: Person, server: Server, slug: str, n: int) -> list[dict[str, Any]]:
    """The trials that were answered: all but those that the machine slept through."""
    told = server.trials(slug)
    rows = [row for row in told if not row["void_reason"]]
    assert person.complaints == []
    assert len(told) - n <= person.naps
    assert [row["response"] != "" for row in rows] == [True] * n
    assert len({row["image_id"] for row in rows}) == n
    for row in rows:
        assert (row["shown_width_px"], row["shown_height_px"]) == (256, 256)
        assert row["rt_ms"] > 0
    return rows


def slack_ms(person: Person, row: dict[str, Any]) -> float:
    """By how much a time may be off: two frames, and those that the record says were dropped."""
    refresh_hz = next(report["refresh_hz"] for report in person.reports if report["response"])
    return float((2 + row["dropped_frames"]) * 1000 / refresh_hz)


def test_single_pictures_until_the_answer(person: Person, server: Server) -> None:
    """One picture in the middle, buttons for real and fake with it; the exposure lasts until the answer."""
    gates = take(person, "single")
    assert gates == ["Ready?", "Practice is over"]
    for row in rows_of(person, server, "single", 6):
        assert row["exposure_ms_nominal"] is None
        # The picture is covered by the next frame after the answer, and counts as answerable when it is painted.
        assert row["exposure_a_ms_achieved"] == pytest.approx(row["rt_ms"], abs=2 * slack_ms(person, row))
        assert (row["exposure_b_ms_achieved"], row["frames_b"], row["side_of_a"]) == (None, None, "")
    answers = ["real" if side == "left" else "fake" for side in person.answers]
    assert [row["response"] for row in rows_of(person, server, "single", 6)] == answers
    kinds = [row["condition_a"] for row in server.trials("single") if row["kind"] == "test"]
    assert sorted(kinds) == ["real", "real", "testmodel", "testmodel"]
    person.fill_in()
    expect(person.page.locator(".score")).to_contain_text("of 4")


def test_pairs_at_once_for_a_limited_time(person: Person, server: Server) -> None:
    """Both pictures are uncovered and covered in the same frames; then the buttons."""
    take(person, "at-once")
    for row in rows_of(person, server, "at-once", 4):
        assert row["exposure_a_ms_achieved"] == row["exposure_b_ms_achieved"]
        assert row["exposure_a_ms_achieved"] == pytest.approx(120, abs=slack_ms(person, row))
        assert (row["order_of_a"], row["question"]) == ("", "real")
    assert [row["response"] for row in rows_of(person, server, "at-once", 4)] == person.answers


def test_a_preference_with_a_reference(person: Person, server: Server) -> None:
    """The reference alone, then two recolourings until the answer; no score at the end."""
    take(person, "preferred")
    for row in rows_of(person, server, "preferred", 6):
        assert {row["condition_a"], row["condition_b"]} == {"testmodel", "otherphoto"}
        assert row["stimulus_reference"]
    for question in person.page.get_by_role("group").all():
        question.get_by_role("radio").first.check()
    person.page.get_by_role("button", name="Finish").click()
    expect(person.page.get_by_text("There was no right or wrong")).to_be_visible()


def test_a_staircase_with_countdown_masks_and_a_break(person: Person, server: Server) -> None:
    """Each level follows from the answer before; frames are the level's; four masks of two frames; a break between."""
    gates = take(person, "stairs")
    assert gates == ["Ready?", "Practice is over", "A break"]
    rows = rows_of(person, server, "stairs", 6)
    level = None
    for before, row in zip([None, *rows], rows, strict=False):
        if row["kind"] == "practice":
            assert (row["staircase_level_ms"], row["exposure_ms_nominal"], row["mask_frames"]) == (None, None, None)
            continue
        is_right = before is not None and (before["response"] == "real") == (before["condition_a"] == "real")
        is_new = before is None or before["block"] != row["block"]
        level = 150 if is_new or level is None else max(100, level - 10 if is_right else level + 30)
        assert (row["staircase_level_ms"], row["exposure_ms_nominal"]) == (level, level)
        assert row["exposure_a_ms_achieved"] == pytest.approx(level, abs=slack_ms(person, row))
        assert 4 <= row["mask_frames"] <= 12, "two frames each, of which a busy machine may drop one"


@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (844, 390), (1280, 800)])
def test_a_single_picture_stands_in_the_middle_with_its_buttons_inside_the_window(
    module_page: Any, width: int, height: int
) -> None:
    """As large as the window allows; both buttons whole, alike and apart."""
    places = module_page.evaluate(
        """async ([width, height]) => {
            const { layout } = await import("/static/layout.js");
            const size = { width_px: 256, height_px: 256, size_unit: "css_px", is_single: true };
            return layout({ width, height, ratio: 2 }, size);
        }""",
        [width, height],
    )
    middle, left, right = places["middle"], places["buttons"]["left"], places["buttons"]["right"]
    assert middle["x"] + middle["width"] / 2 == pytest.approx(width / 2, abs=1)
    assert middle["width"] == 256 or height < 500
    assert left["x"] >= 0
    assert right["x"] + right["width"] <= width
    assert left["width"] == right["width"] >= 120
    assert right["x"] - left["x"] - left["width"] >= 16


def test_masks_are_opaque_noise_at_every_scale(module_page: Any) -> None:
    """Mid-grey on average, a good contrast in blocks of 2 and of 32 px alike, another one for another trial."""
    told = module_page.evaluate("""async () => {
        const { mask } = await import("/static/mask.js");
        const [n, pixels] = [256, mask(256, 256, "trial 0")];
        const same = mask(256, 256, "trial 0").every((value, i) => value === pixels[i]);
        const other = mask(256, 256, "trial 1").some((value, i) => value !== pixels[i]);
        const sd = (size) => {
            const means = [];
            for (let y = 0; y < n; y += size) for (let x = 0; x < n; x += size) {
                let sum = 0;
                for (let j = 0; j < size; j++) for (let i = 0; i < size; i++) sum += pixels[4 * ((y + j) * n + x + i)];
                means.push(sum / size ** 2);
            }
            const mean = means.reduce((a, b) => a + b) / means.length;
            return [mean, Math.sqrt(means.reduce((a, b) => a + (b - mean) ** 2, 0) / means.length)];
        };
        const opaque = pixels.every((value, i) => i % 4 !== 3 || value === 255);
        return { same, other, opaque, fine: sd(2), coarse: sd(32) };
    }""")
    assert (told["same"], told["other"], told["opaque"]) == (True, True, True)
    assert told["fine"][0] == pytest.approx(128, abs=12)
    assert told["fine"][1] > 50
    assert told["coarse"][1] > 25
