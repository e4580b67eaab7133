"""The command-line reference, docs/cli.md: ``python -m discogan.cli.reference`` prints it, and ``make docs`` writes it.

Help texts, defaults and choices come from the commands. The tasks and the examples are below.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from cyclopts import App, Argument

from discogan.cli import GLOBAL_FLAGS, app

TASKS: dict[str, dict[str, str]] = {
    "Train": {
        "train": "discogan train sketches/ photos/ --out runs/one --minutes 6",
    },
    "Judge the result": {
        "evaluate": "discogan evaluate runs/one --pairs-a test/sketches --pairs-b test/photos",
        "report": "discogan report runs/one",
        "compare": "discogan compare runs/one runs/two --out compare.html",
        "info": "discogan info runs/one",
    },
    "Translate and match": {
        "translate": "discogan translate runs/one new-sketches/ --direction a_to_b --out translated/",
        "chain": "discogan chain new-sketches/ runs/one:a_to_b runs/one:b_to_a --out chain.png",
        "match": "discogan match runs/one sketches/ photos/ --out matches.csv",
    },
    "Deploy": {
        "export": "discogan export runs/one --direction a_to_b --out model.onnx",
        "serve": "discogan serve runs/one --port 8000",
        "push": "discogan push runs/one user/sketches-to-photos --private",
    },
    "Reproduce the paper": {
        "reproduce": "discogan reproduce toy --out runs/toy",
        "data render": "discogan data render car --out cars/ --count 100",
        "demo": "discogan demo --out runs/demo",
    },
    "Other": {
        "list": "discogan list",
        "completion": "discogan completion bash",
    },
}
"""An example of each command, by the task that the command belongs to."""
INTRODUCTION = """\
# Command line

`discogan COMMAND --help` prints the same texts in a terminal.
"""
VALUE_NAMES = {str: "TEXT", int: "N", float: "NUMBER", Path: "PATH"}
"""What the value of a flag is called, by its type."""


def reference() -> str:
    """Return the reference as Markdown: a table of contents, the global flags, and the commands by task."""
    lines = [INTRODUCTION, "| task | commands |", "|---|---|"]
    for task, examples in TASKS.items():
        links = ", ".join(f"[`{command}`](#discogan-{command.replace(' ', '-')})" for command in examples)
        lines.append(f"| {task} | {links} |")
    lines += ["", "Flags of every command, anywhere on the command line:", "", "| flag | meaning |", "|---|---|"]
    lines += [f"| `{flag}` | {_cell(text)} |" for flag, text in GLOBAL_FLAGS.items()]
    for task, examples in TASKS.items():
        lines += ["", f"## {task}"]
        for command, example in examples.items():
            lines += ["", *_section(command, example)]
    return "\n".join(lines) + "\n"


def find_command(command: str) -> App:
    """Return the application of a command, such as ``train`` or ``data render``."""
    chosen = app
    for word in command.split():
        chosen = chosen[word]
    return chosen


def _section(command: str, example: str) -> Iterator[str]:
    """Yield the lines about one command."""
    chosen = find_command(command)
    assert chosen.default_command is not None
    description = (inspect.getdoc(chosen.default_command) or "").partition("\n\nParameters\n")[0]
    yield from (f"### discogan {command}", "", description, "", "```", example, "```")
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
