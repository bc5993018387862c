"""`make demo` and `make class`: what is prepared, what is printed, and that everything ends with Ctrl-C."""

import contextlib
import functools
import os
import queue
import shutil
import signal
import subprocess
import sys
import types
import urllib.request
from pathlib import Path

import pytest
from pictures import make_set
from sqlalchemy import select

from study import create_app, reports
from study.classroom import command as classroom
from study.classroom.room import key_of
from study.config import read_settings
from study.db import Database
from study.demo import command as demo
from study.demo import hosting
from study.demo.errors import DemoError
from study.models import StudyRow


@pytest.fixture
def old_handlers():
    """The signals' handlers are as before afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def free_port() -> int:
    """Below those that the system gives away by itself, and another one for each process of the tests."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with contextlib.suppress(DemoError):
            hosting.check_port("127.0.0.1", port, command="make demo")
            return port
    raise AssertionError("no port is free")


@pytest.mark.outside
def test_the_server_answers_until_ctrl_c_and_takes_its_worker_along(app, settings, old_handlers, monkeypatch, capsys):
    """The real server and the real worker on a port of this machine; afterwards neither runs."""
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(hosting.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    monkeypatch.setattr(hosting, "START_TIMEOUT_S", 600)  # a crowded machine is no failure
    port = free_port()
    seen = []

    def look() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=300) as page:
            seen.append(page.status)
        signal.raise_signal(signal.SIGTERM)

    environment = {"TRUEHUE_INSTANCE": str(settings.instance), "PATH": "/usr/bin:/bin"}
    hosting.host_until_ctrl_c(environment, host="127.0.0.1", port=port, threads=2, is_worker_wanted=True, begin=look)
    assert seen == [200]
    assert capsys.readouterr().out == "\nbye\n"
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)


class Process:
    """A server as far as `host_until_ctrl_c` sees it; ends with `code` at once, or does not want to end."""

    def __init__(self, code: int | None) -> None:
        self.returncode = code
        self.done: list[str] = []

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout_s: float | None = None) -> int:
        if self.returncode is None:
            raise subprocess.TimeoutExpired("gunicorn", timeout_s or 0)
        return self.returncode

    def terminate(self) -> None:
        self.done.append("terminate")

    def kill(self) -> None:
        self.done.append("kill")
        self.returncode = -9


def host(monkeypatch, process, begin=lambda: None, reached=True):
    monkeypatch.setattr(hosting.subprocess, "Popen", lambda *_, **__: process)
    if reached:
        monkeypatch.setattr(hosting, "_wait_for", lambda *_: None)
    hosting.host_until_ctrl_c({}, host="127.0.0.1", port=1, threads=1, is_worker_wanted=False, begin=begin)


def test_a_server_that_ends_by_itself_is_one_line(monkeypatch, old_handlers):
    """Before it answered, or later; with status 0 there is nothing to say."""
    for reached in (True, False):
        with pytest.raises(DemoError, match="ended with status 3; the lines above say why"):
            host(monkeypatch, Process(3), reached=reached)
    host(monkeypatch, Process(0))


def test_a_server_that_does_not_want_to_end_is_killed(monkeypatch, old_handlers, capsys):
    """After it was asked."""
    process = Process(None)

    def stop() -> None:
        raise KeyboardInterrupt

    host(monkeypatch, process, stop)
    assert process.done == ["terminate", "kill"]
    assert capsys.readouterr().out == "\nbye\n"


def test_a_server_that_never_answers_is_given_up(monkeypatch, old_handlers):
    """And taken down."""
    times = iter([0.0, 1.0, 1e9])
    monkeypatch.setattr(hosting, "time", types.SimpleNamespace(monotonic=lambda: next(times), sleep=lambda _: None))
    process = Process(None)
    with pytest.raises(DemoError, match="did not answer within 90 s"):
        host(monkeypatch, process, reached=False)
    assert process.done == ["terminate", "kill"]


@pytest.fixture
def hosted(monkeypatch):
    """No server: what it would have been given, and that it began. Browser and report are noted, not opened."""
    seen = types.SimpleNamespace(given=[], opened=[], built=queue.Queue(), checked=[])

    def host_until_ctrl_c(environment, *, begin, **given):
        seen.given.append({"environment": environment, **given})
        begin()

    for module in (demo, classroom):
        monkeypatch.setattr(module, "host_until_ctrl_c", host_until_ctrl_c)
        monkeypatch.setattr(module, "check_port", lambda *given, **_: seen.checked.append(given))
        monkeypatch.setattr(module.webbrowser, "open", seen.opened.append)
        monkeypatch.setattr(module, "build_ahead", lambda _, __, study: seen.built.put(study.slug))
    return seen


@pytest.fixture
def place(instance, tmp_path, monkeypatch):
    """An instance's folder, named by the environment."""
    shutil.copytree(instance, tmp_path / "place")
    monkeypatch.setenv("TRUEHUE_INSTANCE", str(tmp_path / "place"))
    for name in ("DATABASE_URL", "TRUEHUE_CLASS", "TRUEHUE_DEMO", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "place"


def studies(place: Path) -> dict[str, str]:
    database = Database(read_settings({"TRUEHUE_INSTANCE": str(place)}).database_url)
    with database.reading() as connection:
        found = connection.execute(select(StudyRow.slug, StudyRow.version, StudyRow.state)).all()
    database.dispose()
    return {f"{row.slug}@{row.version}": row.state for row in found}


def test_the_demonstration_says_where_it_is_and_its_link_opens_the_console(
    hosted, place, tmp_path, monkeypatch, capsys
):
    """With somebody's photographs, rendered before; a browser only where one is wanted and can be; made once."""
    photos = tmp_path / "photos"
    (photos / "album").mkdir(parents=True)
    (photos / "one.jpg").write_bytes(b"a photograph")
    settings = read_settings({"TRUEHUE_INSTANCE": str(place)})
    rendered = make_set(settings.instance / "photos" / demo._folder_name(photos))
    monkeypatch.setattr(demo, "prepare", functools.partial(demo.prepare, n_simulated=1))
    monkeypatch.setenv("DISPLAY", ":0")
    demo.demo(port=8123, photos=photos, is_browser_wanted=True)
    said = capsys.readouterr().out
    assert f"using the pictures rendered before from {photos}" in said
    assert "Take the test:   http://127.0.0.1:8123/\n" in said
    assert f"the answers stay in {place}" in said
    assert hosted.opened == ["http://127.0.0.1:8123/"]
    assert hosted.built.get(timeout=300) == "demo-simulated"
    assert hosted.checked == [("127.0.0.1", 8123)]
    (given,) = hosted.given
    assert (given["host"], given["port"], given["is_worker_wanted"]) == ("127.0.0.1", 8123, True)
    assert (given["environment"]["TRUEHUE_DEMO"], given["environment"]["TRUEHUE_INSTANCE"]) == ("1", str(place))
    made = studies(place)
    assert made == {"demo@1": "running", "demo-simulated@1": "closed"}

    app = create_app(read_settings(given["environment"]))
    link = said.split("http://127.0.0.1:8123/console/enter/")[1].split()[0]
    assert app.test_client().get(f"/console/enter/{link}").location == "/console/"
    app.extensions["truehue"].desk.database.dispose()

    demo.demo(port=8123, photos=photos, is_browser_wanted=False)
    monkeypatch.delenv("DISPLAY")
    demo.demo(port=8123, photos=photos, is_browser_wanted=True)
    assert len(hosted.opened) == 1
    assert studies(place) == made
    assert rendered.is_dir()


def test_photographs_that_changed_have_another_folder(tmp_path):
    """By name, size and time of each file; an empty folder beside them changes nothing."""
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "one.jpg").write_bytes(b"a photograph")
    before = demo._folder_name(photos)
    (photos / "album").mkdir()
    assert demo._folder_name(photos) == before
    (photos / "album" / "two.jpg").write_bytes(b"another")
    assert demo._folder_name(photos) != before


def test_photographs_that_cannot_be_coloured_are_one_line(settings, tmp_path, monkeypatch):
    """No folder; a student's folder that is none; a colorizer that fails, told of every student's folder."""
    with pytest.raises(DemoError, match="is not a folder; name a folder of photographs: make demo PHOTOS=DIR"):
        demo.find_stimuli(settings, tmp_path / "none")
    photos, ann = tmp_path / "photos", tmp_path / "ann"
    photos.mkdir()
    with pytest.raises(
        DemoError, match=r"ann: .* is not a folder; name a folder of coloured pictures: FAKES='ann=DIR'"
    ):
        demo.find_stimuli(settings, photos, {"ann": ann})
    ann.mkdir()
    asked = []

    def run(command, **_):
        asked.append(command)
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(demo.subprocess, "run", run)
    with pytest.raises(DemoError, match="could not be coloured; the lines above say why"):
        demo.find_stimuli(settings, photos, {"ann": ann})
    (command,) = asked
    assert command[:3] == [sys.executable, "-m", "colorizer"]
    assert command[command.index("--fake") + 1] == f"ann={ann}"


def test_a_checkout_without_the_shipped_set_says_how_to_make_it(settings, tmp_path, monkeypatch):
    """Or to use one's own photographs."""
    monkeypatch.setattr(demo, "files", lambda _: tmp_path)
    with pytest.raises(DemoError, match=r"manifest.json is missing; run make stimuli-demo, or make demo PHOTOS=DIR"):
        demo.find_stimuli(settings, None)


def test_a_set_without_low_anchors_makes_a_demonstration_too(desk, settings, tmp_path):
    """Then no rate is stated for them, and none is simulated."""
    study = demo.prepare(desk, settings, make_set(tmp_path / "set", n=16, n_random=0), n_simulated=1)
    assert study.definition.catch.n_low_anchor == 0
    with desk.database.reading_session() as session:
        assert session.get_one(StudyRow, study.id).simulation["fool_rate"] == {"lite": demo.SIMULATED_RATE}


def test_a_report_is_built_ahead_once(desk, settings, study, monkeypatch):
    """Whoever comes while it is being built, or after, builds nothing."""
    built = []
    monkeypatch.setattr(reports, "build", lambda *given, now: built.append(given[3]))
    for _ in range(2):
        demo.build_ahead(desk, settings, study)
    (folder,) = built
    assert folder.parent == settings.reports / "small"
    reports.release(folder)


@pytest.fixture
def run_class(app, hosted, place, stimuli, monkeypatch):
    """The command with the small set in the place of every other; the rendering it asked for."""
    asked = []
    monkeypatch.setattr(classroom, "find_stimuli", lambda _, photos, fakes: asked.append((photos, fakes)) or stimuli)
    monkeypatch.setattr(classroom, "prepare", functools.partial(classroom.prepare, n_recorded=1))
    return lambda *options: (app.test_cli_runner().invoke(args=["class", *options]), asked)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--name", "8 B"], "NAME: expected small letters, digits and hyphens, got '8 B'; e.g. make class NAME=8b"),
        (["--fakes", "ann"], "FAKES: expected NAME=DIR with each name once, in small letters, got 'ann'"),
        (["--fakes", "Ann=x"], "got 'Ann=x'; e.g. ann=out/ann"),
        (["--fakes", "ann=x", "--fakes", "ann=y"], "got 'ann=y'"),
    ],
)
def test_a_class_that_cannot_be_is_one_line(run_class, hosted, options, message):
    """Status 2, and nothing was begun."""
    done, asked = run_class(*options)
    assert done.exit_code == 2
    assert done.output.startswith("error: ")
    assert message in done.output
    assert done.output.count("\n") == 1
    assert (hosted.given, asked) == ([], [])


def test_a_class_is_told_its_address_and_the_projectors(run_class, hosted, place, monkeypatch):
    """In the local network; the projector's address holds the class's key and is what the browser opens."""
    monkeypatch.setenv("DISPLAY", ":0")
    done, asked = run_class("--name", "8b", "--host", "192.0.2.7", "--port", "8124", "--fakes", "ann=out/ann")
    assert done.exit_code == 0, done.output
    key = key_of(read_settings({"TRUEHUE_INSTANCE": str(place)}).lasting_key, "8b")
    assert "The class:   http://192.0.2.7:8124/\n" in done.output
    assert f"Projector:   http://192.0.2.7:8124/class/{key}/ " in done.output
    assert "under the name 8b" in done.output
    assert "No local network" not in done.output
    assert asked == [(classroom.SAMPLES, {"ann": Path("out/ann")})], "a student's pictures go with the samples"
    assert hosted.opened == [f"http://192.0.2.7:8124/class/{key}/"]
    assert hosted.built.get(timeout=300) == "8b-recorded"
    (given,) = hosted.given
    assert (given["host"], given["port"], given["is_worker_wanted"]) == ("0.0.0.0", 8124, False)
    assert given["environment"]["TRUEHUE_CLASS"] == "8b"
    assert given["environment"]["TRUEHUE_STARTS_PER_MINUTE"] == "0", "a class shares one address"
    assert studies(place) == {"8b@1": "running", "8b-recorded@1": "closed"}


def test_a_machine_without_a_network_says_so(run_class, hosted, monkeypatch, tmp_path):
    """Only this machine can come; photographs that were named are used, and no browser opens unasked."""
    monkeypatch.setattr(classroom, "address_in_network", lambda: "127.0.0.1")
    monkeypatch.setenv("DISPLAY", ":0")
    done, asked = run_class("--photos", str(tmp_path), "--no-browser")
    assert done.exit_code == 0, done.output
    assert "No local network was found, so only this machine can come" in done.output
    assert asked == [(tmp_path, {})]
    assert hosted.opened == []


def test_the_address_in_the_network_is_the_systems_way_out(monkeypatch):
    """Where there is no way, this machine."""

    class Probe:
        def __init__(self, *_): ...
        def __enter__(self):
            return self

        def __exit__(self, *_): ...
        def connect(self, _):
            if is_alone:
                raise OSError("Network is unreachable")

        def getsockname(self):
            return ("192.0.2.9", 40000)

    monkeypatch.setattr(hosting.socket, "socket", Probe)
    is_alone = False
    assert hosting.address_in_network() == "192.0.2.9"
    is_alone = True
    assert hosting.address_in_network() == "127.0.0.1"
