"""The present problems of the engine's stages, and the time at which each stage is tried again.

An error of one stage stops only this stage, and only for a while. The other stages go on. The only
exception is a corrupt store: its error is not caught, because every further write could lose data.
"""

import errno
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from imgscore.errors import CorruptStoreError, ImgscoreError, ModelError, StoreError
from imgscore.system.upgrade import REMEDY, program_files
from imgscore.workers.process import NoWorkerError

logger = logging.getLogger(__name__)

# Seconds between a failure of a stage, for example because the disk is full, and the next try.
RETRY_SECONDS = 30.0
# The longest such wait, in seconds. Each further failure doubles the wait, except after a problem
# of the machine: a defect of imgscore rarely ends by itself.
MAX_RETRY_SECONDS = 3600.0
# These problems end only if a worker answers. A stage that has sent a task to a worker has not
# shown yet that the worker can do the task.
ENDED_BY_AN_ANSWER = frozenset({"model", "workers"})
_OF_THE_MACHINE = frozenset({"disk", "store", "system", *ENDED_BY_AN_ANSWER})
_REMEDIES = {
    errno.EMFILE: "end other programs, or raise the limits (ulimit)",
    errno.ENFILE: "end other programs, or raise the limits (ulimit)",
    errno.ENOMEM: "end other programs, or raise the limits (ulimit)",
    errno.EAGAIN: "end other programs, or raise the limits (ulimit)",
    errno.ENOSPC: "free some disk space",
    errno.EDQUOT: "free some disk space",
    errno.EACCES: "check the permissions",
    errno.EPERM: "check the permissions",
    errno.EROFS: "check the permissions",
    errno.EIO: "check the disk",
}


@dataclass
class _Problem:
    error: ImgscoreError
    at: float
    """the time at which the problem occurred last, in monotonic seconds"""
    count: int = 1
    """the number of times that the problem has occurred since the last success"""

    @property
    def text(self) -> str:
        return (
            f"{self.error.message}; {self.error.remedy}" if self.error.remedy else str(self.error)
        )


class Problems(Mapping[str, str]):
    """The present problems, as a map from a subject such as "disk" to a text with a remedy.

    `emit`: a function that reports a new problem. `changed`: a function that is called if the
    problems have changed. The owner of a problem is a stage, a part of a stage, or the engine. The
    attribute `name` of an owner, if there is one, is its name for the user.
    """

    def __init__(self, emit: Callable[[str], None], changed: Callable[[], None]) -> None:
        self._emit = emit
        self._changed = changed
        self._problems: dict[tuple[str, object], _Problem] = {}
        self._retry_at: dict[object, float] = {}

    def __getitem__(self, subject: str) -> str:
        for (name, _), problem in self._problems.items():
            if name == subject:
                return problem.text
        raise KeyError(subject)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(subject for subject, _ in self._problems))

    def __len__(self) -> int:
        return len({subject for subject, _ in self._problems})

    @contextmanager
    def errors_of(self, owner: object) -> Iterator[None]:
        """Catch an error of the block: it becomes a problem of `owner`, which then waits.

        Raises CorruptStoreError.
        """
        try:
            yield
        except CorruptStoreError:
            raise
        except Exception as error:  # noqa: BLE001 - it is logged, and reported in the status
            self.failed(owner, error)

    def failed(self, owner: object, error: Exception) -> None:
        """Report an error of `owner`. Until the next try, `waits(owner)` is true."""
        subject, reported = _classified(owner, error)
        if type(reported) is _DefectError:
            logger.error("%s", reported.message, exc_info=error)
        old, before = self._problems.get((subject, owner)), self.get(subject)
        problem = _Problem(reported, time.monotonic(), old.count + 1 if old else 1)
        self._problems[subject, owner] = problem
        doubled = 1 if subject in _OF_THE_MACHINE else 2 ** min(problem.count - 1, 10)
        wait = min(RETRY_SECONDS * doubled, max(RETRY_SECONDS, MAX_RETRY_SECONDS))
        self._retry_at[owner] = time.monotonic() + wait
        if problem.text != before:
            self._emit(problem.text)
            logger.info("waiting %.0f s: %s", wait, problem.text)
            self._changed()

    def solved(self, owner: object) -> None:
        """Remove the problems of `owner`, except those that only an answer of a worker ends."""
        self._retry_at.pop(owner, None)
        self._remove(
            key for key in self._problems if key[0] not in ENDED_BY_AN_ANSWER and key[1] is owner
        )

    def answered(self, owner: object) -> None:
        """Remove the problems of `owner` that an answer of a worker ends."""
        self._remove((subject, owner) for subject in ENDED_BY_AN_ANSWER)

    def _remove(self, keys: Iterable[tuple[str, object]]) -> None:
        ended = [key for key in keys if key in self._problems]
        for key in ended:
            del self._problems[key]
        if ended:
            self._changed()

    def texts_of(self, owner: object) -> list[str]:
        """Return the texts of the problems of `owner`."""
        return [problem.text for (_, of), problem in self._problems.items() if of is owner]

    def waits(self, owner: object, now: float) -> bool:
        """Return whether the next try of `owner` is later than `now`, in monotonic seconds."""
        return self._retry_at.get(owner, now) > now

    def retry_at(self, owner: object) -> float | None:
        """Return the time of the next try of `owner`, or None if the owner does not wait."""
        return self._retry_at.get(owner)

    def retry(self) -> None:
        """Let every owner try again at once."""
        self._retry_at.clear()

    def blocking(self, owner: object, since: float) -> ImgscoreError | None:
        """Return an error about a problem of `owner` that occurred at or after `since`, or None."""
        for (_, of), problem in self._problems.items():
            if of is owner and problem.at >= since:
                kinds = (StoreError, ModelError, ImgscoreError)
                kind = next(kind for kind in kinds if isinstance(problem.error, kind))
                return kind(problem.text, "solve this problem, then run the command again")
        return None


class LowSpaceError(StoreError):
    """Too little space is free on the disk of the store."""


class _DefectError(ImgscoreError):
    """An exception that imgscore does not expect."""


def remedy_of(error: OSError, default: str) -> str:
    """Return the remedy for an error of the system, or `default` if its cause is not known."""
    return _REMEDIES.get(error.errno or 0, default)


def described(owner: object, error: Exception) -> ImgscoreError:
    """Return an error that describes any exception of `owner` to the user."""
    return _classified(owner, error)[1]


def _classified(owner: object, error: Exception) -> tuple[str, ImgscoreError]:
    """Return the subject of a problem, and the error that describes the problem to the user."""
    name = getattr(owner, "name", type(owner).__name__)
    match error:
        case LowSpaceError():
            return "disk", error
        case NoWorkerError():
            return "workers", error
        case ModelError():
            return "model", error
        case StoreError():
            return "store", error
        case OSError():
            file = f"{error.filename}: " if error.filename else ""
            remedy = remedy_of(error, "see the log of the daemon")
            return "system", ImgscoreError(
                f"the system refuses: {file}{error.strerror or error}", remedy
            )
        case ImgscoreError():
            return name, error
        case _:
            return name, _DefectError(f"{name}: {error!r}", remedy_of_defect())


def remedy_of_defect() -> str:
    """Return what to do after an exception that imgscore does not expect."""
    if program_files.are_replaced:
        return REMEDY
    return "this is a defect in imgscore; please report it, with the log of the daemon"
