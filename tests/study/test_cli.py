"""The commands: what a researcher types, and what a mistake looks like."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SMALL
from pictures import make_set

from study.cli import init_app  # noqa: F401 - the commands exist
from study.definition import parse_definition
from study.demo.command import adapt, prepare
from study.demo.errors import DemoError
from study.manifest import read_manifest
from study.studies import list_studies

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(app):
    runner = app.test_cli_runner()
    return lambda *arguments, **options: runner.invoke(args=[str(a) for a in arguments], **options)


@pytest.fixture
def definition(tmp_path):
    path = tmp_path / "my_study.toml"
    path.write_text(SMALL)
    return path


def test_from_definition_to_data(run, definition, stimuli, tmp_path):
    """create, list, simulate, export, close, open."""
    made = run("create", definition, stimuli, "--seed", 3)
    assert made.exit_code == 0, made.output
    assert "my-study@1 is running: /s/my-study/" in made.output
    assert "my-study@1" in run("list").output
    simulated = run("simulate", "my-study", "--participants", 3, "--fool-rate", "lite=0.2", "--lapse", 0.02)
    assert "3 SIMULATED participants" in simulated.output
    assert "lite: true fool rate 0.2000" in simulated.output
    assert run("export", "my-study", "--out", tmp_path / "e").exit_code == 0
    assert (tmp_path / "e" / "trials.csv").read_text().count("\n") == 1 + 3 * 8
    assert run("close", "my-study").exit_code == 0
    assert "closed" in run("list").output
    assert run("open", "my-study").exit_code == 0
    assert run("create", definition, stimuli, "--new-version").output.startswith("my-study@2")


def test_validate_checks_definition_and_stimuli(run, definition, stimuli):
    """And counts what is needed."""
    assert "is valid" in run("validate", "zhang2016").output
    reply = run("validate", definition, stimuli)
    assert "photos: 1 low-anchor, 1 instructed" in reply.output


def mistakes(tmp_path, stimuli):
    bad = tmp_path / "bad.toml"
    bad.write_text('preset = "zhang2016"\n[timing]\nexposure = 3\n')
    good = tmp_path / "good.toml"
    good.write_text(SMALL)
    many = tmp_path / "many.toml"
    many.write_text(SMALL.replace("n_trials = 4", "n_trials = 40"))
    return {
        ("validate", bad): "bad.toml:3: timing.exposure: unknown key; did you mean exposure_ms?",
        ("create", bad, stimuli): "unknown key",
        ("create", many, stimuli): "too few photos: 40 test",
        ("create", "zhang2016", stimuli): "study.contact: missing",
        ("create", good, tmp_path / "none"): "No such file or directory; run python -m colorizer stimuli",
        ("create", good, stimuli, "--slug", "A b"): "slug: expected small letters",
        ("create", tmp_path / "none.toml", stimuli): "name a study definition",
        ("export", "none", "--out", tmp_path / "x"): "no study is called none; create one",
        ("simulate", "none"): "no study is called none",
        ("researcher", "link", "nobody@x.org"): "there is no researcher",
    }


def test_every_mistake_is_one_line_with_status_2(run, stimuli, tmp_path, settings, app):
    """`error: …`, and nothing is left behind."""
    for command, message in mistakes(tmp_path, stimuli).items():
        reply = run(*command)
        assert reply.exit_code == 2, command
        assert reply.output.startswith("error: "), reply.output
        assert message in reply.output
        assert reply.output.count("\n") == 1, reply.output
    with app.extensions["truehue"].desk.database.reading_session() as session:
        assert list_studies(session) == []
    assert not list(settings.stimuli.glob(".import-*"))


def test_a_study_that_exists_is_not_overwritten(run, definition, stimuli):
    """It says how to go on."""
    run("create", definition, stimuli)
    reply = run("create", definition, stimuli)
    assert (reply.exit_code, "--new-version" in reply.output) == (2, True)


def test_researchers_are_added_with_a_password_from_standard_input(run):
    """For scripts; a person is asked."""
    reply = run("researcher", "add", "me@x.org", "--password-stdin", input="long enough pass\n")
    assert reply.exit_code == 0, reply.output
    assert run("researcher", "link", "me@x.org").output.startswith("/console/enter/")
    assert run("researcher", "add", "me@x.org", "--password-stdin", input="short\n").exit_code == 2


@pytest.mark.slow
def test_the_demonstration_is_prepared_once(desk, settings, tmp_path):
    """Again it keeps everything; with other pictures it makes the next version."""
    first = make_set(tmp_path / "first", n=30, n_random=4)
    study = prepare(desk, settings, first, n_simulated=3)
    assert (study.version, study.definition.test.n_trials) == (1, 16)
    assert prepare(desk, settings, first, n_simulated=3).id == study.id
    second = make_set(tmp_path / "second", n=30, n_random=4, name="other")
    assert prepare(desk, settings, second, n_simulated=3).version == 2
    with desk.database.reading_session() as session:
        names = [f"{row.slug}@{row.version} {row.state} {n}" for row, n, _ in list_studies(session)]
    assert sorted(names) == [
        "demo-simulated@1 closed 3",
        "demo-simulated@2 closed 3",
        "demo@1 running 0",
        "demo@2 running 0",
    ]


@pytest.mark.parametrize(("n", "n_test"), [(8, 4), (9, 4), (12, 6), (16, 8), (22, 14), (30, 16), (100, 16)])
def test_the_demonstration_adapts_to_the_photographs(tmp_path, n, n_test):
    """From eight photographs on there is a test to take."""
    text = (ROOT / "study" / "demo" / "demo.toml").read_text()
    folder = make_set(tmp_path / "set", n=n, n_random=min(n, 3))
    manifest = read_manifest(folder)
    fitted = adapt(parse_definition(text), manifest)
    assert fitted.test.n_trials == n_test
    from study.studies import check_design

    for seed in range(10):
        check_design(fitted, manifest, seed=seed)


def test_too_few_photographs_are_one_line(tmp_path):
    """With both numbers."""
    text = (ROOT / "study" / "demo" / "demo.toml").read_text()
    with pytest.raises(DemoError, match="7 photographs can be used, the demonstration needs 8 or more"):
        adapt(parse_definition(text), read_manifest(make_set(tmp_path / "set", n=7)))


@pytest.mark.outside
def test_commands_in_a_shell(tmp_path):
    """A wrong setting is one line; a command that needs no instance makes none; torch and pandas are not loaded."""
    environment = {**os.environ, "DATABASE_URL": "mysql://x"}
    flask = [sys.executable, "-m", "flask", "--app", "study"]
    done = subprocess.run([*flask, "list"], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: DATABASE_URL: expected sqlite:///… or postgresql://…, got mysql:\n"
    done = subprocess.run([*flask, "validate", "zhang2016"], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert list(tmp_path.iterdir()) == []
    code = (
        "import sys, study; study.create_app();"
        "print(sorted({'torch','pandas','scipy','matplotlib','analysis','colorizer'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.outside
def test_a_port_in_use_names_another(tmp_path):
    """The message holds the command to type."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "study", "demo", "--port", str(port), "--no-browser"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
    assert done.returncode == 2
    assert f"make demo PORT={port + 1}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_diff_prints_every_deviation_with_its_reason_and_validate_every_problem(tmp_path, run):
    """Two presets; and a file with three mistakes."""
    lines = run("diff", "zhang2016", "zhang2016-as-published").output.splitlines()
    assert "trial.field: 'grey' → 'white'   (the tool's page was white)" in lines
    assert any(line.startswith("catch.low_anchor_probability: 0 → 0.1   (in the tool") for line in lines)
    assert "the definitions are the same" in run("diff", "palette", "palette").output
    file = tmp_path / "wrong.toml"
    file.write_text(
        'preset = "palette"\n[test]\nn_trial = 1\n[timing]\nexposure_ms = "long"\n[trial]\nquestion = "?"\n'
    )
    result = run("validate", file)
    assert result.exit_code == 2
    assert sorted(line.split(":")[2] for line in result.stderr.splitlines()) == ["3", "5", "7"]
    file.write_text('preset = "palette"\n[trial]\nquestion = "natural"\n[test]\nn_blocks = 7\n')
    result = run("validate", file)
    assert "wrong.toml:3" in result.stderr or "outcome.measure" in result.stderr
    assert "50 trials do not divide into 7 equal blocks" in result.stderr


def test_a_draft_lets_nobody_in_and_says_how_to_open_it(run, app, definition, stimuli):
    """Nor is a password shown that is typed."""
    made = run("create", definition, stimuli, "--draft")
    assert "my-study@1 is a draft; let people in with: flask --app study open my-study" in made.output
    assert app.test_client().get("/s/my-study/").status_code == 404
    typed = run("researcher", "add", "me@x.org", input="long enough pass\nlong enough pass\n")
    assert typed.exit_code == 0, typed.output
    assert "long enough pass" not in typed.output
