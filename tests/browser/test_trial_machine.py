# ruff: noqa: E501 - JavaScript lines
"""study/static/trial.js: a pure state machine, driven through every way a trial can go."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.chromium
Run = Callable[..., Any]


def test_a_trial_goes_through_its_phases_in_order(run: Run) -> None:
    phases = run("""
        const w = new World().ready().go().until("answering").answer();
        return w.do({ type: "turn", turn: turn(null) }).phases;
    """)
    assert phases == [
        "measuring",
        "fetching",
        "loading",
        "blank",
        "first",
        "gap",
        "second",
        "hold",
        "answering",
        "sending",
        "done",
    ]


@pytest.mark.parametrize("hz", [30, 59.94, 60, 75, 90, 120, 144, 240])
def test_every_duration_is_its_nearest_number_of_whole_frames(run: Run, hz: float) -> None:
    seen = run(
        """
        const w = new World({ hz: given.hz }).ready().go();
        const at = {};
        let phase = "";
        while (w.state.phase !== "answering") {
            if (w.state.phase !== phase) at[phase = w.state.phase] = w.t;
            w.frame();
        }
        at.answering = w.t;
        w.answer();
        return { at, report: w.of("send")[0].report };
    """,
        hz=hz,
    )
    at, report, frame = seen["at"], seen["report"], 1000 / hz
    for begin, end, nominal in [
        ("blank", "first", 900),
        ("first", "gap", 1000),
        ("gap", "second", 600),
        ("second", "hold", 1000),
        ("hold", "answering", 100),
    ]:
        assert abs(at[end] - at[begin] - nominal) <= frame / 2 + 1e-6
    assert report["refresh_hz"] == pytest.approx(hz, rel=1e-5)
    for exposure in report["exposures"]:
        assert exposure["frames"] == round(1000 / frame)
        assert exposure["dropped_frames"] == 0
        assert exposure["achieved_ms"] == pytest.approx(exposure["offset_ms"] - exposure["onset_ms"], abs=0.002)


def test_a_very_short_exposure_is_at_least_one_frame(run: Run) -> None:
    exposures = run("""
        const w = new World().ready(turn("one", { timing: { exposure_ms: 10, blank_before_ms: 0, blank_between_ms: 0 } }));
        w.go().until("answering").answer();
        return w.of("send")[0].report.exposures;
    """)
    assert [e["frames"] for e in exposures] == [1, 1]


def test_a_picture_is_never_shown_in_the_frames_after_it_was_drawn(run: Run) -> None:
    """The compositor needs a moment with the picture under its cover, even if the definition asks for no blank."""
    n = run("""
        const w = new World().ready(turn("one", { timing: { blank_before_ms: 0 } })).go();
        let n = 0;
        while (w.state.phase === "blank") { w.frame(); n++; }
        return n;
    """)
    assert n >= 3


def test_missed_frames_are_counted(run: Run) -> None:
    exposures = run("""
        const w = new World().ready().go().until("first").frames(10).frame(5).frames(3).frame(2);
        w.until("answering").answer();
        return w.of("send")[0].report.exposures;
    """)
    assert [e["dropped_frames"] for e in exposures] == [7, 0]
    assert exposures[0]["frames"] == 53
    assert exposures[0]["achieved_ms"] == pytest.approx(1000, abs=0.01)


def test_a_frame_that_reached_the_compositor_late_is_counted(run: Run) -> None:
    """Its timestamp is on time, its paint is not: the record must say that the exposure is not to be trusted."""
    exposures = run("""
        const w = new World().ready().go();
        while (w.state.phase === "blank") w.frame(0, 40);
        w.until("answering").answer();
        return w.of("send")[0].report.exposures;
    """)
    assert [e["dropped_frames"] for e in exposures] == [2, 0]


def test_only_one_picture_at_a_time_is_uncovered_and_only_while_exposed(run: Run) -> None:
    seen = run("""
        const w = new World().ready().go();
        const seen = {};
        while (w.state.phase !== "answering") { seen[w.state.phase] = view(w.state).open; w.frame(); }
        seen.answering = view(w.state).open;
        return seen;
    """)
    assert seen == {
        "blank": None,
        "first": "right",
        "gap": None,
        "second": "left",
        "hold": None,
        "answering": None,
    }


def test_the_response_clock_starts_at_the_painted_buttons(run: Run) -> None:
    report = run("""
        const w = new World({ handover_ms: 7 }).ready().go().until("answering");
        w.do({ type: "answer", side: "left", t: w.t + 300 });
        return w.of("send")[0].report;
    """)
    assert report["rt_ms"] == pytest.approx(293)
    assert report["response"] == "left"
    assert report["visible"] is True


def test_an_answer_before_the_buttons_or_after_the_answer_is_nothing(run: Run) -> None:
    n, response = run("""
        const w = new World().ready().go();
        w.do({ type: "answer", side: "left", t: w.t + 1 }).until("first");
        w.do({ type: "answer", side: "left", t: w.t + 1 }).until("answering");
        w.do({ type: "answer", side: "left", t: w.state.buttons_at - 1 });   // pressed before they were painted
        w.answer("right").answer("left").answer("right");
        return [w.of("send").length, w.of("send")[0].report.response];
    """)
    assert (n, response) == (1, "right")


@pytest.mark.parametrize("phase", ["first", "gap", "second"])
def test_leaving_the_page_during_the_exposure_makes_the_trial_void(run: Run, phase: str) -> None:
    seen = run(
        """
        const w = new World().ready().go().until(given.phase).frames(5).do({ type: "away" });
        const open = view(w.state).open;
        w.do({ type: "turn", turn: turn("two") }).do({ type: "back" }).do({ type: "loaded", trial_id: "two" }).frames(200);
        const waits = [w.state.phase, view(w.state).gate];
        w.do({ type: "proceed" }).frames(2);
        return { reports: w.of("send").map((e) => e.report), open, waits, phase: w.state.phase, trial: w.state.trial.trial_id };
    """,
        phase=phase,
    )
    (report,) = seen["reports"]
    assert (report["trial_id"], report["response"], report["void_reason"]) == ("one", None, "hidden")
    assert (report["rt_ms"], report["visible"]) == (None, False)
    assert len(report["exposures"]) == (0 if phase == "first" else 1)
    assert seen["open"] is None, "the picture is covered at once"
    assert seen["waits"] == ["loading", "hidden"], "the replacement waits for the person's sign"
    assert (seen["phase"], seen["trial"]) == ("blank", "two")


@pytest.mark.parametrize("phase", ["first", "gap", "second"])
def test_a_laptop_that_sleeps_during_the_exposure_makes_the_trial_void(run: Run, phase: str) -> None:
    """No event tells the page: it gets no frames, and then they go on."""
    seen = run(
        """
        const w = new World().ready().go().until(given.phase).frames(5).frame(20 * 60);
        w.do({ type: "turn", turn: turn("two") }).do({ type: "loaded", trial_id: "two" }).frames(200);
        const waits = [w.state.phase, view(w.state).gate];
        w.do({ type: "proceed" }).until("answering").answer();
        return { reports: w.of("send").map((e) => e.report), waits };
    """,
        phase=phase,
    )
    assert seen["waits"] == ["loading", "hidden"]
    assert [(r["trial_id"], r["void_reason"]) for r in seen["reports"]] == [("one", "hidden"), ("two", None)]


def test_a_laptop_that_sleeps_before_the_picture_begins_the_trial_anew(run: Run) -> None:
    """Else the picture would be there at the moment when the lid opens."""
    seen = run("""
        const w = new World().ready().go().until("blank").frames(3).frame(20 * 60).frames(100);
        const waits = [w.state.phase, view(w.state).gate];
        w.do({ type: "proceed" }).until("answering").answer();
        return { reports: w.of("send").map((e) => e.report), waits };
    """)
    assert seen["waits"] == ["loading", "paused"]
    assert [(r["trial_id"], r["void_reason"]) for r in seen["reports"]] == [("one", None)]


def test_leaving_the_page_before_anything_was_shown_costs_nothing(run: Run) -> None:
    seen = run("""
        const w = new World().ready().go().frames(10).do({ type: "away" });
        const gate = view(w.state).gate;
        w.frames(20).do({ type: "back" }).frames(100);
        const still = w.state.phase;
        w.do({ type: "proceed" }).until("answering").answer();
        return { gate, still, reports: w.of("send").map((e) => e.report) };
    """)
    assert (seen["gate"], seen["still"]) == ("paused", "loading")
    (report,) = seen["reports"]
    assert (report["trial_id"], report["void_reason"], report["visible"]) == ("one", None, True)


def test_leaving_the_page_before_the_answer_is_recorded_and_keeps_the_trial(run: Run) -> None:
    report = run("""
        const w = new World().ready().go().until("answering").do({ type: "away" }).do({ type: "back" }).answer();
        return w.of("send")[0].report;
    """)
    assert (report["visible"], report["void_reason"], report["response"]) == (False, None, "left")


def test_a_page_that_is_out_of_sight_does_not_begin_a_trial(run: Run) -> None:
    phase, gate = run("""
        const w = new World().ready().go().until("answering").answer().do({ type: "away" });
        w.do({ type: "turn", turn: turn("two") }).do({ type: "loaded", trial_id: "two" }).frames(100);
        return [w.state.phase, view(w.state).gate];
    """)
    assert (phase, gate) == ("loading", "paused")


@pytest.mark.parametrize(
    ("fits", "same_size", "void"), [(False, False, True), (True, False, True), (True, True, False)]
)
def test_a_window_that_changes_the_pictures_size_makes_the_trial_void(
    run: Run, fits: bool, same_size: bool, void: bool
) -> None:
    reasons = run(
        """
        const w = new World().ready().go().until("second").frames(5);
        w.do({ type: "resize", fits: given.fits, same_size: given.same_size, shown_px: { width: 1, height: 1 } });
        return w.of("send").map((e) => e.report.void_reason);
    """,
        fits=fits,
        same_size=same_size,
    )
    assert reasons == (["resized"] if void else [])


def test_a_window_that_is_too_small_waits_until_it_is_larger(run: Run) -> None:
    seen = run("""
        const w = new World().ready().do({ type: "loaded", trial_id: "one" }).do({ type: "resize", fits: false, same_size: false, shown_px: { width: 1, height: 1 } });
        const small = view(w.state);
        w.do({ type: "proceed" }).frames(50);
        const still = w.state.phase;
        w.do({ type: "resize", fits: true, same_size: false, shown_px: { width: 1, height: 1 } }).do({ type: "proceed" }).frames(2);
        return { gate: small.gate, can: small.can_proceed, still, phase: w.state.phase };
    """)
    assert seen == {"gate": "small", "can": False, "still": "loading", "phase": "blank"}


def test_feedback_stays_for_its_time_and_the_next_trial_follows(run: Run) -> None:
    seen = run("""
        const w = new World().ready(turn("one", { is_practice: true })).go().until("answering").answer();
        w.do({ type: "turn", turn: turn("two", { is_practice: true, feedback: { correct: false } }) }).frame();
        const begin = w.t, line = view(w.state).line;
        w.until("loading");
        return { line, ms: w.t - begin, trial: w.state.trial.trial_id, gate: view(w.state).gate };
    """)
    assert seen["line"] == {"kind": "wrong", "key": "wrong"}
    assert abs(seen["ms"] - 2400) <= 17
    assert (seen["trial"], seen["gate"]) == ("two", None)


def test_the_test_begins_behind_a_gate(run: Run) -> None:
    assert (
        run("""
        const w = new World().ready(turn("one", { is_practice: true })).go().until("answering").answer();
        w.do({ type: "turn", turn: turn("two") });
        return view(w.state).gate;
    """)
        == "test"
    )


def test_an_instruction_is_shown_before_and_during_the_answer(run: Run) -> None:
    seen = run("""
        const w = new World().ready(turn("one", { instruction: "Choose left." })).go();
        const seen = {};
        for (const phase of ["blank", "first", "gap", "second", "hold", "answering"]) seen[phase] = view(w.until(phase).state).line?.text;
        return seen;
    """)
    assert set(seen.values()) == {"Choose left."}
    assert len(seen) == 6


def test_no_order_of_events_breaks_it(run: Run) -> None:
    """20,000 random events: no exception, no mutation, one report per trial, a picture only while exposed."""
    seen = run("""
        let seed = 41;
        const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648, Math.floor(seed / 65536) % n);
        let n_reports = 0, n_doubles = 0, n_shown = 0;
        for (let r = 0; r < 20; r++) {
            const w = new World().start();
            const reports = new Map();
            for (let i = 0, k = 0; i < 1000; i++) {
                const id = w.state.trial?.trial_id ?? "x";
                const events = [
                    () => w.frame(random(3)), () => w.frames(random(40)), () => w.frames(random(70)), () => w.frames(20),
                    () => w.do({ type: "turn", turn: turn(`t${k++}`, { is_practice: random(2) === 0, feedback: random(2) ? { correct: true } : null }) }),
                    () => w.do({ type: "turn_failed", status: [null, 500, 409][random(3)] }),
                    () => w.do({ type: "loaded", trial_id: id }), () => w.do({ type: "loaded", trial_id: id }),
                    () => w.do({ type: "load_failed", trial_id: id, offline: random(2) === 0 }),
                    () => w.do({ type: "proceed" }), () => w.do({ type: "proceed" }),
                    () => w.do({ type: "answer", side: random(2) ? "left" : "right", t: w.t + 100 }),
                    () => w.do({ type: random(2) ? "away" : "back" }), () => w.do({ type: "back" }), () => w.do({ type: "online" }),
                    () => w.do({ type: "resize", fits: random(5) > 0, same_size: random(2) === 0, shown_px: { width: 1, height: 1 } }),
                ];
                events[random(events.length)]();
                const { open } = view(w.state);
                if (open) n_shown++;
                if ((open !== null) !== ["first", "second"].includes(w.state.phase)) throw new Error("open in " + w.state.phase);
            }
            for (const { report } of w.of("keep_report")) {
                if (reports.has(report.trial_id)) n_doubles++;
                reports.set(report.trial_id, report);
                n_reports++;
                if ((report.response === null) === (report.void_reason === null)) throw new Error("neither or both");
                if (report.response && (report.exposures.length !== 2 || !(report.rt_ms > 0))) throw new Error("incomplete");
            }
        }
        return { n_reports, n_doubles, n_shown };
    """)
    assert seen["n_doubles"] == 0
    assert seen["n_reports"] > 100
    assert seen["n_shown"] > 100
