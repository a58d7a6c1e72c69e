"""The remedies of all errors, as the source says them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
DESTROYS = re.compile(r"\b(rm|delete|remove|erase|unlink|shred)\b", re.IGNORECASE)
CARRIERS = re.compile(r"(Error|Failure|Finding|Refused|Unreadable|ModelUnavailable)$")


def _texts(node: ast.AST) -> str:
    """All text in an expression, without the values that it formats."""
    parts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return " ".join(part for part in parts if isinstance(part, str))


def _remedies(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The texts that follow the first text of an error, and the constants named REMEDY…."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if CARRIERS.search(name):
                first = 3 if name == "Finding" else 1
                for argument in node.args[first:]:
                    yield node.lineno, _texts(argument)
        names = [ast.unparse(target) for target in getattr(node, "targets", [])]
        names += [ast.unparse(node.target)] if isinstance(node, ast.AnnAssign) else []
        if any("remedy" in name.lower() or "REMEDIES" in name for name in names):
            value = getattr(node, "value", None)
            if value is not None:
                yield node.lineno, _texts(value)


def test_remedies_never_advise_to_remove_a_file() -> None:
    found, count = [], 0
    for folder in ("imgscore", "daemon"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for line, text in _remedies(ast.parse(file.read_text(encoding="utf-8"))):
                count += bool(text)
                if DESTROYS.search(text):
                    found.append(f"{file.relative_to(ROOT)}:{line}: {text}")
    assert count > 100, "the test finds the remedies"
    assert not found, found
