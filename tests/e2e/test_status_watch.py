"""status --watch with a real daemon: a live view on a terminal, lines on a pipe."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

from tests.conftest import put
from tests.support.commands import BIN, Start

ALTERNATE_SCREEN, BACK = b"\x1b[?1049h", b"\x1b[?1049l"


def read_until(terminal: int, wanted: bytes) -> bytes:
    """Read from a terminal until `wanted` is printed. Returns the output."""
    output, deadline = b"", time.monotonic() + 60
    while wanted not in output:
        assert time.monotonic() < deadline, output
        if select.select([terminal], [], [], 1)[0]:
            output += os.read(terminal, 1 << 16)
    return output


def resize(terminal: int, columns: int, lines: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))


def test_status_watch_on_a_terminal_shows_a_view_and_restores_the_screen(
    inbox: Path, start: Start
) -> None:
    daemon = start()
    put(inbox, "sun", 3)
    daemon.settle()
    mine, its = pty.openpty()
    resize(mine, 100, 30)
    process = subprocess.Popen(
        [BIN / "imgscore", "status", "--watch"], stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    output = read_until(mine, b"last events")
    assert ALTERNATE_SCREEN in output and b"running" in output and b"needs 2 more keep" in output
    resize(mine, 60, 16)
    put(inbox, "text", 1)
    read_until(mine, b"text-000")
    process.send_signal(signal.SIGINT)
    rest = read_until(mine, BACK)
    assert b"Traceback" not in rest
    assert process.wait(timeout=60) == 0
    os.close(mine)


def test_status_watch_on_a_pipe_prints_lines(inbox: Path, start: Start) -> None:
    daemon = start()
    for options, check in (
        (["--json"], lambda line: json.loads(line)["state"] == "running"),
        ([], lambda line: b"running, 0 images, nothing pending" in line),
    ):
        with subprocess.Popen(
            [BIN / "imgscore", "status", "--watch", *options], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert all(check(process.stdout.readline()) for _ in range(2))
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
    assert daemon.status()["state"] == "running"
