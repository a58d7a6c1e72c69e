"""Finds out how a terminal can show images: which image protocol it supports."""

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
"""The longest time to wait for the answer of a terminal, in seconds.

Most terminals answer in milliseconds, even over a slow connection.
"""
# The escape sequences that are sent to a terminal, to find out what it supports. The first one
# contains an image of one pixel in kitty's protocol, and asks the terminal to check the image but
# not to draw it. The second one asks for the device attributes. Every terminal answers the second
# one, so imgscore waits for this answer.
_QUESTION = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_ITERM = frozenset({"iTerm.app", "iTerm2", "WezTerm", "mintty"})
_CELL = (10, 20)
"""The width and height of a character in pixels, used if the terminal does not report them.

A character of the VT340 has this size. The sixel format was made for this terminal.
"""


class Protocol(Enum):
    """A protocol for sending images to a terminal."""

    KITTY = "kitty"
    ITERM = "iTerm2"
    SIXEL = "sixel"


def protocol(terminal: int, environment: Mapping[str, str]) -> Protocol | None:
    """Return the image protocol of a terminal, or None if the terminal can show only text.

    `terminal`: the file descriptor of the terminal, open for reading and writing.
    `environment`: the environment variables.
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
    """Return the width and height of a character in pixels."""
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
    """Write escape sequences that ask a question to a terminal, and return the answer.

    Stop reading when `is_complete(answer)` is true, or after ANSWER_SECONDS.
    """
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
