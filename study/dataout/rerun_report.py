"""Make the report of this dataset again.

    python analysis/rerun_report.py --out DIR

Puts the export that the dataset was made from together again, byte for byte, and runs `python -m analysis report`
on it. Needs Python 3.11 and `pip install 'truehue[analysis]'`; --export-only needs Python alone.
"""

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DATASET = Path(__file__).resolve().parent.parent


def rebuild(dataset: Path, out: Path) -> None:
    """Write the export to the new folder `out`: the sessions' trials in the order of the table of sessions."""
    out.mkdir(parents=True)
    tables = {}
    for table in ("sessions", "answers", "checks"):
        (tables[table],) = (dataset / "data").glob(f"study-*_description-{table}_data.csv")
        shutil.copyfile(tables[table], out / f"{table}.csv")
    prefix = tables["sessions"].name.removesuffix("_description-sessions_data.csv")
    with tables["sessions"].open(encoding="utf-8", newline="") as file:
        names = [row["session_id"] for row in csv.DictReader(file)]
    with (out / "trials.csv").open("w", encoding="utf-8", newline="") as to:
        is_first = True
        for name in ["none", *names]:
            part = dataset / "data" / f"{prefix}_session-{''.join(c for c in name if c.isalnum())}_data.csv"
            if not part.is_file():
                continue  # a session without a trial
            with part.open(encoding="utf-8", newline="") as file:
                header = file.readline()
                if is_first:
                    to.write(header)
                shutil.copyfileobj(file, to)
            is_first = False
    shutil.copyfile(dataset / "documentation" / "codebook.csv", out / "codebook.csv")
    for path in (dataset / "materials").iterdir():
        if path.is_dir():
            shutil.copytree(path, out / path.name)
        else:
            shutil.copyfile(path, out / path.name)


def main() -> int:
    """Rebuild the export and run the analysis on it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a new folder for the report")
    parser.add_argument("--export-only", action="store_true", help="write the export there instead of the report")
    options = parser.parse_args()
    if options.export_only:
        rebuild(DATASET, options.out)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        rebuild(DATASET, Path(scratch) / "export")
        command = [sys.executable, "-m", "analysis", "report", "export", "--out", str(options.out.resolve())]
        return subprocess.run(command, cwd=scratch, check=False).returncode  # noqa: S603 - our own program


if __name__ == "__main__":
    sys.exit(main())
