"""What is run: arms with their true rates, people, photographs, and the study's definition."""

from dataclasses import dataclass
from pathlib import Path

from analysis.published import TABLE_2016, Published

SIZE_PX = 256
LOW_ANCHOR = "random"
# The study's name of each system in the published table, in the table's order.
SYSTEMS = {
    "Dahl": "Dahl",
    "Larsson": "Larsson et al.",
    "L2": "L2",
    "L2-ft": "L2, fine-tuned",
    "class": "classification",
    "full": "classification, rebalanced (full)",
    LOW_ANCHOR: "random",
}
ARMS = tuple(name for name in SYSTEMS if name != LOW_ANCHOR)
PUBLISHED: dict[str, Published] = {
    name: next(one for one in TABLE_2016 if one.system == system) for name, system in SYSTEMS.items()
}
TRUTH = {name: one.fool_rate for name, one in PUBLISHED.items()}
# Stand-ins: truehue-lite's colours times this. Nobody's answer depends on them.
SATURATION = {"Dahl": 0.4, "Larsson": 0.85, "L2": 0.55, "L2-ft": 0.7, "class": 1.0, "full": 1.2}
# On the logit (statistics notes: .5 and, shared .6 with .8 of photo × condition, 1.0 within one arm).
SD_PARTICIPANT, SD_IMAGE = 0.5, 1.0
SLUG = "zhang2016-table1"
DEFINITION = """\
preset = "zhang2016"

[study]
title = "Which picture has the fake colours?"
contact = "nobody@example.org"

[test]
pool_size = {pool_size}
{more}
[conditions]
models = [{models}]
"""


class ReplicationError(ValueError):
    """What was asked for cannot be run; the message is one line."""


@dataclass(frozen=True)
class Scale:
    """How much is run: participants per arm, how many of all in a browser, and repeats of the data-only study."""

    per_arm: int = 40
    n_visible: int = 3
    n_repeats: int = 200
    arms: tuple[str, ...] = ARMS
    more: str = ""
    """TOML that follows `[test]`: tests run fewer trials."""
    pool_size: int = 100

    def check(self) -> None:
        """Stop with one line if a number makes no sense."""
        for name, value, low, high in (
            ("per-arm", self.per_arm, 2, 10_000),
            ("visible", self.n_visible, 0, self.n_participants),
            ("repeats", self.n_repeats, 0, 1_000_000),
        ):
            if not low <= value <= high:
                raise ReplicationError(f"--{name}: expected {low} to {high}, got {value}")

    @property
    def n_participants(self) -> int:
        """Participants in all."""
        return self.per_arm * len(self.arms)

    @property
    def is_whole(self) -> bool:
        """Whether it is the study that the page shows, or more."""
        return self.arms == ARMS and self.per_arm == 40 and self.n_repeats >= 200 and not self.more

    @property
    def rates(self) -> dict[str, float]:
        """The true rate of each condition."""
        return {name: TRUTH[name] for name in (*self.arms, LOW_ANCHOR)}

    @property
    def definition(self) -> str:
        """The study's definition, TOML."""
        models = ", ".join(f'"{arm}"' for arm in self.arms)
        return DEFINITION.format(models=models, more=self.more, pool_size=self.pool_size)


@dataclass(frozen=True)
class Places:
    """Where everything of one run lies."""

    out: Path

    @property
    def instance(self) -> Path:  # noqa: D102
        return self.out / "instance"

    @property
    def stimuli(self) -> Path:  # noqa: D102
        return self.out / "stimuli"

    @property
    def export(self) -> Path:  # noqa: D102
        return self.out / "export"

    @property
    def report(self) -> Path:  # noqa: D102
        return self.out / "report"

    @property
    def repeats(self) -> Path:  # noqa: D102
        return self.out / "coverage.jsonl"
