"""Checks the output of commands with --json against docs/schemas."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from imgscore.testing import Completed

FOLDER = Path(__file__).parents[2] / "docs/schemas"


def name_of(arguments: Sequence[str | Path]) -> str:
    """The name of the schema of a command: its first word, or its first two for a subcommand."""
    words = [str(word) for word in arguments if not str(word).startswith("-")]
    both = "-".join(words[:2])
    return both if (FOLDER / f"{both}.json").exists() else words[0]


def check(arguments: Sequence[str | Path], done: Completed) -> None:
    """Check each line of stdout, and the errors on stderr."""
    for line in done.out.splitlines():
        check_line(name_of(arguments), line)
    for line in done.err.splitlines():
        if line.startswith("{"):
            check_line("error", line)


def check_line(name: str, line: str) -> None:
    """Check one line. Unlike in the published schema, a key that is not described is an error."""
    errors = [error.message for error in _validator(name).iter_errors(json.loads(line))]
    assert not errors, f"{name}: {errors}: {line}"


@cache
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    schema = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for definition in schema["$defs"].values():
        definition["additionalProperties"] = False
    return Draft202012Validator(schema)
