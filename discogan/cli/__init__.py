"""The command line: it parses, prints, and turns errors into one sentence and an exit code.

Exit codes: 0 is success, and 2 is an error that the user can fix. 130 and 143 mean stopped by Ctrl-C or SIGTERM; a
training has written a checkpoint then. Commands import PyTorch only when they run.
"""

import importlib
import logging
import os
import sys
import traceback
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
from discogan.errors import DiscoGANError, DiscoGANWarning, is_out_of_memory, shown
from discogan.files import explain_os_error
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
        console=console.console,
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
        handler = logging.StreamHandler()
        handler.setFormatter(console.VisibleFormatter(logging.BASIC_FORMAT))
        logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])
        for file in import_files or ():
            import_file(file)
        words = tuple(_with_home(word) for word in words)
        return app(words, result_action="return_value", exit_on_error=False, print_error=False)

    return app


app = build_app()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    words = sys.argv[1:] if arguments is None else arguments
    warnings.showwarning = _show_warning
    console.prepare_streams()
    try:
        code = app.meta(words, result_action="return_value", exit_on_error=False, print_error=False)
        console.close_output()
    except BrokenPipeError:
        console.discard_output()
        code = 0  # The reader has what it wanted.
    except CycloptsError as error:
        code = _fail(explain(error, ["--quiet", "--verbose", "--import"]))
    except DiscoGANError as error:
        code = _fail(str(error))
    except KeyboardInterrupt:
        code = _fail("Stopped.", 130)
    except Exception as error:
        code = _fail_with(error, words)
    sys.exit(code or 0)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 (Python passes it)
    line: str | None = None,
) -> None:
    """Print discogan's own warnings in one line each, and those of libraries as Python does."""
    if issubclass(category, DiscoGANWarning):
        console.warn(str(message), "yellow")
        return
    for text in warnings.formatwarning(message, category, filename, lineno, line).splitlines():
        console.warn(text)


def _with_home(word: str) -> str:
    """Replace ``~`` at the beginning of a word or of the value in ``--flag=value``; shells leave the latter alone."""
    flag, equals, value = word.partition("=")
    if flag.startswith("--") and equals and value.startswith("~"):
        return f"{flag}={os.path.expanduser(value)}"  # noqa: PTH111 (an unknown user stays)
    return os.path.expanduser(word) if word.startswith("~") else word  # noqa: PTH111


def _fail_with(error: Exception, words: Sequence[str]) -> int:
    """Explain an error of the system or of a library, and return the exit code; raise it again if it is a bug."""
    if _was_interrupted(error):
        return _fail("Stopped.", 130)
    if is_out_of_memory(error):
        return _fail(_explain_out_of_memory(words))
    if isinstance(error, OSError):
        if error.filename == "stdout":
            console.discard_output()
        return _fail(explain_os_error(error))
    if isinstance(error, UnicodeEncodeError) and error.encoding == sys.getfilesystemencoding():
        return _fail(f"{shown(error.object)} is not a file name on this system.")
    if _reached_memory_limit():
        return _fail(_explain_out_of_memory(words))
    raise error


def _was_interrupted(error: BaseException | None) -> bool:
    """Return whether Ctrl-C caused an error; libraries that are being imported turn it into errors of their own."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _reached_memory_limit() -> bool:
    """Return whether this process has needed nearly all memory that it may have (``ulimit -v``, on Linux).

    Libraries then raise errors that do not mention memory, such as a failed import.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return False
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        lines = status.read_text("utf-8").splitlines()
    except MemoryError:
        return True
    peak = next(line.split()[1] for line in lines if line.startswith("VmPeak:"))
    return limit != resource.RLIM_INFINITY and 1024 * int(peak) > limit - SPARE_BYTES


SPARE_BYTES = 32 * 2**20
"""Memory that may be left when an allocation fails, because it was larger."""
MAX_MESSAGE_CHARACTERS = 2000
"""Characters of a message; a longer one repeats a path or a word of thousands of characters."""
MEMORY_ADVICE = {
    "train": "Use a smaller --image-size, --set training.batch_size=N or --set generator.width=N, or fewer images.",
    "demo": "Use --threads 1, or close other programs.",
    "translate": "Use a smaller --batch-size and --threads 1.",
    "chain": "Use a smaller --count and --threads 1.",
    "match": "Use --threads 1, or folders with fewer images.",
    "evaluate": "Use folders with fewer images, or fewer --metrics.",
    "export": "Use --threads 1, or --images DIR with few images.",
    "serve": "Use a smaller --max-batch, --max-megapixels and --max-waiting.",
    "reproduce": "Use a smaller --parallel or --image-size.",
}
"""Options of each command that need less memory."""


def _explain_out_of_memory(words: Sequence[str]) -> str:
    command = next((word for word in words if word in MEMORY_ADVICE), "")
    return f"There is not enough memory. {MEMORY_ADVICE.get(command, 'Close other programs.')}"


def _fail(message: str, code: int = 2) -> int:
    if console.errors.verbose:
        for line in traceback.format_exc().splitlines():
            console.warn(line)
    if len(message) > MAX_MESSAGE_CHARACTERS:
        half = MAX_MESSAGE_CHARACTERS // 2
        message = f"{message[:half]} ... {message[-half:]}"
    console.warn(message, "red")
    return code
