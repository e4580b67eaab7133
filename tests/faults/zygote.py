"""A process that has loaded the package, and forks a child for each command line.

A child is an ordinary process with its own session, files, limits and signal handlers. It begins 2 s earlier than a
new interpreter, so that a suite can disturb thousands of commands. It reads requests from standard input, one JSON
object each:

    {"arguments": [...], "environment": {...}, "out": FILE, "err": FILE, "memory_bytes": N or null}   replies with a PID
    {"reap": PID}                                                                 replies with its exit code
"""

import atexit
import gc
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from discogan.registry import REGISTRIES

PRELOADED = (
    "discogan.api",
    "discogan.cli",
    "discogan.cli.training_display",
    "discogan.evaluation",
    "discogan.exporting",
    "discogan.hub",
    "discogan.matching",
    "discogan.onnx_model",
    "discogan.report",
    "discogan.training",
    "discogan.translator",
    "discogan.networks",
    "faiss",
    "matplotlib.backends.backend_svg",
    "networkx",
    "onnxscript",
    "sympy",
    "torch.onnx",
    "torch._dynamo",
    "torchmetrics.image",
)
"""Modules that commands import when they run."""


def preload() -> None:
    """Import what commands need, and make sure that no thread is running, because threads do not survive a fork."""
    for name in PRELOADED:
        try:
            __import__(name)
        except ImportError:
            continue
    Image.init()
    for registry in REGISTRIES:
        registry.entries()
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        raise SystemExit(f"The imports started {threads - 1} threads, so commands cannot be forked.")
    gc.freeze()


def become(request: Mapping[str, Any]) -> None:
    """Turn a fresh child into the process of a command: session, files, environment and limits."""
    os.setsid()
    streams = [
        os.open(os.devnull, os.O_RDONLY),
        os.open(request["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        os.open(request["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ]
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    os.environ.update(request["environment"])
    if request["memory_bytes"] is not None:
        used_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limit = used_bytes + request["memory_bytes"]
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def reply(answer: object) -> None:
    """Write one line to standard output."""
    sys.stdout.write(f"{answer}\n")
    sys.stdout.flush()


def serve() -> list[str]:
    """Answer requests until standard input ends; in a child, return the arguments of its command."""
    for line in sys.stdin:
        request = json.loads(line)
        if "reap" in request:
            _, status = os.waitpid(request["reap"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                become(request)
                return list(request["arguments"])
        reply(answer)
    raise SystemExit(0)


def run(arguments: list[str]) -> int:
    """Run a command line as an interpreter does, and return its exit code."""
    from discogan.cli import main

    try:
        main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    return 1


if __name__ == "__main__":
    preload()
    reply("ready")
    code = run(serve())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The command has ended; what follows is not part of the package.
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # The interpreter would free each preloaded object first, which takes 0.3 s.
