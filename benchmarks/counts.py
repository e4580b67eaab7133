"""Count the files, lines, functions and comprehensions of a package, for the table in docs/design.md.

    python benchmarks/counts.py discogan

A private function counts as used once if its name occurs once as a name or an attribute in the package.
"""

import ast
import statistics
import sys
from collections import Counter
from pathlib import Path

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def is_nested(comprehension: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> bool:
    """Return whether a comprehension has two loops or contains another one."""
    inner = [node for node in ast.walk(comprehension) if isinstance(node, COMPREHENSIONS)]
    return len(comprehension.generators) > 1 or len(inner) > 1


def count(folder: Path) -> dict[str, float]:
    """Return the counts of all Python files below a folder."""
    files = sorted(folder.rglob("*.py"))
    lines = 0
    lengths: list[int] = []
    private: list[str] = []
    comprehensions: list[ast.AST] = []
    uses: Counter[str] = Counter()
    for file in files:
        text = file.read_text("utf-8")
        lines += len(text.splitlines())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lengths.append((node.end_lineno or node.lineno) - node.lineno + 1)
                if node.name.startswith("_") and not node.name.startswith("__"):
                    private.append(node.name)
            elif isinstance(node, COMPREHENSIONS):
                comprehensions.append(node)
            elif isinstance(node, ast.Name):
                uses[node.id] += 1
            elif isinstance(node, ast.Attribute):
                uses[node.attr] += 1
    lengths.sort()
    return {
        "files": len(files),
        "lines": lines,
        "functions": len(lengths),
        "lines of a function, median": statistics.median(lengths),
        "lines of a function, 90th percentile": lengths[int(0.9 * len(lengths))],
        "private functions": len(private),
        "private functions used once": sum(uses[name] == 1 for name in set(private)),
        "comprehensions per 1,000 lines": round(1000 * len(comprehensions) / lines, 1),
        "nested comprehensions": sum(map(is_nested, comprehensions)),
    }


if __name__ == "__main__":
    for name, value in count(Path(sys.argv[1])).items():
        print(f"{name:38}{value:g}")
