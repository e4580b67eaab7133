"""docs/cli.md is generated from the commands."""

import re
import shlex
from pathlib import Path

import pytest

from discogan.cli import GLOBAL_FLAGS, app
from discogan.cli.reference import TASKS, find_command, reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
COMMANDS = [command for commands in TASKS.values() for command in commands]


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == reference(), "make docs writes it again"


def test_every_command_is_in_one_task():
    commands = [name for name in app if not name.startswith("-") and name != "data"]
    commands += [f"data {name}" for name in app["data"] if not name.startswith("-")]
    assert sorted(COMMANDS) == sorted(commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_that_it_accepts(command):
    section = reference().partition(f"### discogan {command}\n")[2]
    example = section.partition("```\n")[2].partition("\n```")[0]
    function, bound, *_ = app.parse_args(shlex.split(example)[1:], exit_on_error=False, print_error=False)
    assert function is find_command(command).default_command
    assert bound.arguments or command == "list"


def test_global_flags_are_listed_once():
    text = reference()
    for flag in GLOBAL_FLAGS:
        assert text.count(f"`{flag}`") == 1
    assert "--empty-" not in text


def test_every_flag_has_a_meaning():
    rows = re.findall(r"^\| (`.*`) \|.*\| (.*) \|$", reference(), re.MULTILINE)
    assert len(rows) > 60
    assert [name for name, meaning in rows if not meaning] == []
