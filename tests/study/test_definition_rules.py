"""Rules that keys of a definition keep with one another, and the lines that say which was broken."""

import pytest
from conftest import SMALL

from study.definition import DefinitionError, load_preset, parse_definition
from study.definition.deviations import deviations, exported_deviations
from study.definition.filling import fill_in
from study.definition.reading import from_canonical

HEAD = '[study]\ntitle = "x"\ncontact = "a@b.c"\n'
RULES = [
    ("zhang2016", "[outcome]\nchance = 0.25", "guessing gives 0.5, got 0.25"),
    ("zhang2016", '[trial]\nquestion = "real_or_fake"', "real_or_fake goes with design = single, and with no other"),
    ("zhang2016", '[outcome]\nmeasure = "preference"', "with the question fake measures "),
    ("zhang2016", "[staircase]\ndown_ms = 30\nup_ms = 70", "modal_exposure goes with a staircase"),
    ("zhang2016", '[trial]\nsize_unit = "degrees"', "above 0 with size_unit = degrees"),
    ("zhang2016", "[trial]\nsize_degrees = 5", "above 0 with size_unit = degrees"),
    ("preference", "[test]\nfeedback = true", "a preference is neither right nor wrong"),
    ("preference", "[practice]\npass_share = 0.7", "needs practice trials that can be right or wrong"),
    ("zhang2016", "[practice]\nn_trials = 0\npass_share = 0.7", "needs practice trials that can be right or wrong"),
    ("simultaneous", '[trial]\nfirst_side = "left"', "only sequential_pair has a first side"),
    ("hype-infinity", "[catch]\nn_same = 2", "real against real needs two pictures"),
    (
        "zhang2016",
        '[catch]\nn_obvious = 2\nobvious_condition = "random"',
        "is the low anchor's, 'random'; name another",
    ),
    ("zhang2016", "[catch]\nlow_anchor_probability = 0.1", "go with pairs of real and fake and with n_low_anchor = 0"),
    ("zhang2016", "[timing]\nexposure_ms = 5", "or 0 for unlimited, got 5"),
    ("zhang2016", "[timing]\nexposure_ms = 0", "the first of two pictures must end"),
    ("zhang2016", "[timing]\nn_masks = 2\nmask_ms = 30", "masks follow a single picture"),
    ("zhang2016", "[timing]\ncountdown_from = 3\ncountdown_ms = 0", "a countdown needs the time of a numeral"),
    ("zhang2016", "[timing]\nreference_ms = 500", "goes with trial.reference_condition"),
    ("hype-time", "[staircase]\nup_ms = 0", "both steps must be above 0"),
    ("hype-time", "[staircase]\nstart_ms = 5", "≤ min_ms ≤ start_ms ≤ max_ms, got "),
    ("hype-time", '[trial]\ndesign = "simultaneous_pair"\nquestion = "fake"', "a staircase needs design = single"),
    ("zhang2016", "[test]\nn_blocks = 7", "40 trials do not divide into 7 equal blocks"),
    ("zhang2016", "[test]\npool_size = 10", "or at least n_trials = 40, got 10"),
    ("zhang2016", '[words]\nleft = " "', "is empty, but this design shows it"),
    ("zhang2016", '[trial]\nprompt = ""', "is empty, but every participant reads it"),
]
ITEMS = [
    ('type = "number", question = " "', "is empty; write what is asked"),
    (
        'type = "number", question = "?", options = [{ value = "a", label = "A" }]',
        "goes with the type choice, got number",
    ),
    ('type = "number", question = "?", minimum = nan', "leave a limit out where there is none"),
    ('type = "number", question = "?", minimum = 5, maximum = 3', "expected at least the minimum, 5, got 3"),
    ('type = "scale", question = "?", minimum = 1', "a scale needs whole minimum and maximum"),
    ('type = "scale", question = "?", minimum = 1, maximum = 30', "1 to 20 apart, got 1.0 and 30.0"),
    ('type = "choice", question = "?", options = [{ value = "a", label = "A" }]', "a choice needs two or more options"),
]


@pytest.mark.parametrize(("preset", "text", "message"), RULES)
def test_keys_that_do_not_fit_one_another_are_refused(preset, text, message):
    """A design that cannot be shown, answered or scored is found before anybody sees it."""
    with pytest.raises(DefinitionError) as caught:
        parse_definition(f'preset = "{preset}"\n{HEAD}{text}\n')
    assert any(message in problem for problem in caught.value.problems)


@pytest.mark.parametrize(("item", "message"), ITEMS)
def test_a_question_has_what_its_type_needs(item, message):
    """And nothing that belongs to another type."""
    text = f'preset = "zhang2016"\n{HEAD}[questionnaire]\nitems = [{{ item_id = "q", {item} }}]\n'
    with pytest.raises(DefinitionError) as caught:
        parse_definition(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('preset = "zhang2016"\n[study]\ntitle\n\n', "definition:3: not valid TOML: Expected '='"),
        ('[study]\ntitle = "x"\n', 'expected format = "truehue-study/1", or preset = "zhang2016" to build on one'),
        ('preset = "zhang2016"\nformat = "truehue-study/9"\n', "format: expected truehue-study/1"),
        (f'preset = "zhang2016"\nreasons = 3\n{HEAD}', "reasons: expected a table, got 3"),
        (f'preset = "zhang2016"\n{HEAD}[conditions]\nmodels = ["lite", "lite"]', "a condition occurs twice"),
        (f'preset = "zhang2016"\n{HEAD}[reasons]\n"timing.speed" = "why"', "there is no such key to give a reason for"),
        (
            f'preset = "zhang2016"\n{HEAD}[[questionnaire.items]]\nitem_id = "A b"\ntype = "text"\nquestion = "?"',
            "expected small letters, digits and _, got 'A b'",
        ),
    ],
)
def test_what_stands_above_and_beside_the_settings_is_checked_too(text, message):
    """Format, preset, reasons, names."""
    with pytest.raises(DefinitionError) as caught:
        parse_definition(text)
    assert any(message in problem for problem in caught.value.problems), caught.value.problems


def test_a_stored_definition_of_another_format_says_what_to_run():
    """An old database meets a new program."""
    stored = load_preset("zhang2016").canonical
    assert from_canonical(stored) == load_preset("zhang2016")
    with pytest.raises(DefinitionError, match="flask --app study upgrade"):
        from_canonical(stored.replace('"truehue-study/1"', '"truehue-study/0"'))


def asking(*items: str):
    return parse_definition(f"{SMALL}[questionnaire]\nitems = [{', '.join(items)}]\n")


def test_questionnaires_are_compared_question_by_question():
    """What came, what went, what is asked otherwise, and in another order."""
    age = '{ item_id = "age", type = "number", question = "How old?" }'
    sex = '{ item_id = "sex", type = "choice", question = "Sex?", options = [%s] }'
    two = '{ value = "f", label = "Female" }, { value = "m", label = "Male" }'
    three = two + ', { value = "x", label = "Other" }'
    (found,) = deviations(asking(age, sex % two), asking(sex % three, age))
    assert "sex.options: f: Female; m: Male → f: Female; m: Male; x: Other" in found.text
    assert "order: age, sex → sex, age" in found.text
    (gone,) = deviations(asking(age, sex % two), asking(age))
    assert "- sex: Sex?" in gone.text
    assert "order" not in gone.text
    (typed,) = deviations(asking(sex % two), asking('{ item_id = "sex", type = "text", question = "Sex?" }'))
    assert "sex.options: f: Female; m: Male → none" in typed.text


def test_a_definition_without_a_preset_deviates_from_nothing():
    """None, which is not the empty list of one that changed nothing."""
    stored = load_preset("zhang2016").canonical
    assert exported_deviations(stored, "") is None
    assert exported_deviations(stored, stored) == []


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{n:one|# of them}", "3 of them"),
        ("{n:none|one|# of them}", "3 of them"),
        ("{n:one}", "{n:one}"),
        ("{n:a|b|c|d}", "{n:a|b|c|d}"),
        ("{other:one|more}", "{other:one|more}"),
        ("{word:one|more}", "{word:one|more}"),
    ],
)
def test_braces_that_name_no_count_stay_as_they_are(text, filled):
    """Two parts or three, and a number to choose by."""
    assert fill_in(text, {"n": "3", "word": "many"}) == filled


@pytest.fixture
def run(app):
    return lambda *arguments: app.test_cli_runner().invoke(args=[str(one) for one in arguments])


def test_a_name_that_is_neither_file_nor_preset_lists_the_presets(run):
    """One line, status 2."""
    done = run("validate", "zhang2017")
    assert done.exit_code == 2
    assert done.output.count("\n") == 1
    assert "there is no such file and no such preset; the presets are: " in done.output
    assert "zhang2016-as-published" in done.output


def test_validate_says_what_is_still_to_set(run, tmp_path):
    """Catches by chance, a language without a catalogue, no contact."""
    assert "trials, scored but for catches (chance 0.1 each)" in run("validate", "zhang2016-as-published").output
    file = tmp_path / "study.toml"
    file.write_text('preset = "zhang2016"\n[study]\ntitle = "x"\nlanguage = "sv"\n')
    text = run("validate", file).output
    assert 'still to set: [study] contact = "you@example.org"' in text
    assert "there is no catalogue for 'sv'" in text
    file.write_text('preset = "zhang2016"\n[study]\ntitle = "x"\ncontact = "a@b.c"\n')
    text = run("validate", file).output
    assert "still to set" not in text
    assert "catalogue" not in text
