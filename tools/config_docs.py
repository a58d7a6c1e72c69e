"""Generates the list of settings in docs/config.md from the schema: `make docs`.

A test checks that the list is up to date. The text outside the two markers is written by hand.
"""

import ast
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect as schema

from imgscore.config import MAX_SECONDS, Config, DaemonConfig, LinksConfig, WatchConfig

PAGE = Path(__file__).parent.parent / "docs/config.md"
BEGIN, END = "<!-- from the schema: make docs -->", "<!-- end -->"
EXAMPLES = {"inbox": "~/Pictures/inbox", "folder": "~/Pictures/best"}


def settings() -> str:
    """A complete config.toml: each setting with its meaning, its limits and its default."""
    tables = (
        ("", Config),
        ("[[watch]]", WatchConfig),
        ("[[links]]", LinksConfig),
        ("[daemon]", DaemonConfig),
    )
    return "\n\n".join("\n".join(_table(name, kind)) for name, kind in tables)


def _table(name: str, kind: type[msgspec.Struct]) -> Iterator[str]:
    if name:
        yield name
    descriptions = _descriptions(kind)
    info = schema.type_info(kind)
    assert isinstance(info, schema.StructType)
    for field in info.fields:
        if isinstance(field.type, schema.StructType) or field.name in ("watch", "links"):
            continue  # another table
        default = EXAMPLES[field.name] if field.required else field.default
        if isinstance(field.type, schema.ListType):
            default = []
        if isinstance(field.type, schema.DictType):
            default = {}
        limits = _limits(field.type)
        yield f"# {descriptions[field.name]}{f' ({limits})' if limits else ''}"
        yield f"{field.name} = {_format_toml(default)}"


def _descriptions(kind: type) -> dict[str, str]:
    """field → the string below it in the source of a class."""
    (tree,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(tree, ast.ClassDef)
    descriptions = {}
    for field, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
            assert isinstance(field.target, ast.Name) and isinstance(after.value, ast.Constant)
            descriptions[field.target.id] = " ".join(str(after.value.value).split())
    return descriptions


def _limits(kind: Any) -> str:
    match kind:
        case schema.LiteralType(values):
            return " or ".join(json.dumps(value) for value in values)
        case schema.IntType(ge=low, le=high) | schema.FloatType(ge=low, le=high):
            if high in (None, MAX_SECONDS):
                return f"at least {low}" if low else ""
            return f"{low} to {high}"
        case _:
            return ""


def _format_toml(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


def update_page(text: str) -> str:
    """The text of docs/config.md with the current list of settings."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n```toml\n{settings()}\n```\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(update_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
