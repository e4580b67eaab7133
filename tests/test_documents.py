"""What the documents say is what the program does."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

import discovery
from discogan.cli import app, main
from discogan.config import preset_names
from discogan.experiments.catalogue import get_experiment
from discogan.experiments.tables import markdown
from discogan.tracking import read_metrics
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
    words = shlex.split(command.replace("*", "x"))[1:]
    function, bound, *_ = app.parse_args(words, exit_on_error=False, print_error=False)
    assert function.__name__.replace("list_parts", "list") in words[:2]
    assert bound.arguments


def test_there_are_documented_commands():
    assert len(COMMANDS) >= 5


FOLDERS = {"sketches": 0, "photos": 1, "new-sketches": 0, "test/sketches": 0, "test/photos": 1}
"""The folders that documents speak of, and the domain that each is of here."""
ELSEWHERE = {
    "serve": "runs until it is stopped; tests/browser and tests/web",
    "reproduce": "tests/experiments",
    "data": "tests/renders",
    "chain": "tests/cli/test_experiments.py",
}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_documented_commands_run_in_their_order(document, small_run, domains, tmp_path, monkeypatch):
    """Those that name things as a reader would; what stands in capitals is theirs to fill in."""
    monkeypatch.chdir(tmp_path)
    for name, domain in FOLDERS.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).symlink_to(domains[domain])
    Path("pairs.csv").write_text("path_a,path_b\n" + "".join(f"{n:03d}.png,{n:03d}.png\n" for n in range(5)))
    shutil.copytree(small_run, "runs/one")
    shutil.copytree(small_run, "runs/two")
    for words in commands_to_run(document):
        assert exit_code_of(words) == 0, words


def commands_to_run(document):
    """The words of each documented command that has nothing left to fill in."""
    lines = [line for line in code_lines(document) if re.match(r"(\S*/)?discogan ", line)]
    complete = [shlex.split(line)[1:] for line in lines if not re.search(r"\b[A-Z]{2,}\b|\b[AB]\b", line)]
    return [words for words in complete if words[0] not in ELSEWHERE]


def test_documents_have_commands_to_run():
    counts = {document.stem: len(commands_to_run(document)) for document in DOCUMENTS}
    assert counts["README"] >= 8
    assert counts["index"] >= 4
    assert counts["deploying"] >= 3


def exit_code_of(words):
    """Of a documented command, with a training of eight steps in place of its minutes and in a fresh run."""
    if words[0] == "train" and "--resume" not in words:
        shutil.rmtree(words[words.index("--out") + 1], ignore_errors=True)
    if "--image-size" in words:
        del words[words.index("--image-size") : words.index("--image-size") + 2]
    if "--minutes" in words:
        words[words.index("--minutes") : words.index("--minutes") + 2] = ["--steps", "8", "--image-size", "32"]
        words += [word for setting in SMALL for word in ("--set", setting)]
    with pytest.raises(SystemExit) as end:
        main(words)
    return end.value.code


def test_make_targets_in_documents_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in [*DOCUMENTS, ROOT / "CONTRIBUTING.md"]:
        named = {line.split()[1] for line in code_lines(document) if line.startswith("make ")}
        assert named <= targets, document


def test_the_readme_names_every_preset():
    text = (ROOT / "README.md").read_text()
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
    rows = read_metrics(file)
    assert all(row["git_revision"] and row["versions"]["torch"] for row in rows)
    shown = discovery.TABLES.get(file.stem, discovery.table)(rows)
    text = (ROOT / "docs" / "results.md").read_text()
    assert [line for line in shown.splitlines() if line not in text] == []


RECORDED = sorted((ROOT / "docs" / "results").glob("*/results.jsonl"))


def test_every_required_experiment_is_recorded():
    names = {"toy", "car2car", "car2car_models", "chair2car", "chair2car_models"}
    assert names <= {file.parent.name for file in RECORDED}


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.parent.name)
def test_an_experiment_s_table_is_that_of_its_recorded_runs(file):
    rows = read_metrics(file)
    assert all(row["git_revision"] and row["versions"]["torch"] for row in rows)
    table = markdown(get_experiment(rows[0]["experiment"]), rows)
    assert (file.parent / "table.md").read_text() == table
    text = (ROOT / "docs" / "results.md").read_text()
    assert [line for line in table.splitlines() if line not in text] == []
