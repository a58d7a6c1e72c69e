"""The daemon's log: lines on stderr.

If stderr is connected to the systemd journal, each line begins with a priority.
"""

import logging
import os

from imgscore.escape import printable

# The priority in the systemd journal for each log level. A line that begins with "<n>" has the
# priority n: see sd-daemon(3).
PRIORITIES = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}


def set_up(*, verbose: bool) -> None:
    """Set up the log on stderr. `verbose`: whether to log DEBUG lines too."""
    handler = logging.StreamHandler()
    handler.setFormatter(_ForJournal() if _is_journal() else _Text(_DATED))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("imgscored", "imgscore"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)


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
