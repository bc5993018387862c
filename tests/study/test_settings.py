"""What the environment and the instance's files say: keys, tokens, limits, logs."""

import io
import json
import logging
import os
import runpy
import shutil
import sys
from pathlib import Path

import pytest

from study import create_app, logs, versions
from study.config import ConfigError, read_settings
from study.throttle import Throttle


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


@pytest.fixture
def own_log(monkeypatch):
    """The program's log without what other tests gave it; it is as before afterwards."""
    log = logging.getLogger("truehue")
    before = (log.handlers[:], log.level, log.propagate)
    log.handlers[:] = []
    yield log
    log.handlers[:], log.level, log.propagate = before


def test_the_log_is_one_line_of_json_for_each_event(own_log, settings, tmp_path, monkeypatch):
    """Once, however often an application is made; without a request it names none."""
    there = read_settings({"TRUEHUE_INSTANCE": str(tmp_path / "i"), "TRUEHUE_JSON_LOG": "1"})
    for _ in range(2):
        create_app(there)
    (handler,) = own_log.handlers
    written = io.StringIO()
    monkeypatch.setattr(handler, "stream", written)
    own_log.warning("not ready: %s", "disk", extra=logs.about_request(b"key"))
    (line,) = written.getvalue().splitlines()
    found = json.loads(line)
    assert (found["event"], found["level"], found.get("endpoint")) == ("not ready: disk", "warning", None)


def test_a_mistake_of_ours_is_seen_by_tests_and_by_nobody_else(app, client, study, monkeypatch):
    """Under test it is raised; else people are told that nothing is lost."""

    def broken(*_, **__):
        raise KeyError("a mistake")

    monkeypatch.setattr("study.participant.entrance.open_study", broken)
    with pytest.raises(KeyError):
        client.get("/s/small/")
    monkeypatch.setitem(app.config, "TESTING", False)
    reply = client.get("/s/small/")
    assert reply.status_code == 500
    assert "Nothing that was confirmed is lost" in reply.text
    assert "a mistake" not in reply.text


def test_a_server_without_a_set_says_what_to_run(client, settings):
    """Ready is only who could show a picture."""
    assert client.get("/readyz").status_code == 200
    shutil.rmtree(settings.stimuli)
    reply = client.get("/readyz")
    assert (reply.status_code, "run: flask --app study create" in reply.text) == (503, True)


def test_the_commit_is_the_checkouts_or_the_environments(tmp_path, monkeypatch):
    """A wheel has no checkout; a checkout without git has none that can be told."""
    commit = versions.code_commit.__wrapped__
    monkeypatch.setenv("TRUEHUE_COMMIT", "abc")
    (tmp_path / "study").mkdir()
    monkeypatch.setattr(versions, "__file__", str(tmp_path / "study" / "versions.py"))
    assert commit() == "abc"
    (tmp_path / ".git").mkdir()

    def missing(*_, **__):
        raise FileNotFoundError("git")

    monkeypatch.setattr(versions.subprocess, "run", missing)
    assert commit() == ""


def test_the_wheel_alone_says_what_to_install(monkeypatch):
    """Without Flask; and with it the program says what it can."""
    monkeypatch.setattr(sys, "argv", ["truehue-study", "--help"])
    monkeypatch.delitem(sys.modules, "study.__main__", raising=False)
    with pytest.raises(SystemExit) as left:
        runpy.run_module("study", run_name="__main__")
    assert left.value.code == 0
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"run: pip install '\.\[study\]'"):
        runpy.run_path(str(Path(versions.__file__).with_name("__init__.py")))
