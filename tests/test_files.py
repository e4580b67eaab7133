"""Files appear under their names only when they are complete, and what a killed process left is removed."""

import ast
import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import discogan
from discogan import files
from discogan.files import atomic_path, remove_left_overs, unfinished_name, write_json, write_text

PACKAGE = Path(discogan.__file__).parent


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_text_is_replaced(tmp_path):
    write_text(tmp_path / "x", "old")
    write_text(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new"
    assert names(tmp_path) == ["x"]


def test_a_kill_before_the_rename_leaves_the_old_file(tmp_path, monkeypatch):
    write_json(tmp_path / "x.json", {"step": 1})

    def killed(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "sync", killed)
    with pytest.raises(KeyboardInterrupt):
        write_json(tmp_path / "x.json", {"step": 2})
    assert '"step": 1' in (tmp_path / "x.json").read_text()
    assert names(tmp_path) == ["x.json"]


def test_the_target_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "new" / "x.png"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"whole")
        assert not target.exists()
        assert (temporary.parent, temporary.suffix) == (target.parent, ".png")
        assert temporary.name.startswith("."), "hidden, so that a folder of images does not include it"
    assert target.read_bytes() == b"whole"
    assert names(target.parent) == ["x.png"]


def test_an_error_leaves_no_file(tmp_path):
    def write_half():
        with atomic_path(tmp_path / "x.csv") as temporary:
            temporary.write_text("half")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        write_half()
    assert names(tmp_path) == []


def test_an_error_names_the_target(tmp_path):
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        with pytest.raises(OSError, match=r"x\.csv") as raised, atomic_path(tmp_path / "x.csv"):
            raise OSError(number, os.strerror(number))
        assert (raised.value.errno, raised.value.filename) == (number, str(tmp_path / "x.csv"))
    too_long = tmp_path / f"{'x' * 300}.csv"
    with pytest.raises(OSError, match=r"xxx\.csv") as raised, atomic_path(too_long):
        pass
    assert (raised.value.errno, raised.value.filename) == (errno.ENAMETOOLONG, str(too_long))
    assert names(tmp_path) == []


def test_the_longest_name_can_be_written(tmp_path):
    write_text(tmp_path / ("x" * 255), "text")
    assert names(tmp_path) == ["x" * 255]


def test_a_folder_or_a_file_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path / "folder", "text")
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match="file"):
        write_text(tmp_path / "file" / "x", "text")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").write_text("old")
    (tmp_path / "x").symlink_to("real/x")
    write_text(tmp_path / "x", "new")
    assert (tmp_path / "x").is_symlink()
    assert (tmp_path / "real" / "x").read_text() == "new"
    (tmp_path / "loop").symlink_to("loop")
    write_text(tmp_path / "loop", "text")
    assert (tmp_path / "loop").read_text() == "text"


def test_permissions_are_kept(tmp_path):
    write_text(tmp_path / "x", "old")
    (tmp_path / "x").chmod(0o600)
    write_text(tmp_path / "x", "new")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write to protected files")
def test_a_protected_file_is_not_replaced(tmp_path):
    (tmp_path / "x").write_text("kept")
    (tmp_path / "x").chmod(0o400)
    with pytest.raises(PermissionError):
        write_text(tmp_path / "x", "new")


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes in folders")
def test_a_pipe_or_a_device_is_written_to_and_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read = []
    read_later = threading.Timer(0.3, lambda: read.append((tmp_path / "pipe").read_text()))
    read_later.start()
    write_text(tmp_path / "pipe", "text")
    read_later.join(10)
    assert read == ["text"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with atomic_path("/dev/null") as path:
        assert path == Path("/dev/null")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.timeout(20)
@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes in folders")
def test_a_pipe_that_no_program_reads_is_an_error_not_a_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "READER_SECONDS", 0.1)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match="a pipe that no program reads") as error:
            write_text(tmp_path / name, "text")
        assert error.value.filename == str(tmp_path / name)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_error_of_a_device_names_the_target(tmp_path):
    (tmp_path / "link").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space") as error:
        write_text(tmp_path / "link", "text")
    assert error.value.filename == str(tmp_path / "link")


def test_a_name_that_is_not_utf8_can_be_written(tmp_path):
    write_text(tmp_path / "x", os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "x").read_text("utf-8") == r"caf\udce9"


def ended_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.skipif(os.name == "nt", reason="Windows does not say whether a process exists")
def test_the_next_writer_removes_what_a_killed_process_left(tmp_path):
    script = (
        "import os, sys\nfrom discogan.files import atomic_path, unfinished_name\nfrom pathlib import Path\n"
        "folder = Path(sys.argv[1])\n(folder / unfinished_name() / 'inner').mkdir(parents=True)\n"
        "with atomic_path(folder / 'x.png') as temporary:\n    temporary.write_text('half')\n    os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", script, tmp_path], cwd=PACKAGE.parent).returncode == 9
    assert len(names(tmp_path)) == 2
    write_text(tmp_path / "y", "text")
    assert names(tmp_path) == ["y"]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not say whether a process exists")
def test_files_of_running_processes_of_other_machines_and_of_users_are_kept(tmp_path):
    own = unfinished_name(".png")
    machine, running, ended = own.split("-")[1], os.getppid(), ended_process()
    kept = [
        own,
        f".discogan-{machine}-{running}-1.png",
        f".discogan-00000000-{ended}-1.png",
        f".discogan-{machine}-{ended}-x.png",
        f"discogan-{machine}-{ended}-1.png",
        ".discogan-notes",
    ]
    removed = [f".discogan-{machine}-{ended}-1.png", f".discogan-{machine}-{os.getpid()}-1"]
    for name in (*kept, *removed):
        (tmp_path / name).touch()
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "x").touch()
    (tmp_path / f".discogan-{machine}-{ended}-2").symlink_to(outside)
    remove_left_overs(tmp_path)
    assert names(tmp_path) == sorted(kept)
    assert names(outside) == ["x"], "only the link is removed"


# No other module writes a file directly -------------------------------------------------------------

WRITERS = {"save", "savefig", "write_text", "write_bytes", "save_file", "savez", "savez_compressed", "to_csv"}
COPIERS = {"copy", "copy2", "copyfile", "copytree", "open_memmap", "memmap"}
STREAMS = {"stream", "buffer"}
"""Variables that hold a file in memory."""
ELSEWHERE = {
    "files.py": "the one place",
    "checkpoints.py": "writes a folder under a temporary name and renames the folder",
    "data/decoding.py": "rows of a store that appears under its name when it is complete",
    "data/store.py": "writes a folder under a temporary name and renames the folder",
    "hub.py": "writes a folder under a temporary name and renames the folder",
    "exporting/onnx.py": "gets a temporary path from export",
    "exporting/torch_program.py": "gets a temporary path from export",
    "training/seed_search.py": "copies a folder that is whole once its config.json is there",
}


def direct_writes(tree):
    """Yield the calls in a module that write a file under its final name."""

    def visit(node, temporary):
        if isinstance(node, ast.With):
            for item in node.items:
                called = item.context_expr.func if isinstance(item.context_expr, ast.Call) else None
                if isinstance(called, ast.Name) and called.id == "atomic_path":
                    temporary = temporary | {ast.unparse(item.optional_vars)}
        if isinstance(node, ast.Call) and is_direct(node, temporary):
            yield ast.unparse(node)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, temporary)

    yield from visit(tree, frozenset())


def is_direct(call, temporary):
    function = ast.unparse(call.func)
    receiver, _, name = function.rpartition(".")
    words = [ast.unparse(argument) for argument in call.args]
    given = {receiver, *words[:2]}
    if given & (temporary | STREAMS):
        return False
    if name == "open":
        mode = next((ast.unparse(item.value) for item in call.keywords if item.arg == "mode"), "")
        modes = [mode, *(words[1:2] if not receiver else words[:1])]
        return any(letter in mode for mode in modes if len(mode) <= 5 for letter in "wx+")
    return name in WRITERS | COPIERS and bool(call.args) and receiver not in ("", "self")


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("image.save(target)", 1),
        ("file.open('w')", 1),
        ("open(file, 'wb')", 1),
        ("file.open(mode='x')", 1),
        ("with atomic_path(target) as temporary:\n    image.save(temporary)\n    image.save(other)", 1),
        ("with atomic_path(target) as temporary, temporary.open('w') as stream:\n    image.save(stream)", 0),
        ("file.open('a')\nfile.open()\nImage.open(source)", 0),
    ],
)
def test_the_scan_finds_direct_writes(line, count):
    assert len(list(direct_writes(ast.parse(line)))) == count


MODULES = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).as_posix() not in ELSEWHERE]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_module_writes_under_the_final_name(path):
    assert list(direct_writes(ast.parse(path.read_text("utf-8")))) == []


# No other module reads a file that may be a pipe or a device -----------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.timeout(20)
def test_only_regular_files_are_opened(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        assert files.read_regular(tmp_path / name, 5) == b"12345"
    with pytest.raises(OSError, match="5 bytes, more than 4"):
        files.read_regular(tmp_path / "file", 4)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "linked pipe").symlink_to("pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "linked pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="not a regular file"):
            files.open_regular(path)
    for name, number in {"loop": errno.ELOOP, "missing": errno.ENOENT}.items():
        with pytest.raises(OSError) as error:  # noqa: PT011
            files.open_regular(tmp_path / name)
        assert error.value.errno == number


def test_a_file_that_becomes_a_pipe_while_it_is_opened_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    before = (tmp_path / "file").stat()
    (tmp_path / "file").unlink()
    os.mkfifo(tmp_path / "file")
    monkeypatch.setattr(os, "stat", lambda *_, **__: before)
    with pytest.raises(OSError, match="not a regular file"):
        files.open_regular(tmp_path / "file")


READS_ELSEWHERE = {
    "files.py": "the one place",
    "cli/reproduce.py": "a table that the command wrote a moment before",
    "cli/serve.py": "the token may come from a pipe: --token-file <(pass show discogan)",
    "cli/__init__.py": "a file of the system, /proc/self/status",
    "cli/console.py": "/dev/null",
    "config.py": "presets of the package",
    "data/celeba.py": "a list that was found as a regular file",
    "data/decoding.py": "rows of a store that it has just written",
    "data/store.py": "maps pixels whose kind, size and digest were checked",
    "experiments/toy_figures.py": "an array that the experiment wrote",
    "listing.py": "modules of the package",
    "onnx_model.py": "a path that was found to be a regular file",
    "registry.py": "a path that was found to be a regular file",
    "web/decoder.py": "a file of the system, /proc/self/statm",
}


def direct_reads(tree):
    """Yield the calls in a module that open a file to read it."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        receiver, _, name = ast.unparse(call.func).rpartition(".")
        words = [ast.unparse(argument) for argument in call.args]
        modes = words[1:2] if receiver in ("", "os") else words[:1]
        is_read = name in ("read_bytes", "read_text") or (name == "load" and receiver == "np")
        is_open = name == "open" and receiver not in ("Image", "webbrowser") and not any("w" in mode for mode in modes)
        if is_read or (is_open and "a" not in "".join(modes)):
            yield ast.unparse(call)


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("file.open('rb')", 1),
        ("open(file)", 1),
        ("path.read_text('utf-8')", 1),
        ("np.load(file)", 1),
        ("file.open('w')\nfile.open('ab')\nImage.open(data)\nopen_regular(file)", 0),
    ],
)
def test_the_scan_finds_direct_reads(line, count):
    assert len(list(direct_reads(ast.parse(line)))) == count


READERS = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).as_posix() not in READS_ELSEWHERE]


@pytest.mark.parametrize("path", READERS, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_module_reads_what_may_not_be_a_regular_file(path):
    assert list(direct_reads(ast.parse(path.read_text("utf-8")))) == []


@pytest.mark.parametrize("name", READS_ELSEWHERE)
def test_each_exception_is_needed(name):
    assert list(direct_reads(ast.parse((PACKAGE / name).read_text("utf-8"))))
