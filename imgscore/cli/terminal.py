"""Asks the terminal which image protocol it supports. Draws nothing."""

import fcntl
import os
import re
import select
import struct
import termios
import time
import tty
from collections.abc import Callable, Mapping
from enum import Enum

ANSWER_SECONDS = 1.0
"""Longest wait for the answer. Terminals answer in milliseconds, even over a slow line."""
# An image of one pixel in kitty's protocol, to be checked and not drawn, then a request for the
# device attributes. Every terminal answers the second, so its answer ends the wait.
_QUESTION = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_ITERM = frozenset({"iTerm.app", "iTerm2", "WezTerm", "mintty"})
_CELL = (10, 20)
"""A character's pixels if the terminal reports none: a VT340's, for which sixel was made."""


class Protocol(Enum):
    """The protocol in which images are sent to the terminal."""

    KITTY = "kitty"
    ITERM = "iTerm2"
    SIXEL = "sixel"


def protocol(terminal: int, environment: Mapping[str, str]) -> Protocol | None:
    """The image protocol of a terminal; None if it shows text only.

    terminal: an open, writable descriptor.
    """
    kind = environment.get("TERM", "dumb")
    if kind in ("dumb", "linux"):
        return None
    try:
        answer = _ask(terminal, _QUESTION, lambda text: _ATTRIBUTES.search(text) is not None)
    except (OSError, termios.error):
        return None
    if b"_Gi=31;OK" in answer:
        return Protocol.KITTY
    if not kind.startswith(("tmux", "screen")) and _ITERM & {
        environment.get("TERM_PROGRAM"),
        environment.get("LC_TERMINAL"),
    }:
        return Protocol.ITERM
    attributes = _ATTRIBUTES.search(answer)
    return Protocol.SIXEL if attributes and b"4" in attributes[1].split(b";") else None


def cell(terminal: int) -> tuple[int, int]:
    """Width and height of a character in pixels."""
    size = struct.pack("4H", 0, 0, 0, 0)
    try:
        size = fcntl.ioctl(terminal, termios.TIOCGWINSZ, size)
    except OSError:
        return _CELL
    lines, columns, width, height = struct.unpack("4H", size)
    if not (lines and columns and width and height):
        return _CELL
    return width // columns, height // lines


def _ask(terminal: int, question: bytes, is_complete: Callable[[bytes], bool]) -> bytes:
    """Write a question and read the answer until it is complete or the time is over."""
    before = termios.tcgetattr(terminal)
    answer, deadline = b"", time.monotonic() + ANSWER_SECONDS
    try:
        tty.setcbreak(terminal, termios.TCSANOW)
        os.write(terminal, question)
        while not is_complete(answer) and (left := deadline - time.monotonic()) > 0:
            if select.select([terminal], [], [], left)[0]:
                answer += os.read(terminal, 1024)
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)
    return answer
