"""A program in a terminal: keys that it gets, and the text that it writes."""

import os
import pty
import subprocess
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
def terminal(*command: str | Path, kind: str = "xterm-256color") -> Iterator[Terminal]:
    """Run a program in a terminal. `kind`: the value of TERM."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": kind, "COLUMNS": "80"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(ours, process)
        finally:
            process.terminate()
            process.wait(timeout=60)
            os.close(ours)
