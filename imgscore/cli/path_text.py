"""Shortens paths for people: relative to the working folder, or to the home folder as ~.

Output with `--json` contains absolute paths and does not use this module. On a terminal, a path
that makes a line too long is cut in the middle.
"""

import os
import re
import unicodedata
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache

from imgscore.escape import printable

MIN_COLUMNS = 24
"""The smallest width to which a path is cut, in columns. Most names of photographs are shorter."""
MIN_FOLDER_COLUMNS = 4
"""The smallest width of the folder before a name that is not cut, in columns."""
CUT = "…"
_returned: ContextVar[set[str] | None] = ContextVar("returned", default=None)
"""the texts that `short` has returned during the present call of `fitted`; None outside a call"""


def short(path: str) -> str:
    """Return a path as short text, without control characters.

    A path in the working folder becomes relative to it. Another path in the home folder begins with
    ~. A relative path that a command could read as an option or a home folder begins with ./.
    """
    for folder, instead in _prefixes():
        if path.startswith(folder):
            rest = path.removeprefix(folder)
            unclear = not instead and rest.startswith(("-", "~"))
            return _recorded(printable(f"./{rest}" if unclear else f"{instead}{rest}"))
    return _recorded(printable(path))


def _recorded(path: str) -> str:
    paths = _returned.get()
    if paths is not None:
        paths.add(path)
    return path


def fitted(make_text: Callable[[], str | None], width: int) -> str | None:
    """Return the text of `make_text`. Paths are cut so that its lines have at most `width` columns.

    Only the paths are cut that `short` returns inside `make_text`. A line that consists of a path
    stays whole, because the path is the result. A line is longer than `width` if it has too many
    paths, or too much other text.
    """
    returned: set[str] = set()
    token = _returned.set(returned)
    try:
        text = make_text()
    finally:
        _returned.reset(token)
    if text is None:
        return None
    paths = sorted(returned, key=len, reverse=True)
    return "\n".join(
        line if columns(line) <= width or line.strip() in paths else _with_cuts(line, paths, width)
        for line in text.split("\n")
    )


def _with_cuts(line: str, paths: list[str], width: int) -> str:
    found = [path for path in paths if len(path) > MIN_COLUMNS and path in line]
    if not found:
        return line
    pattern = re.compile("|".join(map(re.escape, found)))
    in_line = pattern.findall(line)
    room = width - columns(line) + sum(map(columns, in_line))
    # A path that is shorter than its share leaves the rest to the longer ones.
    rooms: dict[str, int] = {}
    for number, path in enumerate(sorted(in_line, key=columns)):
        rooms[path] = max(MIN_COLUMNS, room // (len(in_line) - number))
        room -= min(columns(path), rooms[path])
    return pattern.sub(lambda match: _cut(match[0], rooms[match[0]]), line)


def _cut(path: str, room: int) -> str:
    """Cut a path in the middle to `room` columns. The name stays whole if it fits."""
    if columns(path) <= room:
        return path
    folder, slash, name = path.rpartition("/")
    end = slash + name
    if not folder or columns(end) > room - MIN_FOLDER_COLUMNS:
        end = _start_of(path[::-1], room // 2)[::-1]
    return _start_of(path, room - columns(end) - columns(CUT)) + CUT + end


def _start_of(text: str, room: int) -> str:
    """Return the beginning of a text, with at most `room` columns."""
    for at, letter in enumerate(text):
        room -= columns(letter)
        if room < 0:
            return text[:at]
    return text


def columns(text: str) -> int:
    """Return the number of columns that a terminal uses for a text in one line."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def shortened(text: str) -> str:
    """Return a text, such as an error, in which paths are short. Control characters are escaped.

    A path in quotes stays as it is: a shell does not expand ~ in quotes.
    """
    for folder, instead in _prefixes():
        text = re.sub(rf"(?:(?<=[\s(])|^){re.escape(folder)}(?=[^\s])", instead, text)
    return printable(text, keep="\n")


def _prefixes() -> tuple[tuple[str, str], ...]:
    """Return pairs of a folder, with a slash at its end, and the text that replaces it."""
    try:
        here = os.getcwd()
    except OSError:  # the working folder was deleted
        here = ""
    return _pairs(here, os.path.expanduser("~"))


@lru_cache(maxsize=1)
def _pairs(here: str, home: str) -> tuple[tuple[str, str], ...]:
    pairs = {os.path.join(here, ""): ""} if here not in ("", "/") else {}
    if os.path.isabs(home) and home != "/":
        for folder in (home, os.path.realpath(home)):
            pairs.setdefault(os.path.join(folder, ""), "~/")
    return tuple(pairs.items())
