"""Opens stdin, stdout and stderr on /dev/null if they are closed.

Without this, the next file that a process opens gets the descriptor of the closed stream. All text
that libraries print then goes into that file, for example into the store.
"""

import os
import sys


def open_closed() -> None:
    """Open each closed standard stream on /dev/null. Call this before a file is opened.

    sys.stderr is then never None. sys.stdout stays None if stdout was closed.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The kernel gives the lowest free descriptor, which is `descriptor`.
            os.open(os.devnull, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)
            os.set_inheritable(descriptor, True)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
