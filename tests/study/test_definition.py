"""Definitions: presets, overrides, errors with a line, a canonical form."""

import dataclasses
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from study.definition import (
    DefinitionError,
    StudyDefinition,
    deviations,
    from_canonical,
    load_preset,
    parse_definition,
    presets,
    read_definition,
)
from study.definition.filling import fill_in

PRESET = Path(__file__).parents[2] / "study" / "protocols" / "zhang2016.toml"


def test_the_default_preset_has_the_papers_numbers():
    """Zhang et al. (2016) and their published tool."""
    d = load_preset()
    assert (d.practice.n_trials, d.test.n_trials) == (10, 40)
    assert (d.catch.n_low_anchor, d.catch.n_instructed) == (4, 2)
    t = d.timing
    assert (t.first_blank_ms, t.blank_before_ms, t.exposure_ms, t.blank_between_ms) == (1200, 900, 1000, 600)
    assert (t.buttons_after_ms, t.feedback_ms) == (100, 2400)
    assert (d.outcome.measure, d.outcome.chance, d.analysis.targets) == ("fool_rate", 0.5, (0.1,))


def test_every_preset_loads_and_survives_its_canonical_form():
    """canonical → definition → canonical is the identity, and the hash is stable."""
    for name in presets():
        d = load_preset(name)
        again = from_canonical(d.canonical)
        assert again == d
        assert again.sha256 == d.sha256
        assert re.fullmatch(r"[0-9a-f]{64}", d.sha256)


def test_every_key_of_the_preset_says_where_it_comes_from():
    """A number without a source is a number nobody can check."""
    section = ""
    for line in PRESET.read_text().splitlines():
        if header := re.match(r"\[(\w+)\]", line):
            section = header[1]
        elif section in {"outcome", "timing", "practice", "test", "catch"} and re.match(r"\w+ = ", line):
            assert "#" in line or line.startswith("low_anchor_condition"), line


def test_the_preset_documents_every_key():
    """What can be set is in the preset; a key that is absent by default stands there as a comment."""
    text = PRESET.read_text()
    data = tomllib.loads(re.sub(r"^# (?=(margin|max_instructed_failed) = )", "", text, flags=re.MULTILINE))
    assert (load_preset().analysis.margin, load_preset().analysis.max_instructed_failed) == (None, None)
    for section in dataclasses.fields(StudyDefinition):
        if section.name in {"preset", "reasons"}:  # of definitions that build on another
            continue
        names = {f.name for f in dataclasses.fields(type(getattr(load_preset(), section.name)))}
        assert set(data[section.name]) == names


def test_an_older_stored_definition_takes_the_defaults():
    """Studies created before the analysis keys existed are still read."""
    data = json.loads(load_preset().canonical)
    data["analysis"] = {"targets": [0.1]}
    assert from_canonical(json.dumps(data)) == load_preset()
    for later in ("plan", "staircase", "preset", "reasons"):
        del data[later]
    again = from_canonical(json.dumps(data))
    assert (again.staircase.is_on, again.preset, again.plan) == (False, "", load_preset().plan)


def test_the_analysis_section_is_read_whole():
    """Margin, confidence and the exclusion rules are declared beforehand."""
    text = 'preset = "zhang2016"\n[analysis]\nmargin = 0.05\nconfidence = 0.9\nmax_instructed_failed = 1\n'
    d = parse_definition(text + "exclude_badly_timed = true\nmax_exposure_error_frames = 2\nsequential = true")
    assert dataclasses.astuple(d.analysis) == ((0.1,), 0.05, 0.9, 1, True, 2.0, True)
    assert from_canonical(d.canonical) == d


def test_spelling_does_not_change_the_hash_and_meaning_does():
    """1000 and 1000.0, order and comments are the same definition."""
    one = parse_definition('preset = "zhang2016"\n[timing]\nexposure_ms = 500\nfeedback_ms = 2000\n')
    two = parse_definition('# x\npreset = "zhang2016"\n[timing]\nfeedback_ms = 2000.0\nexposure_ms = 500.0 # y\n')
    assert one.sha256 == two.sha256
    assert one.sha256 != load_preset().sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'preset = "zhang2016"\n[timing]\nexposure = 1',
            "d.toml:3: timing.exposure: unknown key; did you mean exposure_ms?",
        ),
        ('preset = "zhang2016"\n\n[timng]\nx = 1', "d.toml:3: timng: unknown key; did you mean timing?"),
        ('preset = "zhang2017"', "d.toml:1: preset: no preset is called 'zhang2017'; there are: "),
        (
            'preset = "zhang2016"\n[test]\nn_trials = "many"',
            "d.toml:3: test.n_trials: expected a whole number, got 'many'",
        ),
        ('preset = "zhang2016"\n[test]\nn_trials = true', "d.toml:3: test.n_trials: expected a whole number, got True"),
        ('preset = "zhang2016"\n[test]\nn_trials = 0', "d.toml:3: test.n_trials: expected 1 to 5000, got 0"),
        ('preset = "zhang2016"\n[trial]\nquestion = "which"', "d.toml:3: trial.question: expected fake or real or"),
        ('preset = "zhang2016"\ntest = 3', "d.toml:2: test: expected a table such as {"),
        ('preset = "zhang2016"\n[analysis]\ntargets = [2]', "d.toml:3: analysis.targets.0: expected a rate"),
        ('preset = "zhang2016"\n[analysis]\nmargin = 5', "d.toml:3: analysis.margin: expected 0.001 to 0.499, got 5"),
        ('preset = "zhang2016"\n[words]\nconsent = "hi {name}"', "d.toml:3: words.consent: {name} cannot be filled in"),
        ('preset = "zhang2016"\n[study]\nlanguage = "English!"', "d.toml:3: study.language: expected a language tag"),
        ("[study]\ntitle = 1", "d.toml:1: format: expected format ="),
        ('format = "truehue-study/1"\n[study]\ntitle = "x"', "d.toml:1: protocol: missing"),
        ('format = "truehue-study/9"', "d.toml:1: format: expected format ="),
        ("a = = b", "d.toml:1: not valid TOML: Invalid value: a = = b; texts stand between straight quotes"),
        ("a = 1\n\na = 2\n\n", "d.toml:3: not valid TOML: Cannot overwrite a value: a = 2; the key stands twice"),
        ('[words]\nconsent = """\nhello\n', "d.toml:2: not valid TOML: Unterminated string"),
        ("[timing]\nexposure_ms = 0,5", "d.toml:2: not valid TOML: Expected newline"),
        ('[a]\nx = 1\n[a]\ny = "2"', "d.toml:3: not valid TOML: Cannot declare ('a',) twice: [a]; the table stands"),
        ('preset = "zhang2016"\n[study]\nformat = "x"', "d.toml:3: study.format: unknown key; format stands above"),
        ('preset = "zhang2016"\n[test]\nfeedback = "true"', "got 'true'; take the quotes away"),
        ('preset = "zhang2016"\n\n[[timing]]\nexposure_ms = 3', "d.toml:3: timing: expected one table, got a list;"),
        (
            'preset = "zhang2016"\n[conditions]\nmodels = "a"',
            "d.toml:3: conditions.models: expected a list, got 'a'; write",
        ),
        (
            'preset = "zhang2016"\n[conditions]\nmodels = ["real"]',
            "d.toml:3: conditions.models: real is what the models",
        ),
        (
            'preset = "zhang2016"\n[outcome]\nchance = 0.25',
            "d.toml:3: outcome.chance: two answers: guessing gives 0.5",
        ),
        (
            '\npreset = "zhang2016"\n[staircase]\nup_ms = 30\ndown_ms = 10',
            "d.toml:2: outcome.measure (set by the preset): modal_exposure goes with a staircase",
        ),
        (
            'preset = "zhang2016"\n[trial]\nreference_condition = "real"\n[timing]\nreference_ms = 500',
            "d.toml:3: trial.reference_condition: real beforehand gives the answer away",
        ),
        (
            'preset = "zhang2016"\n[trial]\nprompt = " "',
            "d.toml:3: trial.prompt: is empty, but every participant reads it",
        ),
        ('preset = "zhang2016"\n[words]\nconsent = ""', "d.toml:3: words.consent: is empty"),
        (
            'preset = "zhang2016"\n[words]\nconsent = "{n_trials:a|b|c|d}"',
            "d.toml:3: words.consent: {n_trials:…}: expected two parts (one|more) or three (none|one|more), got 4",
        ),
        ('preset = "zhang2016"\n[words]\nconsent = "{title:a|b}"', "d.toml:3: words.consent: {title:…} is no count"),
        ('preset = "palette"\n[words]\nleft = ""', "d.toml:3: words.left: is empty"),
        (
            'preset = "zhang2016"\n[questionnaire.items]\nitem_id = "a"',
            "write [[questionnaire.items]] with double brackets",
        ),
        (
            'preset = "zhang2016"\n[[questionnaire.items]]\nitem_id = "a"\ntype = "text"',
            "d.toml:2: questionnaire.items.0.question: missing; add it",
        ),
        (
            'preset = "zhang2016"\n[[questionnaire.items]]\nitem_id = "a"\ntype = "text"\nquestion = "?"\nminimum = 1',
            "d.toml:6: questionnaire.items.0.minimum: goes with the type scale or number, got text",
        ),
        (
            'preset = "palette"\n[[questionnaire.items]]\nitem_id = "a"\nminimum = nan\ntype="number"\nquestion="?"',
            "d.toml:4: questionnaire.items.0.minimum: expected numbers, got nan",
        ),
        (
            'preset = "zhang2016"\n[[questionnaire.items]]\nitem_id = "a"\ntype = "choice"\nquestion = "?"',
            "d.toml:2: questionnaire.items.0.options: a choice needs two or more options",
        ),
        (
            'preset = "zhang2016"\n[[questionnaire.items]]\nitem_id = "a"\ntype = "text"\nquestion = "?"\n'
            '[[questionnaire.items]]\nitem_id = "a"\ntype = "text"\nquestion = "?"',
            "d.toml:7: questionnaire.items.1.item_id: a occurs twice",
        ),
        (
            'preset = "zhang2016"\n[[questionnaire.items]]\nitem_id = "a"\ntype = "scale"\nquestion = "?"\nminimum = 1',
            "questionnaire.items.0.maximum: a scale needs whole minimum and maximum",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_place(text, message):
    """File, line, key, what was expected, what to do."""
    with pytest.raises(DefinitionError) as caught:
        parse_definition(text, where="d.toml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value).rstrip()


def test_files_that_cannot_be_read_are_one_line(tmp_path):
    """Missing, or not UTF-8."""
    with pytest.raises(DefinitionError, match="No such file"):
        read_definition(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'title = "\xe4"')
    with pytest.raises(DefinitionError, match=r"latin\.toml:1: not UTF-8"):
        read_definition(tmp_path / "latin.toml")


def test_a_mark_before_the_first_character_does_no_harm(tmp_path):
    """Editors on Windows put it there."""
    (tmp_path / "d.toml").write_bytes(b'\xef\xbb\xbfpreset = "zhang2016"\r\n')
    assert read_definition(tmp_path / "d.toml") == parse_definition('preset = "zhang2016"')


@pytest.mark.parametrize("name", presets())
def test_every_preset_says_itself_what_it_measures(name):
    """Its own file, not one that it builds on: source, outcome, chance level, scored trials; not a translation."""
    file = tomllib.loads(PRESET.with_name(f"{name}.toml").read_text(encoding="utf-8"))
    if name == "zhang2016-de":
        assert file["preset"] == "zhang2016"
        return
    assert file["protocol"]["name"] == name
    assert re.search(r"\(\d{4}\)|Truehue", file["protocol"]["source"])
    assert set(file["outcome"]) == {"measure", "chance"}
    assert file["test"]["n_trials"] > 0


CHOSEN: dict[str, Any] = {
    "outcome.measure": "yes_no",
    "trial.design": "simultaneous_pair",
    "trial.question": "real",
    "trial.size_unit": "device_px",
    "study.language": "de",
    "timing.exposure_ms": 500,
    "test.n_blocks": 2,
    "test.pool_size": 100,
    "staircase.start_ms": 400,
    "staircase.min_ms": 50,
    "staircase.max_ms": 900,
    "analysis.targets": [0.2],
}
ALSO = {
    "outcome.measure": {"trial.design": "single", "trial.question": "real_or_fake"},
    "trial.size_degrees": {"trial.size_unit": "degrees"},
    "trial.reference_condition": {"timing.reference_ms": 500},
    "timing.reference_ms": {"trial.reference_condition": "gray"},
    "timing.countdown_from": {"timing.countdown_ms": 500},
    "catch.low_anchor_probability": {"catch.n_low_anchor": 0},
}
HYPE = (
    "timing.n_masks",
    "staircase.start_ms",
    "staircase.min_ms",
    "staircase.max_ms",
    "staircase.down_ms",
    "staircase.up_ms",
)


def _another(kind: Any, limits: Any, value: Any) -> Any:
    """Choose a value that the key may have and does not."""
    if "one_of" in limits:
        return next(one for one in limits["one_of"] if one != value)
    if "some_of" in limits:
        return list(limits["some_of"][:1]) if tuple(limits["some_of"][:1]) != tuple(value) else []
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)) or value is None:
        low, high = limits["within"]
        return next(one for one in (1, 2, 0.4, 0.9, 20, 500) if low <= one <= high and one != value)
    return ["x"] if kind is tuple or isinstance(value, tuple) else f"{value}x"


def test_every_parameter_can_be_overridden():
    """A study sets each key of each section by itself, and the rest stays the preset's."""
    for section in dataclasses.fields(StudyDefinition):
        if section.name in {"preset", "reasons", "questionnaire"}:
            continue
        for key in dataclasses.fields(type(getattr(load_preset(), section.name))):
            name = f"{section.name}.{key.name}"
            if name == "outcome.chance":  # a fact of two answers
                continue
            base = "hype-time" if name in HYPE else "zhang2016"
            value = _another(key.type, key.metadata, getattr(getattr(load_preset(base), section.name), key.name))
            value = CHOSEN.get(name, value)
            wanted = {name: value, **ALSO.get(name, {})}
            text = "".join(f"{dotted} = {json.dumps(one)}\n" for dotted, one in wanted.items())
            read = parse_definition(f'preset = "{base}"\n{text}')
            found = getattr(getattr(read, section.name), key.name)
            assert (list(found) if isinstance(found, tuple) else found) == value, name
            changed = {d.key for d in deviations(load_preset(base), read)}
            assert changed == set(wanted), name


def test_a_deviation_in_a_long_text_or_a_question_is_shown():
    """Not that two texts of the same length differ, or that four questions are still four."""
    text = load_preset().words.debrief.replace("half of", "50 % of")
    items = tomllib.loads(PRESET.read_text())["questionnaire"]["items"]
    items[1]["question"] = "Hard?"
    items[2]["item_id"] = "stutter"
    asked = "".join(
        "[[questionnaire.items]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in item.items())
        for item in items
    )
    read = parse_definition(f'preset = "zhang2016"\nwords.debrief = {json.dumps(text)}\n{asked}')
    shown = "\n".join(d.text for d in deviations(load_preset(), read))
    assert "words.debrief:\n    - to invent the colours." in shown
    assert "they take the fake for the real one on 50 % of" in shown
    assert "difficulty.question: 'How hard was it to find the fake colours?' → 'Hard?'" in shown
    assert "- trouble: Did the pictures" in shown
    assert "+ stutter: Did the pictures" in shown


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return (
            "["
            + ", ".join("{ " + ", ".join(f"{k} = {json.dumps(v)}" for k, v in one.items()) + " }" for one in value)
            + "]"
        )
    return json.dumps(value)


def test_texts_are_filled_in_and_the_consent_has_a_hash():
    """Numbers in the words are the study's own."""
    d = parse_definition('preset = "zhang2016"\n[study]\ncontact = "me@x.org"\n[test]\nn_trials = 10')
    text = d.fill(d.words.consent)
    assert "16 pairs" in text
    assert "me@x.org" in text
    assert "{" not in text
    assert d.consent_sha256 != load_preset().consent_sha256


@pytest.mark.parametrize("name", presets())
def test_no_text_of_a_preset_counts_one_as_many(name):
    """With none or one to practise with, in one block: no `0 pairs`, no `The first 1 pairs`, no `in 1 blocks`."""
    preset = load_preset(name)
    once = dataclasses.replace(preset.test, n_trials=1, n_blocks=1)
    for n in (0, 1):
        d = dataclasses.replace(preset, practice=dataclasses.replace(preset.practice, n_trials=n), test=once)
        for text in map(d.fill, (d.words.consent, d.words.instructions, d.words.debrief)):
            assert not re.search(r"[{}#]|\b[01] (?:pairs|pictures|blocks|Paare)", text)


def test_a_choice_takes_the_part_that_fits_the_count():
    """Two parts: one, more; three: none, one, more. `#` is the count, and a placeholder may stand within."""
    text = "{n_trials:one|# of {minutes}}{n_practice:|, 1 before|, # before}, {n_blocks:a block|# blocks}"
    values = {"n_trials": "12", "n_practice": "0", "n_blocks": "1", "minutes": "5"}
    assert fill_in(text, values) == "12 of 5, a block"
    assert fill_in(text, values | {"n_trials": "0", "n_practice": "2", "n_blocks": "3"}) == "0 of 5, 2 before, 3 blocks"


@pytest.mark.parametrize("name", presets())
def test_every_deviation_of_a_preset_has_its_reason(name):
    """From the default protocol; words, title and contact need none."""
    unexplained = [
        d.key
        for d in deviations(load_preset("zhang2016"), load_preset(name))
        if not d.reason and not d.key.startswith(("words.", "study.", "protocol."))
    ]
    assert unexplained == []
