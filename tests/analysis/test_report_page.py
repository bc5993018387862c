"""The whole report on the golden export: every number recomputed, nothing external, SIMULATED everywhere."""

import base64
import html
import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from analysis import (
    analyse,
    fool_rate,
    nested_bootstrap,
    participant_bootstrap,
    read_export,
    two_way_bootstrap,
)
from analysis.cli import main
from analysis.report import write_report
from analysis.sentences import percent

pytestmark = pytest.mark.slow  # one report with its figures, drawn for all of them


class Page(HTMLParser):
    """Tables as rows of cell texts, figures' texts, and everything that a browser would fetch."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.captions, self.fetched, self.ids, self.figures = [], [], [], [], []
        self.open_figures, self.cell, self.caption = 0, None, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.fetched += [
            attributes[name] for name in ("src", "srcset", "data", "poster", "action") if name in attributes
        ]
        self.fetched += [v for k, v in attributes.items() if k in {"href", "xlink:href"} and tag != "a"]
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"td", "th"}:
            self.cell = ""
        elif tag == "caption":
            self.caption = ""
        elif tag == "figure":
            self.figures.append("")
            self.open_figures += 1

    def handle_endtag(self, tag):
        if tag in {"td", "th"}:
            self.tables[-1][-1].append(" ".join(self.cell.split()))
            self.cell = None
        elif tag == "caption":
            self.captions.append(" ".join(self.caption.split()))
            self.caption = None
        elif tag == "figure":
            self.open_figures -= 1

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data
        if self.caption is not None:
            self.caption += data
        if self.open_figures:
            self.figures[-1] += data


@pytest.fixture(scope="module")
def report(golden, tmp_path_factory):
    """The directory of the golden export's report, written by the command line."""
    out = tmp_path_factory.mktemp("reports") / "golden"
    assert main(["report", str(golden), "--out", str(out), "--quiet"]) == 0
    return out


@pytest.fixture(scope="module")
def page(report):
    return Page((report / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def scored(golden):
    """The scored trials, by pandas alone."""
    trials = pd.read_csv(golden / "trials.csv", dtype=str, na_filter=False)
    sessions = pd.read_csv(golden / "sessions.csv", dtype=str, na_filter=False)
    complete = sessions.loc[sessions["status"] == "complete", "session_id"]
    return trials[trials["session_id"].isin(complete) & (trials["fooled"] != "")].assign(
        y=lambda frame: (frame["fooled"] == "true").astype(int)
    )


def test_the_bootstraps_beside_the_primary_are_those_of_the_rows(report, page, scored):
    """secondary.csv holds each bootstrap of the condition's own trials, by its name and draws, and so does the page."""
    table = pd.read_csv(report / "tables" / "secondary.csv")
    for condition, rows in scored[scored["kind"] == "test"].groupby("condition_a"):
        y, people, images = rows["y"], rows["participant_id"], rows["image_id"]
        both = two_way_bootstrap(y, people, images, n_draws=2_000)
        one = participant_bootstrap(y, people, n_draws=10_000)
        nested = nested_bootstrap(y, people, n_draws=2_000)
        mean, sd = nested.mean[0], nested.sd[0]
        for method, rate, low, high in (
            (
                "Bootstrap of participants and images, percentile, 2,000 draws",
                both.fool_rate,
                both.ci_low,
                both.ci_high,
            ),
            ("Bootstrap of participants, percentile, 10,000 draws", one.fool_rate, one.ci_low, one.ci_high),
            ("Nested bootstrap of AMT_Real_vs_Fake, mean ± sd, 2,000 draws", mean, mean - sd, mean + sd),
        ):
            (row,) = table[(table["condition"] == condition) & (table["method"] == method)].itertuples()
            assert (row.rate, row.ci_low, row.ci_high) == pytest.approx((rate, low, high), abs=1e-9)
            assert any(cell.startswith(method) for rows_ in page.tables for cells in rows_ for cell in cells)
    assert "these images" in table.loc[table["method"].str.startswith("Nested"), "estimand"].iloc[0]


def test_fool_rates_csv_equals_the_rows(report, scored):
    """Every number of fool_rates.csv follows from the trials: the models, then the low anchor."""
    table = pd.read_csv(report / "tables" / "fool_rates.csv")
    assert ",".join(table.columns) == (
        "condition,n_trials,n_fooled,fool_rate,ci_low,ci_high,se,design_effect,n_participants,n_images"
    )
    assert table["condition"].tolist() == ["zhang2016", "regression", "random"]
    for row in table.itertuples():
        mine = scored[(scored["condition_a"] == row.condition) & (scored["kind"] != "practice")]
        assert (row.n_trials, row.n_fooled) == (len(mine), mine["y"].sum())
        assert row.fool_rate == pytest.approx(mine["y"].mean())
        assert (row.n_participants, row.n_images) == (mine["participant_id"].nunique(), mine["image_id"].nunique())
        if row.n_fooled:
            expected = fool_rate(mine["y"], mine["participant_id"], mine["image_id"])
            assert (row.ci_low, row.ci_high) == pytest.approx((expected.ci_low, expected.ci_high))
            assert (row.se, row.design_effect) == pytest.approx((expected.se, expected.design_effect))
        else:
            assert row.design_effect == pytest.approx(table["design_effect"].iloc[:2].max())
            assert pd.isna(row.se)


def test_the_page_prints_the_tables_numbers(report, page):
    """The main table of report.html has the numbers of fool_rates.csv, and the summary has its sentences."""
    table = pd.read_csv(report / "tables" / "fool_rates.csv")
    (main_table,) = [rows for rows in page.tables if rows[0][:3] == ["Condition", "Fooled", "Rate"]]
    assert len(main_table) == 1 + len(table)
    text = html.unescape((report / "report.html").read_text(encoding="utf-8"))
    for row, cells in zip(table.itertuples(), main_table[1:], strict=True):
        interval = f"[{percent(row.ci_low)}, {percent(row.ci_high)}]"
        assert cells[0].split(" ")[0] == row.condition
        assert cells[1:4] == [f"{row.n_fooled}/{row.n_trials}", f"{percent(row.fool_rate)}%", interval]
        assert cells[6:8] == [str(row.n_participants), str(row.n_images)]
        if row.condition != "random":
            assert (
                f"With {row.condition}, participants were fooled on {percent(row.fool_rate)}% of trials, "
                f"95% CI {interval} "
                f"({row.n_fooled}/{row.n_trials} trials; {row.n_participants} participants, {row.n_images} images; "
            ) in text


def test_image_and_participant_tables_equal_the_rows(report, scored):
    """images.csv and participants.csv count what the trials hold, group by group."""
    test = scored[scored["kind"] == "test"]
    for name, column in (("images", "image_id"), ("participants", "participant_id")):
        table = pd.read_csv(report / "tables" / f"{name}.csv").set_index(["condition", column])
        expected = test.groupby(["condition_a", column])["y"].agg(["size", "sum", "mean"])
        assert len(table) == len(expected)
        for key, row in expected.iterrows():
            found = table.loc[key, ["n_trials", "n_fooled", "fool_rate"]].astype(float).tolist()
            assert found == pytest.approx(row.tolist())
    people = pd.read_csv(report / "tables" / "participants.csv").set_index("participant_id")
    for person, rows in test.groupby("participant_id"):
        assert people.loc[[person], "left_share"].tolist() == pytest.approx([(rows["response"] == "left").mean()] * 2)
        median_ms = pd.to_numeric(rows["rt_ms"]).median()
        assert people.loc[[person], "rt_median_ms"].tolist() == pytest.approx([median_ms] * 2)
        anchors = scored[(scored["control"] == "low_anchor") & (scored["participant_id"] == person)]
        assert (people.loc[[person], "n_anchor_trials"] == len(anchors)).all()


def test_differences_and_exclusions_are_written(report, golden, scored):
    """differences.csv holds the pair of models, exclusions.csv the flow from all entries to the analysed set."""
    pairs = pd.read_csv(report / "tables" / "differences.csv")
    assert list(pairs) == [
        "condition_a",
        "condition_b",
        "difference",
        "ci_low",
        "ci_high",
        "t",
        "df",
        "p",
        "p_holm",
        "p_bh",
    ]
    rates = pd.read_csv(report / "tables" / "fool_rates.csv")["fool_rate"]
    assert pairs["difference"].tolist() == pytest.approx([rates[0] - rates[1]])
    flow = pd.read_csv(report / "tables" / "exclusions.csv").set_index("rule")
    sessions = pd.read_csv(golden / "sessions.csv")
    assert flow.loc["entered", "n_sessions"] == len(sessions)
    assert flow.loc["analysed", "n_sessions"] == (sessions["status"] == "complete").sum()
    assert flow.loc["analysed", "n_trials"] == (scored["kind"] == "test").sum()


def test_nothing_is_fetched(page, report):
    """The page is one file: pictures are data, styles are inside, nothing names another place."""
    assert page.fetched
    assert all(address.startswith(("data:image/", "#")) for address in page.fetched)
    text = (report / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"@import|url\((?!#)|<script|<link|<iframe|<object|<embed", text)
    without_credits = text.replace("https://example.org/photos/", "")
    assert "http://" not in without_credits
    assert "https://" not in without_credits


def test_references_inside_the_page_resolve(page):
    """Ids are unique, and every clip path and glyph that a figure uses is there."""
    assert len(page.ids) == len(set(page.ids))
    wanted = {address[1:] for address in page.fetched if address.startswith("#")}
    assert wanted
    assert wanted <= set(page.ids)


def test_simulated_is_on_every_table_and_figure(page, report):
    """A report of simulated sessions says so on each table, each figure, each picture, and beside the CSV files."""
    assert len(page.captions) == len(page.tables) > 6
    assert all("SIMULATED" in caption for caption in page.captions)
    assert len(page.figures) > 6
    assert all("SIMULATED" in figure for figure in page.figures)
    assert "SIMULATED" in (report / "tables" / "SIMULATED.txt").read_text()
    assert "SIMULATED" in (report / "tables" / "fool_rates.tex").read_text()


def test_simulated_is_drawn_into_the_figures(make_export, report, tmp_path):
    """The mark is in the picture files themselves, so that a copied figure carries it."""
    make_export(tmp_path / "no", is_simulated=False)
    main(["report", str(tmp_path / "no"), "--out", str(tmp_path / "no-out"), "--quiet"])
    for path in (report / "figures").glob("*.svg"):
        plain = (tmp_path / "no-out" / "figures" / path.name).read_text()
        assert "<!-- SIMULATED -->" in path.read_text()
        assert "SIMULATED" not in plain
        png = path.with_suffix(".png").name
        assert (path.parent / png).read_bytes() != (tmp_path / "no-out" / "figures" / png).read_bytes()
    assert "SIMULATED" not in (tmp_path / "no-out" / "report.html").read_text()
    assert not (tmp_path / "no-out" / "tables" / "SIMULATED.txt").exists()


def test_pairs_are_the_manifests_pictures(page, golden, report):
    """Each pair shows the original and the fake of one photograph, with count and credit."""
    manifest = json.loads((golden / "manifest.json").read_text())
    name_of = {(golden / s["file"]).read_bytes(): (s["image_id"], s["condition"]) for s in manifest["stimuli"]}
    pictures = [a for a in page.fetched if a.startswith("data:")]
    shown = [name_of[base64.b64decode(a.split(",", 1)[1])] for a in pictures]
    assert len(shown) >= 4
    for real, fake in zip(shown[::2], shown[1::2], strict=True):
        assert real[0] == fake[0]
        assert (real[1], fake[1]) in {("real", "zhang2016"), ("real", "regression")}
    images = pd.read_csv(report / "tables" / "images.csv").set_index(["condition", "image_id"])
    captions = [figure for figure in page.figures if "fooled (" in figure]
    for (image_id, condition), caption in zip(shown[1::2], captions, strict=True):
        row = images.loc[(condition, image_id)]
        assert f"({row['n_fooled']}/{row['n_trials']};" in caption
        assert row["author"] in caption
        assert row["licence"] in caption
        assert ("seen in training" in caption) == bool(row["seen_in_training"])


def test_provenance_names_the_data(page, golden):
    """The hashes printed are those of the files."""
    import hashlib

    printed = {row[0]: row[1] for rows in page.tables for row in rows if len(row) == 2}
    for name in ("trials.csv", "sessions.csv", "answers.csv", "study.json", "manifest.json"):
        assert printed[f"SHA-256 of {name}"] == hashlib.sha256((golden / name).read_bytes()).hexdigest()
    assert printed["command"].startswith("python -m analysis report ")
    assert printed["definition SHA-256"] == json.loads((golden / "study.json").read_text())["definition_sha256"]


def test_indistinguishable_is_never_claimed_here(page):
    """No margin was declared, so each condition's check answers No."""
    checks = [caption for caption in page.captions if "may “indistinguishable” be written" in caption]
    assert len(checks) == 2
    assert all(caption.endswith("No.") for caption in checks)


def test_every_picture_has_words(report):
    """Each image has an alternative text and each drawing a label."""
    text = (report / "report.html").read_text(encoding="utf-8")
    assert len(re.findall(r"<img ", text)) == len(re.findall(r'<img [^>]*alt="[^"]{10,}"', text)) > 0
    assert len(re.findall(r"<svg ", text)) == len(re.findall(r'role="img" aria-label="[^"]{20,}"', text)) > 4


def test_figures_are_saved_as_svg_and_png(report):
    """Every figure lies beside the page in both forms."""
    names = {path.stem for path in (report / "figures").glob("*.svg")}
    assert names == {path.stem for path in (report / "figures").glob("*.png")}
    assert {"forest", "participants", "reaction-times", "exposure", "differences", "images-zhang2016"} <= names


def test_same_data_same_report(golden, report, tmp_path):
    """Written again, tables and figures are the same bytes."""
    write_report(analyse(read_export(golden)), tmp_path / "again")
    for path in [*(report / "tables").iterdir(), *(report / "figures").glob("*.svg")]:
        assert (tmp_path / "again" / path.parent.name / path.name).read_bytes() == path.read_bytes(), path.name
