"""Generates docs/schemas/: a JSON Schema (2020-12) for each command with `--json`; `make docs`.

The schemas come from the structs of the responses, so a new command gets its schema by itself. A
key that is always printed is required. Other keys are allowed, because a newer version may add
keys.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import UnsetType

from imgscore.cli.output import ErrorLine
from imgscore.config import Config
from tools import cli_docs, response_docs
from tools.response_docs import Kind

FOLDER = cli_docs.ROOT / "docs/schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


class ShownConfig(Config, kw_only=True):
    """All settings in use."""

    file: str
    """the path of the config file"""


OTHERS = {
    "imgscore config show": ShownConfig,
    "error": ErrorLine,
}
"""The lines that --json prints and that are no response of a command."""


def responses() -> dict[str, Any]:
    """The type of the lines that each command prints with --json, by the name of its schema."""
    printed = {verb.name: verb.response for verb in cli_docs.verbs() if verb.response is not None}
    return {cli_docs.schema_name(name): kind for name, kind in (printed | OTHERS).items()}


def schema(name: str, response: Any) -> dict[str, Any]:
    """The schema of one line of output."""
    top = response_docs.kinds_of(response)
    kinds = list(dict.fromkeys(_all_structs(top)))
    references, definitions = msgspec.json.schema_components(
        kinds, ref_template="#/$defs/{name}", schema_hook=_anything
    )
    for kind, reference in zip(kinds, references, strict=True):
        _complete(definitions[reference["$ref"].rpartition("/")[2]], kind)
    lines = references[: len(top)]
    title = "A line on stderr if a command with --json fails"
    if name != "error":
        title = f"A line of the output of the command {name} with --json"
    return {
        "$schema": DIALECT,
        "$id": f"{name}.json",
        "title": title,
        **(lines[0] if len(lines) == 1 else {"anyOf": lines}),
        "$defs": definitions,
    }


def _anything(kind: Any) -> dict[str, Any]:
    """The schema of `object`: a value of any type."""
    if kind is not object:
        raise NotImplementedError
    return {"type": ["null", "boolean", "number", "string", "array", "object"]}


def _all_structs(kinds: Iterable[Kind]) -> Iterator[Kind]:
    """The structs, and then the structs inside them, with tagged ones."""
    kinds = list(kinds)
    yield from kinds
    for kind in kinds:
        for hint in get_type_hints(kind).values():
            yield from _all_structs(_structs_in(hint))


def _structs_in(hint: Any) -> Iterator[Kind]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for argument in get_args(hint):
        yield from _structs_in(argument)


def _complete(definition: dict[str, Any], kind: Kind) -> None:
    """Add the meanings of the keys; require all keys that are always printed."""
    hints, properties = get_type_hints(kind), definition["properties"]
    tag = kind.__struct_config__.tag_field
    definition["required"] = [] if tag is None else [tag]
    for field in msgspec.structs.fields(kind):
        key = properties[field.encode_name]
        key.pop("default", None)
        if meaning := response_docs.meanings(kind).get(field.name):
            key["description"] = meaning
        if UnsetType not in get_args(hints[field.name]):
            definition["required"].append(field.encode_name)
    definition.pop("additionalProperties", None)
    definition.pop("title", None)


def pages() -> dict[Path, str]:
    """The path and the text of each schema."""
    return {
        FOLDER / f"{name}.json": json.dumps(schema(name, response), indent=1, ensure_ascii=False)
        + "\n"
        for name, response in sorted(responses().items())
    }


if __name__ == "__main__":
    cli_docs.main(pages())
