"""Anything else that colours becomes a condition; what fails is listed, and nothing goes through a shell."""

import json
import os
import shlex
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorizer.cli import main
from colorizer.externals import ExternalError, Wanted, collect, parse_fake, square_like
from colorizer.render import to_lab

PYTHON = shlex.quote(sys.executable)
SWAP = f"{PYTHON} -c \"import sys; from PIL import Image; i = Image.open(sys.argv[1]).convert('RGB'); "
WARM = (
    SWAP + "Image.merge('RGB', (i.split()[0], i.split()[1], i.split()[2].point(lambda v: v // 2))).save(sys.argv[2])\""
)
ARGUMENTS = " {input} {output}"


def stimuli(photos: Path, out: Path, *more: str) -> int:
    return main(["stimuli", "--real", str(photos), "--out", str(out), "--size", "64", *more])


def test_a_command_is_run_on_every_photograph_and_only_its_colours_count(photo_folder: Path, tmp_path: Path) -> None:
    """Each output's ab under the photograph's own L; provenance says what was run and how far L moved."""
    assert stimuli(photo_folder, tmp_path / "set", "--fake", f"warm={WARM}{ARGUMENTS}", "--fake-jobs", "2") == 0
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
    told = manifest["conditions"]["warm"]
    assert (told["kind"], told["model"]) == ("external", "warm")
    assert told["settings"]["command"].endswith("{input} {output}")
    assert told["settings"]["lightness_change_mean"] > 0.5
    pictures = {(s["image_id"], s["condition"]): s for s in manifest["stimuli"]}
    assert len(pictures) == 2 * len(manifest["images"]) == 24
    with Image.open(tmp_path / "set" / pictures["p001", "real"]["file"]) as real:
        lab_real = to_lab(np.asarray(real))
    with Image.open(tmp_path / "set" / pictures["p001", "warm"]["file"]) as warm:
        lab_warm = to_lab(np.asarray(warm))
    assert float((lab_real[:, :1] - lab_warm[:, :1]).abs().mean()) < 1.5  # but for the gamut
    assert float(lab_warm[:, 2].mean()) > 5  # yellow


def test_a_folder_is_matched_by_name_and_mismatches_are_listed(
    photo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any suffix, any size of the same shape; missing, wrongly shaped, unreadable and unused ones are named."""
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    names = sorted(p.name for p in photo_folder.iterdir())
    for name in names[3:]:
        with Image.open(photo_folder / name) as image:
            image.resize((144, 128)).save(outputs / Path(name).with_suffix(".bmp").name.upper())
    Image.new("RGB", (200, 64), "red").save(outputs / names[1])
    (outputs / names[2]).write_bytes(b"no picture")
    Image.new("RGB", (64, 64)).save(outputs / "somebody else.png")
    assert stimuli(photo_folder, tmp_path / "set", "--fake", f"theirs={outputs}") == 0
    told = capsys.readouterr().err
    assert f"refused: {names[0]}: fake_missing: theirs: no output has its name" in told
    assert f"refused: {names[1]}: fake_missing: theirs: {names[1]} is 200 x 64, expected the photograph's shape" in told
    assert f"refused: {names[2]}: fake_missing: theirs: {names[2]}: not an image" in told
    assert "unused: theirs: somebody else.png: fits no photograph of the set" in told
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
    assert len(manifest["images"]) == 9
    # The folder holds the photographs themselves, only larger: the colours are theirs but for the resizing.
    assert all(s["delta_e00_mean"] < 3 for s in manifest["stimuli"] if s["condition"] == "theirs")


def test_the_name_decides_only_when_it_is_alone(tmp_path: Path) -> None:
    """Paths first, then paths without suffix, then bare names; a name that two outputs have is a mismatch."""
    wanted = [Wanted(n, 8, 8, np.zeros((8, 8, 3), np.uint8)) for n in ("a/x.jpg", "b/x.jpg", "c/y.jpg", "c/z.jpg")]
    for name in ("a/x.png", "other/x.png", "deep/y.webp", "one/z.png", "two/z.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    out = collect(parse_fake(f"t={tmp_path}"), wanted)
    assert set(out.squares) == {"a/x.jpg", "c/y.jpg"}
    assert out.failures == {"b/x.jpg": "several outputs have its name", "c/z.jpg": "several outputs have its name"}
    assert sorted(out.unused) == ["one/z.png", "other/x.png", "two/z.png"]


def test_failures_of_a_command_are_listed_one_by_one(tmp_path: Path) -> None:
    """Exit status with the last word, no output, a picture that is none: each photograph has its own reason."""
    program = tmp_path / "odd.py"
    program.write_text(
        "import sys, pathlib\nfrom PIL import Image\ngiven, made = sys.argv[1:]\n"
        "n = Image.open(given).getpixel((0, 0))[0]\n"
        "if n == 1: sys.exit('out of paint')\n"
        "if n == 2: pathlib.Path(made).write_text('oops')\n"
        "if n == 3: Image.open(given).save(made)\n"
    )
    wanted = [Wanted(f"{n}", 8, 8, np.full((8, 8, 3), n, np.uint8)) for n in range(4)]
    out = collect(parse_fake(f"odd={PYTHON} {shlex.quote(str(program))}{ARGUMENTS}"), wanted, jobs=2)
    assert set(out.squares) == {"3"}
    assert out.failures["0"] == "wrote no {output}"
    assert out.failures["1"] == "exit status 1: out of paint"
    assert out.failures["2"].startswith("its output: not an image")


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    """After the time-out the program and what it started are gone, and the others' outputs are kept."""
    note = tmp_path / "child"
    program = tmp_path / "slow.sh"
    program.write_text(f"sleep 600 & echo $! > {shlex.quote(str(note))}; wait\n")
    fake = parse_fake(f"slow=sh {shlex.quote(str(program))}{ARGUMENTS}")
    for limit_s in (1, 4, 16, 64):  # long enough for a shell to write its note, also on a crowded machine
        out = collect(fake, [Wanted("a", 8, 8, np.zeros((8, 8, 3), np.uint8))], timeout_s=limit_s)
        assert out.failures == {"a": f"took longer than {limit_s} s (--fake-timeout)"}
        if note.exists() and note.read_text().endswith("\n"):
            break
    child = int(note.read_text())
    deadline = time.monotonic() + 120  # it would sleep for 600
    while _is_alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_nothing_goes_through_a_shell(tmp_path: Path) -> None:
    """Semicolons, backticks and redirections are words like any other."""
    prey = tmp_path / "prey"
    fake = parse_fake(f"bad={PYTHON} -c pass {{input}} {{output}}; touch {prey} `touch {prey}` > {prey}")
    out = collect(fake, [Wanted("a", 8, 8, np.zeros((8, 8, 3), np.uint8))])
    assert out.failures == {"a": "wrote no {output}"}
    assert not prey.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("folder", "expected NAME=DIR"),
        ("a b=/tmp", "expected NAME=DIR"),
        ("x=/nowhere/at/all", "no such folder"),
        ("x=cp {input} there", r"the command lacks \{output\}"),
        ("x=no-such-program {input} {output}", "no such program"),
        ("x=cp '{input} {output}", "cannot split"),
    ],
)
def test_a_fake_that_cannot_be_is_refused_before_anything_runs(text: str, message: str) -> None:
    """One line says what is wrong with it."""
    with pytest.raises(ExternalError, match=message):
        parse_fake(text)


def test_conditions_need_names_of_their_own(
    photo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fake called like a control, and an empty list of conditions, exit with status 2."""
    assert stimuli(photo_folder, tmp_path / "set", "--model", "gray", "--fake", f"gray={photo_folder}") == 2
    assert "gray: two conditions have this name" in capsys.readouterr().err


def test_a_square_or_the_photographs_shape_is_taken_and_nothing_else() -> None:
    """The centre square of a full output, a square as it is, no guess for another shape."""
    wanted = Wanted("a", 400, 200, np.zeros((50, 50, 3), np.uint8))
    full = Image.new("RGB", (800, 400), "blue")
    full.paste("yellow", (200, 0, 600, 400))
    assert (square_like(full, wanted)[:, 5:-5] == (255, 255, 0)).all()  # but for the resampled edge
    assert (square_like(Image.new("RGB", (33, 33), "red"), wanted) == (255, 0, 0)).all()
    with pytest.raises(ExternalError, match="is 200 x 400, expected the photograph's shape"):
        square_like(Image.new("RGB", (200, 400)), wanted)
