"""The form before the instructions, filled in as somebody would for whom everything fits."""

from collections.abc import Sequence

from study.definition import StudyDefinition
from study.readiness.plates import Plate
from study.readiness.vision import QUESTIONS

DISTANCE_CM = 57.3  # where one centimetre is one degree
DEVICE_PX_PER_MM = 3.78


def fitting_answers(definition: StudyDefinition, plates: Sequence[Plate]) -> dict[str, str]:
    """Give form fields that pass every check but those of the screen; used by rehearsals and simulations."""
    values = {
        name: next(value for value, fits in answers.items() if fits)
        for kind in definition.readiness.checks
        for name, answers in QUESTIONS.get(kind, {}).items()
    }
    values |= {f"plate-{plate.number}": plate.digit for plate in plates}
    if definition.trial.size_unit == "degrees":
        values |= {"viewing_distance_cm": f"{DISTANCE_CM}", "device_px_per_mm": f"{DEVICE_PX_PER_MM}"}
    return values
