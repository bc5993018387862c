"""study/static/kiosk.js: the last page of a lab goes back to the first when nobody is there."""

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.chromium


def test_the_last_page_goes_back_after_its_time_without_a_touch(module_page: Page) -> None:
    module_page.clock.install(time=0)
    module_page.clock.pause_at(1_000)  # its time is the test's
    module_page.goto("http://modules.test/")
    module_page.evaluate("""async () => {
        document.body.innerHTML = '<p data-part="kiosk" data-after-s="60" data-url="/machine.js">';
        await import("/static/kiosk.js");
    }""")
    module_page.clock.run_for(59_000)
    module_page.keyboard.press("Shift")
    module_page.clock.run_for(59_000)
    assert module_page.url == "http://modules.test/", "somebody was there a minute ago"
    module_page.clock.run_for(1_000)
    module_page.wait_for_url("http://modules.test/machine.js")
