"""The replication of the 2016 study, small: through the real server to a report, and its repeats."""

import json

import pytest
from pictures import make_set

from study import create_app
from study.config import read_settings
from study.serving import in_thread
from tools.replication import coverage, humans, page
from tools.replication.design import TRUTH, Places, Scale

MORE = """n_trials = 4
[practice]
n_trials = 2
n_spare = 0
[catch]
n_low_anchor = 2
n_instructed = 1
n_spare = 0
"""
SMALL = Scale(per_arm=3, n_visible=0, n_repeats=2, arms=("L2", "full"), more=MORE, pool_size=0)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A run whose pictures are drawn and whose study is open."""
    places = Places(tmp_path_factory.mktemp("replication"))
    make_set(places.stimuli, n=12, models=SMALL.arms)
    humans.create(places, SMALL, seed=5)
    return places


def test_the_truth_is_the_published_table():
    """Zhang et al. 2016, table 1, "labeled real", percent."""
    published = {"Dahl": 18.3, "Larsson": 27.2, "L2": 21.2, "L2-ft": 23.9, "class": 25.2, "full": 32.3, "random": 13.0}
    assert {name: round(100 * rate, 6) for name, rate in TRUTH.items()} == published


@pytest.mark.outside
def test_a_small_replication_has_every_row(places, tmp_path):
    """Two arms of three people over HTTP: each condition's row counts what its people answered."""
    app = create_app(read_settings(humans.environment(places)))
    with in_thread(app) as url:
        humans.take_part(places, SMALL, url, seed=5, n_at_once=3)
        humans.take_part(places, SMALL, url, seed=5, n_at_once=3)  # nobody is missing: nobody comes
    app.extensions["truehue"].desk.database.dispose()
    assert not humans.is_anybody_missing(places, SMALL)
    report = humans.report(places)
    manifest = json.loads((places.stimuli / "manifest.json").read_text())
    result = page.summarise(report, manifest, {}, SMALL, seed=5, seconds={"report": 1.0})
    counts = {row["condition"]: (row["n_trials"], row["n_participants"]) for row in result["rows"]}
    assert counts == {"L2": (12, 3), "full": (12, 3), "random": (12, 6)}
    for row in result["rows"]:
        assert row["published"] == TRUTH[row["condition"]]
        assert row["ours_covers"] == (row["ci_low"] <= row["published"] <= row["ci_high"])
    page.write(result, tmp_path)
    assert (tmp_path / page.FIGURE).stat().st_size > 5_000
    document = tmp_path / "page.md"
    document.write_text(f"above\n{page.BEGIN}\nwas here\n{page.END}\nbelow\n")
    page.put_into(document, page.tables(result))
    text = document.read_text()
    assert (text[:6], text[-7:]) == ("above\n", "\nbelow\n")
    assert "was here" not in text
    assert all(f"| {name} |" in text for name in counts)


@pytest.mark.slow
def test_repeats_go_on_where_they_were_stopped(places, monkeypatch):
    """Interrupted after the first, with a line half written: the rest is run, and nothing twice."""
    path = places.repeats
    repeats = coverage.Repeats(places.out / coverage.DATABASE, humans.imported(places), SMALL, seed=5)
    ran = []
    one = coverage.one
    monkeypatch.setattr(coverage, "one", lambda known, number: ran.append(number) or one(known, number))

    def stop(n):
        if n and ran:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        coverage.repeat(repeats, path, tell=stop)
    with path.open("a") as file:
        file.write('{"key": "cut o')
    done = coverage.repeat(repeats, path)
    assert ran == [1, 2]
    assert list(done) == [1, 2]
    assert coverage.repeat(repeats, path) == done
    assert ran == [1, 2]
    assert done[1] != done[2]
    again = coverage.one(repeats, 1)
    assert {name: list(row) for name, row in again.items()} == done[1]
    rows = coverage.covered(done, SMALL.rates)
    assert [row["n_repeats"] for row in rows] == [2, 2, 2]
    other = coverage.Repeats(repeats.template, repeats.stimuli, SMALL, seed=6)
    assert coverage.known_repeats(path, other.key) == {}


def test_coverage_counts_both_ends():
    """A truth below, inside and above; by hand."""
    runs = {
        n: {"full": [1, 4, low, high, 0.3, 0.4]} for n, (low, high) in enumerate([(0.33, 0.5), (0.2, 0.4), (0, 0.3)])
    }
    (row,) = coverage.covered(runs, {"full": 0.323})
    assert row["ours_coverage"] == pytest.approx(1 / 3, abs=1e-4)
    assert row["naive_coverage"] == 1.0
    assert row["ours_monte_carlo_se"] == pytest.approx((2 / 9 / 3) ** 0.5, abs=1e-4)
