"""Changes to config.toml that leave every other byte of it as the user wrote it."""

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

# tomlkit joins the [[watch]] tables that another table stands between: each is parsed alone.
_WATCH = re.compile(r"^(?=[ \t]*\[\[[ \t]*watch[ \t]*\]\])", re.MULTILINE)

Value = str | bool


def with_setting(text: str, key: str, value: Value) -> str:
    """The config's text with the top-level `key` set. Raises ConfigError."""
    return _edited(text, (key,), value)


def with_watch_setting(text: str, number: int, key: str, value: Value) -> str:
    """The config's text with `key` of its watch `number`, from 0, set. Raises ConfigError."""
    return _edited(text, ("watch", number, key), value)


def with_watch(text: str, settings: dict[str, Value]) -> str:
    """The config's text with one more `[[watch]]` at its end."""
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
    """Replace the file in one step: a reader sees the old config or the new one.

    A link stays, and the file that it names is replaced. Raises ConfigError.
    """
    file = Path(os.path.realpath(path))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else None
        write_atomic(file, text.encode(), mode=mode)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror}", "mend that folder's permissions"
        ) from None


def _edited(text: str, path: tuple[str | int, ...], value: Value) -> str:
    """The text with the value at `path` set, checked against what a TOML parser reads in it."""
    import tomlkit

    config.parse(text)
    wanted = _tree_with(text, path, value)
    pieces = _WATCH.split(text)
    number, inside = 0, path
    if len(path) > 1 and len(pieces) > 1:
        number, inside = int(path[1]) + 1, (path[0], 0, *path[2:])
    pieces[number] = _piece_with(pieces[number], inside, value, _newline(text))
    changed = "".join(pieces)
    try:
        exact = tomllib.loads(changed) == wanted
    except tomllib.TOMLDecodeError:
        exact = False
    if not exact:
        written = f"{path[-1]} = {tomlkit.item(value).as_string()}"
        raise ConfigError(
            f"config.toml: {path[-1]} could not be set", f"write it yourself: {written}"
        )
    config.parse(changed)
    return changed


def _piece_with(text: str, path: tuple[str | int, ...], value: Value, newline: str) -> str:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import InlineTable

    try:
        document = tomlkit.parse(text)
    except TOMLKitError:  # the text was cut within a string: the caller refuses what is unchanged
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
    else:  # beneath the table's header, above the comments that may stand at its end
        table.trivia.trail += line
    return document.as_string()


def _tree_with(text: str, path: tuple[str | int, ...], value: Value) -> dict[str, Any]:
    tree: dict[str, Any] = tomllib.loads(text)
    *parents, key = path
    table: Any = tree
    for step in parents:
        table = table[step]
    table[key] = value
    return tree


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
