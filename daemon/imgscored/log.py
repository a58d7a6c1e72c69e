"""The daemon's log: lines on stderr.

If stderr is connected to the systemd journal, each line begins with a priority.
"""

import logging
import os
import sys
from typing import TextIO

from imgscore.escape import printable
from imgscore.verbs.first_order import next_steps, ordered_inbox
from imgscore.verbs.status import Response

logger = logging.getLogger(__name__)

# The width of a terminal that does not report its width.
COLUMNS = 80
# The priority in the systemd journal for each log level. A line that begins with "<n>" has the
# priority n: see sd-daemon(3).
PRIORITIES = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}


def set_up(*, verbose: bool) -> "Terminal | None":
    """Set up the log on stderr. `verbose`: whether to log DEBUG lines too.

    If stderr is a terminal, return the handler that can show a line below the log.
    """
    terminal = Terminal() if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else None
    handler = terminal or logging.StreamHandler()
    handler.setFormatter(_ForJournal() if _is_journal() else _Text(_DATED))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("imgscored", "imgscore"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    return terminal


class Terminal(logging.StreamHandler[TextIO]):
    """A handler that keeps a line below the log: the next step of the user, until the first order
    is complete."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._line = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record above the line."""
        line = self._line
        self._show("")
        super().emit(record)
        self._show(line)

    def close(self) -> None:
        """Remove the line. The log ends."""
        self._show("")
        super().close()

    def look(self, status: Response) -> None:
        """Show the next step of a status. If there is none, remove the line."""
        steps = next_steps(status)
        inbox = ordered_inbox(status)
        if self._line and not steps and inbox is not None:
            logger.info("in order now; sort by date, newest first: %s", inbox)
        self._show(steps[-1] if steps and not status.pending else "".join(steps[:1]))

    def _show(self, line: str) -> None:
        if line == self._line:
            return
        try:
            columns = os.get_terminal_size(2).columns or COLUMNS
            # Carriage return, and the sequence that erases the rest of the line.
            self.stream.write(f"\r\x1b[K{printable(line)[: max(0, columns - 1)]}")
            self.stream.flush()
        except OSError:  # the terminal was closed
            line = ""
        self._line = line


_DATED = "%(asctime)s %(message)s"


class _Text(logging.Formatter):
    """A formatter that escapes control characters.

    Without the escapes, a file name in the log could send commands to the terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keep="\n")


class _ForJournal(_Text):
    """A formatter that adds a priority to every line of a record, such as each line of a traceback.

    It adds no time, because the journal adds the time.
    """

    def format(self, record: logging.LogRecord) -> str:
        priority = PRIORITIES.get(record.levelno, 6)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def _is_journal() -> bool:
    """Return whether stderr is connected to the systemd journal.

    If so, the environment variable JOURNAL_STREAM contains the device and inode of stderr.
    """
    status = os.fstat(2)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
