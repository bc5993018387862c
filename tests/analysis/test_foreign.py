"""Other people's tables: any format, pairs, single pictures and ratings; bad rows found, named and counted."""

import gzip
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from analysis import analyse_table, fool_rate, make_mapping, read_table
from analysis.cli import main
from analysis.foreign import TableError
from analysis.mapping import MappingError, read_mapping
from analysis.ratings import mean_rating
from analysis.sensitivity import sensitivity, yes_no

COLUMNS = {"participant": "who", "item": "photo", "condition": "system", "fooled": "took_fake"}


def table(n_people=12, n_photos=10, seed=1):
    """Pairs: every person judges every photograph once, in one of two systems."""
    rng = np.random.default_rng(seed)
    who, photo = np.indices((n_people, n_photos)).reshape(2, -1)
    return pd.DataFrame(
        {
            "who": [f"p{i}" for i in who],
            "photo": [f"img{i}" for i in photo],
            "system": np.where((who + photo) % 2, "ours", "theirs"),
            "took_fake": rng.random(len(who)) < 0.3,
            "n": np.tile(np.arange(n_photos), n_people),
            "when": np.arange(len(who)) * 10.0,
        }
    )


def read(tmp_path, frame, **sections):
    frame.to_csv(tmp_path / "t.csv", index=False)
    return read_table(tmp_path / "t.csv", make_mapping({"columns": COLUMNS, **sections}))


def test_every_format_gives_the_same_rows(tmp_path):
    """CSV, semicolons, TSV, gzip, JSON lines, JSON records and Parquet are one table."""
    frame = table().assign(took_fake=lambda f: f["took_fake"].map({True: "yes", False: "no"}))
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.csv", index=False, sep=";")
    frame.to_csv(tmp_path / "c.tsv", index=False, sep="\t")
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    frame.to_json(tmp_path / "e.jsonl", orient="records", lines=True)
    frame.to_json(tmp_path / "f.json", orient="records")
    frame.to_parquet(tmp_path / "g.parquet")
    mapping = make_mapping({"columns": COLUMNS})
    wanted = ["participant", "item", "condition", "outcome"]
    first, *others = [read_table(path, mapping).rows[wanted].astype(str) for path in sorted(tmp_path.iterdir())]
    assert len(first) == 120
    assert len(others) == 6
    for other in others:
        assert other.equals(first)


def test_names_that_look_like_numbers_stay_names(tmp_path):
    """Participants 7 and 007 are two people."""
    frame = table().assign(who=lambda f: f["who"].replace({"p0": "7", "p1": "007", "p2": "7.0"}))
    assert read(tmp_path, frame).rows["participant"].nunique() == 12


def test_numbers_and_booleans_of_json_are_read(tmp_path):
    """true, 1 and 1.0 are the same answer, null is none."""
    rows = [{"who": 1, "photo": i, "took_fake": v} for i, v in enumerate([True, 1, 1.0, False, 0, None])]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    columns = {"participant": "who", "item": "photo", "fooled": "took_fake"}
    found = read_table(tmp_path / "t.jsonl", make_mapping({"columns": columns}))
    assert found.rows["outcome"].tolist() == [1, 1, 1, 0, 0]
    assert [f.name for f in found.findings] == ["missing_outcome"]


def test_a_pair_table_gets_the_primary_estimate(tmp_path):
    """The rates of the report are those of fool_rate on the rows."""
    frame = table()
    results = analyse_table(read(tmp_path, frame))
    for rate in results.fool_rates:
        rows = frame[frame["system"] == rate.condition]
        expected = fool_rate(rows["took_fake"], rows["who"], rows["photo"])
        assert (rate.n_fooled, rate.ci_low, rate.ci_high) == (expected.n_fooled, expected.ci_low, expected.ci_high)
    assert len(results.differences) == 1
    assert results.variants[0].name == "analysed"


def damage(frame, what):
    frame = frame.astype(object)
    if what == "duplicate":
        return pd.concat([frame, frame.head(3)])
    if what == "missing_outcome":
        frame.loc[[4, 5], "took_fake"] = ""
    if what == "impossible_outcome":
        frame.loc[[4, 5, 6], "took_fake"] = 7
    if what == "missing_label":
        frame.loc[7, "photo"] = ""
    return frame


@pytest.mark.parametrize(
    ("what", "n", "line"),
    [("duplicate", 3, 122), ("missing_outcome", 2, 6), ("impossible_outcome", 3, 6), ("missing_label", 1, 9)],
)
def test_bad_rows_are_found_named_counted_and_left_out(tmp_path, what, n, line):
    """Each kind is a rule of the flow and a finding with its first line, and every row is accounted for."""
    found = read(tmp_path, damage(table(), what))
    (finding,) = found.findings
    assert (finding.name, finding.n) == (what, n)
    assert finding.examples[0] == f"line {line}"
    assert [s.n_trials for s in found.flow.steps if s.rule == what] == [n]
    assert (found.entered["left_out_by"] == what).sum() == n
    assert len(found.rows) + n == found.flow.n_trials_entered
    assert f"{n} row" in finding.sentence


@pytest.mark.parametrize("suffix", ["json", "jsonl", "parquet"])
def test_duplicates_are_found_in_every_format(tmp_path, suffix):
    """The same person, photograph and answer is a duplicate where the whole row is the same, and only there."""
    frame = pd.concat([table(), table().head(3), table().tail(1).assign(n=99)], ignore_index=True)
    path = tmp_path / f"t.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=suffix == "jsonl")
    found = read_table(path, make_mapping({"columns": COLUMNS}))
    assert [(one.name, one.n) for one in found.findings if one.name == "duplicate"] == [("duplicate", 3)]
    assert len(found.rows) == 121


def test_parquet_without_its_library_says_what_to_install(tmp_path, monkeypatch):
    """Or to write CSV."""
    table().to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TableError, match="needs pyarrow; run: pip install pyarrow, or write CSV"):
        read_table(tmp_path / "t.parquet", make_mapping({"columns": COLUMNS}))


def test_times_are_compared_whether_numbers_or_dates(tmp_path):
    """A row whose time lies before that of the row above is named in both."""
    columns = {"columns": {**COLUMNS, "time": "when"}}
    frame = table()
    frame.loc[5, "when"] = -1.0
    stamps = (pd.Timestamp("2026-11-22T10:00Z") + pd.to_timedelta(frame["when"], unit="s")).map(pd.Timestamp.isoformat)
    numbers, dates = (read(tmp_path, one, **columns) for one in (frame, frame.assign(when=stamps)))
    assert [one.name for one in numbers.findings] == [one.name for one in dates.findings]
    assert len(numbers.findings) == 1
    assert read(tmp_path, table(), **columns).findings == ()


def test_a_table_of_which_no_row_is_left_is_refused(tmp_path):
    """With the number of rows and what to look at."""
    with pytest.raises(TableError, match="expected rows to analyse, got none of 120"):
        read(tmp_path, table(), rows={"only": {"system": "nobody's"}})


def test_odd_rows_stay_in_and_are_named(tmp_path):
    """Two arms, mixed versions, a clock that goes back, an unfinished person, a time that cannot be."""
    frame = table(seed=3).assign(arm=lambda f: f["who"], version="1", rt=900.0)
    frame.loc[frame["who"] == "p0", "arm"] = ["a", *["b"] * 9]
    frame.loc[frame.index[-1], "version"] = "2"
    frame.loc[15, "when"] = 0
    frame.loc[3, "rt"] = -5
    frame = frame[~((frame["who"] == "p2") & (frame["n"] > 2))]
    columns = {**COLUMNS, "arm": "arm", "version": "version", "time": "when", "rt_ms": "rt"}
    found = read(tmp_path, frame, columns=columns)
    assert {f.name: f.n for f in found.findings} == {
        "two_arms": 1,
        "mixed_versions": 2,
        "out_of_order": 1,
        "impossible_rt": 1,
        "unfinished": 1,
    }
    assert len(found.rows) == len(frame)


def test_a_person_in_two_conditions_of_a_between_design_is_named(tmp_path):
    """Where nearly everyone is in one condition, the one who is in two looks like a mistake."""
    frame = table().assign(system=lambda f: np.where(f["who"].str[-1].isin(list("02468")), "ours", "theirs"))
    frame.loc[0, "system"] = "theirs"
    (finding,) = read(tmp_path, frame).findings
    assert (finding.name, finding.n, finding.examples) == ("two_arms", 1, ("p0",))


def test_a_trial_column_tells_repeats_from_duplicates(tmp_path):
    """A photograph shown twice is two judgements; the same trial twice is a duplicate."""
    frame = pd.concat([table(), table().head(2).assign(n=[100, 101])])
    found = read(tmp_path, frame, columns={**COLUMNS, "trial": "n"})
    assert [f.name for f in found.findings] == ["photograph_again"]
    assert len(found.rows) == 122
    again = read(tmp_path, pd.concat([frame, frame.head(1)]), columns={**COLUMNS, "trial": "n"})
    assert [(f.name, f.n) for f in again.findings if f.name == "duplicate"] == [("duplicate", 1)]


def test_only_and_exclude_are_counted_rules(tmp_path):
    """Rows of another kind, and rows that a column marks, leave by name; the variants show both."""
    frame = table().assign(kind=["test", "practice"] * 60, lazy=[1] + [0] * 119)
    found = read(tmp_path, frame, rows={"only": {"kind": "test"}, "exclude": ["lazy"]})
    assert {s.rule: s.n_trials for s in found.flow.steps if s.n_trials} == {"only_kind": 60, "lazy": 1}
    assert [v.name for v in analyse_table(found).variants] == ["no exclusions", "analysed"]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"columns": {"fooled": "took_fake"}}, "expected the column of the participant"),
        ({"columns": {**COLUMNS, "rating": "n"}}, "one report has one outcome"),
        ({"columns": {"participant": "who", "item": "photo"}}, "expected the column of the outcome"),
        (
            {"columns": {**COLUMNS}, "table": {"design": "single"}},
            "design single: expected the column is_fake, got participant, item, condition, fooled",
        ),
        ({"columns": COLUMNS, "table": {"design": "preference"}}, "expected pair, single, rating"),
    ],
)
def test_an_outcome_of_another_design_is_refused(sections, message):
    """A fool rate from single pictures, or two outcomes at once, is an error with the next step."""
    with pytest.raises(MappingError, match=message):
        make_mapping(sections)


def test_a_mapping_file_is_read_and_its_mistakes_are_named(tmp_path):
    """TOML sections become a mapping; an unknown key names the nearest one."""
    path = tmp_path / "m.toml"
    path.write_text('[columns]\nparticipant = "who"\nitem = "photo"\nfooled = "took_fake"\n[values]\ntrue = ["fake"]\n')
    assert make_mapping(read_mapping(path)).true == ("fake",)
    path.write_text('[columns]\nparticpant = "who"\n')
    with pytest.raises(MappingError, match="did you mean participant"):
        read_mapping(path)


def test_a_wrong_column_names_those_that_exist(tmp_path):
    """The message lists the table's columns."""
    with pytest.raises(TableError, match="expected the column subject, got who, photo, system"):
        read(tmp_path, table(), columns={**COLUMNS, "participant": "subject"})


def single(n_people=20, n_photos=24, seed=5):
    rng = np.random.default_rng(seed)
    who, photo = np.indices((n_people, n_photos)).reshape(2, -1)
    fake = photo % 2 == 0
    said_real = rng.random(len(who)) < np.where(fake, 0.3, 0.8)
    return pd.DataFrame({"participant": who, "image": photo, "is_fake": fake, "judged_real": said_real})


def test_correct_and_judged_real_are_the_same_table(tmp_path):
    """Right on a fake means judged fake, right on an original judged real."""
    frame = single().rename(columns={"image": "item"})
    frame = frame.assign(correct=frame["judged_real"] != frame["is_fake"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    columns = {name: name for name in ("participant", "item", "is_fake")}
    by = [
        analyse_table(read_table(tmp_path / "t.csv", make_mapping({"columns": {**columns, name: name}})))
        for name in ("judged_real", "correct")
    ]
    assert by[0].yes_no == by[1].yes_no
    assert by[0].yes_no.accuracy.fool_rate == pytest.approx(frame["correct"].mean())
    (rate,) = by[0].fool_rates
    assert rate.n_fooled == (frame["is_fake"] & frame["judged_real"]).sum()


def test_sensitivity_is_the_formula_and_bias_moves_the_criterion_only():
    """d′ = z(H) − z(F) by hand, and swapping every answer's words flips its sign."""
    frame = single()
    found = sensitivity(frame)
    fake, said_fake = frame["is_fake"], ~frame["judged_real"]
    from scipy.stats import norm

    h = (said_fake[fake].sum() + 0.5) / (fake.sum() + 1)
    f = (said_fake[~fake].sum() + 0.5) / ((~fake).sum() + 1)
    assert found.d_prime == pytest.approx(norm.ppf(h) - norm.ppf(f))
    assert found.criterion == pytest.approx(-(norm.ppf(h) + norm.ppf(f)) / 2)
    assert found.d_low < found.d_prime < found.d_high
    flipped = sensitivity(frame.assign(judged_real=~frame["judged_real"]))
    assert flipped.d_prime == pytest.approx(-found.d_prime)


@pytest.mark.slow
def test_the_interval_of_d_prime_covers():
    """300 tables of a known d′ with people and photographs that differ: the 95 % interval covers 90 to 99 %."""
    from scipy.stats import norm

    rng = np.random.default_rng(9)
    covered = 0
    for _ in range(300):
        who, photo = np.indices((20, 20)).reshape(2, -1)
        fake = photo % 2 == 0
        # Normal effects on the normal scale: the marginal d′ is known in closed form.
        shift = np.where(fake, 0.6, -0.6) + rng.normal(0, 0.3, 20)[who] + rng.normal(0, 0.4, 20)[photo]
        said_fake = rng.normal(size=400) + shift > 0
        columns = {"participant": who, "image": photo, "is_fake": fake, "judged_real": ~said_fake}
        found = sensitivity(pd.DataFrame(columns))
        truth = 2 * norm.ppf(norm.cdf(0.6 / np.sqrt(1 + 0.09 + 0.16)))
        covered += found.d_low <= truth <= found.d_high
    assert 270 <= covered <= 297


def test_only_fakes_are_refused():
    """Without originals there is no accuracy and no d′."""
    frame = single()
    with pytest.raises(ValueError, match="got only fakes"):
        yes_no(frame[frame["is_fake"]])


def test_mean_ratings_are_clustered_and_refuse_what_is_no_number(tmp_path):
    """The mean is the mean; independent ratings have a design effect near 1; NaN and one person are refused."""
    rng = np.random.default_rng(2)
    who, photo = np.indices((60, 50)).reshape(2, -1)
    y = rng.integers(1, 8, len(who))
    found = mean_rating(y, who, photo)
    assert found.mean == pytest.approx(y.mean())
    assert 0.6 < found.design_effect < 1.8
    shared = mean_rating(y + rng.normal(0, 2, 60)[who], who, photo)
    assert shared.design_effect > 5
    with pytest.raises(ValueError, match="got 1 others"):
        mean_rating([1, np.nan], [1, 2], [1, 2])
    with pytest.raises(ValueError, match="at least 2 participants"):
        mean_rating([1, 2], [1, 1], [1, 2])


def test_a_rating_off_the_scale_is_impossible(tmp_path):
    """With the scale's ends declared, 9 of 7 is found and counted."""
    frame = table().assign(stars=np.r_[9, np.tile(np.arange(1, 8), 17)].astype(float))
    columns = {"participant": "who", "item": "photo", "condition": "system", "rating": "stars"}
    found = read(tmp_path, frame, columns=columns, analysis={"rating": [1, 7]})
    assert [(f.name, f.n) for f in found.findings] == [("impossible_outcome", 1)]
    results = analyse_table(found)
    assert results.ratings[0].n_trials + results.ratings[1].n_trials == 119
    assert results.fool_rates == ()


@pytest.mark.slow
@pytest.mark.parametrize("design", ["pair", "rating"])
def test_the_command_line_writes_a_whole_report(tmp_path, capsys, design):
    """Flags, a report with every named table, and no word of what such a table does not hold."""
    frame = table().assign(stars=np.tile(np.arange(1, 6), 24))
    frame.to_csv(tmp_path / "study.csv", index=False)
    flags = ["--participant", "who", "--item", "photo", "--condition", "system"]
    flags += ["--fooled", "took_fake"] if design == "pair" else ["--rating", "stars"]
    assert main(["report", str(tmp_path / "study.csv"), *flags, "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.strip().endswith("report.html")
    names = {path.name for path in (tmp_path / "out" / "tables").iterdir()}
    wanted = ("fool_rates", "differences", "mixed_model", "images", "participants", "exclusions")
    assert {f"{name}.csv" for name in wanted} <= names
    header = (tmp_path / "out" / "tables" / "mixed_model.csv").read_text().splitlines()[0]
    assert header == "term,estimate,se"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Exposure" not in page
    assert ("Zhang" in page) == (design == "pair")
    shutil.rmtree(tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{t}", "--out", "{o}"], "expected the column of the participant"),
        (
            ["{t}", "--participant", "x", "--item", "photo", "--fooled", "took_fake", "--out", "{o}"],
            "column x, got who",
        ),
        (["{t}.none", "--participant", "who", "--item", "photo", "--fooled", "f", "--out", "{o}"], "No such file"),
        (["{t}", "--only", "kind", "--out", "{o}"], "COL=VALUE"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(tmp_path, capsys, arguments, message):
    """Exit status 2, one line, nothing written."""
    table().to_csv(tmp_path / "t.csv", index=False)
    arguments = [a.format(t=tmp_path / "t.csv", o=tmp_path / "o") for a in arguments]
    assert main(["report", *arguments]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert message in printed
    assert not (tmp_path / "o").exists()
