"""Give a command to the parser of the program that it calls, without running it."""

import argparse
import contextlib
import importlib.util
import io
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import click

from tools.docs.blocks import ROOT

ELLIPSIS = "…"


class CommandError(ValueError):
    """A command that its program would refuse."""


@cache
def parser_of(package: str) -> argparse.ArgumentParser:
    """Give the argument parser of `colorizer` or `analysis`."""
    if package == "colorizer":
        from colorizer import cli
    else:
        from analysis import cli  # type: ignore[no-redef]
    return cli._parser()


@cache
def study_commands() -> click.Group:
    """Give the commands of `flask --app study`."""
    from flask import Flask

    from study.classroom import class_
    from study.cli import init_app

    app = Flask("truehue-docs")  # not study.create_app: it would make an instance
    init_app(app)
    app.cli.add_command(class_)
    app.cli.name = "flask --app study"
    return app.cli


@cache
def make_targets() -> frozenset[str]:
    """List what `make` can make."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))


def check(words: Sequence[str]) -> None:
    """Raise CommandError if one of our own programs would refuse the words; other programs are not known here."""
    program, arguments = Path(words[0]).name, list(words[1:])
    if program in ("python", "python3", "torchrun"):
        _check_python(program, arguments)
    elif program in ("truehue-colorizer", "truehue-analysis"):
        _check_argparse(program.removeprefix("truehue-"), arguments)
    elif program in ("flask", "truehue-study"):
        _check_flask(arguments)
    elif program == "make":
        _check_make(arguments)


def _check_python(program: str, arguments: list[str]) -> None:
    if "-m" in arguments:
        module, *rest = arguments[arguments.index("-m") + 1 :]
        if module in ("colorizer", "analysis"):
            _check_argparse(module, rest)
        elif module.split(".")[0] == "tools" and importlib.util.find_spec(module) is None:
            raise CommandError(f"{module}: there is no such module")
    elif arguments and arguments[0].startswith("tools/") and not (ROOT / arguments[0]).is_file():
        raise CommandError(f"{arguments[0]}: there is no such file")


def _check_argparse(package: str, arguments: list[str]) -> None:
    parser = parser_of(package)
    if ELLIPSIS in arguments:
        # A shortened command: only its name is checked.
        arguments = [*arguments[:1], "--help"]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            parser.parse_args(arguments)
    except SystemExit as stop:
        if stop.code:
            raise CommandError(said.getvalue().strip().splitlines()[-1]) from None


def _check_flask(arguments: list[str]) -> None:
    if arguments[:2] == ["--app", "study"]:
        arguments = arguments[2:]
    if not arguments or arguments[0] in ("run", "shell", "routes", "--help"):
        return
    command: click.Command = study_commands()
    while isinstance(command, click.Group):
        if not arguments or arguments[0] == "--help":
            return
        name, *arguments = arguments
        if name not in command.commands:
            raise CommandError(f"flask --app study {name}: there is no such command")
        command = command.commands[name]
    if ELLIPSIS in arguments:
        return
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            command.make_context(command.name, list(arguments))
    except (click.exceptions.Abort, click.exceptions.Exit):
        return  # it would ask something, or show its help
    except click.ClickException as error:
        told = error.format_message()
        if "does not exist" not in told:  # files are there only when the page is run
            raise CommandError(f"{command.name}: {told}") from None


def _check_make(arguments: list[str]) -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in arguments:
        name, equals, _ = word.partition("=")
        if equals:
            if not re.search(rf"\$\({name}\)|^{name} \?=|ifdef {name}\b", text, re.MULTILINE):
                raise CommandError(f"make: the Makefile knows no {name}")
        elif not word.startswith("-") and word != ELLIPSIS and name not in make_targets():
            raise CommandError(f"make {name}: there is no such target")
