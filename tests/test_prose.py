"""Everything that a person reads is in short sentences of plain English, and ``tests/prose.py`` finds what is not."""

import json
import re
import subprocess
import sys

import pytest

from tests import prose

FILES = prose.prose_files()
LONG = "The run " + "and the next run " * 8 + "end here."
"""36 words."""
SHORT_ENOUGH = "The run " + "and the next run " * 6 + "are on the list."
"""30 words."""
BANNED = {
    "another start": "A relation is found by another start.",
    "--starts": "Pass `--starts 4` to compare more.",
    "winner": "The winner is trained to the end.",
    "loser": "Each loser is kept.",
    "witness": "It serves as a witness.",
    "sittings": "Time counts over all sittings.",
    "piles": "Put the images into two piles.",
    "both ways": "Images are translated both ways.",
    "either way": "Images are translated either way.",
    "way back": "A generator for the way back is missing.",
    "there and back": "Translate an image there and back.",
    "figures behind": "Print the figures behind the verdict.",
    "agreement": "The accord of two runs is high.",
    "judges": "The discriminator judges images.",
    "judgement": "Return the judgement of a batch.",
    "ranked rightly": "Pairs are ranked rightly.",
    "score without pairs": "Keep the score without pairs.",
    "a look": "Take a look at the samples.",
    "looked at": "Losses are looked at once.",
    "what it makes": "Show what it makes of them.",
    "make 492 steps": "They make 492 steps in that time.",
    "anew": "Write the report anew.",
    "alike": "Seeds are alike.",
    "mend": "An error that a user can mend.",
    "many a": "It has seen many a run.",
    "luck": "The mapping is due to luck.",
    "in place of": "Use this in place of that.",
    "one another": "Threads wait for one another.",
    "is told": "An observer is told the step.",
    "told of": "Pass it to a run told of the pairs.",
    "what it is of": "Say what it is of first.",
    "can be said without": "Print what can be said without pairs.",
    "says so": "If that fails, it says so.",
    "those that": "Skip those that are broken.",
    "that which": "Return that which was read.",
    "comes of": "Nothing good comes of it.",
    "goes on": "The run goes on after that.",
    "stands": "Print how a run stands.",
    "so many": "Keep so many images.",
    "is no image": "Reject what is no image.",
    "where there is": "Return the path where there is one.",
    "images a side": "It reads 50 images a side.",
    "loses alone": "A seed that diverges loses alone.",
    "none waits": "Requests are batched and none waits.",
    "part.option": "Use --set part.option=value here.",
}
PLAIN = (
    "According to the paper, the discriminator scores real images higher.",
    "Training starts at step 0, and the start-up takes 2.5 s.",
    "See Kim et al. (2017), e.g. Section 3.1, for the losses.",
    "Open `report.html` to judge the result. It compares the run with chance.",
    "The figure shows two curves. Look at `RUN/samples/` first.",
    "Data is shuffled again, as one batch, so that both domains start equal.",
    "There is no run in this folder. Pass the folder of a run.",
    "`--starts` was renamed to `--seeds-tried`.",
)


@pytest.mark.parametrize("path", FILES, ids=prose.shown_name)
def test_sentences_are_short_and_plain(path):
    findings = prose.check_file(path)
    assert not findings, "\n" + "\n".join(map(str, findings))


def test_every_kind_of_file_is_checked():
    names = {prose.shown_name(path) for path in FILES}
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/cli.md", "pyproject.toml", "Makefile"} <= names
    assert {"discogan/__init__.py", "discogan/presets/modern.toml", "discogan/pages/templates/app.html"} <= names
    assert {"tests/prose.py", "tests/test_prose.py", "examples/quickstart.ipynb"} <= names


def problems(tmp_path, name, text):
    """Lines and problems of a file with this text."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return [(finding.line, finding.problem) for finding in prose.check_file(path)]


WRAPPERS = {
    "page.md": "# Title\n\nSENTENCE\n",
    "list.md": "Items:\n\n- first\n- SENTENCE\n",
    "table.md": "| a | b |\n|---|---|\n| one | SENTENCE |\n",
    "docstring.py": 'def f(a):\n    """Run.\n\n    Parameters\n    ----------\n    a\n        SENTENCE\n    """\n',
    "attribute.py": 'SIZE = 3\n"""SENTENCE"""\n',
    "comment.py": "x = 1\n# SENTENCE\n",
    "trailing.py": "x = 1  # SENTENCE\n",
    "message.py": 'raise ValueError(f"{name}: SENTENCE {value:.1f}")\n',
    "joined.py": 'raise ValueError(\n    "This is it. "\n    "SENTENCE"\n)\n',
    "page.html": "<style>p { }</style>\n<p>SENTENCE</p>\n",
    "templates/card.md": "---\ntag: a\n---\n\n{% if a %}\nSENTENCE\n{% endif %}\n",
    "settings.toml": 'summary = "SENTENCE"\n',
    "comments.toml": "a = 1\n# SENTENCE\n",
}
"""A file of each kind, with a place for a sentence."""


def wrap(name, sentence):
    return WRAPPERS[name].replace("SENTENCE", sentence)


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_long_sentence_is_found(tmp_path, name):
    found = [problem for _, problem in problems(tmp_path, name, wrap(name, LONG))]
    assert len(found) == 1
    assert re.match(r"sentence has 3[67] words: ", found[0])


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_banned_word_is_found_in_its_line(tmp_path, name):
    text = wrap(name, "Write it anew.")
    (line, problem), *others = problems(tmp_path, name, text)
    assert problem.startswith("'anew' is not plain English, write 'again': ")
    assert others == []
    if name != "joined.py":
        assert "anew" in text.splitlines()[line - 1]


@pytest.mark.parametrize("name", ["page.md", "docstring.py", "comment.py", "message.py"])
@pytest.mark.parametrize(("phrase", "sentence"), BANNED.items(), ids=BANNED)
def test_each_banned_phrase_is_found(tmp_path, name, phrase, sentence):
    found = [problem for _, problem in problems(tmp_path, name, wrap(name, sentence))]
    assert any(f"'{phrase}" in problem.lower() or f"{phrase}'" in problem.lower() for problem in found), found


@pytest.mark.parametrize("sentence", [*PLAIN, SHORT_ENOUGH])
@pytest.mark.parametrize("name", sorted(set(WRAPPERS) - {"message.py"}))
def test_plain_text_passes(tmp_path, name, sentence):
    assert problems(tmp_path, name, wrap(name, sentence.replace('"', "'"))) == []


def test_sentences_end_where_a_reader_ends_them():
    text = "It is 0.5, e.g. Fast. See Kim et al. (2017) in report.html. (So it is.) `x` follows! Does it? Yes"
    masked = prose.mask(text)
    assert [text[start:end].strip() for start, end in prose.sentence_spans(masked)] == [
        "It is 0.5, e.g. Fast.",
        "See Kim et al. (2017) in report.html.",
        "(So it is.)",
        "`x` follows!",
        "Does it?",
        "Yes",
    ]


def test_code_links_and_placeholders_count_as_one_word():
    masked = prose.mask("Run `a b c` and ``d e``, see [two words](https://example.com/a) and <https://example.com>.")
    assert prose.count_words(masked) == 9


def test_code_is_skipped_but_its_comments_are_read(tmp_path):
    text = f"```sh\ndiscogan match anew\ndiscogan info  # print it anew\n```\n\n$$\n{LONG}\n$$\n\n`anew` is a flag.\n"
    assert [line for line, _ in problems(tmp_path, "page.md", text)] == [3]


def test_indented_code_is_skipped_but_indented_text_of_a_list_is_read(tmp_path):
    text = "::: discogan.anew\n    options: {anew: true}\n\nText:\n\n    write anew\n\n- item\n\n    Write anew.\n"
    assert [line for line, _ in problems(tmp_path, "page.md", text)] == [10]


def test_old_flags_are_found_in_code_except_in_the_changelog(tmp_path):
    text = "```\ndiscogan train a b --starts 4\n```\n"
    assert [line for line, _ in problems(tmp_path, "page.md", text)] == [2]
    assert problems(tmp_path, "CHANGELOG.md", text) == []


def test_strings_that_are_not_prose_are_skipped(tmp_path):
    text = 'a = re.compile(r"anew \\d+ many a witness")\nb = "p { alike: anew; } of witness pile"\nc = "anew"\n'
    assert problems(tmp_path, "strings.py", text) == []


def test_columns_and_trees_are_read_row_by_row(tmp_path):
    rows = "\n".join(f"    file-{number}.json          the values of this file in a list" for number in range(8))
    assert problems(tmp_path, "columns.py", f'"""The files.\n\n{rows}\n"""\n') == []


def test_notebooks_are_read_by_cell(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["Write it anew.\n", "Again."]},
        {"cell_type": "code", "source": ["x = 1  # as if\n", "# made anew\n"]},
    ]
    text = json.dumps({"cells": cells}, indent=1)
    found = problems(tmp_path, "notebook.ipynb", text)
    assert len(found) == 2
    assert all("anew" in text.splitlines()[line - 1] for line, _ in found)


def test_visible_text_of_a_template_is_read(tmp_path):
    text = (
        "{% block style %}\n.alike { anew: 1 }\n{% endblock %}\n"
        '<img alt="Draw it anew">\n<p>It is <b>drawn</b>\nalike.</p>\n<p>{{ anew }}</p>\n'
        '<script>\nconst anew = 1; say("The image was made anew.");\n</script>\n'
    )
    assert [line for line, _ in problems(tmp_path, "page.html", text)] == [4, 6, 9]


def test_the_script_prints_findings_and_fails(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Write it anew.\n")
    command = [sys.executable, str(prose.ROOT / "tests" / "prose.py"), str(page)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == f"{page}:1: 'anew' is not plain English, write 'again': Write it anew.\n"
    page.write_text("Write it again.\n")
    assert subprocess.run(command, capture_output=True, text=True).returncode == 0
