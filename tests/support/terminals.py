"""A program in a terminal: keys that it gets, and the text that it writes."""

import fcntl
import os
import pty
import select
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgscore.testing import eventually


class Terminal:
    """A terminal of 80 columns with a program, and all that the program has written."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self._descriptor = descriptor
        self.process = process
        self.text = ""

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._descriptor, keys)

    def shows(self, text: str) -> None:
        """Wait until the program has written `text`."""

        def written() -> bool:
            if not select.select([self._descriptor], [], [], 0)[0]:
                return False
            try:
                self.text += os.read(self._descriptor, 1 << 16).decode(errors="replace")
            except OSError:  # the program has ended
                return True
            return text in self.text

        if text not in self.text:
            eventually(written, what=lambda: f"{text!r} in {self.text!r}")
        assert text in self.text, self.text

    def clear(self) -> None:
        """Forget the text until now."""
        self.text = ""


@contextmanager
def terminal(
    *command: str | Path, kind: str = "xterm-256color", controlling: bool = False
) -> Iterator[Terminal]:
    """Run a program in a terminal.

    `kind`: the value of TERM. `controlling`: whether it is the program's controlling terminal, as
    of a program that a shell starts in the foreground.
    """
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": kind, "COLUMNS": "80"}
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=controlling,
        preexec_fn=_take_terminal if controlling else None,  # noqa: PLW1509 - no other thread runs
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(ours, process)
        finally:
            process.terminate()
            process.wait(timeout=60)
            os.close(ours)


def _take_terminal() -> None:
    """Make stdin the controlling terminal of this process."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
