"""`flask --app study validate` and `diff`: definitions without a database."""

from pathlib import Path

import click

from study import definition
from study.manifest import read_manifest
from study.oneline import one_line_errors
from study.studies import check_design
from study.words import counted, has_catalogue

FILE = click.Path(path_type=Path)


def read_named(file: Path) -> definition.StudyDefinition:
    """Read a definition from a file, or a preset by its name."""
    if not file.exists() and str(file) in definition.presets():
        return definition.load_preset(str(file))
    if not file.exists() and file.suffix != ".toml":
        known = ", ".join(definition.presets())
        raise definition.DefinitionError(f"{file}: there is no such file and no such preset; the presets are: {known}")
    return definition.read_definition(file)


def outline(read: definition.StudyDefinition, arms: tuple[str, ...], n_photos: dict[str, int]) -> str:
    """Say in a few lines what a definition asks of a participant."""
    catch = read.catch
    counts = {
        "practice": read.practice.n_trials,
        "test": read.test.n_trials,
        "low-anchor": catch.n_low_anchor,
        "obvious": catch.n_obvious,
        "instructed": catch.n_instructed,
        "same": catch.n_same,
    }
    trials = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
    measure = f"{read.outcome.measure.replace('_', ' ')}, by guessing {read.outcome.chance:g}"
    scored = counted(read.test.n_trials, "scored trial")
    if catch.low_anchor_probability:
        scored = f"{read.test.n_trials} trials, scored but for catches (chance {catch.low_anchor_probability:g} each)"
    roles = ", ".join(f"{n} {role.replace('_', '-')}" for role, n in n_photos.items() if n)
    photos = roles or f"{read.practice.n_trials + read.n_main} or more needed; name the stimulus set to check"
    return (
        f"  protocol: {read.protocol.source}\n  outcome: {measure}; {scored}\n"
        f"  trials: {trials}; about {read.minutes} minutes\n"
        f"  conditions: {', '.join(arms)}\n  photos: {photos}\n  definition: {read.sha256}"
    )


@click.command("validate")
@click.argument("definition_file", type=FILE, metavar="DEFINITION")
@click.argument("stimuli", type=FILE, required=False)
@one_line_errors
def validate(definition_file: Path, stimuli: Path | None) -> None:
    """Check a DEFINITION, and whether the STIMULI can serve it."""
    read = read_named(definition_file)
    arms, n_photos = read.conditions.models, {}
    if stimuli is not None:
        pools = check_design(read, read_manifest(stimuli))
        arms, n_photos = pools.arms, {role: len(ids) for role, ids in pools.photos.items()}
    click.echo(f"{definition_file} is valid")
    click.echo(outline(read, arms or ("every model of the stimulus set",), n_photos))
    if not read.study.contact:
        click.echo('  still to set: [study] contact = "you@example.org"')
    if not has_catalogue(read.study.language):
        click.echo(
            f"  language: there is no catalogue for {read.study.language!r}; what the study does not word is English"
        )


@click.command("diff")
@click.argument("a", type=FILE, metavar="A")
@click.argument("b", type=FILE, metavar="B")
@one_line_errors
def diff(a: Path, b: Path) -> None:
    """Print every setting in which the definition (or preset) B differs from A, with the reason where one is given."""
    one, two = read_named(a), read_named(b)
    for deviation in definition.deviations(one, two):
        click.echo(deviation.text)
    if one.sha256 == two.sha256:
        click.echo("the definitions are the same")
    click.echo(f"A {a}: {one.sha256}\nB {b}: {two.sha256}", err=True)


COMMANDS = (validate, diff)
