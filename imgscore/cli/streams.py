"""Prepares stdin, stdout and stderr of a command, and writes the rest of the output at the end.

A stream may be closed, its disk may be full, and its encoding may lack a character of a file name.
None of these may end a command with a traceback, or write the output into another file.
"""

import contextlib
import errno
import io
import os
import sys

from imgscore.errors import ImgscoreError
from imgscore.system import standard_streams

WRITE_ERRORS = frozenset({errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC})
"""The errors of writing. If such an error names no file, the command could not write its output,
because the library names the file in its own errors."""


def prepare() -> None:
    """Make the three streams usable. Call this before a file is opened.

    If stdout is closed, the command still runs, and `flush` raises the error.
    """
    standard_streams.open_closed()
    if sys.stdout is None:
        sys.stdout = _Closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush() -> None:
    """Write the rest of the output. Raises ImgscoreError if stdout cannot be written.

    Raises BrokenPipeError if the reader of stdout has ended.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritable(error) from None


def unwritable(error: OSError) -> ImgscoreError:
    """Return the error that reports that stdout cannot be written."""
    return ImgscoreError(
        f"the output cannot be written: {error.strerror}", "write the output to another place"
    )


def discard() -> None:
    """Write the rest of the output to /dev/null. Otherwise Python prints an error when it exits."""
    if isinstance(sys.stdout, _Closed):
        sys.stdout.truncate(0)
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()


class _Closed(io.StringIO):
    """A stdout that was closed before the command started."""

    def flush(self) -> None:
        """Raise OSError if the command has printed something."""
        if self.getvalue():
            raise OSError(errno.EBADF, "Bad file descriptor")
