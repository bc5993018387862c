"""An export arranged as a Psych-DS dataset (https://psych-ds.github.io, schema 1.5).

One data file per session, as its name rule wants, and one for each of the other two tables. What the report needs
besides lies in `materials/`, so that `analysis/rerun_report.py` puts the export together again, byte for byte.
"""

import csv
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from study.dataout.errors import DatasetError
from study.export import TABLES

VERSION = "Psych-DS 1.5.1"
CONTEXT = "https://schema.org/"
SCRIPT = Path(__file__).with_name("rerun_report.py")
DESCRIBABLE = ("author", "citation", "funder", "identifier", "license", "privacyPolicy", "url")
README = """# {title}

A study made with Truehue, as a Psych-DS dataset. {sentence}

| where | what |
|---|---|
| `data/study-…_session-…_data.csv` | the trials of one session each |
| `data/study-…_description-sessions_data.csv` | one row per session, those without a trial included |
| `data/study-…_description-answers_data.csv` | the questionnaire |
| `dataset_description.json` | every column with its meaning and unit |
| `documentation/` | codebook, preregistration with the analysis plan (if the study was launched) |
| `materials/` | definition and seeds (`study.json`), stimulus set (`manifest.json`, `images/`) |
| `results/` | tables and numbers of the report |
| `analysis/rerun_report.py` | makes the report again |

    python analysis/rerun_report.py --out DIR            # needs: pip install 'truehue[analysis]'
    flask --app study reproduce THIS_FOLDER_OR_ZIP       # plan, pixels and report compared
"""


def keyword(text: str) -> str:
    """Make a value of the name rule: letters and digits."""
    return re.sub(r"[^A-Za-z0-9]", "", text) or "x"


def arrange(export: Path, out: Path, *, described: Mapping[str, str]) -> None:
    """Write an export (a folder) as a dataset to the new folder `out`."""
    for name in described:
        if name not in DESCRIBABLE:
            raise DatasetError(f"--describe: expected one of {', '.join(DESCRIBABLE)}, got {name!r}")
    info = json.loads((export / "study.json").read_bytes())
    study = keyword(info["study"])
    for folder in ("data", "documentation", "materials", "analysis"):
        (out / folder).mkdir(parents=True)
    _split_trials(export / "trials.csv", out / "data", study)
    for table in ("sessions", "answers", "checks"):
        shutil.copyfile(export / f"{table}.csv", out / "data" / f"study-{study}_description-{table}_data.csv")
    shutil.copyfile(export / "codebook.csv", out / "documentation" / "codebook.csv")
    for name in ("study.json", "manifest.json"):
        shutil.copyfile(export / name, out / "materials" / name)
    if (export / "images").is_dir():
        shutil.copytree(export / "images", out / "materials" / "images")
    shutil.copyfile(SCRIPT, out / "analysis" / SCRIPT.name)
    description = _describe(info, described)
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    (out / "dataset_description.json").write_text(text, encoding="utf-8")
    readme = README.format(title=info["title"], sentence=description["description"])
    (out / "README.md").write_text(readme, encoding="utf-8")
    (out / "CHANGES.md").write_text(_changes(info), encoding="utf-8")
    (out / ".psychds-ignore").write_text("materials/images/\n", encoding="utf-8")


def _split_trials(path: Path, out: Path, study: str) -> None:
    """Write the rows of each session to a file of its own; they lie together in the export."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        place = header.index("session_id")
        n = 0
        for session, mine in groupby(rows, key=lambda row: row[place]):
            _write(out / f"study-{study}_session-{keyword(session)}_data.csv", header, mine)
            n += 1
    if not n:  # nobody answered: the columns are there all the same
        _write(out / f"study-{study}_session-none_data.csv", header, iter(()))


def _write(path: Path, header: list[str], rows: Iterator[list[str]]) -> None:
    with path.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _describe(info: Mapping[str, Any], described: Mapping[str, str]) -> dict[str, Any]:
    definition = info["definition"]
    outcome = definition["outcome"]["measure"].replace("_", " ")
    sentence = (
        f"{'SIMULATED data. ' if info['is_simulated'] else ''}Human judgements of colourised photographs: "
        f"{info['n_trials']} trials of {info['n_sessions']} sessions; outcome {outcome}; protocol "
        f"{definition['protocol']['name']} ({definition['protocol']['source']})."
    )
    description: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "Dataset",
        "name": info["title"],
        "description": sentence,
        "schemaVersion": VERSION,
        "identifier": f"{info['study']}@{info['version']}",
        "version": str(info["version"]),
        "dateModified": info["exported_at_utc"],
        "inLanguage": definition["study"]["language"],
        "keywords": ["colorization", "Turing test", "psychophysics", definition["trial"]["design"].replace("_", " ")],
        "creator": {"@type": "Organization", "name": definition["study"]["contact"] or "unknown"},
        **described,
    }
    description["variableMeasured"] = variables()
    return description


def variables() -> list[dict[str, str]]:
    """Name every column of every table once; a column with two meanings has both."""
    found: dict[str, dict[str, list[str]]] = {}
    units: dict[str, str] = {}
    for table, columns in TABLES.items():
        for column in columns:
            text = column.description + (f" Values: {column.values}." if column.values else "")
            found.setdefault(column.name, {}).setdefault(text, []).append(table)
            units.setdefault(column.name, column.unit)
    return [
        {
            "@type": "PropertyValue",
            "name": name,
            "description": next(iter(texts))
            if len(texts) == 1
            else " ".join(f"In {' and '.join(tables)}: {text}" for text, tables in texts.items()),
            **({"unitText": units[name]} if units[name] else {}),
        }
        for name, texts in found.items()
    ]


def _changes(info: Mapping[str, Any]) -> str:
    lines = [f"# Changes\n\nVersion {info['version']} of the study; data until {info['exported_at_utc']}.\n"]
    if info["launched_at_utc"]:
        lines.append(f"- {info['launched_at_utc']}: launched; preregistration {info['preregistration_sha256']}")
    lines += [f"- {u['at_utc']}: data looked at while people came in ({u['what']})" for u in info["unblindings"]]
    lines += [f"- {w['withdrawn_at_utc']}: session {w['session_id']} withdrawn" for w in info["withdrawals"]]
    return "\n".join(lines) + "\n"
