"""Asks in the terminal which of two images is better. One key gives each answer."""

from __future__ import annotations

import os
import re
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from imgscore import dispatch
from imgscore.cli import output, terminal_images
from imgscore.cli.formatting import answers_text
from imgscore.cli.output import print_note
from imgscore.cli.path_text import short
from imgscore.cli.terminal_images import Screen, images_of
from imgscore.errors import UsageError
from imgscore.verbs.base import rows_of
from imgscore.verbs.compare import Answered, PairAnswer, Proposal, Request

AnswerKey = Literal["first", "second", "same", "skip", "undo", "end"]

KEYS: dict[bytes, AnswerKey] = {
    b"1": "first", b"\x1b[D": "first", b"\x1bOD": "first",
    b"2": "second", b"\x1b[C": "second", b"\x1bOC": "second",
    b"s": "same", b" ": "skip", b"u": "undo",
    b"q": "end", b"\x04": "end",
}  # fmt: skip
"""For each key, as the bytes that a terminal sends: the meaning of the key. An arrow key sends an
escape sequence. Ctrl-D sends 0x04."""
_KEY = re.compile(rb"\x1b_.*?\x1b\\|\x1b[\[O][?\d;]*[^?\d;]|.", re.DOTALL)
"""A key, or the late answer of a slow terminal to the question whether it can show images. The
letters of such an answer are no keys."""
READ_BYTES = 1024
"""The largest number of bytes that are read at once. It is more than a person types ahead."""
PAIRS = 10
"""The number of pairs that are chosen at once. The choice can take some seconds."""
HELP = "1 or ← first · 2 or → second · s the same · space skip · u undo · q end"


def run(folder: str | None, taste: str | None, *, thumbnails: bool) -> None:
    """Show pairs and record the answers, until the user ends the session or no pair is left.

    `thumbnails`: draw thumbnails, if the terminal can show images.
    Raises UsageError if stdin or stdout is not a terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "--terminal needs a terminal for its input and output",
            "to compare in the browser, omit --terminal; to list the pairs: --list",
        )
    terminal = sys.stdin.fileno()
    screen = terminal_images.screen() if thumbnails else None
    if thumbnails and screen is None:
        print_note("this terminal cannot show images; to see them, omit --terminal")
    print_note(HELP)
    with _unbuffered(terminal):
        _session(folder, taste, Keys(lambda: os.read(terminal, READ_BYTES)), screen)


def _session(folder: str | None, taste: str | None, keys: Keys, screen: Screen | None) -> None:
    """Show pairs and record the answers, until the user ends the session or no pair is left."""
    answered: list[tuple[Proposal, list[int]]] = []
    waiting: list[Proposal] = []
    while True:
        if not waiting:
            waiting = _proposals(folder, taste)
        if not waiting:
            print_note("there is nothing left to compare")
            return
        proposal = waiting[0]
        _draw(proposal, screen)
        match keys.next():
            case "end":
                return
            case "undo":
                if answered:
                    before, numbers = answered.pop()
                    _record(Request(taste=before.taste, undo=numbers))
                    waiting.insert(0, before)
                else:
                    print_note("there is nothing to undo")
            case answer:
                first, second = (image.sha256 for image in proposal.images)
                pair = PairAnswer(first, second, answer)
                rows = _record(Request(taste=proposal.taste, answers=[pair]))
                numbers = [row.number for row in rows if row.number is not None]
                if numbers:
                    answered.append((proposal, numbers))
                waiting.pop(0)


def _proposals(folder: str | None, taste: str | None) -> list[Proposal]:
    messages = output.gathered(dispatch.call(Request(folder, taste, PAIRS)))
    return [row for row in rows_of(messages) if isinstance(row, Proposal)]


def _record(request: Request) -> list[Answered]:
    rows = [row for row in rows_of(dispatch.call(request)) if isinstance(row, Answered)]
    print_note(f"{rows[0].answer or 'no answer'}  ({answers_text(rows[-1].answers)})")
    return rows


def _draw(proposal: Proposal, screen: Screen | None) -> None:
    """Print the names of the images, and the images themselves if the terminal can show them."""
    sys.stdout.write(f"{output.fit(lambda: _names(proposal))}\n")
    pair = ((image.path, image.sha256) for image in proposal.images)
    sys.stdout.write(terminal_images.drawing(images_of(*pair), screen))
    sys.stdout.flush()


def _names(proposal: Proposal) -> str:
    return "  |  ".join(short(image.path or image.sha256) for image in proposal.images)


class Keys:
    """The keys that the user presses. Keys that were pressed early wait for their turn.

    `read`: returns the bytes of the next key or keys; b"" if the terminal was closed.
    """

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self._pressed = b""

    def next(self) -> AnswerKey:
        """Wait for a key of KEYS, and return its meaning. Other keys are ignored."""
        while True:
            if not self._pressed:
                self._pressed = self._read()
                if not self._pressed:
                    return "end"
            key = _KEY.match(self._pressed)
            assert key is not None  # the pattern matches any byte
            self._pressed = self._pressed[key.end() :]
            if (meaning := KEYS.get(key[0])) is not None:
                return meaning


@contextmanager
def _unbuffered(terminal: int) -> Iterator[None]:
    """Send each key to this program at once, and do not print it. Ctrl-C still ends the program."""
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
