"""The command-line reference, docs/cli.md: ``python -m discogan.cli.reference`` prints it, and ``make docs`` writes it.

Help texts, examples, defaults and choices come from the commands.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from cyclopts import App, Argument

from discogan.cli import GLOBAL_FLAGS, app

TASKS = {
    "Train": ("train",),
    "Judge the result": ("evaluate", "report", "compare", "info", "verify"),
    "Translate and match": ("translate", "chain", "match"),
    "Deploy": ("export", "serve", "push"),
    "Reproduce the paper": ("reproduce", "data render", "demo"),
    "Other": ("list", "cache", "trust", "completion"),
}
"""The commands by the task that they belong to."""
INTRODUCTION = """\
# Command line

`discogan COMMAND --help` prints the same texts in a terminal.
"""
VALUE_NAMES = {str: "TEXT", int: "N", float: "NUMBER", Path: "PATH"}
"""What the value of a flag is called, by its type."""


def reference() -> str:
    """Return the reference as Markdown: a table of contents, the global flags, and the commands by task."""
    lines = [INTRODUCTION, "| task | commands |", "|---|---|"]
    for task, commands in TASKS.items():
        links = ", ".join(f"[`{command}`](#discogan-{command.replace(' ', '-')})" for command in commands)
        lines.append(f"| {task} | {links} |")
    lines += ["", "Flags of every command, anywhere on the command line:", "", "| flag | meaning |", "|---|---|"]
    lines += [f"| `{flag}` | {_cell(text)} |" for flag, text in GLOBAL_FLAGS.items()]
    for task, commands in TASKS.items():
        lines += ["", f"## {task}"]
        for command in commands:
            lines += ["", *_section(command)]
    return "\n".join(lines) + "\n"


def find_command(command: str) -> App:
    """Return the application of a command, such as ``train`` or ``data render``."""
    chosen = app
    for word in command.split():
        chosen = chosen[word]
    return chosen


def _section(command: str) -> Iterator[str]:
    """Yield the lines about one command; its docstring ends with a paragraph "Example: discogan ..."."""
    chosen = find_command(command)
    assert chosen.default_command is not None
    description = (inspect.getdoc(chosen.default_command) or "").partition("\n\nParameters\n")[0]
    text, _, example = description.partition("\n\nExample: ")
    yield from (f"### discogan {command}", "", text, "", "```", example, "```")
    rows = [_row(argument) for argument in _arguments(chosen)]
    if rows:
        yield from ("", "| argument or flag | default | meaning |", "|---|---|---|")
        yield from rows


def _arguments(command: App) -> list[Argument]:
    """Return the arguments that a user can give: positional ones first, then flags."""
    collection = command.assemble_argument_collection(default_parameter=app.default_parameter, parse_docstring=True)
    shown = [argument for argument in collection if argument.show and argument.parse]
    return sorted(shown, key=lambda argument: argument.index is None)


def _row(argument: Argument) -> str:
    default = argument.field_info.default
    if argument.required:
        shown_default = "required"
    elif default in (None, False, inspect.Parameter.empty):
        shown_default = ""
    else:
        shown_default = f"`{_text(default)}`"
    return f"| `{_name(argument)}` | {shown_default} | {_cell(argument.parameter.help or '')} |"


def _name(argument: Argument) -> str:
    """Return RUN, --flag, or --flag VALUE."""
    if argument.index is not None:
        return argument.name.lstrip("-").upper().replace("-", "_")
    names = ", ".join(argument.names)
    kind = _kind(argument.hint)
    return names if kind is bool else f"{names} {_value_name(kind)}"


def _kind(hint: Any) -> Any:
    """Return the type of one value: that of an optional, of a list's items, or the hint itself."""
    members = [member for member in get_args(hint) if member is not type(None)]
    if get_origin(hint) is Literal or not members:
        return hint
    if get_origin(hint) is tuple:
        return hint
    return _kind(members[0])


def _value_name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "CHOICE"
    if get_origin(kind) is tuple:
        return " ".join(_value_name(member) for member in get_args(kind))
    return VALUE_NAMES[kind]


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _cell(text: str) -> str:
    """Return a text on one line, with the signs escaped that end a cell."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
