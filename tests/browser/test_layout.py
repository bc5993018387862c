"""study/static/layout.js: where the pictures stand, for any window."""

from typing import Any

import pytest

pytestmark = pytest.mark.chromium
FULL = {"width_px": 256, "height_px": 256, "size_unit": "css_px"}
WINDOWS = [
    (320, 568),
    (360, 640),
    (390, 844),
    (844, 390),
    (667, 331),
    (560, 600),
    (768, 1024),
    (1280, 800),
    (2560, 1300),
]


def place(page: Any, width: int, height: int, ratio: float, size: dict[str, Any], rules: Any = None) -> Any:
    return page.evaluate(
        """async ([window_size, size, rules]) => {
            const { layout } = await import("/static/layout.js");
            return layout(window_size, size, rules);
        }""",
        [{"width": width, "height": height, "ratio": ratio}, size, rules],
    )


@pytest.mark.parametrize("ratio", [1, 1.25, 1.5, 2, 2.625, 3])
@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_both_pictures_are_alike_whole_pixels_and_inside_the_window(
    module_page: Any, width: int, height: int, ratio: float
) -> None:
    places = place(module_page, width, height, ratio, FULL)
    left, right = places["left"], places["right"]
    assert places["fits"]
    assert (left["width"], left["height"], left["y"]) == (right["width"], right["height"], right["y"])
    assert left["x"] >= 0
    assert right["x"] + right["width"] <= width
    assert right["x"] - left["x"] - left["width"] >= 16
    assert left["y"] + left["height"] + 60 <= height + 1 / ratio, "the buttons have room"
    assert left["x"] + left["width"] / 2 + right["x"] + right["width"] / 2 == pytest.approx(width, abs=2 / ratio)
    for box in (left, right):
        for value in box.values():
            assert value * ratio == pytest.approx(round(value * ratio), abs=1e-6)


def test_at_full_size_a_picture_is_as_large_as_the_definition_says(module_page: Any) -> None:
    places = place(module_page, 1280, 800, 1, FULL)
    assert (places["left"]["width"], places["left"]["height"], places["scale"]) == (256, 256, 1)


@pytest.mark.parametrize(("ratio", "times"), [(1, 1), (1.25, 1), (1.5, 2), (2, 2), (2.625, 3), (3, 3)])
def test_in_device_pixels_each_pixel_of_a_picture_is_a_whole_number_of_the_screens(
    module_page: Any, ratio: float, times: int
) -> None:
    """The number that comes nearest to CSS pixels; where there is no room a smaller whole one, or none at all."""
    size = {**FULL, "size_unit": "device_px"}
    assert place(module_page, 1600, 1000, ratio, size)["left"]["width"] * ratio == pytest.approx(256 * times)
    low = place(module_page, 844, 390, ratio, size)
    assert (low["left"]["width"] * ratio / 256).is_integer()
    assert low["fits"] == (256 / ratio <= 390 - 58 - 64)


@pytest.mark.parametrize("ratio", [1, 1.25, 2, 3])
def test_in_degrees_a_picture_has_its_device_pixels_at_any_zoom(module_page: Any, ratio: float) -> None:
    size = {**FULL, "size_unit": "degrees", "device_width_px": 300}
    places = place(module_page, 1600, 1000, ratio, size)
    assert places["left"]["width"] * ratio == pytest.approx(300)
    assert places["fits"]
    assert not place(module_page, 390, 844, 1, size)["fits"], "a smaller picture would have another size"


def test_a_picture_that_is_not_square_keeps_its_shape(module_page: Any) -> None:
    left = place(module_page, 390, 844, 1, {**FULL, "height_px": 192})["left"]
    assert left["width"] / left["height"] == pytest.approx(256 / 192, rel=0.01)


def test_a_window_without_room_is_not_used(module_page: Any) -> None:
    assert not place(module_page, 240, 400, 1, FULL)["fits"]
    assert not place(module_page, 640, 200, 1, FULL)["fits"]


def test_a_study_may_insist_on_full_size(module_page: Any) -> None:
    rules = {"phones": "refused", "min_viewport_width_px": 560, "min_viewport_height_px": 320}
    assert not place(module_page, 390, 844, 1, FULL, rules)["fits"]
    assert place(module_page, 1280, 800, 1, FULL, rules)["fits"]
    assert place(module_page, 390, 844, 1, FULL, {**rules, "phones": "allowed"})["fits"]
