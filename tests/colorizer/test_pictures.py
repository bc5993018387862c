"""A set is the same however many processes made it and however often they were stopped."""

import shutil
from pathlib import Path

import pytest

from colorizer import pictures
from colorizer.cli import main
from colorizer.stimuli import Settings, StimuliError, render_stimuli

SETTINGS = Settings(size_px=64, seed=3)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def alone(photo_folder: Path, tmp_path: Path) -> dict[str, bytes]:
    """What one process with one encoder makes, in one go."""
    render_stimuli(photo_folder, ["gray", "random"], tmp_path / "one" / "set", SETTINGS, n_random=3)
    return content(tmp_path / "one" / "set")


def test_an_interrupted_set_goes_on_where_it_was(
    photo_folder: Path, tmp_path: Path, alone: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures that were written are not written again, but for those whose file or record was cut short."""
    encode, encoded = pictures.save_lossless, list[Path]()

    def stop_at_the_tenth(rgb, path, image_format):
        encoded.append(path)
        if len(encoded) == 10:
            raise KeyboardInterrupt
        encode(rgb, path, image_format)

    monkeypatch.setattr(pictures, "save_lossless", stop_at_the_tenth)
    out = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt):
        render_stimuli(photo_folder, ["gray", "random"], out, SETTINGS, n_random=3)
    assert not out.exists()
    part = tmp_path / "set.part"
    (record,) = part.glob("written-*.jsonl")
    n_recorded = len(record.read_text().splitlines())
    assert 5 < n_recorded < 10
    record.write_text(record.read_text()[:-20])  # a crash in the middle of a line
    before = len(encoded)
    render_stimuli(photo_folder, ["gray", "random"], out, SETTINGS, n_random=3)
    assert content(out) == alone
    assert not part.exists()
    assert len(encoded) - before == 12 + 12 + 3 - (n_recorded - 1)


def test_three_shares_make_what_one_process_makes(
    photo_folder: Path, tmp_path: Path, alone: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """The set appears with the last share, whichever that is, byte for byte."""
    out = tmp_path / "set"
    arguments = ["stimuli", "--real", str(photo_folder), "--model", "gray", "random", "--n-random", "3"]
    arguments += ["--size", "64", "--seed", "3", "--out", str(out), "--workers", "3"]
    for share in ("2/3", "0/3"):
        assert main([*arguments, "--shard", share]) == 0
        assert f"share {share} is rendered" in capsys.readouterr().out
        assert not out.exists()
    assert main([*arguments, "--shard", "1/3"]) == 0
    assert "12 photographs, 27 pictures, 0 refused" in capsys.readouterr().out
    assert content(out) == alone


def test_shares_of_different_sets_do_not_mix(photo_folder: Path, tmp_path: Path) -> None:
    """Another seed is another set; alone, a left-over of another set is replaced."""
    out = tmp_path / "set"
    render_stimuli(photo_folder, ["gray"], out, SETTINGS, shard=(0, 2))
    with pytest.raises(StimuliError, match="begun with other photographs, weights or options"):
        render_stimuli(photo_folder, ["gray"], out, Settings(size_px=64, seed=4), shard=(1, 2))
    render_stimuli(photo_folder, ["gray"], out, Settings(size_px=64, seed=4))
    assert not (tmp_path / "set.part").exists()
    fresh = tmp_path / "fresh" / "set"
    render_stimuli(photo_folder, ["gray"], fresh, Settings(size_px=64, seed=4))
    assert content(out) == content(fresh)
    shutil.rmtree(out)


def test_a_program_that_colours_is_not_divided(photo_folder: Path, tmp_path: Path) -> None:
    """It runs in parallel by itself, and its failures concern the whole set."""
    from colorizer.externals import parse_fake

    fake = parse_fake("copy=cp {input} {output}")
    with pytest.raises(StimuliError, match="--fake-jobs"):
        render_stimuli(photo_folder, [], tmp_path / "set", SETTINGS, fakes=[fake], shard=(0, 2))
