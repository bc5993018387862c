"""Reference pages: command lines from their parsers, definitions from the schema, Python from docstrings."""

import argparse
import dataclasses
import inspect
import re
import textwrap
import typing
from collections.abc import Iterator
from importlib import import_module

import click

from study.definition import schema
from tools.docs.blocks import ROOT
from tools.docs.parsers import parser_of, study_commands

PRESET = ROOT / "study/protocols/zhang2016.toml"
PYTHON = {
    "colorizer": ("colorizer", "colorizer.stimuli", "colorizer.models"),
    "analysis": ("analysis", "analysis.plots"),
    "study": ("study.definition", "study.design", "study.export", "study.dataout", "study.simulate"),
}


def generate() -> dict[str, str]:
    """Give all generated pages, by file name."""
    pages = {f"{package}-cli.md": argparse_page(package) for package in ("colorizer", "analysis")}
    pages["study-cli.md"] = click_page()
    pages["definition.md"] = definition_page()
    pages["http-schema.md"] = http_page()
    for package, modules in PYTHON.items():
        pages[f"{package}-python.md"] = python_page(package, modules)
    return pages


def argparse_page(package: str) -> str:
    """Describe `python -m colorizer` or `python -m analysis`: every command with what its parser says of itself."""
    parser = parser_of(package)
    whence = f"Generated from the program's own parser. Installed, it is also called `truehue-{package}`.\n"
    out = [f"# python -m {package}\n", whence]
    for name, sub in _subcommands(parser):
        out.append(f"## {name}\n\n{_sentence(sub.description or '')}\n")
        usage = re.sub(r"\s+", " ", sub.format_usage().removeprefix("usage: ")).strip()
        out.append(_code(textwrap.fill(usage, 88, subsequent_indent="    ", break_on_hyphens=False)))
        rows = [
            (_flags(action), _help_of(action, sub), _default_of(action))
            for action in sub._actions
            if not isinstance(action, argparse._HelpAction) and action.help != argparse.SUPPRESS
        ]
        out.append(_table(("argument", "meaning", "default"), rows))
    return "\n".join(out)


def _subcommands(parser: argparse.ArgumentParser, before: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                if any(isinstance(inner, argparse._SubParsersAction) for inner in sub._actions):
                    yield from _subcommands(sub, f"{before}{name} ")
                else:
                    yield f"{before}{name}", sub


def _flags(action: argparse.Action) -> str:
    shown = action.metavar if isinstance(action.metavar, str) else (action.dest.upper() if action.nargs != 0 else "")
    if action.choices is not None and not isinstance(action.metavar, str):
        shown = "|".join(map(str, action.choices))
    if not action.option_strings:
        return f"`{shown}`"
    return f"`{', '.join(action.option_strings)}{' ' + shown if shown and action.nargs != 0 else ''}`"


def _help_of(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    told = parser._get_formatter()._expand_help(action) if action.help else ""
    return f"{told} (needed)" if action.required and action.option_strings else told


def _default_of(action: argparse.Action) -> str:
    default = action.default
    if default in (None, False, "", argparse.SUPPRESS) or default == []:
        return ""
    return f"`{' '.join(map(str, default)) if isinstance(default, (list, tuple)) else default}`"


def click_page() -> str:
    """Describe `flask --app study`: every command of the study server."""
    whence = "Generated from the program's own commands. Installed, it is also called `truehue-study`.\n"
    out = ["# flask --app study\n", whence]
    for name, command in _click_commands(study_commands(), ""):
        context = click.Context(command, info_name=f"flask --app study {name}")
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        out.append(f"## {name}\n\n{_sentence(inspect.cleandoc(command.help or ''))}\n\n{_code(usage)}")
        rows = []
        for parameter in command.get_params(context):
            if isinstance(parameter, click.Option) and "--help" not in parameter.opts and not parameter.hidden:
                value = "" if parameter.is_flag else " " + parameter.make_metavar(context)
                told = (parameter.help or "") + (" (needed)" if parameter.required else "")
                rows.append((f"`{', '.join(parameter.opts)}{value}`", told, _click_default(parameter, context)))
        if rows:
            out.append(_table(("option", "meaning", "default"), rows))
    return "\n".join(out)


def _click_commands(group: click.Group, before: str) -> Iterator[tuple[str, click.Command]]:
    for name in sorted(group.commands):
        command = group.commands[name]
        if isinstance(command, click.Group):
            yield from _click_commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def _click_default(option: click.Option, context: click.Context) -> str:
    default = option.get_default(context)
    if option.is_flag or option.multiple or not isinstance(default, (str, int, float)) or default == "":
        return ""
    return f"`{default}`"


def definition_page() -> str:
    """Describe every key of a study definition: type and limits of the schema, value and meaning of the preset."""
    meanings = preset_keys()
    out = [
        "# Study definitions\n",
        'A definition is a TOML file. It names a preset (`preset = "zhang2016"` is the default) and sets only what '
        "differs; `reasons` may say why. Generated from study/definition/schema.py (types and limits) and "
        "study/protocols/zhang2016.toml (values and meanings: *Z16* the paper, *tool* the published tool's code, "
        "*ours* a choice of this project).\n",
        "`flask --app study validate FILE` explains a mistake with its line, `flask --app study diff A B` prints "
        "deviations.\n",
    ]
    for section in dataclasses.fields(schema.StudyDefinition):
        kind = _hints(schema.StudyDefinition)[section.name]
        if not dataclasses.is_dataclass(kind) or section.name == "questionnaire":
            continue
        out.append(f"## [{section.name}]\n\n{_sentence(inspect.cleandoc(kind.__doc__ or ''))}\n")
        rows = []
        for key in dataclasses.fields(kind):
            value, meaning = meanings.get(f"{section.name}.{key.name}", (_toml_default(key), ""))
            meaning = meaning or _attribute_docs(kind).get(key.name, "")
            rows.append((f"`{key.name}`", _type_of(kind, key), f"`{value}`" if value else "", meaning))
        out.append(_table(("key", "type", "in zhang2016", "meaning"), rows))
    out.append("## [[questionnaire.items]]\n\n" + _sentence(schema.Item.__doc__ or "") + "\n")
    rows = []
    for key in dataclasses.fields(schema.Item):
        rows.append((f"`{key.name}`", _type_of(schema.Item, key), _toml_default(key)))
    out.append(_table(("key", "type", "default"), rows))
    return "\n".join(out)


def preset_keys() -> dict[str, tuple[str, str]]:
    """Read `section.key` → (value, comment) from the reference preset; texts of several lines have the value …."""
    found: dict[str, tuple[str, str]] = {}
    section, last, in_text = "", "", False
    for line in PRESET.read_text(encoding="utf-8").splitlines():
        if in_text:
            in_text = '"""' not in line
        elif header := re.match(r"\[(\w+)\]", line):
            section, last = header[1], ""
        elif pair := re.match(r"(?:# )?(\w+) = (.*)$", line):
            value, comment = _split_comment(pair[2])
            in_text = value.count('"""') == 1
            last = f"{section}.{pair[1]}"
            found[last] = ("…" if in_text else "" if line.startswith("#") else value, _source(comment))
        elif (more := re.match(r"\s+# (.*)$", line)) and last:
            found[last] = (found[last][0], f"{found[last][1]} {more[1]}")
    return found


def _split_comment(text: str) -> tuple[str, str]:
    if match := re.match(r"((?:\"[^\"]*\"|[^\"#])*)#\s*(.*)$", text):
        return match[1].strip(), match[2]
    return text.strip(), ""


def _source(comment: str) -> str:
    return re.sub(r"\[(Z16|tool|ours)\]", r"*\1*:", comment)


def _type_of(kind: type, key: dataclasses.Field[typing.Any]) -> str:
    meta = key.metadata
    if "one_of" in meta:
        return "one of " + ", ".join(f"`{value}`" for value in meta["one_of"])
    if "some_of" in meta:
        return "list of " + ", ".join(f"`{value}`" for value in meta["some_of"])
    hint = _hints(kind)[key.name]
    named = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    told = named.get(hint) or ("number, or absent" if "float" in str(hint) else "whole number, or absent")
    if str(hint).startswith("tuple"):
        inner = typing.get_args(hint)[0]
        told = f"list of {'numbers' if inner is float else 'tables' if dataclasses.is_dataclass(inner) else 'texts'}"
    if "within" in meta:
        low, high = meta["within"]
        told += f", {low:g} to {high:,}"
    return told


def _toml_default(key: dataclasses.Field[typing.Any]) -> str:
    if key.default is dataclasses.MISSING:
        return "needed" if key.default_factory is dataclasses.MISSING else ""
    value = schema.plain(key.default)
    if value is None or value == []:
        return ""
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else f"{value:g}"


def _attribute_docs(kind: type) -> dict[str, str]:
    source = inspect.getsource(kind)
    return dict(re.findall(r'^    (\w+): .*\n    """(.*?)"""', source, re.MULTILINE))


def _hints(kind: type) -> dict[str, typing.Any]:
    return typing.get_type_hints(kind)


def http_page() -> str:
    """List the participant's HTTP operations from docs/openapi.yaml, and show the file."""
    import yaml

    text = (ROOT / "docs/openapi.yaml").read_text(encoding="utf-8")
    described = yaml.safe_load(text)
    rows = []
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            if method in ("get", "post", "put", "delete"):
                answers = ", ".join(operation["responses"])
                rows.append((f"`{method.upper()} {path}`", operation.get("summary", ""), answers))
    return (
        "# HTTP, as a schema\n\n[The participant's HTTP interface](../participant-http.md) says it in prose; "
        "[openapi.yaml](../openapi.yaml) is for programs.\n\n" + _table(("request", "what", "statuses"), rows)
    )


def python_page(package: str, modules: tuple[str, ...]) -> str:
    """Describe the public names of modules: what `__all__` lists, with signature and docstring."""
    out = [f"# {package} in Python\n", "Generated from the docstrings of what the modules name in `__all__`.\n"]
    for name in modules:
        module = import_module(name)
        out.append(f"## {name}\n\n{_docstring(module.__doc__ or '')}\n")
        for public in module.__all__:
            out.append(_describe(public, getattr(module, public), name))
    return "\n".join(out)


def _describe(name: str, value: object, module: str) -> str:
    heading = f"### {module}.{name}\n"
    if inspect.isclass(value) and dataclasses.is_dataclass(value):
        notes = _attribute_docs(value)
        rows = [
            (f"`{key.name}`", f"`{_annotation(key.type)}`", notes.get(key.name, ""))
            for key in dataclasses.fields(value)
        ]
        return f"{heading}\n{_docstring(value.__doc__ or '')}\n\n{_table(('field', 'type', 'meaning'), rows)}"
    if inspect.isclass(value) and issubclass(value, BaseException):
        return f"{heading}\n{_docstring(value.__doc__ or '')}\n"
    if callable(value):
        return f"{heading}\n{_code(_signature(name, value))}\n{_docstring(inspect.getdoc(value) or '')}\n"
    return f"{heading}\n`{_short(value)}`\n"


def _signature(name: str, value: typing.Callable[..., object]) -> str:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return f"{name}(…)"
    shown = [
        str(p.replace(annotation=inspect.Parameter.empty))
        + (f": {_annotation(p.annotation)}" if p.annotation is not p.empty else "")
        if p.default is p.empty
        else f"{p.name}: {_annotation(p.annotation)} = {_short(p.default)}"
        for p in signature.parameters.values()
    ]
    kinds = [p.kind for p in signature.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        shown.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    returned = (
        "" if signature.return_annotation is signature.empty else f" -> {_annotation(signature.return_annotation)}"
    )
    line = f"{name}({', '.join(shown)}){returned}"
    return line if len(line) < 88 else f"{name}(\n    " + ",\n    ".join(shown) + f",\n){returned}"


def _annotation(hint: object) -> str:
    told = (
        hint
        if isinstance(hint, str)
        else hint.__name__
        if inspect.isclass(hint) and "[" not in str(hint)
        else str(hint)
    )
    return re.sub(r"\b(?:\w+\.)+(?=[A-Za-z_])", "", told)


def _short(value: object) -> str:
    text = repr(value)
    text = re.sub(r"PosixPath\('[^']*'\)", "Path(…)", re.sub(r" at 0x[0-9a-f]+", "", text)).replace(str(ROOT), "")
    return text if len(text) <= 60 else text[:57] + "…"


def _docstring(text: str) -> str:
    """Docstrings are Markdown already, but for their indented examples, which stay code."""
    return inspect.cleandoc(text)


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", ":", "!", "?")) else f"{text[0].upper()}{text[1:]}."


def _code(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    if not any(cells[-1] for cells in rows):  # no command of this table has a default: its column would be empty
        head, rows = head[:-1], [cells[:-1] for cells in rows]

    def row(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(re.sub(r"\s+", " ", cell).replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([row(head), "|" + "---|" * len(head), *map(row, rows)]) + "\n"
