"""The reference of all settings, docs/settings.md: ``python -m discogan.cli.settings`` prints it.

Names, types, bounds, defaults and texts come from the dataclasses of options. ``make docs`` writes the page.
"""

import ast
import dataclasses
import inspect
import sys
import textwrap
from collections.abc import Iterator

from discogan.config import KIND_NAMES, AnchorOptions, DataOptions, TrainingOptions
from discogan.registry import DISCRIMINATORS, GENERATORS, OBJECTIVES, SOURCES

INTRODUCTION = """\
# Settings

`--set GROUP.OPTION=VALUE` changes a setting, for example `--set training.batch_size=8`. In Python, pass
`settings=["training.batch_size=8"]`. A preset gives a run its settings.
The defaults below apply to what the preset leaves out. `config.json` in the run folder records all of them.
"""
GROUPS = {"data": DataOptions, "training": TrainingOptions, "anchors": AnchorOptions}
COMPONENTS = {
    "objective": OBJECTIVES,
    "generator": GENERATORS,
    "discriminator": DISCRIMINATORS,
    "source": SOURCES,
}


def settings_reference() -> str:
    """Return the page as Markdown: a table for each option group, and for each component of the other groups."""
    lines = [INTRODUCTION]
    for group, options in GROUPS.items():
        lines += [f"## {group}", "", *_table(group, options), ""]
    for group, registry in COMPONENTS.items():
        lines += [f"## {group}", "", f"`--set {group}.name=NAME` selects one of these. Each has its own options.", ""]
        for name, entry in registry.entries().items():
            lines += [f"### {group}: {name}", "", entry.summary, ""]
            if entry.options is not None and entry.option_names:
                lines += [*_table(group, entry.options), ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(group: str, options: type) -> Iterator[str]:
    yield from ("| setting | type | default | meaning |", "|---|---|---|---|")
    texts = field_texts(options)
    for field in dataclasses.fields(options):
        if field.init:
            default = "required" if field.default is dataclasses.MISSING else _toml(field.default)
            kind = texts[field.name].annotation
            meaning = texts[field.name].text.replace("|", "\\|")
            yield f"| `{group}.{field.name}` | {kind} | {default} | {meaning} |"


def _toml(default: object) -> str:
    """Return a default as ``--set`` takes it; a setting without a value, or with an empty one, has an empty cell."""
    if default is None or default == "":
        return ""
    return f"`{str(default).lower()}`" if isinstance(default, bool) else f"`{default}`"


@dataclasses.dataclass(frozen=True)
class FieldText:
    """The annotation of a field and the text below it."""

    annotation: str
    """The type, bounds and choices in words."""
    text: str


def field_texts(options: type) -> dict[str, FieldText]:
    """Return the documentation of each field of a dataclass by name, inherited fields included."""
    texts: dict[str, FieldText] = {}
    for cls in reversed(options.__mro__):
        if not cls.__module__.startswith("discogan"):
            continue
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(node, ast.ClassDef)
        for statement, following in zip(node.body, [*node.body[1:], None], strict=True):
            if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
                continue
            text = ""
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                text = " ".join(str(following.value.value).split())
            texts[statement.target.id] = FieldText(_plain_annotation(statement.annotation), text)
    return texts


def _plain_annotation(annotation: ast.expr) -> str:
    """Return an annotation in words: ``Annotated[int, AtLeast(1)]`` as "int, at least 1", a Literal as its choices."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Annotated":
        assert isinstance(annotation.slice, ast.Tuple)
        kind, *bounds = annotation.slice.elts
        words = {"AtLeast": "at least", "AtMost": "at most", "Above": "above", "Below": "below"}
        texts = [_plain_annotation(kind)]
        for bound in bounds:
            assert isinstance(bound, ast.Call)
            texts.append(f"{words[ast.unparse(bound.func)]} {ast.unparse(bound.args[0])}")
        return ", ".join(texts)
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Literal":
        return ast.unparse(annotation.slice).strip("()").replace("'", "")
    members = ast.unparse(annotation).split(" | ")
    return " or ".join(KIND_NAMES.get(member, member) for member in members if member != "None")


if __name__ == "__main__":
    sys.stdout.write(settings_reference())
