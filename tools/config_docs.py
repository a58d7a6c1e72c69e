"""Writes the list of settings in docs/config.md from the schema: `make docs`. A test compares.

What stands outside of its two marks is written by hand.
"""

import ast
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect as schema

from imgscore.config import MAX_SECONDS, Config, DaemonConfig, WatchConfig

PAGE = Path(__file__).parent.parent / "docs/config.md"
BEGIN, END = "<!-- from the schema: make docs -->", "<!-- end -->"
EXAMPLES = {"inbox": "~/Pictures/inbox"}


def settings() -> str:
    """A whole config.toml: every setting with what it means, its limits and its default."""
    tables = (("", Config), ("[[watch]]", WatchConfig), ("[daemon]", DaemonConfig))
    return "\n\n".join("\n".join(_table(name, kind)) for name, kind in tables)


def _table(name: str, kind: type[msgspec.Struct]) -> Iterator[str]:
    if name:
        yield name
    described = _descriptions(kind)
    info = schema.type_info(kind)
    assert isinstance(info, schema.StructType)
    for field in info.fields:
        if isinstance(field.type, schema.StructType | schema.ListType):
            continue  # a table of its own
        default = EXAMPLES[field.name] if field.required else field.default
        limits = _limits(field.type)
        yield f"# {described[field.name]}{f' ({limits})' if limits else ''}"
        yield f"{field.name} = {_toml(default)}"


def _descriptions(kind: type) -> dict[str, str]:
    """The strings under the fields of a class."""
    (made,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(made, ast.ClassDef)
    found = {}
    for field, after in zip(made.body, made.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
            assert isinstance(field.target, ast.Name) and isinstance(after.value, ast.Constant)
            found[field.target.id] = " ".join(str(after.value.value).split())
    return found


def _limits(kind: Any) -> str:
    match kind:
        case schema.LiteralType(values):
            return " or ".join(json.dumps(value) for value in values)
        case schema.IntType(ge=least, le=most) | schema.FloatType(ge=least, le=most):
            if most in (None, MAX_SECONDS):
                return f"at least {least}" if least else ""
            return f"{least} to {most}"
        case _:
            return ""


def _toml(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


def page(text: str) -> str:
    """The page with its settings as they are now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n```toml\n{settings()}\n```\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
