"""Tests of the detection of a terminal's image protocol, over a pseudo-terminal."""

import os
import pty
import select
import threading
from collections.abc import Iterator

import pytest

from imgscore.cli import terminal
from imgscore.cli.terminal import Protocol, cell, protocol

KITTY = b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c"
KITTY_NO = b"\x1b_Gi=31;ENOTSUPPORTED\x1b\\\x1b[?62;c"
SIXEL, PLAIN = b"\x1b[?62;4;22c", b"\x1b[?62;14;22c"


def asked(answer: bytes, **environment: str) -> Protocol | None:
    """The protocol of a terminal that answers so."""
    mine, its = pty.openpty()

    def answering() -> None:
        question = b""
        while not question.endswith(b"\x1b[c") and select.select([mine], [], [], 60)[0]:
            question += os.read(mine, 1024)
        os.write(mine, answer)

    thread = threading.Thread(target=answering)
    thread.start()
    try:
        return protocol(its, {"TERM": "xterm-256color", **environment})
    finally:
        thread.join()
        os.close(mine)
        os.close(its)


@pytest.mark.parametrize(
    ("answer", "environment", "expected"),
    [
        (KITTY, {}, Protocol.KITTY),
        (KITTY_NO, {}, None),
        (SIXEL, {}, Protocol.SIXEL),
        (PLAIN, {}, None),
        (SIXEL, {"TERM_PROGRAM": "iTerm.app"}, Protocol.ITERM),
        (PLAIN, {"LC_TERMINAL": "iTerm2"}, Protocol.ITERM),
        (PLAIN, {"LC_TERMINAL": "iTerm2", "TERM": "tmux-256color"}, None),
        (SIXEL, {"LC_TERMINAL": "iTerm2", "TERM": "screen"}, Protocol.SIXEL),
    ],
)
def test_protocol_is_the_best_that_the_terminal_offers(
    answer: bytes,
    environment: dict[str, str],
    expected: Protocol | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(terminal, "ANSWER_SECONDS", 60.0)  # the machine may be busy
    assert asked(answer, **environment) is expected


@pytest.fixture
def silent() -> Iterator[int]:
    """A terminal that answers nothing and has no size."""
    mine, its = pty.openpty()
    yield its
    os.close(mine)
    os.close(its)


def test_protocol_of_a_silent_terminal_is_none(
    silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "ANSWER_SECONDS", 0.05)
    assert protocol(silent, {"TERM": "xterm"}) is None
    assert protocol(silent, {"TERM": "dumb"}) is None


def test_protocol_of_a_pipe_is_none() -> None:
    read, write = os.pipe()
    assert protocol(write, {"TERM": "xterm"}) is None
    os.close(read)
    os.close(write)


def test_cell_of_a_terminal_without_size_is_the_default(silent: int) -> None:
    assert cell(silent) == (10, 20)
