"""One complete session in Debian's Firefox, with a reload while a picture is shown; the database is the judge."""

from pathlib import Path

import pytest
from firefox import running_firefox
from study_server import define, running_server

pytestmark = pytest.mark.firefox
# Long enough to be reloaded while it is shown.
TIMING = (
    "first_blank_ms = 120\nblank_before_ms = 80\nexposure_ms = 600\nblank_between_ms = 80\nbuttons_after_ms = 30\n"
    "feedback_ms = 150\n"
)
ENTER = "\ue007"


def test_a_whole_session_with_a_reload(tmp_path: Path) -> None:
    """From consent to score: every answer is there once, and what the reload interrupted is replaced."""
    text = define(timing=TIMING, n_practice=1, n_test=3, n_low_anchor=0, n_instructed=0)
    text += '[readiness]\nchecks = ["night_light", "display"]\nnight_light = "warn"\n'
    with (
        running_server(tmp_path / "instance", {"quick": text}) as server,
        running_firefox(tmp_path) as firefox,
    ):
        firefox.goto(f"{server.url}/s/quick/")
        firefox.click("#consent button")
        firefox.wait("document.querySelector('#readiness') !== null")
        firefox.evaluate("(document.querySelector('[value=none]').checked = true)")
        firefox.click("#readiness button[type=submit]")
        firefox.wait("document.querySelector(\"form[action$='/advance']\") !== null")
        firefox.click("form[action$='/advance'] button")
        answers: list[str] = []
        is_reloaded = False
        while True:
            at = firefox.wait(
                "document.querySelector(\"form[action$='/answers']\") ? 'over'"
                " : document.querySelector('.gate:not([hidden])') ? 'gate'"
                " : document.querySelector('#stage[data-phase=first]') ? 'first'"
                " : document.querySelector('.answer[aria-disabled=false]') && 'answering'"
            )
            if at == "over":
                break
            if at == "gate":
                firefox.click("[data-part=gate-button]")
                firefox.wait("document.querySelector('.gate[hidden]') !== null")
            elif len(answers) == 2 and not is_reloaded:  # on a slow machine the pictures may be over
                is_reloaded = True
                firefox.question()
                firefox.reload()
            elif at == "answering":
                answers.append("left" if len(answers) % 2 else "right")
                number = firefox.question()
                firefox.press("f" if answers[-1] == "left" else "j")
                firefox.wait_for_end(number)
        firefox.evaluate(
            "document.querySelectorAll('fieldset').forEach((f) => { f.querySelector('input').checked = true; })"
        )
        firefox.click("form[action$='/answers'] button")
        firefox.wait("document.querySelector('.score') !== null")
        session, rows = server.newest_session("quick"), server.trials("quick")
        assert session["status"] == "complete"
        assert "Firefox" in session["user_agent"]
        assert [row["response"] for row in rows if row["response"]] == answers
        assert len(answers) == 4
        voids = [row["void_reason"] for row in rows if not row["response"]]
        assert [reason for reason in voids if reason != "hidden"] == ["reloaded"], (
            "but for what the machine slept through"
        )
        told = [row for row in rows if row["response"]]
        frame_ms = 1000 / session["refresh_hz"]
        assert all(abs(row["exposure_a_ms_achieved"] - 600) < frame_ms or row["dropped_frames"] for row in told)
        assert firefox.complaints == []
