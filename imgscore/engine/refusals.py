"""Files whose date cannot be set. An order skips such a file if the file has not changed."""

from imgscore.order.touch import TouchError
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store.schema import Fingerprint


class Refusals:
    """The files whose date cannot be set. Maps the path of each such file to its error."""

    def __init__(self) -> None:
        self._errors: dict[bytes, tuple[Fingerprint, TouchError]] = {}

    def add(self, error: TouchError) -> None:
        """Record an error. Later orders of the inbox skip the file that caused the error."""
        seen = fingerprint_of(error.path)
        if seen is not None:
            self._errors[error.path] = (seen, error)

    def clear(self) -> None:
        """Delete all errors, so that the next order tries all files again."""
        self._errors.clear()

    def current(self) -> dict[bytes, TouchError]:
        """Return the errors of the files that have not changed since their error was added."""
        self._errors = {
            path: (seen, error)
            for path, (seen, error) in self._errors.items()
            if fingerprint_of(path) == seen
        }
        return {path: error for path, (_, error) in self._errors.items()}
