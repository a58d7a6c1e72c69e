"""The daemon's log: lines on stderr, with a priority if stderr is the journal."""

import logging
import os

from imgscore.escape import printable

# journald reads a priority from "<n>" at the start of a line (sd-daemon(3)).
PRIORITIES = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}


def set_up(*, verbose: bool) -> None:
    """Log to stderr. verbose: log DEBUG lines too."""
    handler = logging.StreamHandler()
    handler.setFormatter(_ForJournal() if _is_journal() else _Text(_DATED))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("imgscored", "imgscore"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)


_DATED = "%(asctime)s %(message)s"


class _Text(logging.Formatter):
    """Escapes control characters: a file name in the log must not command the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keep="\n")


class _ForJournal(_Text):
    """The journal adds the time. Every line of a traceback gets the priority of its record."""

    def format(self, record: logging.LogRecord) -> str:
        priority = PRIORITIES.get(record.levelno, 6)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def _is_journal() -> bool:
    """Whether stderr is the journal: JOURNAL_STREAM then holds its device and inode."""
    status = os.fstat(2)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
