"""Shortens paths for people: relative to the working folder, or to the home folder as ~.

Output with `--json` contains absolute paths and does not use this module.
"""

import os
import re
from functools import lru_cache

from imgscore.escape import printable


def short(path: str) -> str:
    """Return a path as short text, without control characters.

    A path in the working folder becomes relative to it. Another path in the home folder begins with
    ~. A relative path that a command could read as an option or a home folder begins with ./.
    """
    for folder, instead in _prefixes():
        if path.startswith(folder):
            rest = path.removeprefix(folder)
            unclear = not instead and rest.startswith(("-", "~"))
            return printable(f"./{rest}" if unclear else f"{instead}{rest}")
    return printable(path)


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
