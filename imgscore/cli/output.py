"""Prints results to stdout, and all other text to stderr.

With `--json`, each result and each error is one line of JSON.

Control characters are escaped, because an attacker may have chosen the name of a file.
"""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TextIO

import msgspec

from imgscore.cli.path_text import fitted, shortened
from imgscore.cli.progress_bar import ProgressBar, duration
from imgscore.errors import ImgscoreError
from imgscore.escape import printable
from imgscore.messages import Message, Progress, R, Result

__all__ = ("duration", "print_error", "print_messages", "print_note", "printable", "to_json")

COLUMNS = 80
"""The width of a terminal that does not report its width."""


class ErrorLine(msgspec.Struct):
    """An error that ends a command. It is printed to stderr if the command has `--json`."""

    error: str
    """the problem"""
    remedy: str
    """what you can do; may be empty"""


def print_messages(
    messages: Iterable[Message[R]],
    human: Callable[[R], str | None],
    *,
    as_json: bool,
    images: Callable[[R], str] | None = None,
    nothing: str = "",
) -> int:
    """Print the rows and the progress of a verb, and return the exit code.

    The exit code is 1 if a row has an error, otherwise 0.

    `human`: a function that returns the text of a row, or None to print nothing.
    `images`: a function that returns the escape sequences that draw the images of a row. They are
    printed below the text of the row, and are not escaped.
    `nothing`: the text to print if there are no rows.
    """
    failed, empty = False, True
    with ProgressBar() as bar:
        for message in messages:
            match message:
                case Progress():
                    bar.show(message)
                case Result(row):
                    failed, empty = failed or getattr(row, "error", None) is not None, False
                    text = to_json(row) if as_json else fit(partial(human, row))
                    if text is not None:
                        bar.pause()
                        sys.stdout.write(printable(text, keep="\n") + "\n")
                    if images is not None:
                        sys.stdout.write(images(row))
    sys.stdout.flush()
    if empty and nothing and not as_json:
        print_note(nothing)
    return int(failed)


def gathered(messages: Iterable[Message[R]]) -> list[Message[R]]:
    """Return the results of a verb in a list, and show the progress until then."""
    results: list[Message[R]] = []
    with ProgressBar() as bar:
        for message in messages:
            if isinstance(message, Progress):
                bar.show(message)
            else:
                results.append(message)
    return results


def later(work: Callable[[], R]) -> Iterator[Message[R]]:
    """Yield the result of `work` as a message. print_messages shows a bar while the work runs."""
    yield Result(work())


def to_json(row: object) -> str:
    """Return a row as one line of JSON.

    A byte of a file name that is not UTF-8 is written as a lone surrogate, such as "\\udcff".
    """
    return json.dumps(msgspec.to_builtins(row), allow_nan=False)


def print_note(text: str) -> None:
    """Print a text to stderr, because stdout is only for results."""
    sys.stderr.write(printable(text, keep="\n") + "\n")


def fit(make_text: Callable[[], str | None]) -> str | None:
    """Return the text of `make_text`. If stdout is a terminal, paths are cut to its width."""
    return fitted(make_text, _width(sys.stdout)) if sys.stdout.isatty() else make_text()


def _width(terminal: TextIO) -> int:
    return os.get_terminal_size(terminal.fileno()).columns or COLUMNS


def wrapped(text: str, stream: TextIO) -> str:
    """Wrap the lines of a text at the width of a terminal, and indent the lines that continue.

    If `stream` is not a terminal, return the text unchanged.
    """
    if not stream.isatty():
        return text
    width = _width(stream)
    lines = []
    for line in text.split("\n"):
        indent = line[: len(line) - len(line.lstrip())] + "  "
        lines += textwrap.wrap(
            line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        ) or [""]
    return "\n".join(lines)


def print_error(error: ImgscoreError, *, as_json: bool) -> None:
    """Print an error and its remedy to stderr."""
    if as_json:
        print_note(to_json(ErrorLine(error.message, error.remedy)))
        return
    print_note(wrapped(f"imgscore: {shortened(error.message)}", sys.stderr))
    if error.remedy:
        print_note(wrapped(f"  what to do: {shortened(error.remedy)}", sys.stderr))
