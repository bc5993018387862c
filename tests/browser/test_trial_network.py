# ruff: noqa: E501 - JavaScript lines
"""study/static/trial.js: what it fetches, sends, tries again and gives up."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.chromium
Run = Callable[..., Any]


def test_a_picture_that_does_not_load_is_tried_three_times_more_and_then_the_trial_is_void(run: Run) -> None:
    seen = run("""
        const w = new World().ready();
        for (let i = 0; i < 4; i++) w.do({ type: "load_failed", trial_id: "one", offline: false });
        return { waits: w.of("load").map((e) => e.delay_ms), reports: w.of("send").map((e) => e.report) };
    """)
    assert seen["waits"] == [0, 500, 1000, 2000]
    (report,) = seen["reports"]
    assert (report["void_reason"], report["exposures"]) == ("load_failed", [])


def test_pictures_are_not_given_up_while_the_browser_is_offline(run: Run) -> None:
    loads, sends, phase = run("""
        const w = new World().ready();
        for (let i = 0; i < 50; i++) w.do({ type: "load_failed", trial_id: "one", offline: true });
        return [w.of("load").length, w.of("send").length, w.do({ type: "online" }).go().state.phase];
    """)
    assert (loads, sends, phase) == (51, 0, "blank")


def test_an_answer_is_sent_until_it_arrives_with_one_key(run: Run) -> None:
    seen = run("""
        const w = new World().ready().go().until("answering").answer();
        const kept = w.of("keep_report").length;
        for (const status of [null, 500, 503, 429, null, null, null]) w.do({ type: "turn_failed", status });
        const notice = view(w.state).notice;
        w.do({ type: "online" }).do({ type: "turn", turn: turn("two") });
        const sends = w.of("send");
        return {
            kept, notice, waits: sends.map((e) => e.delay_ms), forgot: w.of("forget_report").length,
            keys: [...new Set(sends.map((e) => e.report.idempotency_key))],
            phase: w.state.phase,
        };
    """)
    assert seen["kept"] == 1
    assert seen["waits"] == [0, 500, 1000, 2000, 4000, 8000, 8000, 8000, 0]
    assert seen["keys"] == ["page-one"]
    assert (seen["notice"], seen["forgot"], seen["phase"]) == ("answer-kept", 1, "loading")


def test_an_answer_kept_by_an_earlier_page_load_goes_first(run: Run) -> None:
    seen = run("""
        const report = { trial_id: "old", idempotency_key: "k", page_id: "earlier" };
        const w = new World().start({ report });
        const first = w.effects.map((e) => e.type);
        w.do({ type: "turn", turn: turn("one") }).until("fetching").do({ type: "turn", turn: turn("one", { done: 1 }) });
        return { first, types: w.effects.map((e) => e.type), sent: w.of("send")[0].report.page_id, gate: view(w.state).gate };
    """)
    assert seen["first"] == ["send"]
    assert seen["types"] == ["send", "forget_report", "note", "fetch_turn", "note", "load"]
    assert seen["sent"] == "earlier", "the same report, byte for byte"
    assert seen["gate"] == "resume"


def test_an_answer_that_another_tab_has_given_is_dropped_and_said(run: Run) -> None:
    seen = run("""
        const w = new World().ready().go().until("answering").answer().do({ type: "turn_failed", status: 409 });
        const gate = view(w.state).gate;
        const before = w.of("fetch_turn").length;
        w.frames(300);
        const waited = w.of("fetch_turn").length;
        w.do({ type: "proceed" });
        return { gate, before, waited, after: w.of("fetch_turn").length, forgot: w.of("forget_report").length };
    """)
    assert seen == {"gate": "elsewhere", "before": 1, "waited": 1, "after": 2, "forgot": 1}


@pytest.mark.parametrize(("status", "gate"), [(404, "gone"), (422, "unexpected")])
def test_a_refusal_that_no_retry_can_mend_shows_a_way_out(run: Run, status: int, gate: str) -> None:
    assert run(
        """
        const w = new World().ready().go().until("answering").answer().do({ type: "turn_failed", status: given.status });
        return [w.state.phase, view(w.state).gate, view(w.state).can_proceed];
    """,
        status=status,
    ) == ["broken", gate, False]


def test_a_session_that_left_its_trials_is_followed(run: Run) -> None:
    assert (
        run("""
        const w = new World().start().until("fetching").do({ type: "turn_failed", status: 409 });
        return w.of("follow").length;
    """)
        == 1
    )


def test_the_note_says_whether_a_picture_was_shown(run: Run) -> None:
    """A reload hands the trial out again only if nothing was shown."""
    assert run("""
        const w = new World().ready().go();
        const before = w.of("note").map((e) => e.shown);
        w.until("first");
        return [before, w.of("note").map((e) => e.shown)];
    """) == [[False], [False, True]]


def test_the_next_pictures_are_fetched_while_the_person_thinks(run: Run) -> None:
    assert run("""
        const w = new World().ready().go().until("hold");
        const before = w.of("prefetch").length;
        w.until("answering");
        return [before, w.of("prefetch").map((e) => e.urls)];
    """) == [0, [["/next/1", "/next/2"]]]
