"""What the documents say is what the program does."""

import re
import shlex
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import discovery
import reliability
from discogan.cli import app, main
from discogan.config import preset_names
from discogan.experiments.catalogue import get_experiment
from discogan.experiments.tables import make_markdown
from discogan.records import read_json_lines
from tests.conftest import SMALL

ROOT = Path(__file__).parents[1]
GENERATED = ROOT / "docs" / "cli.md"
DOCUMENTS = [ROOT / "README.md", *sorted(set((ROOT / "docs").glob("*.md")) - {GENERATED})]


def code_lines(document):
    blocks = re.findall(r"^```\w*\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
    return [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]


COMMANDS = [line for document in DOCUMENTS for line in code_lines(document) if re.match(r"(\S*/)?discogan ", line)]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_is_one_the_program_takes(command):
    # The launcher takes --import from any command before the command is parsed.
    words = shlex.split(re.sub(r" --import \S+", "", command.replace("*", "x")))[1:]
    function, bound, *_ = app.parse_args(words, exit_on_error=False, print_error=False)
    assert function.__name__.replace("list_components", "list") in words[:2]
    assert bound.arguments


def test_there_are_documented_commands():
    assert len(COMMANDS) >= 5


FOLDERS = {"sketches": 0, "photos": 1, "new-sketches": 0, "test/sketches": 0, "test/photos": 1}
"""The folder names in the documents, and the domain that each stands for."""
ELSEWHERE = {
    "serve": "runs until it is stopped; tests/browser and tests/web",
    "reproduce": "tests/experiments",
    "data": "tests/renders",
    "chain": "tests/cli/test_experiments.py",
}


@pytest.mark.usefixtures("own_registries")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_documented_commands_run_in_their_order(document, small_run, domains, tmp_path, monkeypatch):
    """Run commands that name real files; words in capitals are for the reader to fill in."""
    monkeypatch.chdir(tmp_path)
    for name, domain in FOLDERS.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).symlink_to(domains[domain])
    Path("pairs.csv").write_text("path_a,path_b\n" + "".join(f"{n:03d}.png,{n:03d}.png\n" for n in range(5)))
    shutil.copytree(small_run, "runs/one")
    shutil.copytree(small_run, "runs/two")
    write_python_files(document)
    for words in commands_to_run(document):
        assert exit_code_of(words) == 0, words


def write_python_files(document):
    """Write each Python block that begins with a file name in a comment, so that commands can import it."""
    for name, code in re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL):
        Path(name).write_text(code)


def commands_to_run(document):
    """The words of each documented command that has nothing left to fill in."""
    lines = [line for line in code_lines(document) if re.match(r"(\S*/)?discogan ", line)]
    complete = [shlex.split(line)[1:] for line in lines if not re.search(r"\b[A-Z]{2,}\b|\b[AB]\b", line)]
    return [words for words in complete if words[0] not in ELSEWHERE]


def test_documents_have_commands_to_run():
    counts = {document.stem: len(commands_to_run(document)) for document in DOCUMENTS}
    least = {
        "README": 6,
        "index": 3,
        "train": 5,
        "judge": 4,
        "translate": 1,
        "match": 3,
        "deploy": 3,
        "extend": 6,
        "extend-outputs": 3,
        "reproduce": 3,
    }
    assert {name: counts[name] for name in least if counts[name] < least[name]} == {}


def exit_code_of(words):
    """Return the exit code of a documented command; training takes eight steps in a fresh run."""
    if words[0] == "train" and "--resume" not in words:
        shutil.rmtree(words[words.index("--out") + 1], ignore_errors=True)
    if "--image-size" in words:
        del words[words.index("--image-size") : words.index("--image-size") + 2]
    if "--minutes" in words:
        words[words.index("--minutes") : words.index("--minutes") + 2] = ["--steps", "8"]
        if "--resume" not in words:
            words += ["--image-size", "32", *(word for setting in SMALL for word in ("--set", setting))]
    with pytest.raises(SystemExit) as end:
        main(words)
    return end.value.code


def test_the_script_of_extend_trains(domains, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("sketches").symlink_to(domains[0])
    Path("photos").symlink_to(domains[1])
    write_python_files(ROOT / "docs" / "extend.md")
    script = Path("train_with_my_objective.py")
    script.write_text(script.read_text().replace("minutes=6", "steps=2, image_size=32"))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert Path("runs/script/report.html").exists()


def test_make_targets_in_documents_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in [*DOCUMENTS, ROOT / "CONTRIBUTING.md"]:
        named = {line.split()[1] for line in code_lines(document) if line.startswith("make ")}
        assert named <= targets, document


def test_the_readme_is_short_and_begins_with_what_it_is():
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) <= 900
    assert len(text.partition("```")[0].splitlines()) <= 40, "more than one screen before the first command"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_no_page_is_longer_than_one_can_read(document):
    tables = (
        "lab-notes",
        "lab-pictures",
        "performance",
        "fidelity",
        "dependencies",
        "design",
        "reliability",
        "settings",
    )
    if document.stem not in tables:
        assert len(document.read_text().split()) <= 1600


def cells_of(document, first_cell):
    """Return the cells of the one table row of a document that begins with ``first_cell``."""
    rows = [line.strip("|").split("|") for line in document.read_text().splitlines() if line.startswith("|")]
    (row,) = [[cell.strip() for cell in row] for row in rows if row[0].strip() == first_cell]
    return row[1:]


@pytest.mark.parametrize("preset", ["earlier", "cyclegan", "official", "discogan"])
def test_the_readme_compares_methods_by_their_recorded_runs(preset):
    rows = read_json_lines(ROOT / "docs" / "results" / "discovery.jsonl")
    expected = []
    for task in ("hands", "icons", "emoji"):
        runs = [row for row in rows if row["task"] == task and row["preset"] == preset and not row["settings"]]
        medians = [statistics.median(row[direction]["top_1"] for row in runs) for direction in ("a_to_b", "b_to_a")]
        expected.append(f"{medians[0]:.2f} / {medians[1]:.2f} ({len(runs)})")
    names = {
        "earlier": "`earlier` (the default of version 0.1)",
        "cyclegan": "`cyclegan` (CycleGAN's objective)",
        "official": "`official` (DiscoGAN's code)",
        "discogan": "`discogan` (DiscoGAN's paper)",
    }
    assert cells_of(ROOT / "README.md", names[preset]) == expected


@pytest.mark.parametrize(
    ("images", "settings"), [("50", ["data.limit=50"]), ("200", ["data.limit=200"]), ("all (875 and 881)", [])]
)
def test_the_readme_says_how_many_images_by_recorded_runs(images, settings):
    rows = read_json_lines(ROOT / "docs" / "results" / "small_data.jsonl")
    (row,) = [row for row in rows if row["settings"] == settings]
    expected = [f"{row[direction]['top_1']:.2f}" for direction in ("a_to_b", "b_to_a")]
    assert cells_of(ROOT / "README.md", images)[3:] == expected


def test_the_documents_name_every_preset():
    text = (ROOT / "docs" / "train.md").read_text()
    assert [name for name in preset_names() if f"`{name}`" not in text] == []


def test_links_between_documents_lead_somewhere():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


STUDIES = sorted((ROOT / "docs" / "results").glob("*.jsonl"))


def test_every_required_study_is_recorded():
    assert set(discovery.STUDIES) == {file.stem for file in STUDIES}


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_the_tables_of_a_study_are_those_of_its_recorded_runs(file):
    rows = read_json_lines(file)
    assert all(row["git_revision"] and row["versions"]["torch"] for row in rows)
    shown = discovery.TABLES.get(file.stem, discovery.make_table)(rows)
    assert marked_blocks(f"study {file.stem}") == [shown]


def test_the_headline_table_is_that_of_the_recorded_runs():
    rows = read_json_lines(ROOT / "docs" / "results" / "discovery.jsonl")
    assert marked_blocks("headline discovery") == [discovery.make_headline(rows)]


def marked_blocks(mark):
    """The text between ``<!-- mark -->`` and ``<!-- end -->``, once for each place in the documents that has it."""
    pattern = re.compile(rf"<!-- {re.escape(mark)} -->\n(.*?)<!-- end -->", re.DOTALL)
    return [block.strip() for document in DOCUMENTS for block in pattern.findall(document.read_text())]


RECORDED = sorted((ROOT / "docs" / "results").glob("*/results.jsonl"))


def test_every_required_experiment_is_recorded():
    names = {"toy", "car2car", "car2car_models", "chair2car", "chair2car_models"}
    assert names <= {file.parent.name for file in RECORDED}


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.parent.name)
def test_an_experiment_s_table_is_that_of_its_recorded_runs(file):
    rows = read_json_lines(file)
    assert all(row["git_revision"] and row["versions"]["torch"] for row in rows)
    table = make_markdown(get_experiment(rows[0]["experiment"]), rows)
    assert (file.parent / "table.md").read_text() == table
    assert marked_blocks(f"table {file.parent.name}") == [table.strip()]


def test_the_tables_of_the_reliability_page_are_those_of_the_recorded_rows():
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    for command, make_table in reliability.TABLES.items():
        assert make_table() in page, f"python benchmarks/reliability.py prints the new table of {command}"
