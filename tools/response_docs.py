"""Generates the tables in docs/cli.md of the keys that `--json` prints; cli_docs.py uses it.

The keys are the fields of the responses' structs; the meanings are the strings below the fields.
"""

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UnsetType

Kind = type[msgspec.Struct]

WORDS = {str: "text", int: "integer", float: "number", bool: "true or false", NoneType: "null"}


def kinds_of(response: Any) -> tuple[Kind, ...]:
    """The structs of a response: itself, or the members of a union."""
    return get_args(response) or (response,)


def tables(response: Any, shared: frozenset[Kind]) -> Iterator[str]:
    """The lines that describe a response; structs in `shared` are described elsewhere."""
    kinds = kinds_of(response)
    if kinds[0].__struct_config__.tag is not None:
        yield from _tagged(kinds)
        return
    if len(kinds) > 1:
        yield from ("", "With `--json`, each line is one of these objects:")
    for kind in kinds:
        if len(kinds) > 1:
            yield from ("", f"*{_first_line(kind)}*")
        else:
            yield from ("", "With `--json`, each line has these keys:")
        yield from _table(kind, shared)
    for kind in nested(kinds):
        if kind not in shared:
            yield from ("", f"`{_title(kind)}`: {_first_line(kind)}")
            yield from _table(kind, shared)


def shared_tables(shared: frozenset[Kind]) -> Iterator[str]:
    """The lines that describe the structs which several responses contain."""
    for kind in sorted(shared, key=_title):
        yield from ("", f"### {_title(kind)}", "", _first_line(kind))
        yield from _table(kind, shared)


def shared_kinds(responses: Iterable[Any]) -> frozenset[Kind]:
    """The structs that are inside more than one response."""
    counts = Counter(kind for response in responses for kind in nested(kinds_of(response)))
    return frozenset(kind for kind, count in counts.items() if count > 1)


@cache
def meanings(kind: Kind) -> dict[str, str]:
    """The strings below the fields of a struct and of its bases, by the field's name."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not issubclass(base, msgspec.Struct) or base is msgspec.Struct:
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(definition, ast.ClassDef)
        for field, after in zip(definition.body, definition.body[1:], strict=False):
            match field, after:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                    value=ast.Constant(value=str(text))
                ):
                    texts[name] = _sentence(" ".join(text.split()))
    return texts


def _table(kind: Kind, shared: frozenset[Kind]) -> Iterator[str]:
    yield from ("", "| key | value | meaning |", "|---|---|---|")
    hints = get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        words, meaning = _words(hints[field.name], shared), meanings(kind).get(field.name, "")
        yield f"| `{field.encode_name}` | {_cell(words)} | {_cell(meaning)} |"


def _tagged(kinds: tuple[Kind, ...]) -> Iterator[str]:
    """The table of a tagged union: one row for each value of the tag."""
    key = kinds[0].__struct_config__.tag_field
    common = set.intersection(
        *({field.name for field in msgspec.structs.fields(kind)} for kind in kinds)
    )
    yield from ("", "With `--json`, each line has these keys:", "")
    yield from ("| key | meaning |", "|---|---|", f"| `{key}` | one of the values below |")
    yield from (f"| `{name}` | {meanings(kinds[0])[name]} |" for name in sorted(common))
    yield from ("", f"| `{key}` | meaning | other keys |", "|---|---|---|")
    for kind in sorted(kinds, key=lambda kind: str(kind.__struct_config__.tag)):
        keys = " ".join(
            f"`{field.encode_name}`: {meanings(kind)[field.name]}"
            for field in msgspec.structs.fields(kind)
            if field.name not in common
        )
        yield f"| `{kind.__struct_config__.tag}` | {_first_line(kind)} | {_cell(keys)} |"


def _words(hint: Any, shared: frozenset[Kind]) -> str:
    """A type in words; a link to a struct in `shared`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in WORDS:
        return WORDS[hint]
    if origin is Annotated:
        return _words(arguments[0], shared)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (list, tuple):
        return f"list of {_words(arguments[0], shared)}"
    if origin is dict:
        return "object"
    if origin in (UnionType, Union):
        members = [hint for hint in arguments if hint is not UnsetType]
        if all(map(_is_tagged, members)):
            return "events"
        words = " or ".join(_words(member, shared) for member in members)
        return words if len(members) == len(arguments) else f"{words}; may be missing"
    title = _title(hint)
    return f"[{title}](#{title.lower()})" if hint in shared else title


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _is_tagged(kind: Any) -> bool:
    return isinstance(kind, type) and bool(
        issubclass(kind, msgspec.Struct) and kind.__struct_config__.tag is not None
    )


def nested(kinds: Iterable[Kind]) -> list[Kind]:
    """The structs inside others, in order of appearance, without tagged structs."""
    kinds_inside: dict[Kind, None] = {}
    for kind in kinds:
        for hint in get_type_hints(kind).values():
            for inner in _structs_in(hint):
                kinds_inside |= {inner: None, **dict.fromkeys(nested([inner]))}
    return list(kinds_inside)


def _structs_in(hint: Any) -> Iterator[Kind]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        if not _is_tagged(hint):
            yield hint
        return
    for argument in get_args(hint):
        yield from _structs_in(argument)


def _title(kind: Kind) -> str:
    return kind.__name__


def _first_line(kind: Kind) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
