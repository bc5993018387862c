"""Pure parts of the server at their edges: what is taken, what is refused, and in which words."""

import dataclasses
import io
import os
import zipfile
from datetime import datetime
from types import SimpleNamespace

import pytest
from conftest import NOW, SMALL

from study import researchers
from study.config import ConfigError, read_settings
from study.console.estimating import Question, question_of
from study.console.making import timeline, toml_of
from study.console.sets import _number
from study.dataout import check_dataset
from study.definition import DefinitionError, load_preset, parse_definition, presets
from study.definition.schema import Item
from study.jobs.queue import JobError, enqueue
from study.jobs.uploads import _pack, check_zip, suffix_of
from study.models.base import Utc
from study.questionnaire import _error
from study.readiness.screens import judge_screen
from study.recruitment import RecruitmentError
from study.recruitment.platforms import PLATFORMS
from study.recruitment.platforms.base import Entry, Person
from study.recruitment_commands import _parse
from study.scoring import score
from study.sessions.errors import Invalid
from study.sessions.report import parse_device, parse_report
from study.simulate.commands import _truth_lines
from study.throttle import Throttle


@pytest.mark.parametrize(
    ("minimum", "maximum", "value", "message"),
    [
        (18, 99, "17", "at least 18 and at most 99."),
        (18, 99, "100", "at least 18 and at most 99."),
        (18, None, "17", "Please enter a number, at least 18."),
        (None, 99, "100", "Please enter a number, at most 99."),
        (None, None, "inf", "Please enter a number."),
        (None, None, "nan", "Please enter a number."),
        (None, None, "many", "Please enter a number."),
        (18, 99, "18", ""),
        (18, 99, "99", ""),
        (None, None, "-1e9", ""),
    ],
)
def test_a_number_outside_its_limits_is_told_the_limits_that_there_are(minimum, maximum, value, message):
    """Both, one, or none."""
    item = Item(item_id="age", type="number", question="How old?", minimum=minimum, maximum=maximum)
    found = _error(item, value)
    assert found.endswith(message)
    assert bool(found) == bool(message)


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", ".webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", None),
        (b"\x00\x00\x00\x20ftypavif", ".avif"),
        (b"\x00\x00\x00\x20ftypheic", ".heic"),
        (b"\x00\x00\x00\x20ftypmif1", ".heic"),
        (b"\x00\x00\x00\x20ftypmp42", None),
        (b"\xff\xd8\xff\xe0", ".jpg"),
        (b"\x89PNG\r\n\x1a\n", ".png"),
        (b"%PDF-1.7", None),
    ],
)
def test_pictures_are_known_by_their_first_bytes(head, suffix):
    """Whatever the file is called."""
    assert suffix_of(head) == suffix


def test_uploads_that_hold_nothing_or_too_much_are_refused(tmp_path, monkeypatch):
    """No file at all; a zip that says it unpacks to more than may be."""
    with pytest.raises(JobError, match="no file came"):
        _pack(tmp_path / "none.zip", [])
    png = b"\x89PNG\r\n\x1a\n"
    _pack(tmp_path / "two.zip", [("a.png", io.BytesIO(png)), ("b/a.png", io.BytesIO(png + b"1"))])
    assert zipfile.ZipFile(tmp_path / "two.zip").namelist() == ["a.png", "a-2.png"]
    monkeypatch.setattr("study.jobs.uploads.MAX_UNPACKED_BYTES", 16)
    with pytest.raises(JobError, match="unpacks to more than"):
        check_zip(tmp_path / "two.zip")
    monkeypatch.setattr("study.jobs.uploads.MAX_UNPACKED_BYTES", 17)
    assert len(check_zip(tmp_path / "two.zip")) == 2


REPORT = {
    "trial_id": "t", "idempotency_key": "k", "page_id": "p", "response": "left", "void_reason": None, "rt_ms": 500,
    "exposures": [{"achieved_ms": 1000, "frames": 60}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "expected a JSON object"),
        (None, "expected a JSON object"),
        ({**REPORT, "exposures": [{"achieved_ms": 1000}]}, "achieved_ms and frames of each picture"),
        ({**REPORT, "exposures": [{"frames": 60}]}, "achieved_ms and frames of each picture"),
        ({**REPORT, "exposures": None}, "one object for each exposure"),
        ({**REPORT, "exposures": []}, "one object for each exposure"),
        ({**REPORT, "exposures": [3]}, "exposures: expected objects"),
        ({**REPORT, "rt_ms": 0}, "rt_ms: expected a number above 0"),
    ],
)
def test_a_report_of_another_form_is_refused(data, message):
    """What a page of ours never sends."""
    with pytest.raises(Invalid, match=message):
        parse_report(data)


def test_a_void_trial_needs_no_exposures():
    """Nothing may have been shown; what was shown may lack numbers."""
    void = {**REPORT, "response": None, "void_reason": "hidden", "rt_ms": None}
    assert parse_report({**void, "exposures": None}).exposures == ()
    (one,) = parse_report({**void, "exposures": [{"achieved_ms": 200}]}).exposures
    assert (one.achieved_ms, one.frames) == (200, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("phone", "device: expected an object"),
        ({"language": 7}, "expected a language tag"),
        ({"language": "x" * 1000}, "expected a language tag"),
        ({"language": "de\n"}, "expected a language tag"),
        ({"screen_width_px": True}, "screen_width_px: expected a number"),
        ({"refresh_hz": -1}, "refresh_hz: expected a number"),
    ],
)
def test_a_device_of_another_form_is_refused(data, message):
    """Its numbers are numbers and its language a tag."""
    with pytest.raises(Invalid, match=message):
        parse_device(data)
    assert parse_device(None) == {}
    assert parse_device({"language": "de"})["language"] == "de"


def test_an_instructed_single_picture_is_right_where_it_was_obeyed():
    """And says nothing about real and fake."""
    empty = dict.fromkeys(("stimulus_b", "side_of_a"), "")
    shown = {
        **empty,
        "question": "real_or_fake",
        "stimulus_a": "s",
        "condition_a": "lite",
        "control": "instructed",
        "instructed_response": "real",
    }
    for response in ("real", "fake"):
        found = score(SimpleNamespace(**shown, response=response))
        assert found.is_correct == (response == "real")
        assert found.is_fooled is None
        assert not found.said_real


def test_the_token_of_prolific_lies_in_a_file_that_nobody_else_reads(tmp_path):
    """Kept, replaced, deleted; refused where others can read it or where it is none; the environment's goes before."""
    settings = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "i")})
    assert settings.prolific_token == ""
    settings.keep_prolific_token("token-of-prolific")
    path = settings.instance / "prolific_token"
    assert settings.prolific_token == "token-of-prolific"
    assert path.stat().st_mode & 0o777 == 0o600
    for bad in ("short", "with a space", "x" * 301):
        with pytest.raises(ConfigError, match="expected 8 to 300 printable characters"):
            settings.keep_prolific_token(bad)
    assert settings.prolific_token == "token-of-prolific"
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others; run: chmod 600"):
        _ = settings.prolific_token
    given = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "i"), "TRUEHUE_PROLIFIC_TOKEN": "of the environment"})
    assert given.prolific_token == "of the environment"
    settings.keep_prolific_token("")
    assert not path.exists()
    settings.keep_prolific_token("")


@pytest.mark.parametrize("url", ["http://api.prolific.com", "ftp://x", "api.prolific.com", "http://127.0.0.2:1"])
def test_the_token_goes_over_tls_or_nowhere(url):
    """Or to this machine, for trying."""
    with pytest.raises(ConfigError, match="TRUEHUE_PROLIFIC_URL: expected https"):
        read_settings({"TRUEHUE_PROLIFIC_URL": url})
    assert read_settings({"TRUEHUE_PROLIFIC_URL": "http://127.0.0.1:9/"}).prolific_url == "http://127.0.0.1:9"


def test_a_key_that_is_too_short_is_refused(tmp_path):
    """Whoever wrote it there."""
    (tmp_path / "secret_key").write_text("short")
    os.chmod(tmp_path / "secret_key", 0o600)  # noqa: PTH101
    with pytest.raises(ConfigError, match="got 5; delete it to make a new one"):
        _ = read_settings({"TRUEHUE_INSTANCE": str(tmp_path)}).secret_key


def test_nothing_is_counted_where_there_is_no_limit(tmp_path):
    """0 starts a minute means as many as come."""
    throttle = Throttle(read_settings({"TRUEHUE_INSTANCE": str(tmp_path), "TRUEHUE_STARTS_PER_MINUTE": "0"}))
    assert throttle.starts is None
    for _ in range(3):
        throttle.check(throttle.starts, "starts", "somebody")


def test_what_an_account_is_not(desk):
    """No third role; no password that is too short; a second call with none keeps the first."""
    with pytest.raises(researchers.ResearcherError, match="role: expected owner or viewer, got 'guest'"):
        researchers.add(desk.database, "a@b.c", "", now=NOW, role="guest")
    researchers.add(desk.database, "a@b.c", "", now=NOW)
    assert researchers.check_password(desk.database, "a@b.c", "anything at all", now=NOW) is None
    researchers.add(desk.database, "a@b.c", "a long password", now=NOW)
    researchers.add(desk.database, "A@b.c ", "", now=NOW)
    assert researchers.check_password(desk.database, "a@b.c", "a long password", now=NOW)
    assert researchers.check_password(desk.database, "a@b.c", "another password", now=NOW) is None
    assert researchers.check_password(desk.database, "nobody@b.c", "a long password", now=NOW) is None


@pytest.mark.parametrize(("text", "number"), [("", None), ("  ", None), ("12", 12), (" 7 ", 7)])
def test_numbers_of_a_form_may_be_left_out(text, number):
    """But not be anything else."""
    assert _number(text, "n") == number
    for bad in ("-1", "1.5", "twelve", "1234567890"):
        with pytest.raises(JobError, match="n: expected a whole number"):
            _number(bad, "n")


def test_a_job_that_nobody_does_is_refused(app, desk, settings):
    """By the names of those that there are."""
    with pytest.raises(JobError, match="expected a job of "):
        enqueue(desk, settings, "cook", "Dinner", {}, by="a@b.c", now=NOW)


@pytest.mark.parametrize(
    ("layout", "rate", "aim", "arguments"),
    [
        ("single", 32, 5, ["--rates", "0.32", "--precision", "0.05"]),
        ("between", 32, 5, ["--rates", "0.32", "0.27"]),
        ("within", 4, 5, ["--rates", "0.04", "0.09"]),
        ("within", 6, 5, ["--rates", "0.06", "0.01"]),
    ],
)
def test_the_other_rate_lies_where_there_is_room(layout, rate, aim, arguments):
    """Below, or above where below is nothing."""
    question = Question(layout, rate, aim, 40, 60, 36)
    assert question.arguments == [*arguments, "--participants", "40", "--photos", "60", "--trials", "36"]


def test_a_threshold_has_no_power_here():
    """The simulation knows fool rates and preferences."""
    assert question_of(load_preset("hype-time"), None, {}) is None


def test_the_form_writes_tables_in_tables_and_lists():
    """Typed settings are joined with the form's; what the form left at the preset's value is not written."""
    form = {"preset": "zhang2016", "study.title": "A", "study.contact": "a@b.c", "models": "lite, deep"}
    plain = parse_definition(toml_of(form))
    assert plain.conditions.models == ("lite", "deep")
    item = '{ item_id = "age", type = "number", question = "How old?" }'
    more = f'[study]\ntitle = "B"\n[questionnaire]\nitems = [{item}]\n[timing]\nexposure_ms = 500\n'
    typed = parse_definition(toml_of({**form, "more": more}))
    assert (typed.study.title, typed.study.contact, typed.timing.exposure_ms) == ("B", "a@b.c", 500)
    assert typed.conditions.models == ("lite", "deep")
    assert [one.question for one in typed.questionnaire.items] == ["How old?"]
    apart = toml_of({**form, "more": "[timing]\nexposure_ms = 500\n"})
    assert apart.endswith("[timing]\nexposure_ms = 500\n")
    same = toml_of({**form, "test.n_trials": str(load_preset("zhang2016").test.n_trials)})
    assert "n_trials" not in same


@pytest.mark.parametrize("name", presets())
def test_a_trials_stretches_add_up(name):
    """Every preset's trial has an answer at its end and shows what its design shows."""
    definition = load_preset(name)
    names = [phase.name for phase in timeline(definition)]
    assert names[-1] == "answer"
    shown = {
        "sequential_pair": ["first picture", "second picture"],
        "simultaneous_pair": ["both pictures"],
        "single": ["picture"],
    }
    assert [n for n in names if "picture" in n] == shown[definition.trial.design]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("a",), "--set: expected KEY=VALUE, got 'a'"),
        (("codes=x", "codes.COMPLETED=C1"), "--set: codes is set twice in two ways"),
    ],
)
def test_settings_of_the_command_line_are_pairs(settings, message):
    """With a dot for the keys of one setting."""
    with pytest.raises(RecruitmentError, match=message):
        _parse(settings)
    assert _parse(("codes.A=1", "codes.B=2", "x=y=z")) == {"codes": {"A": "1", "B": "2"}, "x": "y=z"}


def test_connect_has_an_address_or_a_code():
    """A code where no address is set; nothing for who did not qualify where none is set."""
    person = Person(Entry("connect", submission="s"), address="")
    found = PLATFORMS["connect"].finish(person, {"completion_url": "", "code": "C1"}, outcome="COMPLETED")
    assert (found.kind, found.code) == ("code", "C1")
    assert PLATFORMS["connect"].finish(person, {}, outcome="SCREENED_OUT").kind == "none"


@pytest.mark.parametrize("name", ["link", "invitation"])
@pytest.mark.parametrize("shows_code", [True, False])
def test_a_code_is_shown_where_it_is_asked_for(name, shows_code):
    """Else there is no way back."""
    platform = PLATFORMS.get(name) or PLATFORMS["direct"]
    person = Person(Entry(name, submission="s"), address="")
    found = platform.finish(person, {"shows_code": shows_code}, outcome="COMPLETED")
    assert found.kind == ("code" if shows_code else "none")


def test_a_truth_is_told_in_its_own_unit():
    """Rates with their latent ones, thresholds in ms."""
    truth = {
        "fool_rate": {"lite": 0.3},
        "error_rate": {"lite": 0.2},
        "threshold_ms": {"lite": 310},
        "hit_rate": 0.8,
        "parameters": {
            "latent_fool_rate": {"lite": 0.28},
            "latent_hit_rate": 0.85,
            "latent_threshold_ms": {"lite": 300},
        },
    }
    assert list(_truth_lines(truth)) == [
        "lite: true fool rate 0.3000 (latent 0.2800)",
        "originals: true hit rate 0.8000 (latent 0.8500)",
        "lite: true error rate 0.2000",
        "lite: true threshold 310.0 ms (latent 300.0 ms)",
    ]


@pytest.mark.parametrize(
    ("asked", "facts", "expected"),
    [
        ({"gamut": "p3"}, {"gamut": "srgb"}, ("gamut", "srgb", ">= p3", False)),
        ({"gamut": "p3"}, {"gamut": "rec2020"}, ("gamut", "rec2020", ">= p3", True)),
        ({"dynamic_range": "standard"}, {"dynamic_range": "high"}, ("dynamic_range", "high", "standard", False)),
        ({"dynamic_range": "standard"}, {}, ("dynamic_range", "", "standard", None)),
        ({"min_colour_depth": 24}, {"colour_depth": "much"}, ("colour_depth", "much", ">= 24", False)),
    ],
)
def test_a_screen_is_judged_by_what_is_asked_for(asked, facts, expected):
    """Told and wanted, told and not wanted, wanted and not told."""
    readiness = dataclasses.replace(parse_definition(SMALL).readiness, **asked)
    assert expected in list(judge_screen(facts, readiness))


def test_times_have_a_zone():
    """A naive one is a mistake of ours, found before it is stored."""
    with pytest.raises(ValueError, match="expected a time with a zone"):
        Utc().process_bind_param(datetime(2026, 11, 22, 10, 0), None)  # noqa: DTZ001


def test_a_dataset_whose_folders_and_description_are_odd(tmp_path):
    """No data folder; a description that is a list; one below the top; a variable without its type."""
    (tmp_path / "dataset_description.json").write_text("[]")
    codes = {issue.code for issue in check_dataset(tmp_path)}
    assert {"MISSING_DATA_DIRECTORY", "INVALID_JSONLD_FORMATTING"} <= codes
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset_description.json").write_text("{}")
    (tmp_path / "dataset_description.json").write_text(
        '{"https://schema.org/name": "x", "https://schema.org/variableMeasured": [{"name": "row_id"}]}'
    )
    codes = {issue.code for issue in check_dataset(tmp_path)}
    assert {"WRONG_METADATA_LOCATION", "OBJECT_TYPE_MISSING", "MISSING_DATASET_TYPE"} <= codes
    assert "MISSING_DATA_DIRECTORY" not in codes


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


def test_the_check_of_a_dataset_prints_what_is_wrong_and_counts_it(app, tmp_path):
    """Status 1 with errors."""
    done = app.test_cli_runner().invoke(args=["check-dataset", str(tmp_path)])
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert "error MISSING_DATA_DIRECTORY : expected the folder data at the top" in lines
    n_errors = sum(line.startswith("error ") for line in lines)
    assert lines[-1] == f"{n_errors} errors, {len(lines) - 1 - n_errors} warnings"
