"""A photodiode's recording beside the page's log: errors that were put in come out."""

import numpy as np
import pandas as pd
import pytest

from analysis.cli import main
from analysis.photodiode import Flashes, PhotodiodeError, compare_with_page, exposures_of, read_page, read_recording
from analysis.photodiode_trials import join, pictures_of
from analysis.trials import read_export

FRAME_MS = 1000 / 60


def write(folder, *, late_ms, short_ms, drift_ppm=0.0, n=50, noise=0.05, rate_khz=2.0):
    """A page's log, and an analog recording whose onsets are `late_ms` and exposures `short_ms` off, per flash."""
    onset = 500 + 1500.0 * np.arange(n)
    page = pd.DataFrame({"onset_ms": onset, "offset_ms": onset + 1000, "exposure_ms_nominal": 1000})
    page.to_csv(folder / "flashes.csv", index=False)
    slope = 1 - drift_ppm * 1e-6
    true_on = 123.0 + slope * onset + late_ms
    true_off = true_on + 1000 * slope - short_ms
    time = np.arange(0, true_off[-1] + 500, 1 / rate_khz)
    level = np.full_like(time, 0.2)
    for on, off in zip(true_on, true_off, strict=True):
        level[(time >= on) & (time < off)] = 3.1
    level += np.random.default_rng(1).normal(0, noise, len(time))
    pd.DataFrame({"time_ms": time, "level": level}).to_csv(folder / "recording.csv", index=False)
    return folder / "recording.csv", folder / "flashes.csv"


@pytest.mark.slow
def test_errors_that_were_put_in_come_out(tmp_path):
    """Onset jitter, a shorter exposure, and a clock that runs 200 ppm fast, to the recorder's half millisecond."""
    jitter = np.random.default_rng(2).normal(0, 2.0, 50)
    recording, page = write(tmp_path, late_ms=jitter, short_ms=np.where(np.arange(50) == 7, 20.0, 3.0), drift_ppm=200)
    found = compare_with_page(read_recording(recording), read_page(page)[0], FRAME_MS)
    assert found.n == 50
    assert found.onset_sd_ms == pytest.approx(jitter.std(), abs=0.3)
    assert found.drift_ppm == pytest.approx(200, abs=60)
    assert found.exposure_mean_ms == pytest.approx(-(3.0 * 49 + 20) / 50, abs=0.2)
    assert found.within_one_frame == pytest.approx(0.98)


def test_a_log_of_edges_is_read_as_it_stands(tmp_path):
    rows = [(100.0, 0), (250.0, 1), (1250.5, 0), (1800.0, 1), (2800.0, 0), (3400.0, 1), (4399.0, 0)]
    pd.DataFrame(rows, columns=["time_ms", "level"]).to_csv(tmp_path / "edges.csv", index=False)
    flashes = read_recording(tmp_path / "edges.csv")
    assert flashes.onset_ms.tolist() == [250.0, 1800.0, 3400.0]
    assert flashes.duration_ms.tolist() == [1000.5, 1000.0, 999.0]


def test_the_command_says_it_in_two_lines(tmp_path, capsys, golden):
    recording, page = write(tmp_path, late_ms=0, short_ms=0, n=5)
    assert main(["import-photodiode", str(recording), str(page)]) == 0
    said = capsys.readouterr().out
    assert "5 exposures, photodiode minus page: mean" in said
    assert "100.0% within one frame" in said
    assert main(["import-photodiode", str(recording), str(golden), "--session", "nobody"]) == 2
    assert "there is no session 'nobody'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a,b\n1,2\n", "expected the column time_ms, got a, b"),
        ("time_ms,level\n1,0\n2,x\n", "level: line 3 is no number"),
        ("time_ms,level\n2,0\n1,1\n", "never go back"),
        ("time_ms,level\n1,0\n2,0\n", "expected dark and bright samples"),
    ],
)
def test_a_recording_that_cannot_be_used_is_refused_in_one_line(tmp_path, text, problem):
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(PhotodiodeError, match=problem):
        read_recording(tmp_path / "r.csv")


def session_of(n, *, page_ids=("p1",)):
    """Trials of one session, as exported: two pictures each, clocks that begin anew with each page."""
    rows = []
    for i in range(n):
        page = page_ids[i * len(page_ids) // n]
        begin = 700.0 + 4000.0 * (i - page_ids.index(page) * n // len(page_ids))
        is_a_first = i % 2 == 0
        onsets = (begin, begin + 1600) if is_a_first else (begin + 1600, begin)
        rows.append(
            {
                "session_id": "s-1",
                "trial_index": i,
                "order_of_a": "first" if is_a_first else "second",
                "stimulus_b": "x",
                "page_id": page,
                "onset_a_ms": onsets[0],
                "onset_b_ms": onsets[1],
                "exposure_a_ms_achieved": 1000.0,
                "exposure_b_ms_achieved": 1000.0,
            }
        )
    return pd.DataFrame(rows)


def test_each_picture_gets_its_flash_though_the_page_was_loaded_again_and_a_void_one_flashed():
    """Two clocks, 200 ppm, one flash too many, one onset 20 ms late in the order of presentation."""
    pictures = pictures_of(session_of(20, page_ids=("p1", "p2")), "s-1")
    assert pictures["picture"].tolist()[:4] == ["a", "b", "b", "a"]
    start = np.where(pictures["page_id"] == "p1", 5000.0, 91_000.0)
    onset = start + (1 - 2e-4) * pictures["onset_ms"].to_numpy()
    onset[7] += 20
    onset = np.insert(onset, 20, 89_000.0)
    found = join(Flashes(onset, onset + 999.0), pictures, FRAME_MS)
    assert (len(found.rows), found.n_flashes_unused) == (40, 1)
    assert found.rows["onset_error_ms"].idxmax() == 7
    assert found.rows.loc[7, "onset_error_ms"] == pytest.approx(20, abs=3)
    assert found.rows["exposure_error_ms"].to_numpy() == pytest.approx(-0.8, abs=0.1)
    assert found.comparison.drift_ppm == pytest.approx(200, abs=150)


def test_a_recording_that_is_not_this_session_is_refused():
    pictures = pictures_of(session_of(5), "s-1")
    seen = np.arange(10) * 777.0
    with pytest.raises(PhotodiodeError, match="a flash for each of 10 pictures"):
        join(Flashes(seen, seen + 100), pictures, FRAME_MS)
    with pytest.raises(PhotodiodeError, match="has no onsets"):
        pictures_of(session_of(5).drop(columns=["onset_a_ms", "onset_b_ms"]), "s-1")


def test_a_recording_that_begins_in_a_flash_leaves_it_out(tmp_path):
    """Its onset was not seen."""
    rows = [(0.0, 1), (100.0, 0), (250.0, 1), (1250.0, 0), (1800.0, 1), (2800.0, 0)]
    pd.DataFrame(rows, columns=["time_ms", "level"]).to_csv(tmp_path / "edges.csv", index=False)
    assert read_recording(tmp_path / "edges.csv").onset_ms.tolist() == [250.0, 1800.0]


def test_flashes_are_counted_before_they_are_compared():
    """As many as the page showed, and three at least."""
    two, three = (Flashes(np.arange(n) * 100.0, np.arange(n) * 100.0 + 50) for n in (2, 3))
    with pytest.raises(PhotodiodeError, match=r"as the page showed \(3\), the recording has 2"):
        compare_with_page(two, three, FRAME_MS)
    with pytest.raises(PhotodiodeError, match="expected 3 flashes or more, got 2"):
        compare_with_page(two, two, FRAME_MS)


def test_a_sessions_exposures_are_compared_in_their_order(golden, tmp_path, capsys):
    """Without onsets nothing is said of them; the pictures stand in the order in which they were shown."""
    trials = read_export(golden).trials
    session = trials["session_id"].iloc[0]
    told = exposures_of(trials, session)
    mine = trials[(trials["session_id"] == session) & trials["exposure_a_ms_achieved"].notna()]
    first = mine.iloc[0]
    order = ("b", "a") if first["order_of_a"] == "second" else ("a", "b")
    assert told[:2].tolist() == [first[f"exposure_{which}_ms_achieved"] for which in order]
    assert len(told) == 2 * len(mine)
    onset = 100 + 1600.0 * np.arange(len(told))
    edges = np.column_stack([np.ravel(np.column_stack([onset, onset + told + 1])), np.tile([1, 0], len(told))])
    recording = pd.DataFrame(np.vstack([[[0, 0]], edges]), columns=["time_ms", "level"])
    recording.to_csv(tmp_path / "r.csv", index=False)
    assert main(["import-photodiode", str(tmp_path / "r.csv"), str(golden), "--session", session]) == 0
    said = capsys.readouterr().out
    assert f"{len(told)} exposures, photodiode minus page: mean +1.00 ms" in said
    assert "onsets" not in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "new.csv"], "--out: expected --session with it"),
        (["--session", "s", "--out", "recording.csv"], "expected a new file, got an existing one"),
        (["--refresh-hz", "0"], "--refresh-hz: expected a number above 0, got 0"),
    ],
)
def test_options_that_do_not_fit_are_one_line(tmp_path, monkeypatch, capsys, options, message):
    """Before anything is read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recording.csv").write_text("")
    assert main(["import-photodiode", "recording.csv", "page.csv", *options]) == 2
    assert message in capsys.readouterr().err


def test_pages_with_too_few_pictures_tie_no_clock():
    """A page load of one trial is left out; where nothing is left it is said; a picture without onset has no row."""
    pictures = pictures_of(session_of(20, page_ids=("p1", "p2")), "s-1")
    short = pd.concat([pictures[pictures["page_id"] == "p1"].head(2), pictures[pictures["page_id"] == "p2"]])
    onset = 100 + short["onset_ms"].to_numpy()
    found = join(Flashes(onset[2:], onset[2:] + 1000), short, FRAME_MS)
    assert set(found.rows["page_id"]) == {"p2"}
    with pytest.raises(PhotodiodeError, match="3 pictures or more of one page load"):
        join(Flashes(onset, onset + 1000), short.head(2), FRAME_MS)
    trials = session_of(5)
    trials.loc[2, "onset_b_ms"] = np.nan
    assert len(pictures_of(trials, "s-1")) == 9
    with pytest.raises(PhotodiodeError, match="no session 's-2' with trials; there are s-1"):
        pictures_of(trials, "s-2")
