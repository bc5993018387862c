"""`python -m analysis …`: reports from a terminal.  Errors are one line; they exit with status 2."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.importers.commands import add_import_commands
from analysis.study_commands import add_study_commands

if TYPE_CHECKING:
    from analysis.results import Results

OUTCOMES = ("fooled", "judged-real", "correct", "rating")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (sys.argv by default) and return the exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options, shlex.join(["python", "-m", "analysis", *arguments])))
    except (ValueError, OSError) as error:
        # All refusals of this package are ValueErrors with one line; OSErrors are full disks and the like.
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: nothing was written", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis", description="Fool rates with intervals that hold, and a report."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_report(commands)
    _add_compare(commands)
    add_import_commands(commands)
    add_study_commands(commands)
    return parser


def _add_report(commands: Any) -> None:
    report = commands.add_parser(
        "report",
        help="write report.html, summary.html, tables/ and figures/ from an export or from any long table",
        description="Write a self-contained report.html, a one-page summary.html, tables (CSV, LaTeX) and figures "
        "(SVG, PNG). DATA is a study's export, or any table with one row per judgement and the flags below.",
    )
    report.add_argument("data", type=Path, metavar="DATA", help="an export (directory or .zip), or a table")
    report.add_argument("--out", type=Path, required=True, metavar="DIR", help="new directory, or an earlier report")
    report.add_argument("--quiet", action="store_true", help="print only the path of report.html")
    report.add_argument("--steps", action="store_true", help="tell each step as a line on standard error")
    report.set_defaults(run=_report)
    add_mapping_options(report)


def add_mapping_options(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which column of a table is what."""
    table = parser.add_argument_group("a table of your own (.csv, .tsv, .jsonl, .json, .parquet)")
    table.add_argument("--mapping", type=Path, metavar="TOML", help="a mapping file instead of, or under, these flags")
    for name, reads in (
        ("participant", "who judged"),
        ("item", "which photograph"),
        ("condition", "which system made the fake"),
        ("fooled", "pairs: true where the fake was taken for the real one"),
        ("judged-real", "single pictures: true where the picture was judged real"),
        ("correct", "single pictures: true where the judgement was right"),
        ("is-fake", "single pictures: true where the picture was a fake"),
        ("rating", "a number per picture"),
        ("trial", "number of the judgement: finds rows that occur twice"),
        ("time", "when: finds clocks that went backwards"),
        ("version", "version of the study: finds mixtures"),
        ("arm", "arm of a between-participants design: finds people in two"),
        ("rt-ms", "reaction time, ms"),
        ("rt-s", "reaction time, s"),
    ):
        table.add_argument(f"--{name}", metavar="COL", help=reads)
    table.add_argument("--only", action="append", default=[], metavar="COL=VALUE", help="keep these rows, count others")
    table.add_argument("--exclude", action="append", default=[], metavar="COL", help="leave out rows where COL is true")
    table.add_argument("--keep-duplicates", action="store_true", help="rows that occur twice are two judgements")
    table.add_argument("--scale", nargs=2, type=float, metavar=("LOW", "HIGH"), help="ends of the rating scale")
    table.add_argument("--title", default="", help="title of the report")
    table.add_argument("--margin", type=float, help="equivalence margin declared beforehand, e.g. 0.05")
    table.add_argument("--confidence", type=float, help="of every interval, 0.95 by default")


def _add_compare(commands: Any) -> None:
    compare = commands.add_parser(
        "compare",
        help="rates of several studies side by side, with the published table of Zhang et al. beside",
        description="Print the fool rates of several studies and of Zhang et al. (2016); --out writes a page of them.",
    )
    compare.add_argument(
        "studies", type=Path, nargs="+", metavar="STUDY", help="an export (directory or .zip) or a report's directory"
    )
    compare.add_argument("--out", type=Path, metavar="DIR", help="write compare.html, tables/ and figures/ there")
    compare.set_defaults(run=_compare)


def _compare(options: argparse.Namespace, command: str) -> int:
    from analysis.studies import compare_table, lines, published_rows, study_rows

    rows = [row for path in options.studies for row in study_rows(path)] + published_rows()
    for line in lines(compare_table(rows)):
        print(line)
    if any(row.is_simulated for row in rows):
        print("SIMULATED data among these studies.")
    print("Other people and other photographs in each study and in the papers: no test is made between rows.")
    if options.out:
        from analysis.comparison import write_comparison  # draws, which takes longer than all the rest

        print(write_comparison(options.studies, rows, options.out, command=command))
    return 0


def mapping_sections(options: argparse.Namespace) -> dict[str, Any]:
    """Merge a mapping file with the flags, which win."""
    from analysis.mapping import COLUMNS, MappingError, read_mapping

    sections: dict[str, Any] = read_mapping(options.mapping) if options.mapping else {}
    columns = {name: value for name in COLUMNS if (value := getattr(options, name)) is not None}
    rows: dict[str, Any] = {}
    if options.only:
        if bad := [one for one in options.only if "=" not in one]:
            raise MappingError(f"--only: expected COL=VALUE, got {bad[0]!r}; write e.g. --only kind=test")
        rows["only"] = dict(one.split("=", 1) for one in options.only)
    if options.exclude:
        rows["exclude"] = options.exclude
    if options.keep_duplicates:
        rows["keep_duplicates"] = True
    analysis = {name: value for name in ("margin", "confidence") if (value := getattr(options, name)) is not None}
    if options.scale:
        analysis["rating"] = options.scale
    given = {"columns": columns, "rows": rows, "analysis": analysis, "table": {}}
    if options.title:
        given["table"] = {"title": options.title}
    return {name: {**sections.get(name, {}), **given.get(name, {})} for name in sections.keys() | given.keys()}


def read_results(options: argparse.Namespace, advance: Any = lambda _: None) -> Results:
    """Read DATA as what it is, and compute its results; `advance` is told the step that begins."""
    # Imported here, so that --help and a mistyped option answer at once.
    from analysis.foreign import is_table, read_table
    from analysis.judgements import analyse_table
    from analysis.mapping import MappingError, make_mapping
    from analysis.study_results import analyse
    from analysis.trials import read_export

    sections = mapping_sections(options)
    is_mapped = bool(options.mapping or sections["columns"])
    if is_mapped or is_table(options.data):
        if options.data.is_dir() or options.data.suffix == ".zip":
            raise MappingError(
                f"{options.data}: expected a table with these flags, got an export; leave the column flags out"
            )
        table = read_table(options.data, make_mapping(sections))
        advance("computing")
        return analyse_table(table)
    export = read_export(options.data)
    advance("computing")
    return analyse(export)


def _report(options: argparse.Namespace, command: str) -> int:
    from tqdm import tqdm

    from analysis.report import write_report
    from analysis.terminal import printed

    hidden = options.quiet or options.steps or not sys.stderr.isatty()
    with tqdm(total=3, desc="reading", disable=hidden, leave=False, bar_format="{desc} {bar} {elapsed}") as progress:
        numbers = iter((1, 2))

        def advance(step: str) -> None:
            progress.update()
            progress.set_description(step)
            if options.steps:
                print(f"step {next(numbers)} of 3: {step}", file=sys.stderr, flush=True)

        results = read_results(options, advance)
        advance("drawing")
        page = write_report(results, options.out, command=command)
        progress.update()
    if not options.quiet:
        if results.about.is_simulated:
            print("SIMULATED data: these sessions were made by a program.")
        for line in printed(results):
            print(line)
        for finding in results.findings:
            print(f"found: {finding.sentence}")
    print(page)
    return 0
