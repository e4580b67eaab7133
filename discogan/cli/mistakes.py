"""One plain sentence for a command line that cannot be parsed, with the nearest suggestion."""

from collections.abc import Iterable
from difflib import get_close_matches

from cyclopts import (
    App,
    ArgumentCollection,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from discogan.errors import shown

MAX_WORD_CHARACTERS = 300
"""Characters of the command line that a message repeats at most."""


def explain(error: CycloptsError, global_flags: Iterable[str]) -> str:
    """Return what is wrong with the command line and what to do."""
    command = " ".join(["discogan", *(error.command_chain or ())])
    if isinstance(error, UnknownCommandError):
        assert error.unused_tokens
        return _unknown_command(error.unused_tokens[0], command, error.app)
    if isinstance(error, UnknownOptionError):
        flag = error.token.keyword or error.token.value
        return _unknown_flag(flag, command, [*_flags(error.argument_collection), *global_flags])
    if isinstance(error, UnusedCliTokensError):
        assert error.unused_tokens
        return f"{command} takes no further argument, but got {shown(error.unused_tokens[0])}. See {command} --help."
    if isinstance(error, MissingArgumentError):
        return _missing_argument(error, command)
    if isinstance(error, RepeatArgumentError):
        return f"{error.token.keyword} is given twice. Give it once."
    if isinstance(error, CoercionError):
        error.verbose = False
        return f"{_cut(str(error))} See {command} --help."
    error.verbose = False
    return _cut(str(error))


def _cut(text: str) -> str:
    """Return text of at most ``MAX_WORD_CHARACTERS``."""
    return text if len(text) <= MAX_WORD_CHARACTERS else f"{text[:MAX_WORD_CHARACTERS]}..."


def _flags(arguments: ArgumentCollection) -> list[str]:
    return [name for argument in arguments if argument.show for name in argument.names if name.startswith("--")]


def _suggestion(word: str, choices: Iterable[str], otherwise: str) -> str:
    close = get_close_matches(_cut(word), list(choices), 1)
    return f"Did you mean {close[0]}?" if close else otherwise


def _unknown_command(word: str, command: str, app: App | None) -> str:
    if word.startswith("-"):
        return f"{command} has no flag {_cut(word)}. See {command} --help."
    names = [name for name in app or () if not name.startswith("-")]
    listed = f"Choose one of: {', '.join(sorted(names))}."
    return f"{command} has no command {shown(word)}. {_suggestion(word, names, listed)}"


def _unknown_flag(flag: str, command: str, flags: Iterable[str]) -> str:
    return f"{command} has no flag {_cut(flag)}. {_suggestion(flag, flags, f'See {command} --help.')}"


def _missing_argument(error: MissingArgumentError, command: str) -> str:
    assert error.argument is not None
    used_flag = error.keyword or next((token.keyword for token in error.argument.tokens if token.keyword), None)
    if used_flag is not None:
        return f"{used_flag} needs a value. See {command} --help."
    name = error.argument.name
    if error.argument.index is not None:
        name = name.lstrip("-").upper().replace("-", "_")
    return f"{command} needs {name}. See {command} --help."
