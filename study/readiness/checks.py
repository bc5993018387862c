"""From what a person and a browser say before the trials to checks with an outcome, by the definition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.definition import StudyDefinition
from study.readiness.plates import CONTROL, Plate
from study.readiness.screens import judge_screen, read_facts
from study.readiness.sizes import judge_sizes, needs_calibration
from study.readiness.vision import QUESTIONS
from study.words import say

NOTHING_SEEN = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One result, as it is stored."""

    check_id: str
    kind: str
    answer: str
    expected: str = ""
    is_passed: bool | None = None
    """None: nothing was asked for, or nobody can tell."""
    action: str = "record"
    """What the study does where it is not passed: `record`, `warn`, `exclude`."""
    detail: str = ""
    """Of a plate the confusion line, or `control`."""

    @property
    def excludes(self) -> bool:
        """Whether the session ends here."""
        return self.action == "exclude" and self.is_passed is False


def has_page(definition: StudyDefinition, *, has_profile: bool = False) -> bool:
    """Whether something is asked before the instructions."""
    return definition.readiness.has_page or (needs_calibration(definition) and not has_profile)


def judge_form(
    definition: StudyDefinition, plates: Sequence[Plate], given: Mapping[str, str], *, has_profile: bool = False
) -> tuple[tuple[Check, ...], dict[str, str]]:
    """Judge a sent form; return the checks, and by field what has to be mended before they count."""
    readiness, found, errors = definition.readiness, [], {}
    for kind in readiness.checks:
        action = readiness.action(kind)
        for name, answers in QUESTIONS.get(kind, {}).items():
            value = given.get(name, "")
            if value not in answers:
                errors[name] = say("Please choose one of the answers.")
                continue
            found.append(Check(name, kind, value, _wanted(answers), answers[value], action))
        if kind == "plates":
            found += judge_plates(definition, plates, given)
        if kind == "display":
            found += judge_display(definition, given.get("display", ""))
    if needs_calibration(definition) and not has_profile:
        sizes, wrong = judge_sizes(definition, given)
        found += [Check(name, "calibration", value) for name, value in sizes.items()]
        errors |= {name: say(text) for name, text in wrong.items()}
    return tuple(found), errors


def judge_display(definition: StudyDefinition, told: object) -> list[Check]:
    """Judge what a browser says of its screen."""
    asked = definition.readiness
    facts = read_facts(told)
    if not facts:
        return []
    return [
        Check(name, "display", answer, expected, fits, asked.display)
        for name, answer, expected, fits in judge_screen(facts, asked)
    ]


def judge_plates(definition: StudyDefinition, plates: Sequence[Plate], given: Mapping[str, str]) -> list[Check]:
    """Compare what was read with what was drawn; the share that counts leaves the control plate out.

    Who cannot read the control plate could not see the plates at all, or did not look: then nobody can tell.
    """
    asked = definition.readiness
    found, n_read, is_control_read = [], 0, True
    for plate in plates:
        answer = "".join(given.get(f"plate-{plate.number}", "").split())[:10]
        is_read = answer == plate.digit
        if plate.line == CONTROL:
            is_control_read = is_read
        else:
            n_read += is_read
        found.append(Check(f"plate-{plate.number}", "plate", answer, plate.digit, is_passed=is_read, detail=plate.line))
    n = sum(plate.line != CONTROL for plate in plates)
    least = asked.min_plates_share * n
    passed = n_read >= least - 1e-9 if is_control_read else None
    found.append(Check("plates", "plates", str(n_read), f">= {least:g} of {n}", passed, asked.plates))
    return found


def _wanted(answers: Mapping[str, bool | None]) -> str:
    return " or ".join(name for name, fits in answers.items() if fits)
