"""Change one setting in the text of config.toml, and keep all other bytes of the text."""

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

# This pattern splits a text before each [[watch]], so that each piece can be parsed alone. If
# tomlkit parsed the whole text, it would move all [[watch]] tables next to each other, even if
# another table is between them.
_WATCH = re.compile(r"^(?=[ \t]*\[\[[ \t]*watch[ \t]*\]\])", re.MULTILINE)

# This pattern splits a text before each [[watch]] and each [[links]].
_TABLE = re.compile(r"^(?=[ \t]*\[\[[ \t]*(?:watch|links)[ \t]*\]\])", re.MULTILINE)
_LINKS = re.compile(r"[ \t]*\[\[[ \t]*links[ \t]*\]\]")

Value = str | bool | int | float | list[str] | dict[str, str | list[str]]


def with_setting(text: str, key: str, value: Value) -> str:
    """Return the config `text` in which the top-level setting `key` has the value `value`.

    Raises ConfigError if the setting cannot be changed.
    """
    return _edited(text, (key,), value)


def with_watch_setting(text: str, number: int, key: str, value: Value) -> str:
    """Return the config `text` in which the setting `key` of one watch has the value `value`.

    `number`: the index of this watch among all watches, from 0. If `value` is a dict, only the keys
    in it are changed. Raises ConfigError if the setting cannot be changed.
    """
    if isinstance(value, dict) and key in tomllib.loads(text)["watch"][number]:
        for inner, item in value.items():
            text = _edited(text, ("watch", number, key, inner), item)
        return text
    return _edited(text, ("watch", number, key), value)


def with_watch(text: str, settings: dict[str, Value]) -> str:
    """Return the config `text` with a new `[[watch]]` table at the end.

    `settings`: the keys and values of the new table.
    """
    return _with_table(text, "watch", settings)


def with_links(text: str, settings: dict[str, Value]) -> str:
    """Return the config `text` with a new `[[links]]` table at the end, as `with_watch` does."""
    return _with_table(text, "links", settings)


def _with_table(text: str, table: str, settings: dict[str, Value]) -> str:
    lines = [f"[[{table}]]", *(_line(key, settings[key]) for key in settings)]
    newline = _newline(text)
    if text and not text.endswith("\n"):
        text += newline
    return text + (newline if text else "") + newline.join([*lines, ""])


def without_links(text: str, number: int) -> str:
    """Return the config `text` without one of its folders of links.

    `number`: the index of its table among all `[[links]]`, from 0. Raises ConfigError if the table
    cannot be removed.
    """
    config.parse(text)
    expected = tomllib.loads(text)
    del expected["links"][number]
    pieces = _TABLE.split(text)
    tables = [at for at, piece in enumerate(pieces) if _LINKS.match(piece)]
    if tables:
        pieces[tables[number]] = _piece_without_table(pieces[tables[number]], "links")
        changed = "".join(pieces)
        newline = _newline(text)
        if tables[number] == len(pieces) - 1 and changed.endswith(newline * 2):
            changed = changed.removesuffix(newline)
    else:
        changed = _inline_without_table(text, "links", number)
    if not _is_exact(changed, expected, "links"):
        raise ConfigError(
            "config.toml: the folder of links could not be taken out",
            "take its lines out of the file",
        )
    return changed


def without_watch(text: str, number: int) -> str:
    """Return the config `text` without one of its watches.

    `number`: the index of this watch among all watches, from 0. All other settings and comments
    stay. Raises ConfigError if the watch cannot be removed.
    """
    config.parse(text)
    expected = tomllib.loads(text)
    del expected["watch"][number]
    pieces = _WATCH.split(text)
    if len(pieces) > 1:
        pieces[number + 1] = _piece_without_table(pieces[number + 1], "watch")
        changed = "".join(pieces)
        newline = _newline(text)
        if number == len(pieces) - 2 and not pieces[-1] and changed.endswith(newline * 2):
            changed = changed.removesuffix(newline)
    else:
        changed = _inline_without_table(text, "watch", number)
    if not _is_exact(changed, expected, "watch"):
        raise ConfigError(
            "config.toml: the watch could not be taken out", "take its lines out of the file"
        )
    return changed


def _is_exact(changed: str, expected: dict[str, Any], table: str) -> bool:
    """Return whether a changed text has exactly the expected settings.

    `table`: the name of the tables of which one was taken out; none may be left.
    """
    try:
        found = tomllib.loads(changed)
    except tomllib.TOMLDecodeError:
        return False
    return {**found, table: found.get(table, [])} == expected


def write(path: Path, text: str) -> None:
    """Replace the content of the config file by `text`. The change is atomic and keeps the
    permissions.

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

    `path`: the keys and list positions that lead to the value, from the outermost table inwards.
    The new text is parsed again as a check. Raises ConfigError if the value could not be changed,
    or if the change would also affect another value.
    """
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
        raise ConfigError(
            f"config.toml: {path[-1]} could not be set",
            f"write this line into the file: {_line(str(path[-1]), value)}",
        )
    config.parse(changed)
    return changed


def _piece_with(text: str, path: tuple[str | int, ...], value: Value, newline: str) -> str:
    """Return `text` in which the value at `path` is `value`.

    `text` is the whole config or a piece of it. If it cannot be parsed alone, it is returned
    unchanged.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import InlineTable

    try:
        document = tomlkit.parse(text)
    # The pattern _WATCH has split the config within a string. The value is not changed, and the
    # caller raises ConfigError.
    except TOMLKitError:
        return text
    if document.as_string() != text:
        return text
    *parents, key = path
    table: Any = document
    for step in parents:
        table = table[step]
    inline = isinstance(table, InlineTable)
    line = f"{_line(str(key), value)}{newline}"
    if key in table or inline:
        table[key] = _item(value)
    elif table is document:
        return line + text
    # Insert the line directly below the header of the table, not at the end of the table. A comment
    # at the end may belong to the next table.
    else:
        table.trivia.trail += line
    return document.as_string()


def _piece_without_table(text: str, table: str) -> str:
    """Return `text` without the `[[watch]]` or `[[links]]` table at its beginning.

    A comment after the table stays if an empty line is above it, because it is about the next
    table. If the text cannot be parsed alone, it is returned unchanged.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document: Any = tomlkit.parse(text)
        end = [item.as_string() for key, item in document[table][0].value.body if key is None]
        body = document[table][0].as_string()
        document.remove(table)
    except (TOMLKitError, AttributeError, LookupError):
        return text
    rest = document.as_string()
    lines: list[str] = []
    for piece in reversed(end):
        if not body.endswith("".join([piece, *lines])):
            break
        lines.insert(0, piece)
    after = "".join(lines)
    newline = _newline(text)
    _, empty, kept = f"{newline}{after}".partition(newline * 2)
    return f"{newline if empty and kept else ''}{kept}{rest}"


def _inline_without_table(text: str, table: str, number: int) -> str:
    """Return `text` without one element of an array of tables, or unchanged if it is not parsed."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document: Any = tomlkit.parse(text)
        del document[table][number]
    except (TOMLKitError, LookupError):
        return text
    changed: str = document.as_string()
    return changed


def _tree_with(text: str, path: tuple[str | int, ...], value: Value) -> dict[str, Any]:
    """Parse `text`, set the value at `path` to `value`, and return the parsed tables."""
    tree: dict[str, Any] = tomllib.loads(text)
    *parents, key = path
    table: Any = tree
    for step in parents:
        table = table[step]
    table[key] = value
    return tree


def _line(key: str, value: Value) -> str:
    """Return the line of a config that gives a setting its value."""
    return f"{key} = {_item(value).as_string()}"


def _item(value: Value) -> Any:
    """Return a value as an item of tomlkit. A dict becomes a table in one line."""
    import tomlkit

    if not isinstance(value, dict):
        return tomlkit.item(value)
    table = tomlkit.inline_table()
    table.update(value)
    return table


def _newline(text: str) -> str:
    """Return the line end that `text` uses: CRLF if it has any, else LF."""
    return "\r\n" if "\r\n" in text else "\n"
