"""`python -m analysis import-amt`, `import-jspsych` and `import-photodiode`: other tools' files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_import_commands(commands: Any) -> None:
    """Add both commands to a parser's subcommands."""
    amt = commands.add_parser(
        "import-amt",
        help="read result files of AMT_Real_vs_Fake: the tool's own numbers, what they get wrong, and the trials",
        description="Print what AMT_Real_vs_Fake prints for its result files, what those numbers get wrong, and write "
        "the trials as a table with a mapping for `report`.",
    )
    amt.add_argument("files", type=Path, nargs="+", metavar="FILE", help="batch results (CSV) from Mechanical Turk")
    amt.add_argument("--out", type=Path, required=True, metavar="TABLE.csv", help="new table; TABLE.toml beside it")
    amt.add_argument("--n-practice", type=int, default=10, metavar="N", help="practice trials per assignment (10)")
    amt.add_argument("--vigilance", default="vigilance", metavar="FOLDER", help="folder of the catch trials' fakes")
    amt.add_argument(
        "--n-bootstrap", type=int, default=2000, metavar="N", help="samples of the tool's bootstrap (2000)"
    )
    amt.add_argument("--seed", type=int, default=0, help="numpy.random.seed before the tool's bootstrap")
    amt.set_defaults(run=_amt)
    jspsych = commands.add_parser(
        "import-jspsych",
        help="put jsPsych data files together into one table, with a mapping to fill in",
        description="Put jsPsych data files (CSV, JSON, JATOS) together into one table, with a mapping to fill in.",
    )
    jspsych.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="data files, one or many participants each"
    )
    jspsych.add_argument("--out", type=Path, required=True, metavar="TABLE.csv", help="new table; TABLE.toml beside it")
    jspsych.add_argument("--participant", metavar="COL", help="who; the file's name where there is no such column")
    jspsych.set_defaults(run=_jspsych)
    diode = commands.add_parser(
        "import-photodiode",
        help="compare a photodiode's recording with what the page said",
        description="Compare a photodiode's RECORDING (CSV: time_ms,level; samples, or edges of 0 and 1) with the "
        "flashes.csv of the page /lab/photodiode, or with a session of a study's export.",
    )
    diode.add_argument("recording", type=Path, metavar="RECORDING")
    diode.add_argument("told", type=Path, metavar="FLASHES_OR_EXPORT", help="flashes.csv, or an export with --session")
    diode.add_argument("--session", metavar="ID", help="the session in the export")
    diode.add_argument(
        "--out",
        type=Path,
        metavar="TABLE.csv",
        help="with --session: each picture's onset and exposure beside the page's",
    )
    diode.add_argument("--refresh-hz", type=float, default=60.0, metavar="HZ", help="of the display (60)")
    diode.set_defaults(run=_photodiode)


def _write(frame: Any, mapping: str, out: Path) -> None:
    toml = out.with_suffix(".toml")
    for path in (out, toml):
        if path.exists():
            raise ValueError(f"{path}: expected a new file, got an existing one; name another with --out or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(out, index=False, lineterminator="\n")
    toml.write_text(mapping, encoding="utf-8")
    print(f"{out}\n{toml}")


def _amt(options: argparse.Namespace, command: str) -> int:
    del command
    from analysis.estimate import fool_rate
    from analysis.importers.amt import NESTED_BOOTSTRAP, WRONG, mapping_of, read_amt, tool_numbers
    from analysis.sentences import main_sentence, percent

    study = read_amt(options.files, n_practice=options.n_practice, vigilance=options.vigilance)
    rows = tool_numbers(
        options.files, n_practice=options.n_practice, n_bootstrap=options.n_bootstrap, seed=options.seed
    )
    print(f"What AMT_Real_vs_Fake prints ({NESTED_BOOTSTRAP}):")
    for row in rows:
        print(
            f"  {row.condition}: {percent(row.mean, 2)}% ({row.n_trials} trials), bootstrap "
            f"{percent(row.bootstrap_mean, 2)} ± {percent(row.bootstrap_sd, 2)}"
        )
    print("What it gets wrong:")
    for line in WRONG:
        print(f"  {line}")
    for finding in study.findings:
        print(f"found: {finding.sentence}")
    print("The same answers, scored and estimated:")
    scored = study.trials[study.trials["fooled"].notna() & (study.trials["kind"] != "practice")]
    for (kind, condition), part in scored.groupby(["kind", "condition"], sort=True):
        name = f"{condition} (catch trials)" if kind == "catch" else str(condition)
        rate = fool_rate(part["fooled"].astype(bool), part["worker"], part["image"], condition=name)
        print(f"  {main_sentence(rate, name_condition=True)}")
    table = study.trials.drop(columns=["left", "right"])
    _write(table.assign(fooled=table["fooled"].map({True: "true", False: "false"})), mapping_of(study), options.out)
    print(f"next: python -m analysis report {options.out} --mapping {options.out.with_suffix('.toml')} --out report")
    return 0


def _photodiode(options: argparse.Namespace, command: str) -> int:
    del command
    from analysis.photodiode import (
        PhotodiodeError,
        compare_with_page,
        compare_with_session,
        exposures_of,
        read_page,
        read_recording,
        sentences,
    )
    from analysis.photodiode_trials import join, pictures_of
    from analysis.trials import read_export

    if options.out and not options.session:
        raise PhotodiodeError("--out: expected --session with it; the page's own flashes belong to no trial")
    if options.out and options.out.exists():
        raise PhotodiodeError(f"{options.out}: expected a new file, got an existing one; name another with --out")
    if not options.refresh_hz > 0:
        raise PhotodiodeError(f"--refresh-hz: expected a number above 0, got {options.refresh_hz:g}")
    frame_ms = 1000 / options.refresh_hz
    seen = read_recording(options.recording)
    if options.session and options.out:
        joined = join(seen, pictures_of(read_export(options.told).trials, options.session), frame_ms)
        found = joined.comparison
        joined.rows.to_csv(options.out, index=False, lineterminator="\n")
        unused = f"; {joined.n_flashes_unused} flashes belong to none" if joined.n_flashes_unused else ""
        print(
            f"{options.out}: {len(joined.rows)} pictures, joined with trials.csv by session_id and trial_index{unused}"
        )
    elif options.session:
        exposures = exposures_of(read_export(options.told).trials, options.session)
        found = compare_with_session(seen, exposures, frame_ms)
    else:
        found = compare_with_page(seen, read_page(options.told)[0], frame_ms)
    print("\n".join(sentences(found)))
    return 0


def _jspsych(options: argparse.Namespace, command: str) -> int:
    del command
    from analysis.importers.jspsych import mapping_for, read_jspsych

    frame = read_jspsych(options.files, participant=options.participant)
    n_people, n_files = frame["participant"].nunique(), len(options.files)
    columns = ", ".join(map(str, frame.columns))
    print(f"{len(frame):,} trials of {n_people} participants from {n_files} files; columns: {columns}")
    _write(frame, mapping_for(frame), options.out)
    toml = options.out.with_suffix(".toml")
    print(f"next: fill in {toml}, then python -m analysis report {options.out} --mapping {toml} --out report")
    return 0
