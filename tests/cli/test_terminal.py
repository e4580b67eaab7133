"""What reaches the terminal: no control character, no traceback, no message twice."""

import errno
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from discogan.cli import console, main
from discogan.cli.console import VisibleFormatter, print_table, say, visible, warn
from tests.cli.test_commands import FLAGS
from tests.conftest import write_images

HOSTILE = "a\x1b[31m\x9b2J\n\r\u202e\u2028[red]:cat:\udce9"
SHOWN = r"a\x1b[31m\x9b2J\n\r\u202e\u2028[red]:cat:\xe9"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (HOSTILE, SHOWN),
        ("plain é 漢字 [3]", "plain é 漢字 [3]"),
        ("\u3000wide\u00a0space", "\u3000wide\u00a0space"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("\x00\x07\x7f\t", r"\x00\x07\x7f\t"),
        ("\u2066\u2069\ufeff\u061c", r"\u2066\u2069\ufeff\u061c"),
    ],
)
def test_control_characters_are_shown_as_escapes(text, shown):
    assert visible(text) == shown


def test_every_way_to_print_escapes_names(capsys):
    say(HOSTILE)
    warn(HOSTILE)
    print_table(HOSTILE, ["name"], [[HOSTILE]])
    record = logging.LogRecord("x", logging.WARNING, "x", 1, "%s", (HOSTILE,), None)
    assert "\x1b" not in VisibleFormatter(logging.BASIC_FORMAT).format(record)
    output, messages = capsys.readouterr()
    assert output.splitlines()[0] == messages.splitlines()[0] == SHOWN
    assert output.replace("\n", "").count(SHOWN) == 3


@pytest.mark.parametrize(
    "words",
    [
        ["info", HOSTILE],
        ["info", "x", HOSTILE],
        [HOSTILE],
        ["train", "a", "b", "--out", HOSTILE, "--set", HOSTILE],
        ["train", "a", "b", "--out", "x", f"--{HOSTILE}"],
        ["train", "a", "b", "--out", "x", "--preset", HOSTILE],
        ["translate", HOSTILE, HOSTILE, "--direction", "a_to_b", "--out", "x"],
        ["-v", "report", HOSTILE],
    ],
)
def test_an_error_about_a_hostile_word_is_harmless(words, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    shown = capsys.readouterr()
    assert not set(shown.out + shown.err) & set("\x1b\x9b\r\u202e\u2028")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="such names cannot exist there")
def test_hostile_file_names_are_translated_matched_and_evaluated(small_run, tmp_path, capsys):
    names = ["=1.png", "\x1b[31mred\n.png", "caf\u00e9.png", "[bold].png", "-x.png"]
    for folder in ("a", "b"):
        files = sorted(write_images(tmp_path / folder, len(names), 1).iterdir())
        for file, name in zip(files, names, strict=True):
            file.rename(file.with_name(name))
    for words in (
        ["translate", small_run, tmp_path / "a", "--direction", "a_to_b", "--out", tmp_path / "o"],
        ["match", small_run, tmp_path / "a", tmp_path / "b", "--out", tmp_path / "m.csv"],
    ):
        with pytest.raises(SystemExit) as end:
            main(list(map(str, words)))
        shown = capsys.readouterr()
        assert end.value.code == 0, shown.err
        assert "\x1b" not in shown.out + shown.err
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == sorted(names)
    table = (tmp_path / "m.csv").read_bytes()
    assert b"\n'=1.png," in table
    with pytest.raises(SystemExit) as end:
        main(list(map(str, ["evaluate", small_run, "--pairs-a", tmp_path / "a", "--pairs-b", tmp_path / "b"])))
    assert end.value.code == 0
    assert "5 true pairs" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such language setting")
def test_any_name_can_be_printed_in_the_language_c(small_run, tmp_path):
    folder = write_images(tmp_path / "pictures-é", 2, 0)
    (folder / "000.png").write_bytes(b"broken")
    (folder / "000.png").rename(folder / "漢字.png")
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = ["translate", small_run, folder, "--direction", "a_to_b", "--out", tmp_path / "ö"]
    command = [sys.executable, "-m", "discogan", *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"1 image translated" in done.stdout
    assert (tmp_path / "ö" / "001.png").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
@pytest.mark.parametrize("words", [["list"], ["--help"], ["completion", "bash"], ["info", "RUN", "--json", "-"]])
def test_a_closed_pipe_is_silent(words, small_run):
    command = [sys.executable, "-m", "discogan", *(str(small_run) if word == "RUN" else word for word in words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_for_standard_output_is_one_message(small_run):
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "discogan", "info", str(small_run), "--json", "-"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "stdout: No space left on device. Free some disk space, or choose another folder."
    ]


def test_messages_do_not_stop_a_command_whose_terminal_is_gone(monkeypatch):
    attempts = []

    class Gone(io.StringIO):
        def write(self, text):
            attempts.append(text)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(sys, "stderr", Gone())
    monkeypatch.setattr(sys, "stdout", Gone())
    warn("message")
    assert attempts, "the terminal was really used"
    say("result")


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            True,
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("can't start new thread"), True),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), True),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), True),
        (RuntimeError("shapes differ"), False),
        (ImportError("no module"), False),
    ],
)
def test_too_little_memory_is_one_message(monkeypatch, capsys, error, is_memory):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("discogan.translator.Translator.load", fail)
    words = ["translate", "run", "x", "--direction", "a_to_b", "--out", "o"]
    if not is_memory:
        with pytest.raises(type(error)):
            main(words)
        return
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    expected = "There is not enough memory. Use a smaller --batch-size and --threads 1."
    assert capsys.readouterr().err.splitlines() == [expected]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of the memory")
@pytest.mark.parametrize(("spare_mib", "is_memory"), [(1, True), (200, False), (None, False)])
def test_any_error_at_the_limit_of_memory_is_one_message(small_run, domains, tmp_path, spare_mib, is_memory):
    """A library that fails to load a part of itself raises an error that does not mention memory."""
    script = f"""
import resource, sys
from pathlib import Path
from discogan.cli import main
from discogan.translator import Translator

def fail(*_, **__):
    raise RuntimeError("The script cannot be compiled.")

Translator.load = fail
if {spare_mib} is not None:
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmPeak:"))
    resource.setrlimit(resource.RLIMIT_AS, (peak + ({spare_mib} << 20), resource.RLIM_INFINITY))
main(["translate", {str(small_run)!r}, {str(domains[0])!r}, "--direction", "a_to_b", "--out", {str(tmp_path / "o")!r}])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100)
    assert ("There is not enough memory" in done.stderr) == is_memory
    assert ("Traceback" in done.stderr) != is_memory
    assert done.returncode == (2 if is_memory else 1)


def test_an_interrupt_that_a_library_turned_into_another_error_is_an_interrupt(monkeypatch, capsys):
    def fail(*_, **__):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise ImportError("x") from error

    monkeypatch.setattr("discogan.translator.Translator.load", fail)
    with pytest.raises(SystemExit) as end:
        main(["translate", "run", "x", "--direction", "a_to_b", "--out", "o"])
    assert end.value.code == 130
    assert capsys.readouterr().err.splitlines() == ["Stopped."]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.4, 0.8, 1.6])
def test_ctrl_c_during_the_imports_is_silent(seconds, small_run, domains, tmp_path):
    words = ["translate", small_run, domains[0], "--direction", "a_to_b", "--out", tmp_path]
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"import os, threading; threading.Timer({seconds}, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        f"import sys; sys.argv[1:] = {list(map(str, words))!r}\n"
        "from discogan.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode in (0, 130, -signal.SIGINT)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal for a terminal that closes")
def test_a_training_whose_terminal_closes_saves_a_checkpoint(domains, tmp_path):
    run = tmp_path / "run"
    words = ["train", *domains, "--out", run, "--image-size", 32, "--steps", 100_000, *FLAGS]
    command = [sys.executable, "-m", "discogan", *map(str, words)]
    former = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # These tests may run with nohup, which is inherited.
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    signal.signal(signal.SIGHUP, former)
    deadline = time.monotonic() + 60
    while not (run / "last").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    before = (run / "last").read_text()
    process.send_signal(signal.SIGHUP)
    assert process.wait(30) == 128 + signal.SIGHUP
    assert (run / "last").read_text() >= before


def test_only_the_console_module_prints():
    for file in Path(console.__file__).parent.glob("*.py"):
        printing = re.findall(r"\b(?:errors|console)\.print\(|\bprint\(", file.read_text("utf-8"))
        assert not printing or file.name == "console.py", file


def test_json_of_a_command_has_no_control_characters(capsys):
    console.write_result(console.STANDARD_OUTPUT, {"name": HOSTILE})
    assert json.loads(capsys.readouterr().out) == {"name": HOSTILE}
