"""Jobs of the queue and the uploads that they take: what they do, how they fail, and what they leave behind."""

import io
import os
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import NOW
from huey import RedisHuey

from study.dataout.reproduce import Difference
from study.jobs import bundles, work
from study.jobs.errors import JobError
from study.jobs.queue import enqueue, queue_of
from study.jobs.tools import Tools
from study.jobs.uploads import _pack, check_zip, keep, suffix_of, unpack_set
from study.recruitment.payment import Approved

PHOTOS = Path(__file__).parents[2] / "samples" / "photos"


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


def test_a_job_that_nobody_does_is_refused(app, desk, settings):
    """By the names of those that there are."""
    with pytest.raises(JobError, match="expected a job of "):
        enqueue(desk, settings, "cook", "Dinner", {}, by="a@b.c", now=NOW)


def test_a_zip_that_was_damaged_on_the_way_is_one_line(tmp_path, stimuli):
    """Its directory can be read, one of its files cannot."""
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(stimuli / "manifest.json", "set/manifest.json")
        archive.writestr("set/images/a.png", b"pixels" * 100)
    path.write_bytes(path.read_bytes().replace(b"pixelspixels", b"pixelsPIXELS", 1))
    (tmp_path / "out").mkdir()
    with pytest.raises(JobError, match=r"set/images/a.png cannot be unpacked \(.*\); pack the zip again"):
        unpack_set(path, tmp_path / "out")


def test_several_hosts_share_one_queue(settings, tmp_path):
    """In Redis where it is named, in a file of the instance where not."""
    settings.prepare()
    assert isinstance(queue_of(replace(settings, redis_url="redis://127.0.0.1:1/0")), RedisHuey)
    assert not isinstance(queue_of(settings), RedisHuey)


@pytest.fixture
def told():
    """What a job said of its progress."""
    return []


@pytest.fixture
def tools(desk, settings, told):
    return Tools(desk, settings, lambda *said: told.append(said), 1)


@pytest.fixture
def photographs(settings):
    files = [PHOTOS / name for name in ("aitzgorri-1.jpg", "bridge-1.jpg")]
    return keep(settings, [(path.name, io.BytesIO(path.read_bytes())) for path in files])


@pytest.mark.outside
def test_photographs_become_a_set_of_the_instance(tools, settings, told, photographs):
    """By the real colorizer: progress is told, the set is taken in, the upload and the scratch folder are gone."""
    before = {path.name for path in settings.stimuli.iterdir()}
    arguments = {"photos": photographs, "models": ["gray"], "name": "grey", "n": 2, "size": "64", "seed": ""}
    done = work.render_stimuli(tools, arguments)
    assert done.startswith("2 photographs in 2 conditions: set ")
    assert any(len(said) == 2 and 0 <= said[1] <= 1 for said in told), "steps with their share"
    assert told[-1] == ("taking the set in",)
    assert list(settings.uploads.iterdir()) == []
    new = {path.name for path in settings.stimuli.iterdir()} - before
    assert len(new) == 1
    assert new.pop().startswith("grey-")


@pytest.mark.parametrize(("last", "message"), [("", "the colorizer wrote no stimulus set"), ("all refused", "all ref")])
def test_a_colorizer_that_writes_nothing_loses_no_photographs(tools, settings, photographs, monkeypatch, last, message):
    """The upload stays, so that the job can be begun again; the scratch folder goes."""
    asked = []
    monkeypatch.setattr(work, "_run", lambda command, _: asked.append(command) or last)
    arguments = {"photos": photographs, "models": ["gray", "lite"], "name": "x", "n": None, "size": "", "seed": "7"}
    with pytest.raises(JobError, match=message):
        work.render_stimuli(tools, arguments)
    (command,) = asked
    assert command[command.index("--model") : command.index("--name")] == ["--model", "gray", "lite"]
    assert command[-2:] == ["--seed", "7"]
    assert not {"--n", "--size"} & set(command)
    assert (settings.uploads / photographs).is_file()
    assert not list(settings.stimuli.glob(".render-*"))


def test_a_server_without_a_colorizer_says_where_to_get_one(tools, settings, photographs, monkeypatch):
    """Nothing is lost."""
    monkeypatch.setattr(work, "has_colorizer", lambda: False)
    with pytest.raises(JobError, match=r"pip install 'truehue\[colorizer\]', or render elsewhere"):
        work.render_stimuli(tools, {"photos": photographs, "models": ["gray"], "name": "x"})
    assert (settings.uploads / photographs).is_file()


def program(text: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", text]


@pytest.mark.outside
@pytest.mark.parametrize(
    ("text", "progress", "end"),
    [
        (r"print('reading:  50%|##  \r\r 100%|####\nall done')", [("reading", 0.5), ("working", 1.0)], "all done"),
        ("", [], ""),
        ("import sys; sys.exit('error: no such photograph')", [], JobError("no such photograph")),
        ("raise SystemExit(3)", [], JobError("it ended with status 3")),
    ],
)
def test_a_programs_bars_are_progress_and_its_last_line_is_the_reason(tools, told, text, progress, end):
    """Bars are drawn over each other; an error's line comes without its first word."""
    if isinstance(end, JobError):
        with pytest.raises(JobError) as caught:
            work._run(program(text), tools)
        assert str(caught.value) == str(end)
    else:
        assert work._run(program(text), tools) == end
    assert told == progress


@pytest.mark.outside
def test_a_program_does_not_outlive_its_job(tools):
    """Whoever stops the worker stops what it runs: else this waits for ever."""

    def stop(*_):
        raise KeyboardInterrupt

    waits = "import signal; print('  1%|', flush=True); signal.pause()"
    with pytest.raises(KeyboardInterrupt):
        work._run(program(waits), replace(tools, tell=stop))


def test_an_approval_that_stops_says_how_far_it_came(tools, settings, monkeypatch):
    """Who was paid is counted, whatever came after."""
    tools = replace(tools, settings=replace(settings, given_prolific_token="a token of Prolific"))
    monkeypatch.setattr(work, "approve", lambda *_, **__: Approved(2, ("60bb: Prolific says REJECTED",)))
    with pytest.raises(JobError, match="2 approved, then 60bb: Prolific says REJECTED"):
        work.approve_submissions(tools, {"slug": "small", "actor": "me"})


@pytest.mark.parametrize("kind", ["parquet", "psych-ds"])
def test_a_bundle_that_does_not_come_out_again_is_kept_and_told(tools, settings, study, monkeypatch, kind):
    """What did not come out stands in the job's line; a bundle of yesterday goes, one of an hour ago stays."""
    folder = settings.bundles / "small"
    folder.mkdir(parents=True)
    for name, age_h in (("old.zip", 25), ("young.zip", 1)):
        (folder / name).write_bytes(b"PK")
        made = (folder / name).stat().st_mtime - 3600 * age_h
        os.utime(folder / name, (made, made))
    monkeypatch.setattr(bundles, "write_bundle", lambda _, __, ___, out, **____: out.write_bytes(b"PK"))
    monkeypatch.setattr(bundles, "reproduce", lambda _: [Difference("plan", "s-1", "side_of_a is 'left'")] * 3)
    arguments = {"study_id": study.id, "slug": "small", "format": kind, "file": "new.zip"}
    if kind == "psych-ds":
        with pytest.raises(JobError, match="3 things did not come out again, first plan: s-1: side_of_a is 'left'"):
            bundles.build_bundle(tools, arguments)
    else:
        assert bundles.build_bundle(tools, arguments) == "written"
    assert {path.name for path in folder.iterdir()} == {"young.zip", "new.zip"}
    shutil.rmtree(folder)
