"""`flask --app study reproduce` and `check-dataset`."""

import sys
from pathlib import Path

import click

from study.dataout.psychds_rules import check_dataset
from study.dataout.reproduce import reproduce
from study.oneline import one_line_errors
from study.words import counted

N_SHOWN = 20


@click.command("reproduce")
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@one_line_errors
def reproduce_(bundle: Path) -> None:
    """Make plan and report of the BUNDLE again, check its pictures, and say what is not identical (exit status 1)."""
    found = reproduce(bundle, tell=click.echo)
    for difference in found[:N_SHOWN]:
        click.echo(f"NOT IDENTICAL {difference.part}: {difference.where}: {difference.message}")
    if len(found) > N_SHOWN:
        click.echo(f"… and {len(found) - N_SHOWN} more")
    if found:
        sys.exit(1)
    click.echo("identical")


@click.command("check-dataset")
@click.argument("dataset", type=click.Path(path_type=Path, exists=True))
@one_line_errors
def check_dataset_(dataset: Path) -> None:
    """Check whether DATASET (a folder or a zip) keeps the rules of Psych-DS 1.5; errors give exit status 1."""
    issues = check_dataset(dataset)
    for issue in issues:
        click.echo(f"{issue.level} {issue.code} {issue.file}: {issue.message}")
    n_errors = sum(issue.level == "error" for issue in issues)
    click.echo(f"{counted(n_errors, 'error')}, {counted(len(issues) - n_errors, 'warning')}")
    if n_errors:
        sys.exit(1)


COMMANDS = (reproduce_, check_dataset_)
