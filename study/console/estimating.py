"""What a study that is being made will take, and how sure its result will be: kept current while the form changes.

Time and money are arithmetic. How sure it will be, `python -m analysis power` says by simulation, which takes seconds:
the page asks for it by itself, one computation at a time, and the same question is answered once.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from study.definition import StudyDefinition
from study.design import Pools

N_STUDIES = 200
TIMEOUT_S = 300  # of a crowded machine; on a calm one it takes three
MAX_PARTICIPANTS = 20_000
DEFAULT_RATE, DEFAULT_AIM = 32, 5  # percent: people in 2016; points
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Cost:
    """What a study takes, by plain arithmetic."""

    n_participants: int
    minutes_each: int
    hours: float
    pay: float
    fee: float

    @property
    def total(self) -> float:
        """Pay and the platform's fee."""
        return self.pay + self.fee


def cost(definition: StudyDefinition, *, n_participants: int, pay_per_hour: float, fee_percent: float) -> Cost:
    """Multiply out participants, minutes and money."""
    hours = n_participants * definition.minutes / 60
    pay = hours * pay_per_hour
    return Cost(n_participants, definition.minutes, hours, pay, pay * fee_percent / 100)


def whole(form: Mapping[str, str], name: str, default: int) -> int:
    """Take a number of the form; what is none counts as not given."""
    text = form.get(name, "").strip()
    return int(text) if text.isdecimal() and len(text) < 7 else default


@dataclass(frozen=True, slots=True)
class Question:
    """What `analysis power` is asked. Rates and aim in percent."""

    layout: str
    """single, between or within."""
    rate: int
    aim: int
    n_participants: int
    n_photos: int
    n_trials: int

    @property
    def arguments(self) -> list[str]:
        """The command's flags."""
        rates, aim = [self.rate / 100], self.aim / 100
        if self.layout != "single":
            # The other rate lies on the side where there is room.
            rates.append(rates[0] - aim if rates[0] - aim > 0.005 else rates[0] + aim)
        asked = ["--rates", *(f"{rate:g}" for rate in rates)]
        asked += ["--precision", f"{aim:g}"] if self.layout == "single" else []
        sizes = {"participants": self.n_participants, "photos": self.n_photos, "trials": self.n_trials}
        return asked + [part for name, n in sizes.items() for part in (f"--{name}", str(n))]


@dataclass(frozen=True, slots=True)
class Power:
    """What came out; shares in [0, 1]."""

    question: Question
    power: float
    limit: float
    """With people without end: what the photographs allow."""
    half_width: float
    problem: str = ""


def question_of(definition: StudyDefinition, pools: Pools, form: Mapping[str, str]) -> Question | None:
    """Put a study's size into a question; None for outcomes that the simulation does not know."""
    if definition.outcome.measure not in ("fool_rate", "preference"):
        return None
    n_compared = len(pools.compared)
    n, trials = whole(form, "n_participants", 40), definition.test.n_trials
    layout = "single" if n_compared == 1 else "within" if pools.is_within else "between"
    # Of several conditions the question is about two: their share of the people, or of each one's trials.
    if layout == "between":
        n = max(2, round(2 * n / n_compared))
    elif layout == "within":
        trials = max(2, round(2 * trials / n_compared))
    rate = whole(form, "expected_rate", 50 if definition.is_preference else DEFAULT_RATE)
    return Question(
        layout,
        min(99, max(1, rate)),
        min(49, max(1, whole(form, "aim", DEFAULT_AIM))),
        min(MAX_PARTICIPANTS, max(2, n)),
        len(pools.photos["test"]),
        trials,
    )


def compute(question: Question) -> Power:
    """Ask `python -m analysis power`; takes seconds. An answer is kept, a failure to get one is not."""
    try:
        return _computed(question)
    except (OSError, subprocess.SubprocessError) as error:
        return Power(question, 0, 0, 0, f"the analysis did not answer ({type(error).__name__})")


@lru_cache(maxsize=256)
def _computed(question: Question) -> Power:
    command = [sys.executable, "-m", "analysis", "power", *question.arguments, "--studies", str(N_STUDIES), "--json"]
    with _one_at_a_time:
        done = subprocess.run(  # noqa: S603 - our own program, numbers only
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return Power(question, 0, 0, 0, last.removeprefix("error: ").removeprefix("power: "))
    points = [p for p in json.loads(done.stdout)["points"] if p["comparison"] == question.layout]
    finite = next(p for p in points if p["n_participants"] is not None)
    limit = next((p["power"] for p in points if p["n_participants"] is None), finite["power"])
    return Power(question, finite["power"], limit, finite["half_width"])
