"""`python -m analysis …`: reports from a terminal.  Errors are one line; they exit with status 2."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (sys.argv by default) and return the exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(arguments)
    try:
        return _report(options, command=shlex.join(["python", "-m", "analysis", *arguments]))
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
    report = commands.add_parser(
        "report",
        help="write report.html, tables/ and figures/ from an export",
        description="Write a self-contained report.html, its tables (CSV, LaTeX) and figures (SVG, PNG).",
    )
    report.add_argument("export", type=Path, metavar="EXPORT", help="a study's export: directory or .zip")
    report.add_argument("--out", type=Path, required=True, metavar="DIR", help="new directory, or an earlier report")
    report.add_argument("--quiet", action="store_true", help="print only the path of report.html")
    return parser


def _report(options: argparse.Namespace, *, command: str) -> int:
    # Imported here, so that --help and a mistyped option answer at once.
    from tqdm import tqdm

    from analysis.report import write_report
    from analysis.results import analyse
    from analysis.sentences import main_sentence
    from analysis.trials import read_export

    hidden = options.quiet or not sys.stderr.isatty()
    with tqdm(total=3, desc="reading", disable=hidden, leave=False, bar_format="{desc} {bar} {elapsed}") as progress:
        export = read_export(options.export)
        progress.update()
        progress.set_description("computing")
        results = analyse(export)
        progress.update()
        progress.set_description("drawing")
        page = write_report(results, options.out, command=command)
        progress.update()
    if not options.quiet:
        if export.is_simulated:
            print("SIMULATED data: these sessions were made by a program.")
        for rate in results.fool_rates:
            print(main_sentence(rate, name_condition=len(results.fool_rates) > 1))
            for warning in rate.warnings:
                print(f"  note: {warning}")
    print(page)
    return 0
