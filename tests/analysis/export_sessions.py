"""Simulated people: what each was shown, what they answered, and the rows that an export has of it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from export_pictures import sha256

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
INTERCEPT = {"zhang2016": -0.9, "regression": -2.0, "random": -3.5}
OTHER = {"left": "right", "right": "left"}


def utc(seconds):
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def expit(x):
    return 1 / (1 + np.exp(-x))


@dataclass
class Study:
    """What all sessions share, and their rows; photographs of tests come first, then of anchors, then of practice."""

    rng: np.random.Generator
    common: dict
    models: tuple
    image_ids: list
    image_effect: np.ndarray
    stimulus_of: dict
    n_images: int
    n_anchor: int
    n_instructed: int
    n_practice: int
    size_px: int
    sd_participant: float
    trials: list = field(default_factory=list)
    sessions: list = field(default_factory=list)
    answers: list = field(default_factory=list)

    def plan(self, person):
        """Kind, control, photograph and condition of each trial: practice, then the rest in any order."""
        n, rng = self.n_images, self.rng
        practice = [("practice", None, n + self.n_anchor + i, "random") for i in range(self.n_practice)]
        test = [("test", None, i, self.models[(person + i) % len(self.models)]) for i in rng.permutation(n)]
        test += [("catch", "low_anchor", n + i, "random") for i in range(self.n_anchor)]
        test += [("catch", "instructed", n + self.n_anchor, "random") for _ in range(self.n_instructed)]
        return practice + [test[i] for i in rng.permutation(len(test))]

    def add(self, person, *, is_complete, begins=True):
        """One session; who does not complete it stops half way, or never begins."""
        rng = self.rng
        visit = Visit(
            self,
            number=person,
            ids={"session_id": rng.bytes(8).hex(), "participant_id": f"p{person:04d}"},
            effect=rng.normal(0, self.sd_participant),
            speed=rng.normal(6.6, 0.3),
            refresh_hz=float(rng.choice([60.0, 120.0])),
            seconds=person * 900.0,
        )
        plan = self.plan(person)
        n_shown = len(plan) if is_complete else len(plan) // 2 if begins else 0
        for plan_index, planned in enumerate(plan[:n_shown]):
            for is_void in [True, False] if rng.random() < 0.02 else [False]:
                self.trials.append(visit.show(plan_index, *planned, is_void=is_void))
        self.sessions.append(visit.session(is_complete=is_complete, begins=begins))
        if is_complete:
            self.answers += visit.answers()


@dataclass
class Visit:
    """One person's session while it goes on."""

    study: Study
    number: int
    ids: dict
    effect: float
    speed: float
    refresh_hz: float
    seconds: float
    trial_index: int = 0
    answered: int = 0
    void: int = 0
    failed: int = 0

    def show(self, plan_index, kind, control, image, condition, *, is_void):
        """The row of one presented trial."""
        study, rng = self.study, self.study.rng
        image_id = study.image_ids[image]
        side, order = rng.choice(["left", "right"]), rng.choice(["first", "second"])
        exposures = 1000 + rng.normal(0, 3, 2) + (rng.random(2) < 0.01) * 40.0
        row = {
            **self.ids,
            **study.common,
            "trial_index": self.trial_index,
            "plan_index": plan_index,
            "kind": kind,
            "control": control,
            "design": "sequential_pair",
            "question": "fake",
            "image_id": image_id,
            "stimulus_a": study.stimulus_of[image_id, condition],
            "stimulus_b": study.stimulus_of[image_id, "real"],
            "condition_a": condition,
            "condition_b": "real",
            "side_of_a": side,
            "order_of_a": order,
            "exposure_ms_nominal": 1000.0,
            "refresh_hz": self.refresh_hz,
            "visible": not is_void,
            "shown_at_utc": utc(self.seconds),
            "block": int(kind != "practice"),
            "shown_width_px": float(study.size_px),
            "shown_height_px": float(study.size_px),
        }
        if control == "instructed":
            row["instructed_response"] = str(rng.choice(["left", "right"]))
        if is_void:
            row["void_reason"] = "hidden"
            self.void += 1
        else:
            row |= self.judge(row, image, exposures)
            self.answered += 1
        self.trial_index += 1
        self.seconds += 8
        return row

    def judge(self, row, image, exposures):
        """What an answer adds to a row."""
        rng, side = self.study.rng, row["side_of_a"]
        if row["control"] == "instructed":
            correct, fooled = rng.random() < 0.95, None
            self.failed += not correct
            response = row["instructed_response"] if correct else OTHER[row["instructed_response"]]
        else:
            fooled = rng.random() < expit(INTERCEPT[row["condition_a"]] + self.effect + self.study.image_effect[image])
            correct = not fooled
            response = OTHER[side] if fooled else side
        rt_ms = float(np.exp(rng.normal(self.speed, 0.4)))
        a, b = row["stimulus_a"], row["stimulus_b"]
        return {
            "response": response,
            "chosen_stimulus": a if response == side else b,
            "said_real": b if response == side else a,
            "fooled": fooled,
            "correct": correct,
            "rt_ms": rt_ms,
            "exposure_ms_achieved": float(max(exposures, key=lambda e: abs(e - 1000))),
            "exposure_a_ms_achieved": float(exposures[0]),
            "exposure_b_ms_achieved": float(exposures[1]),
            "frames_a": round(exposures[0] * self.refresh_hz / 1000),
            "frames_b": round(exposures[1] * self.refresh_hz / 1000),
            "dropped_frames": int((exposures > 1020).sum()),
            "answered_at_utc": utc(self.seconds + 4 + rt_ms / 1000),
        }

    def session(self, *, is_complete, begins):
        """The row of the session."""
        start, is_simulated = self.number * 900.0, self.study.common["is_simulated"]
        return {
            **self.ids,
            **self.study.common,
            "arm": "all",
            "status": "complete" if is_complete else "test" if begins else "started",
            "source": "simulated" if is_simulated else "direct",
            "is_pilot": False,
            "session_seed": int(self.study.rng.integers(2**31)),
            "consent_sha256": sha256(b"consent"),
            "consented_at_utc": utc(start - 60) if begins else None,
            "started_at_utc": utc(start - 90),
            "completed_at_utc": utc(self.seconds) if is_complete else None,
            "n_trials_answered": self.answered,
            "n_trials_void": self.void,
            "n_instructed_failed": self.failed,
            "user_agent": "simulation",
            "screen_width_px": 1920,
            "screen_height_px": 1080,
            "viewport_width_px": 1280,
            "viewport_height_px": 720,
            "device_pixel_ratio": 1.0,
            "refresh_hz": self.refresh_hz,
            "language": "en",
            "arm_slot": self.number,
            "slot_attempt": 0,
        }

    def answers(self):
        """The rows of the questionnaire."""
        asked = (
            ("colour-vision", "choice", "Do you have normal colour vision?", "yes"),
            ("age", "number", "How old are you?", int(self.study.rng.integers(18, 70))),
        )
        return [
            {
                **self.ids,
                "item_id": item,
                "item_type": kind,
                "question": question,
                "answer": answer,
                "answered_at_utc": utc(self.seconds),
            }
            for item, kind, question, answer in asked
        ]
