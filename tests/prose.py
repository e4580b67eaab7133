"""Find long sentences and figurative or archaic wording in everything that a person reads.

Run ``python -m tests.prose [FILES]``. Each finding is one line, ``file:line: what is wrong``. The exit status is 1
if there is any. Without FILES, every document, Python file, template, preset and build file of the repository is read.
``tests/test_prose.py`` runs the same check for each file.
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import tokenize
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAX_WORDS = 30
"""Words that one sentence may have."""
MIN_MESSAGE_WORDS = 4
"""Words from which a string literal counts as a message, so that its sentences are measured."""
MAX_SHOWN_CHARACTERS = 90


@dataclass(frozen=True)
class Rule:
    """A wording to avoid, as a regular expression (case is ignored), and what to write instead.

    The advice starts with a verb if it is about the whole sentence ("say who ..."); otherwise it is the wording to use.
    """

    pattern: str
    advice: str
    unless: str = "(?!)"
    """Allowed if this expression matches in the same sentence."""
    in_code: bool = False
    """Also applied to inline code and code blocks, which the other rules skip."""
    exempt: tuple[str, ...] = ()
    """Names of files that may use the wording."""


RULES = (
    # Coined words for seeds, runs and sessions.
    Rule(r"(another|an other|each|every|second|single|losing|winning|better|best|independent) start", "seed / run"),
    Rule(r"a start (that|which|has|is|of)|the start of a seed", "seed / run"),
    Rule(
        r"(other|several|all|both|the|these|its|two|three|four|five|ten|more|of|many|K|own|among|run's) starts",
        "seeds / runs",
    ),
    Rule(r"starts (agree|disagree|that|differ)", "seeds / runs"),
    Rule(r"independently started", "another seed"),
    Rule(r"--starts\b", "--seeds-tried", unless=r"seeds[-_]tried", in_code=True, exempt=("CHANGELOG.md",)),
    Rule(r"winners?", "selected run"),
    Rule(r"losers?", "eliminated run"),
    Rule(r"witness(es|ed)?", "reference run"),
    Rule(r"sittings?", "session"),
    Rule(r"piles?", "domain / folder"),
    # Directions.
    Rule(r"both ways", "in both directions"),
    Rule(r"(either|each|one) way(?= (it|is|are|alone|and)|[,;:.)]|$)", "in either direction / in both cases"),
    Rule(r"(the )?way back", "the reverse direction"),
    Rule(r"(the )?way there", "the forward direction"),
    Rule(r"there and back", "round trip"),
    Rule(r"(better|worse|worst|other) way(?! (to|of|around))", "direction"),
    # Numbers: a figure is a plot.
    Rule(r"figures (behind|from|taken|that|in \[|to this file|and nothing)", "metrics / values"),
    Rule(r"figures of (the|an?|both|all|one|each)", "metrics / values"),
    Rule(r"(its|their|command's|these|with|verdict's|four|every|direction's) figures", "metrics / values"),
    Rule(r"figures are (taken|measured|of|from|those)", "metrics / values"),
    # The discriminator, agreement and scores.
    Rule(r"accords?", "agreement"),
    Rule(r"judge?ments?", "discriminator output / verdict"),
    Rule(r"judged|judges", "discriminated / scored / evaluated"),
    Rule(r"(rank(s|ed)? )?rightly", "correctly"),
    Rule(r"agree(s|d)? on images", "agreement"),
    Rule(r"scores? without (any )?pairs?|scores? that needs? no pairs?", "unsupervised score"),
    # "Look" as a noun.
    Rule(r"a (closer )?look|(each|every|per|next|last|latest|one) look|the looks?", "check / evaluation"),
    Rule(r"looked at", "checked / evaluated"),
    # "Make" and "draw" for what a network does.
    Rule(
        r"what (it|they|that|this|you|training|(an?|the|each|every|both) \w+) "
        r"(draws?|makes?|made|drew|(is|are) (of|for))",
        "name the output",
    ),
    Rule(
        r"makes? (it|them|(the )?same|nothing|little|something|most|anything) of(?! (its|their) own)", "name the output"
    ),
    Rule(r"makes? of (it|them|the|an?|each|both|its)", "name the output"),
    Rule(r"(made|makes?|making) (\S+ ){0,4}steps", "runs / completes ... steps"),
    Rule(
        r"(command|machine|network|run|seed|program) (that |which )?made (it|them|this|these|each)",
        "produced / generated",
    ),
    # Archaic and literary words.
    Rule(r"anew", "again"),
    Rule(r"alike", "equal / similar / the same"),
    Rule(r"mend(s|ed|ing)?", "fix"),
    Rule(r"cures?", "fix / what to do"),
    Rule(r"many an?", "many"),
    Rule(r"as one(?=[.,;:)]|$)", "together"),
    Rule(r"luck(y|ily)?", "chance / arbitrary"),
    Rule(r"(sees?|seen) to (it|that)", "name what does it"),
    Rule(
        r"thereof|whereof|wherein|whereby|therein|whence|thence|lest|albeit|amongst|whilst|nought|hitherto",
        "a plain word",
    ),
    Rule(r"upon", "on"),
    Rule(r"(but|save) for", "except for"),
    Rule(r"as a rule", "usually"),
    Rule(r"seldom", "rarely"),
    Rule(r"at hand", "available"),
    Rule(r"nobody", "no user / no process / not"),
    Rule(r"quicker|as quick as|quickest", "faster / as fast as"),
    Rule(r"in (the )?place of", "instead of"),
    Rule(r"one another", "each other"),
    Rule(r"beside", "next to / compared with"),
    Rule(r"the whole of|(is|are|left) whole", "all of / complete"),
    Rule(r"a touch(?= (above|below|more|less|better|worse)|[.,;:]|$)", "slightly"),
    Rule(r"a wish", "a request"),
    Rule(r"(?<!you\s)(?<!user\s)(?<!users\s)wants?", "needs / requires"),
    # Who does what: riddles and passives without an actor.
    Rule(r"(is|are|be|was|were|been) told(?! apart)", "say who passes what to whom"),
    Rule(r"told of", "say who passes what to whom"),
    Rule(r"can be (said|told) (of|from|without)", "say what is measured"),
    Rule(r"(is|are|be|was|were) said", "say who prints what"),
    Rule(r"says? so", "prints a warning / an error"),
    Rule(r"says? of", "reports about / outputs for"),
    Rule(r"nothing of (them|what|who|this|any|the others)", "nothing about / none of"),
    Rule(r"(what|that|which|where|as) (it|they) (is|are|was|were) (of|from|for|in)", "name the thing"),
    Rule(r"those (that|which|who|whose)|that which", "name the things"),
    Rule(r"what tells|tells those|tells? a tracker", "name what distinguishes / reports"),
    Rule(
        r"(not|cannot|does|do|loss|nothing|images) tells? (which|those|whether|the true|a true|(one|an?) \w+ from)",
        "identify / show / distinguish",
    ),
    Rule(r"comes? of", "results from"),
    Rule(r"unless (given|said|told|asked)", "by default"),
    Rule(r"(asks?|asking) for it|asked for", "requested"),
    Rule(r"(is|are|was|were) asked", "say who asks"),
    Rule(r"speaks? (of|for)", "describe / mention"),
    Rule(r"(go(es)?|went|gone|going) on(?! (the )?(CPU|GPU))", "continue"),
    Rule(
        r"stands? (below|above|in(?! for)|here|where|at|still|with)|how (a|the) \w+ stands|stands?(?=[.,;:)]|$)", "is"
    ),
    Rule(r"owes?", "depend on"),
    Rule(r"rests? on", "depends on / is based on"),
    Rule(r"pass(es|ed)? for (those|images|the|that|real)", "look like"),
    Rule(r"(comes?|came|coming) back(?! to (the|this))", "are reconstructed / retry"),
    Rule(r"as (they|it) came", "unchanged"),
    Rule(r"comes? (as|that|so) far", "has learned as much"),
    Rule(r"so many", "at most N / this number of"),
    Rule(
        r"(?<!there\s)(?<!\d\s)(is|are|was|were) no "
        r"(?!(longer|more|less|better|worse|nearer|fewer|further|different|data|need)\b)\w+",
        "is not a / there is no",
    ),
    # "Where" for "if", and "for" for "because".
    Rule(r"(none|null|true|false|empty|missing|only|except|X+) where \w+", "if / when / unless"),
    Rule(
        r"where (there (is|are|was)|asked|needed|possible|given|known|no \w+|nothing|one is|none|some|any"
        r"|it (has|does|is (not|given|known|missing|trained))|they (are|have) (not|known|given))",
        "if / when / unless",
    ),
    Rule(
        r"(?<=[,;:]) for (it|they|we|there|nobody|nothing|neither|none|such|all|two|no other|an?|the|its|their|what"
        r"|\w+s) (\S+ ){0,3}"
        r"(is|are|has|have|was|were|would|can|do|does|forms?|moves?|needs?|knows?|varies|falls|splits?)",
        "because",
    ),
    # Counts "a step" and "a side" without "per".
    Rule(
        r"(images?|ms|seconds?|minutes?|MB|GB|bytes?|batch|batches|files?|cost|steps?|stages?|line|sentence|seeds?"
        r"|pixels?|threads?|runs?|one|row|column) an? "
        r"(side|step|core|request|(image|run|batch|domain|direction|seed)(?=[,;:.)]|$))",
        "per",
    ),
    # Aphorisms and personification.
    Rule(r"loses alone|waits? for (company|each other)|none waits|harms? nothing|nothing ties", "say what happens"),
    Rule(r"discriminators? (that |which )?wins?|wins every", "dominates"),
    Rule(r"too kind|kinder|kindest", "too lenient"),
    Rule(r"(that|it|what) lives", "is running"),
    Rule(r"(its|their) turn", "queued"),
    Rule(r"last word|verdict's word", "label"),
    # The option groups and components of a configuration.
    Rule(r"part\.option", "GROUP.OPTION", in_code=True),
    Rule(
        r"registered parts?|(a|each|every|adding a) part(?= (is|has|that|in|needs|of the (user|config)))",
        "component / option group",
    ),
    Rule(r"of (the user's|one's) own", "your own / custom"),
)


@dataclass(frozen=True)
class Finding:
    """One place to rewrite."""

    file: str
    line: int
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}"


@dataclass(frozen=True)
class Block:
    """Text without a paragraph break, from consecutive lines of a file.

    ``masked`` has the length of ``text``; in it, code, addresses and placeholders are replaced by one word each.
    """

    text: str
    masked: str
    line_starts: tuple[tuple[int, int], ...]
    """Offset in the text and line number of each line, in order."""

    def line_at(self, offset: int) -> int:
        """Line number in the file of a character of the text."""
        index = bisect_right(self.line_starts, (offset, sys.maxsize)) - 1
        return self.line_starts[index][1]


Lines = list[tuple[int, str]]
"""Line numbers and text."""


# What is found in a text.


def check_blocks(file: str, blocks: Iterable[Block]) -> list[Finding]:
    """Findings of the blocks of one file, in order of their lines."""
    findings = []
    for block in blocks:
        for start, end in sentence_spans(block.masked):
            findings += check_sentence(file, block, start, end)
    return sorted(findings, key=lambda finding: finding.line)


def check_sentence(file: str, block: Block, start: int, end: int) -> Iterator[Finding]:
    """Findings of one sentence, given by its offsets in the block."""
    original, masked = block.text[start:end], block.masked[start:end]
    words = count_words(masked)
    if words > MAX_WORDS:
        yield Finding(file, block.line_at(start), f"sentence has {words} words: {shorten(original)}")
    reported: list[tuple[int, int]] = []
    for rule, expression, exception in COMPILED_RULES:
        if Path(file).name in rule.exempt:
            continue
        searched = original if rule.in_code else masked
        if exception.search(searched):
            continue
        for match in expression.finditer(searched):
            if any(match.start() < last and first < match.end() for first, last in reported):
                continue
            reported.append(match.span())
            phrase = shorten(original[match.start() : match.end()])
            advice = rule.advice if rule.advice.startswith(("say ", "name ")) else f"write '{rule.advice}'"
            line = block.line_at(start + match.start())
            yield Finding(file, line, f"'{phrase}' is not plain English, {advice}: {shorten(original)}")


def shorten(text: str) -> str:
    """One line of a text, cut after some characters."""
    text = " ".join(text.split())
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "..."


def compile_rule(rule: Rule) -> tuple[Rule, re.Pattern[str], re.Pattern[str]]:
    """Let a rule match whole words only, with any white space between them."""
    pattern = rule.pattern.replace(" ", r"\s+")
    expression = re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-]|'(?!s\b))", re.IGNORECASE)
    return rule, expression, re.compile(rule.unless, re.IGNORECASE)


COMPILED_RULES = [compile_rule(rule) for rule in RULES]


ABBREVIATIONS = {
    "e.g.",
    "i.e.",
    "al.",
    "cf.",
    "vs.",
    "fig.",
    "figs.",
    "eq.",
    "eqs.",
    "sec.",
    "approx.",
    "resp.",
    "p.",
    "pp.",
}
SENTENCE_END = re.compile(r"[.!?]+[\"'\u201d\u2019)\]*_]*(?=\s+[\"'\u201c\u2018(\[*_]*[A-Z0-9])")


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Offsets of the start and the end of each sentence of a text without paragraph breaks."""
    start = 0
    for match in SENTENCE_END.finditer(text):
        before = text[start : match.start() + 1].split()
        last_token = before[-1].lstrip("([\"'*_")
        is_list_number = len(before) == 1 and re.fullmatch(r"\d+\.", last_token)
        if last_token.lower() in ABBREVIATIONS or is_list_number:
            continue
        yield start, match.end()
        start = match.end() + 1
    if text[start:].strip():
        yield start, len(text)


def count_words(text: str) -> int:
    """Count tokens between white space that hold a letter or a digit."""
    return sum(any(character.isalnum() for character in token) for token in text.split())


# Masking: what is not prose keeps its length.


def as_word(match: re.Match[str]) -> str:
    """Replace a match by one word of the same length."""
    return "X" * len(match.group())


def as_space(match: re.Match[str]) -> str:
    """Replace a match by white space of the same length, line breaks kept."""
    return re.sub(r"[^\n]", " ", match.group())


def link_as_text(match: re.Match[str]) -> str:
    """Leave only the text of a Markdown link or image."""
    opening, text, target = match.groups()
    return " " * len(opening) + text + " " * len(target)


INLINE_CODE = re.compile(r":?\w*:?(`+)(?!`).+?(?<!`)\1(?!`)")
INLINE_MATH = re.compile(r"\$(?!\s)[^$\n]*[^$\s]\$(?!\w)|\\\(.+?\\\)")
ADDRESS = re.compile(r"<?https?://[^\s>)]+>?")
LINK = re.compile(r"(!?\[)([^\[\]]*)(\]\([^()\s]*(?:\s+\"[^\"]*\")?\)|\]\[[^\]]*\])")
GENERATED_DEFAULTS = re.compile(r"\*\*\[required\]\*\*|\*\[(choices|default|env)[^\]]*\]\*")
TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->")


def mask(text: str) -> str:
    """Text of the same length in which code, math, addresses and links count as they should."""
    text = INLINE_CODE.sub(as_word, text)
    text = INLINE_MATH.sub(as_word, text)
    text = LINK.sub(link_as_text, text)
    text = LINK.sub(link_as_text, text)  # an image within a link
    text = ADDRESS.sub(as_word, text)
    text = GENERATED_DEFAULTS.sub(as_space, text)
    return TAG.sub(as_space, text)


def block_of(lines: Lines) -> Block:
    """Join lines into one block."""
    starts, parts, offset = [], [], 0
    for number, line in lines:
        starts.append((offset, number))
        parts.append(line)
        offset += len(line) + 1
    text = " ".join(parts)
    return Block(text, mask(text), tuple(starts))


# Splitting text into blocks.


LAYOUT = re.compile(r"[a-z\d/}`)]\s{2,}\S|^[├└│]|[├└]──")
"""A row of text that is set in columns, or of a drawn tree: a sentence of its own."""
LIST_ITEM = re.compile(r"(?:[-*+•]|\d+[.)]|:\w[\w ]*:)\s+")


def split_plain(lines: Lines) -> Iterator[Block]:
    """Blocks of a docstring, a comment or a message: paragraphs, list items, and numpydoc names and descriptions."""
    paragraph: Lines = []
    paragraph_indent = 0
    code_indent: int | None = None
    for position, (number, line) in enumerate(lines):
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if code_indent is not None:
            if not stripped or indent > code_indent:
                continue
            code_indent = None
        following = lines[position + 1][1].strip() if position + 1 < len(lines) else ""
        is_heading = bool(re.fullmatch(r"[-=]{3,}", following))
        is_item = bool(LIST_ITEM.match(stripped))
        # The first line of a docstring stands after the quotes, so that its indentation says nothing.
        changes_indent = bool(paragraph) and indent != paragraph_indent and paragraph[0][0] != lines[0][0]
        continues_item = bool(paragraph) and indent > paragraph_indent and bool(LIST_ITEM.match(paragraph[0][1]))
        is_row = bool(LAYOUT.search(stripped))
        if not stripped or is_heading or is_item or is_row or (changes_indent and not continues_item):
            if paragraph:
                yield block_of(paragraph)
            paragraph = []
        if not stripped or re.fullmatch(r"[-=]{3,}", stripped) or stripped.startswith((">>>", "... ")):
            continue
        if not paragraph:
            paragraph_indent = indent
        paragraph.append((number, stripped))
        if stripped.endswith("::"):
            code_indent = indent
    if paragraph:
        yield block_of(paragraph)


ADMONITION = re.compile(r"(?:!!!|\?\?\?\+?|===)\s*(?:\w+\s*)*(?:\"(.*)\")?")
RULER = re.compile(r"[-=*_]{3,}")
FENCE = re.compile(r"(?:>\s*)?(`{3,}|~{3,})")


def split_markdown(lines: Lines) -> Iterator[Block]:
    """Blocks of a Markdown text: paragraphs, headings, list items, table cells, and the comments of code blocks."""
    text_lines, blocks = take_out_code(without_html_comments(without_front_matter(lines)))
    yield from blocks
    paragraph: Lines = []
    for number, line in text_lines:
        stripped = re.sub(r"^>\s?", "", line.strip())
        admonition = ADMONITION.fullmatch(stripped)
        in_heading = bool(paragraph) and paragraph[0][1].startswith("#")
        is_text = bool(stripped) and not stripped.startswith("|") and not admonition and not RULER.fullmatch(stripped)
        if paragraph and (not is_text or in_heading or stripped.startswith("#") or LIST_ITEM.match(stripped)):
            yield block_of(paragraph)
            paragraph = []
        if is_text:
            paragraph.append((number, stripped))
        elif stripped.startswith("|"):
            yield from table_cells(number, stripped)
        elif admonition and admonition.group(1):
            yield block_of([(number, admonition.group(1))])
    if paragraph:
        yield block_of(paragraph)


def take_out_code(lines: Lines) -> tuple[Lines, list[Block]]:
    """Blank out code blocks, displayed equations and references to docstrings; also the blocks of the code."""
    kept: Lines = []
    blocks: list[Block] = []
    fence = ""
    in_math = in_reference = in_list = False
    may_be_indented_code = True
    for number, line in lines:
        stripped = line.strip()
        opening = FENCE.match(stripped)
        is_text = False
        is_indented = line.startswith("    ")
        if stripped and not is_indented:
            in_list = bool(LIST_ITEM.match(stripped) or ADMONITION.fullmatch(stripped))
        if fence:
            if opening and opening.group(1).startswith(fence):
                fence = ""
            else:
                blocks += code_blocks(number, stripped)
        elif opening:
            fence = opening.group(1)
        elif in_math or stripped.startswith("$$"):
            in_math ^= stripped.count("$$") % 2 == 1
        elif stripped.startswith(":::"):
            in_reference = True
        elif is_indented and may_be_indented_code and not in_list:
            if not in_reference:
                blocks += code_blocks(number, stripped)
        else:
            in_reference = in_reference and not stripped
            is_text = True
        may_be_indented_code = not is_text or not stripped
        kept.append((number, line if is_text else ""))
    return kept, blocks


def without_front_matter(lines: Lines) -> Lines:
    """Leave out the settings between two lines of hyphens that a page may begin with."""
    if not lines or lines[0][1].strip() != "---":
        return lines
    end = next((index for index, (_, line) in enumerate(lines) if index and line.strip() == "---"), 0)
    return lines[end + 1 :]


def without_html_comments(lines: Lines) -> Lines:
    """Replace HTML comments, also those over several lines, by white space."""
    text = "\n".join(line for _, line in lines)
    text = re.sub(r"<!--.*?-->", as_space, text, flags=re.DOTALL)
    numbers = [number for number, _ in lines]
    return list(zip(numbers, text.split("\n"), strict=True)) if lines else []


def code_blocks(number: int, line: str) -> Iterator[Block]:
    """The comment of a line of code, and the line itself for the rules that apply to code."""
    code, mark, comment = line.partition("# ") if re.search(r"(^|\s)# ", line) else (line, "", "")
    if code.strip():
        yield Block(code, "X" * len(code), ((0, number),))
    if mark:
        yield block_of([(number, comment)])


def table_cells(number: int, row: str) -> Iterator[Block]:
    """Each cell of a row of a Markdown table."""
    masked = INLINE_CODE.sub(as_word, row).replace(r"\|", "XX")
    start = 0
    for index, character in enumerate(masked + "|"):
        if character == "|":
            cell = row[start:index].strip()
            start = index + 1
            if cell and not re.fullmatch(r":?-+:?", cell):
                yield block_of([(number, cell)])


# Reading files of each kind.


def read_markdown(text: str) -> Iterator[Block]:
    """Blocks of a Markdown file."""
    yield from split_markdown(list(enumerate(text.splitlines(), 1)))


def read_python(text: str, with_messages: bool) -> Iterator[Block]:
    """Blocks of the docstrings and comments of a Python file and, with ``with_messages``, of its string literals."""
    tree = ast.parse(text)
    lines = text.splitlines()
    yield from split_comments(text)
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from split_plain(docstring_lines(lines, node.value))
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and with_messages:
            yield from message_blocks(node.lineno, node.value)
        if isinstance(node, ast.JoinedStr):
            literal = "".join(
                part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "X"
                for part in node.values
            )
            if with_messages:
                yield from message_blocks(node.lineno, literal)
            nodes += [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
            continue
        nodes += ast.iter_child_nodes(node)


def docstring_lines(lines: list[str], node: ast.Constant) -> Lines:
    """The source lines of a docstring without its quotes."""
    assert node.end_lineno is not None
    source = lines[node.lineno - 1 : node.end_lineno]
    source[-1] = source[-1].encode()[: node.end_col_offset].decode()
    source[0] = source[0].encode()[node.col_offset :].decode()
    source[0] = re.sub(r"^[rRuU]?(\"\"\"|'''|\"|')", "", source[0])
    source[-1] = re.sub(r"(\"\"\"|'''|\"|')$", "", source[-1])
    return list(enumerate(source, node.lineno))


NOT_PROSE = re.compile(
    r"\\[wdsbSWD.(\[]|\(\?|\[\^"  # a regular expression
    r"|[{;]\s*[\w-]+\s*:[^;{}]*[;}]"  # a style sheet
    r"|\b(SELECT|INSERT|CREATE TABLE)\b|\bimport \w+;|^\s*(import|from) \w+|print\("  # SQL and Python
)


def message_blocks(number: int, text: str) -> Iterator[Block]:
    """Blocks of a string literal of two words or more; the sentences of short ones are never too long."""
    if count_words(text) < 2 or NOT_PROSE.search(text):
        return
    if count_words(text) < MIN_MESSAGE_WORDS and not re.search(r"[a-z]{3}", text):
        return
    yield from split_plain([(number, line) for line in text.splitlines()])


IGNORED_COMMENT = re.compile(r"#(!|\s*(type:|noqa|pragma|fmt:|ruff:|mypy:))")


def split_comments(text: str) -> Iterator[Block]:
    """Blocks of Python comments; whole-line comments that follow each other at one column are one text."""
    group: Lines = []
    previous = (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT or IGNORED_COMMENT.match(token.string):
            continue
        line, column = token.start
        is_whole_line = not token.line[:column].strip()
        if group and not (is_whole_line and previous == (line - 1, column)):
            yield from split_plain(group)
            group = []
        group.append((line, token.string.lstrip("#:").removeprefix(" ")))
        previous = (line, column) if is_whole_line else (0, 0)
    yield from split_plain(group)


BLOCK_TAG = re.compile(
    r"</?(?:a(?=rticle|side)|p|div|section|header|footer|main|nav|h\d|li|ul|ol|dl|dt|dd|table|thead|tbody|tr|td|th|br|hr|label|"
    r"button|option|select|figure|figcaption|summary|details|title|pre|img|input|html|head|body|meta|link)\b[^<>]*>"
)
VISIBLE_ATTRIBUTE = re.compile(r"\b(?:alt|title|aria-label|placeholder|content)=\"([^\"<>]*)\"")
QUOTED = re.compile(r"\"([^\"\n]*)\"|'([^'\n]*)'|`([^`\n]*)`")


def read_template(text: str) -> Iterator[Block]:
    """Blocks of the visible text of a Jinja template of HTML, its labels, and the messages of its scripts."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        for attribute in VISIBLE_ATTRIBUTE.finditer(line):
            label = re.sub(r"\{\{.*?\}\}", as_word, attribute.group(1))
            yield from message_blocks(number, re.sub(r"\{%.*?%\}", as_space, label))
    for script in re.finditer(r"<script.*?</script>|\{\{.*?\}\}|\{%.*?%\}", text, re.DOTALL):
        first = text.count("\n", 0, script.start()) + 1
        for number, line in enumerate(script.group().splitlines(), first):
            for quoted in QUOTED.finditer(line):
                literal = next(group for group in quoted.groups() if group is not None)
                literal = re.sub(r"\$?\{\{?.*?\}\}?", as_word, literal)
                if count_words(literal) >= MIN_MESSAGE_WORDS:
                    yield from message_blocks(number, literal)
    text = re.sub(r"\{% block style %\}.*?\{% endblock %\}", as_space, text, flags=re.DOTALL)
    text = re.sub(r"<(script|style)\b.*?</\1>|<!--.*?-->|\{#.*?#\}|<!DOCTYPE[^>]*>", as_space, text, flags=re.DOTALL)
    text = re.sub(r"\{\{.*?\}\}", as_word, text, flags=re.DOTALL)
    text = re.sub(r"\{%.*?%\}", lambda match: paragraph_break(match.group()), text, flags=re.DOTALL)
    text = BLOCK_TAG.sub(lambda match: paragraph_break(match.group()), text)
    number, paragraph = 1, []
    for piece in re.split(r"(\n|\x00)", text):
        if piece == "\n":
            number += 1
        elif piece == "\x00" or not piece.strip():
            if paragraph and piece == "\x00":
                yield block_of(paragraph)
                paragraph = []
        else:
            paragraph.append((number, piece))
    if paragraph:
        yield block_of(paragraph)


def paragraph_break(text: str) -> str:
    """A mark that ends a paragraph, with the line breaks of the text that it replaces."""
    return "\x00" + "\n" * text.count("\n")


def read_markdown_template(text: str) -> Iterator[Block]:
    """Blocks of a Jinja template of Markdown."""
    text = re.sub(r"\{% macro.*?\{% endmacro %\}\n?|\{#.*?#\}", as_space, text, flags=re.DOTALL)
    text = re.sub(r"\{\{.*?\}\}", as_word, text, flags=re.DOTALL)
    text = re.sub(r"\{%.*?%\}", as_space, text, flags=re.DOTALL)
    first = text.find("---")
    lines = list(enumerate(text.splitlines(), 1))
    yield from split_markdown(lines[text.count("\n", 0, first) :] if first >= 0 else lines)


HASH_COMMENT = re.compile(r"(?:^|\s)#+ (.+)")
SETTING = re.compile(r"\s*(?:- )?([\w -]+?)\s*[=:]\s*[\"']?(.*?)[\"']?,?\s*(?:#.*)?")


def read_settings(text: str, with_values: bool) -> Iterator[Block]:
    """Blocks of the comments of a TOML, YAML, make or Docker file and, with ``with_values``, of titles and texts."""
    comment: Lines = []
    for number, line in enumerate(text.splitlines(), 1):
        found = HASH_COMMENT.search(line)
        is_whole_line = line.lstrip().startswith("#")
        if comment and not (found and is_whole_line):
            yield from split_plain(comment)
            comment = []
        if found and is_whole_line:
            comment.append((number, found.group(1)))
        elif found:
            yield from split_plain([(number, found.group(1))])
        setting = SETTING.fullmatch(line)
        if setting and with_values and not is_whole_line:
            yield from message_blocks(number, setting.group(1))
            yield from message_blocks(number, setting.group(2))
    yield from split_plain(comment)


def read_notebook(text: str) -> Iterator[Block]:
    """Blocks of the Markdown cells of a notebook and of the comments of its code cells."""
    numbers: dict[str, list[int]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        numbers.setdefault(line.strip().rstrip(","), []).append(number)
    for cell in json.loads(text)["cells"]:
        source = cell["source"]
        source = source.splitlines(keepends=True) if isinstance(source, str) else source
        lines = []
        for line in source:
            known = numbers.get(json.dumps(line, ensure_ascii=False)) or numbers.get(json.dumps(line)) or [1]
            lines.append((known[0], line.rstrip("\n")))
        if cell["cell_type"] == "markdown":
            yield from split_markdown(lines)
        else:
            for number, line in lines:
                yield from code_blocks(number, line)


def read_blocks(path: Path) -> Iterator[Block]:
    """Blocks of a file of any of the kinds above."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        in_tests = shown_name(path).startswith("tests/")
        yield from read_python(text, with_messages=not in_tests)
    elif path.suffix == ".ipynb":
        yield from read_notebook(text)
    elif path.suffix == ".html":
        yield from read_template(text)
    elif path.suffix == ".md" and path.parent.name == "templates":
        yield from read_markdown_template(text)
    elif path.suffix == ".md":
        yield from read_markdown(text)
    else:
        yield from read_settings(text, with_values=path.suffix in (".toml", ".yml", ".cff"))


def shown_name(path: Path) -> str:
    """The path from the root of the repository, or the path as it is if it is elsewhere."""
    resolved = path.resolve()
    return resolved.relative_to(ROOT).as_posix() if resolved.is_relative_to(ROOT) else str(path)


def check_file(path: Path) -> list[Finding]:
    """Findings of one file, in order of their lines."""
    return check_blocks(shown_name(path), read_blocks(path))


PATTERNS = (
    "*.md",
    "*.toml",
    "*.yml",
    "*.cff",
    "Makefile",
    "Dockerfile",
    "constraints.txt",
    "docs/**/*.md",
    "discogan/**/*.py",
    "discogan/**/*.toml",
    "discogan/pages/templates/*",
    "benchmarks/**/*.py",
    "examples/**/*.py",
    "examples/**/*.ipynb",
    "tests/**/*.py",
)


def prose_files() -> list[Path]:
    """Every file of the repository that is checked."""
    found = {path for pattern in PATTERNS for path in ROOT.glob(pattern) if path.is_file()}
    return sorted(path for path in found if "__pycache__" not in path.parts)


def main(arguments: list[str]) -> int:
    """Print the findings of the files named, or of all files; 1 if there are any."""
    files = [Path(name) for name in arguments] or prose_files()
    findings = [finding for path in files for finding in check_file(path)]
    for finding in findings:
        print(finding)  # noqa: T201
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
