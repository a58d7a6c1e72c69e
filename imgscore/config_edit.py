"""Change config.toml, and keep all other bytes of the user's text."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from imgscore import config
from imgscore.errors import ConfigError
from imgscore.fsutil import write_atomic

# This pattern splits a text before each [[watch]]. The pieces are parsed one by one. If tomlkit
# parsed the whole text, it would move [[watch]] tables together that are separated by another
# table.
_WATCH = re.compile(r"^(?=[ \t]*\[\[[ \t]*watch[ \t]*\]\])", re.MULTILINE)

Value = str | bool


def with_setting(text: str, key: str, value: Value) -> str:
    """Return the config `text` in which the top-level `key` has the value `value`.

    Raises ConfigError if that is impossible.
    """
    return _edited(text, (key,), value)


def with_watch_setting(text: str, number: int, key: str, value: Value) -> str:
    """Return the config `text` in which `key` of a watch has the value `value`.

    `number`: the position of the watch; the first watch has the number 0. Raises ConfigError if
    that is impossible.
    """
    return _edited(text, ("watch", number, key), value)


def with_watch(text: str, settings: dict[str, Value]) -> str:
    """Return the config `text` with a new `[[watch]]` at the end.

    `settings`: the keys of the new watch.
    """
    import tomlkit

    lines = [
        "[[watch]]",
        *(f"{key} = {tomlkit.item(settings[key]).as_string()}" for key in settings),
    ]
    newline = _newline(text)
    if text and not text.endswith("\n"):
        text += newline
    return text + (newline if text else "") + newline.join([*lines, ""])


def write(path: Path, text: str) -> None:
    """Replace the config file atomically and keep its permissions.

    If `path` is a symbolic link, the file to which it points is replaced. Raises ConfigError if the
    file cannot be written.
    """
    file = Path(os.path.realpath(path))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else None
        write_atomic(file, text.encode(), mode=mode)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror}", "correct the folder's permissions"
        ) from None


def _edited(text: str, path: tuple[str | int, ...], value: Value) -> str:
    """Return the config `text` in which the value at `path` is `value`.

    `path`: keys and list positions. The result is parsed. Raises ConfigError if another value has
    changed too, or nothing has changed.
    """
    import tomlkit

    config.parse(text)
    expected = _tree_with(text, path, value)
    pieces = _WATCH.split(text)
    number, inside = 0, path
    if len(path) > 1 and len(pieces) > 1:
        number, inside = int(path[1]) + 1, (path[0], 0, *path[2:])
    pieces[number] = _piece_with(pieces[number], inside, value, _newline(text))
    changed = "".join(pieces)
    try:
        exact = tomllib.loads(changed) == expected
    except tomllib.TOMLDecodeError:
        exact = False
    if not exact:
        written = f"{path[-1]} = {tomlkit.item(value).as_string()}"
        raise ConfigError(
            f"config.toml: {path[-1]} could not be set", f"write it into the file: {written}"
        )
    config.parse(changed)
    return changed


def _piece_with(text: str, path: tuple[str | int, ...], value: Value, newline: str) -> str:
    """Return a piece of the text in which the value at `path` is `value`.

    Return the piece unchanged if it cannot be parsed alone.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import InlineTable

    try:
        document = tomlkit.parse(text)
    # The pattern has split the text within a string. The caller then raises ConfigError.
    except TOMLKitError:
        return text
    if document.as_string() != text:
        return text
    *parents, key = path
    table: Any = document
    for step in parents:
        table = table[step]
    inline = isinstance(table, InlineTable)
    line = f"{key} = {tomlkit.item(value).as_string()}{newline}"
    if key in table or inline:
        table[key] = value
    elif table is document:
        return line + text
    # Insert the line directly below the table's header. Comments at the end of the table may belong
    # to the next table.
    else:
        table.trivia.trail += line
    return document.as_string()


def _tree_with(text: str, path: tuple[str | int, ...], value: Value) -> dict[str, Any]:
    """Return the parsed `text`, in which the value at `path` is `value`."""
    tree: dict[str, Any] = tomllib.loads(text)
    *parents, key = path
    table: Any = tree
    for step in parents:
        table = table[step]
    table[key] = value
    return tree


def _newline(text: str) -> str:
    """Return the line end that a text uses."""
    return "\r\n" if "\r\n" in text else "\n"
