"""docs/troubleshooting.md explains each warning and each problem that the doctor can find."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from imgscore.doctor import CHECKS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/troubleshooting.md"
LONG = 3
"""A part of a message with this many words must be in the page."""
CHECKED_ROLES = ("inbox", "keep", "trash")


def plain(text: str) -> str:
    """A text without markup, without punctuation at its ends, and on one line."""
    return " ".join(re.sub(r"[*`]", "", text).split()).strip(" .,;:()").casefold()


def sections() -> dict[str, str]:
    """The text about each check."""
    part = PAGE.read_text().partition("## Checks of the doctor")[2].partition("\n## ")[0]
    pieces = re.split(r"^### (.*)$", part, flags=re.MULTILINE)[1:]
    return {name: plain(text) for name, text in zip(pieces[::2], pieces[1::2], strict=True)}


def constants(node: ast.AST, function: ast.AST, depth: int = 0) -> Iterator[str]:
    """The text constants of an expression, and of the variables in it, in their function."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value
        elif isinstance(inner, ast.Name) and depth < 3:
            for assigned in ast.walk(function):
                if isinstance(assigned, ast.Assign) and any(
                    isinstance(target, ast.Name) and target.id == inner.id
                    for target in assigned.targets
                ):
                    yield from constants(assigned.value, function, depth + 1)


def findings() -> Iterator[tuple[str, str, list[str]]]:
    """(check, state, text constants of the detail) of each Finding in the source."""
    for file in sorted((ROOT / "imgscore/doctor").glob("*.py")):
        for function in ast.walk(ast.parse(file.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "Finding":
                    check, state, detail = call.args[:3]
                    names = [check.value] if isinstance(check, ast.Constant) else []
                    assert isinstance(state, ast.Constant)
                    texts = [plain(text) for text in constants(detail, function)]
                    if isinstance(check, ast.Name) and check.id == "role":
                        names = list(CHECKED_ROLES[:1])
                    for name in names:
                        yield str(name), str(state.value), [text for text in texts if text]


def test_troubleshooting_explains_each_finding() -> None:
    page, every = sections(), list(findings())
    assert tuple(page) == CHECKS
    fine = {text for _, state, texts in every if state == "ok" for text in texts}
    missing, count = [], 0
    for check, state, texts in every:
        own = [text for text in texts if text not in fine]
        if state == "ok" or not own:
            continue
        long = [text for text in own if len(text.split()) >= LONG]
        for text in long or [max(own, key=len)]:
            count += 1
            if text not in page[check]:
                missing.append((check, text))
    assert count > 25
    assert not missing
