"""What a person is asked of their eyes and screen before the trials; the words stand in the page's template."""

VISION = {"normal": True, "corrected": True, "not_corrected": False, "not_said": None}
"""Answer → whether it is what a colour study wants; None: nobody can tell."""
COLOURS = {"no": True, "yes": False, "unsure": None, "not_said": None}
NIGHT_LIGHT = {"none": True, "switched_off": True, "still_on": False, "unsure": None}
QUESTIONS = {
    "vision": {"vision": VISION, "colour_deficiency": COLOURS},
    "night_light": {"night_light": NIGHT_LIGHT},
}
"""Kind of check → its questions (names of form fields) → their answers."""
