"""Which way of showing pictures the terminal has, found out by asking it; nothing is drawn here."""

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

# A terminal answers in milliseconds, also over a slow line; one that does not answer shows text.
ANSWER_SECONDS = 1.0
# A picture of one pixel in kitty's protocol, to be checked and not shown; then "who are you",
# which every terminal answers, so that nobody waits for an answer to the first that never comes.
_QUESTION = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_ITERM = frozenset({"iTerm.app", "iTerm2", "WezTerm", "mintty"})
# Where a terminal does not say how large a character is: a VT340's, which sixel was made for.
_CELL = (10, 20)


class Protocol(Enum):
    """How a picture is sent."""

    KITTY = "kitty"
    ITERM = "iTerm2"
    SIXEL = "sixel"


def protocol(terminal: int, environment: Mapping[str, str]) -> Protocol | None:
    """What a terminal can show; None for text only. `terminal`: an open, writable descriptor."""
    kind = environment.get("TERM", "dumb")
    if kind in ("dumb", "linux"):
        return None
    try:
        answer = _ask(terminal, _QUESTION, lambda said: _ATTRIBUTES.search(said) is not None)
    except (OSError, termios.error):
        return None
    if b"_Gi=31;OK" in answer:
        return Protocol.KITTY
    if not kind.startswith(("tmux", "screen")) and _ITERM & {
        environment.get("TERM_PROGRAM"),
        environment.get("LC_TERMINAL"),
    }:
        return Protocol.ITERM
    found = _ATTRIBUTES.search(answer)
    return Protocol.SIXEL if found and b"4" in found[1].split(b";") else None


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


def _ask(terminal: int, question: bytes, whole: Callable[[bytes], bool]) -> bytes:
    """What the terminal answers, until that is whole or the time is over."""
    before = termios.tcgetattr(terminal)
    answer, deadline = b"", time.monotonic() + ANSWER_SECONDS
    try:
        tty.setcbreak(terminal, termios.TCSANOW)
        os.write(terminal, question)
        while not whole(answer) and (left := deadline - time.monotonic()) > 0:
            if select.select([terminal], [], [], left)[0]:
                answer += os.read(terminal, 1024)
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)
    return answer
