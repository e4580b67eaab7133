"""The command line: parses, prints, and turns errors into one sentence and an exit code.

Exit codes: 0 done; 2 something the user can mend, said in one sentence; 130 and 143 stopped by Ctrl-C
or SIGTERM, with a checkpoint where one trains. Commands import PyTorch only once they run.
"""

import logging
import sys
from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter

from discogan import version
from discogan.cli import console
from discogan.cli.chain import chain
from discogan.cli.completion import completion
from discogan.cli.data import data
from discogan.cli.demo import demo
from discogan.cli.evaluate import evaluate
from discogan.cli.export import export
from discogan.cli.info import info, list_parts
from discogan.cli.match import match
from discogan.cli.push import push
from discogan.cli.report import compare, report
from discogan.cli.reproduce import reproduce
from discogan.cli.serve import serve
from discogan.cli.train import train
from discogan.cli.translate import translate
from discogan.errors import DiscoGANError

app = App(
    name="discogan",
    help="Two folders of images, no pairs: learn how they correspond, translate either way, score the result.",
    version=version.__version__,
    help_format="plaintext",
)
WORK = (train, translate, match, chain, evaluate, reproduce, demo, data)
RESULTS = (report, compare, info, export, serve, push)
for command in (*WORK, *RESULTS):
    app.command(command)
app.command(list_parts, name="list")
app.command(completion)


@app.meta.default
def launch(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative="")] = False,
    verbose: Annotated[bool, Parameter(name=("--verbose", "-v"), negative="")] = False,
) -> Any:
    """Run a command.

    Parameters
    ----------
    quiet
        Print nothing but errors and what --json - asks for.
    verbose
        Show what libraries log, and where an error came from.
    """
    console.console.quiet = quiet
    console.errors.verbose = verbose
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING)
    return app(words, result_action="return_value")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    try:
        code = app.meta(arguments, result_action="return_value")
    except DiscoGANError as error:
        code = _fail(str(error))
    except (PermissionError, FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        code = _fail(f"{error.filename}: {error.strerror}; check the path and its permissions.")
    except OSError as error:
        code = _fail(f"{error}; check that the disk has room.")
    except MemoryError as error:
        code = _fail(f"Out of memory ({error}); lower --set training.batch_size=... or --batch-size.")
    except KeyboardInterrupt:
        code = _fail("Stopped.", 130)
    sys.exit(code or 0)


def _fail(message: str, code: int = 2) -> int:
    if console.errors.verbose:
        console.errors.print_exception()
    console.errors.print(message, style="red", highlight=False, soft_wrap=True, markup=False)
    return code
