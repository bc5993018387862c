"""The session's state machine under whatever a browser, or somebody with its address, sends in any order."""

import itertools
import os
from collections import Counter
from secrets import randbits

from conftest import NOW, Participant
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from study import sessions
from study.rights import withdraw, withdrawal_code
from study.studies import SEED_BITS

ORDER = ("started", "consented", "practice", "test", "questionnaire", "complete", "withdrawn")
SIDES = st.sampled_from(["left", "right"])


def make_machine(app, desk, make_study):
    """Two people in a new study; every rule may come at any time."""
    numbers = itertools.count()

    class Machine(RuleBasedStateMachine):
        @initialize(seed=st.integers(0, 2**SEED_BITS - 1))
        def come(self, seed):
            # Trials follow from the seed and the place in the study: what is drawn may depend on nothing else.
            study = make_study(slug=f"study-{next(numbers)}")
            self.person, self.other = (Participant(app.test_client(), desk, study.slug, page_id=name) for name in "ab")
            for one in (self.person, self.other):
                token = sessions.start(desk, study.id, now=NOW, bits=lambda n: seed if n == SEED_BITS else randbits(n))
                one.here = f"/p/{token}/"
            self.other.client.post(f"{self.other.here}advance", data={"stage": "instructions"})
            self.other.look()
            self.told = []  # reports that were acknowledged, with the reply
            self.reached, self.n_rows, self.n_pages, self.is_withdrawn = 0, 0, 0, False

        def sent(self, report):
            """Send a report; what was acknowledged once is kept."""
            reply = self.person.send(report)
            assert reply.status_code in {200, 409, 422}, reply.text
            if reply.status_code == 200:
                self.person.turn = reply.get_json()
                self.told.append((report, reply.data))
            return reply

        @rule()
        def advance(self):
            before = self.person.state.status
            reply = self.person.client.post(f"{self.person.here}advance", data={"stage": "instructions"})
            assert reply.status_code in {303, 409}
            assert before in {"started", "consented"} or self.person.state.status == before

        @rule()
        def reload(self):
            self.n_pages += 1
            self.person.page_id = f"a{self.n_pages}"
            reply = self.person.ask()
            in_trials = self.person.state.status in {"practice", "test", "questionnaire", "complete"}
            assert reply.status_code == (200 if in_trials else 409)
            if in_trials:
                self.person.turn = reply.get_json()

        @precondition(lambda self: self.person.turn.get("trial"))
        @rule(response=SIDES)
        def answer(self, response):
            is_open = self.person.state.status in {"practice", "test"}
            reply = self.sent(self.person.report(response))
            assert reply.status_code == (200 if is_open else 409)

        @precondition(lambda self: self.person.turn.get("trial"))
        @rule(reason=st.sampled_from(["hidden", "resized", "load_failed"]))
        def void(self, reason):
            self.sent(self.person.report(None, void_reason=reason, rt_ms=None, exposures=[]))

        @precondition(lambda self: self.told)
        @rule(data=st.data())
        def replay(self, data):
            """The same report again gets the same reply and writes nothing, however late."""
            report, first = data.draw(st.sampled_from(self.told))
            reply = self.person.send(report)
            if self.is_withdrawn:
                assert reply.status_code == 409
            else:
                assert (reply.status_code, reply.data) == (200, first)

        @precondition(lambda self: self.told)
        @rule(data=st.data(), response=SIDES)
        def answer_again(self, data, response):
            """A trial that is over, under a new key."""
            old, _ = data.draw(st.sampled_from(self.told))
            forged = {**old, "idempotency_key": "again", "response": response, "void_reason": None}
            exposure = {"onset_ms": 0, "offset_ms": 1000, "achieved_ms": 1000, "frames": 60, "dropped_frames": 0}
            reply = self.person.send(forged | {"rt_ms": 500, "exposures": [exposure, exposure]})
            assert reply.status_code == 409

        @precondition(lambda self: self.person.turn.get("trial"))
        @rule(response=SIDES)
        def reuse_a_key(self, response):
            """Another trial's key."""
            if self.told and self.person.state.status in {"practice", "test"}:
                key = self.told[0][0]["idempotency_key"]
                assert self.person.send(self.person.report(response, idempotency_key=key)).status_code == 409

        @rule(response=SIDES)
        def skip_or_foreign(self, response):
            """The other person's trial, and one that nobody has."""
            for name in (self.other.turn["trial"]["trial_id"], "0" * 32):
                self.other.turn = {"trial": self.other.turn["trial"]}
                report = self.other.report(response, trial_id=name)
                assert self.person.send(report).status_code == 409

        @rule()
        def questionnaire(self):
            is_due = self.person.state.status == "questionnaire"
            reply = self.person.fill_in()
            assert reply.status_code in {303, 409}
            assert self.person.state.status == "complete" or not is_due

        @precondition(lambda self: len(self.told) > 5 and not self.is_withdrawn)
        @rule()
        def withdraw(self):
            withdraw(desk, self.person.state.session_id, by="participant", now=NOW)
            self.is_withdrawn, self.n_rows = True, 0
            assert self.person.rows == []

        @invariant()
        def holds(self):
            """Status never goes back; rows only grow; one answer for each place of the plan; no code before the end."""
            state, rows = self.person.state, self.person.rows
            place = ORDER.index(state.status)
            assert place >= self.reached
            assert len(rows) >= self.n_rows
            self.reached, self.n_rows = place, len(rows)
            answered = Counter(row.plan_index for row in rows if not row.void_reason)
            assert set(answered.values()) <= {1}
            assert [row.trial_index for row in rows] == list(range(len(rows)))
            planned = state.study.definition.practice.n_trials + state.study.definition.n_main
            is_over = state.status in {"questionnaire", "complete"}
            assert is_over == (state.outstanding is None) or self.is_withdrawn
            # A void trial whose pool has no spare photograph left stays without an answer.
            assert not is_over or state.void or len(answered) == planned
            page = self.person.client.get(self.person.here)
            assert page.status_code == 200
            assert (withdrawal_code(desk, state.session_id) in page.text) == (state.status == "complete")
            assert self.other.rows == []

    return Machine


def test_no_order_of_requests_breaks_a_session(app, desk, make_study):
    """Answers, voids, reloads, replays, forgeries, another's trial, withdrawal: refused or done, never half.

    TRUEHUE_EXAMPLES=300 looks longer, --hypothesis-profile=others at other orders.
    """
    run_state_machine_as_test(
        make_machine(app, desk, make_study),
        settings=settings(
            max_examples=int(os.environ.get("TRUEHUE_EXAMPLES", "10")),
            print_blob=True, stateful_step_count=30, deadline=None, database=None,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
