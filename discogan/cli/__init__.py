"""The command line: it parses, prints, and turns errors into one sentence and an exit code.

Exit codes: 0 is success, and 2 is an error that the user can fix. 130 and 143 mean stopped by Ctrl-C or SIGTERM; a
training has written a checkpoint then. Commands import PyTorch only when they run.
"""

import errno
import importlib
import io
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TextIO

from cyclopts import App, CycloptsError, Parameter

from discogan.cli import console
from discogan.cli.cache import cache
from discogan.cli.chain import chain
from discogan.cli.completion import completion
from discogan.cli.components import list_components
from discogan.cli.data import data
from discogan.cli.demo import demo
from discogan.cli.evaluate import evaluate
from discogan.cli.export import export
from discogan.cli.info import info
from discogan.cli.match import match
from discogan.cli.mistakes import explain
from discogan.cli.push import push
from discogan.cli.report import compare, report
from discogan.cli.reproduce import reproduce
from discogan.cli.serve import serve
from discogan.cli.train import train
from discogan.cli.translate import translate
from discogan.cli.verify import trust, verify
from discogan.errors import DamagedCheckpointWarning, DiscoGANError
from discogan.files import cache_folder
from discogan.registry import import_file

GLOBAL_FLAGS = {
    "--quiet, -q": "Print only errors, and the JSON if --json - is given.",
    "--verbose, -v": "Show messages of libraries and the traceback of an error.",
    "--import FILE.py": "Load a file with components of your own; may be repeated.",
}
"""Flags that every command takes, anywhere on the command line, and their help."""

COMMANDS = (
    train,
    evaluate,
    report,
    compare,
    info,
    verify,
    trust,
    translate,
    chain,
    match,
    export,
    serve,
    push,
    reproduce,
    demo,
    cache,
    completion,
)


def build_app(show_global_flags: bool = False) -> App:
    """Return the command line. Shell completion shows the global flags as flags, and --help lists them once."""
    listed = "\n".join(f"  {flag:16}  {text}" for flag, text in GLOBAL_FLAGS.items())
    app = App(
        name="discogan",
        help="Learn how two folders of unpaired images correspond, translate in both directions, and check the result.",
        help_epilogue=f"Flags of every command:\n{listed}",
        help_format="plaintext",
        # Called only for --version, because reading the version takes time.
        version=lambda: importlib.import_module("discogan.version").__version__,
        # No --empty-LIST and no --no-FLAG; a flag that needs a negative form names it.
        default_parameter=Parameter(negative_bool=(), negative_iterable=()),
    )
    for command in COMMANDS:
        app.command(command, help_epilogue="")
    app.command(list_components, name="list", help_epilogue="")
    app.command(data)

    @app.meta.default
    def launch(
        *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), show=show_global_flags)] = False,
        verbose: Annotated[bool, Parameter(name=("--verbose", "-v"), show=show_global_flags)] = False,
        import_files: Annotated[list[Path] | None, Parameter(name="--import", show=show_global_flags)] = None,
    ) -> Any:
        """Apply the flags of every command, and run the command."""
        console.console.quiet = quiet
        console.errors.verbose = verbose
        logging.basicConfig(level=logging.INFO if verbose else logging.WARNING)
        for file in import_files or ():
            import_file(file)
        return app(words, result_action="return_value", exit_on_error=False, print_error=False)

    return app


app = build_app()
_show_library_warning = warnings.showwarning


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal cannot show is printed with escapes instead of ending the command.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app.meta(arguments, result_action="return_value", exit_on_error=False, print_error=False)
    except CycloptsError as error:
        code = _fail(explain(error, ["--quiet", "--verbose", "--import"]))
    except DiscoGANError as error:
        code = _fail(str(error))
    except OSError as error:
        code = _fail(_explain_os_error(error))
    except MemoryError as error:
        code = _fail(f"Out of memory ({error}). Try a smaller --set training.batch_size=... or --batch-size.")
    except KeyboardInterrupt:
        code = _fail("Stopped.", 130)
    sys.exit(code or 0)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning about damaged files in one line; other libraries' warnings as Python does."""
    if issubclass(category, DamagedCheckpointWarning):
        console.errors.print(str(message), style="yellow", highlight=False, soft_wrap=True, markup=False)
    else:
        _show_library_warning(message, category, filename, lineno, file, line)


def _explain_os_error(error: OSError) -> str:
    """Return what the system refused, for which file, and what to do."""
    what = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
    if error.errno == errno.ENOSPC:
        return f"{what}. Free some disk space, or choose another folder."
    if error.errno == errno.EROFS:
        return f"{what}. Choose a folder on a disk that can be written."
    if error.errno == errno.ENAMETOOLONG:
        return f"{what}. Choose a shorter name."
    if str(error.filename or "").startswith(str(cache_folder())):
        return f"{what}. The cache cannot be used. Set DISCOGAN_CACHE to a folder that can be written."
    return f"{what}. Check the path and its permissions."


def _fail(message: str, code: int = 2) -> int:
    if console.errors.verbose:
        console.errors.print_exception()
    console.errors.print(message, style="red", highlight=False, soft_wrap=True, markup=False)
    return code
