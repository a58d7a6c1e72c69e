"""Files whose date cannot be set. They are left alone until they change."""

from imgscore.order.touch import TouchError
from imgscore.reconcile.walk import fingerprint_of
from imgscore.store.schema import Fingerprint


class Refusals:
    """Their errors, by path."""

    def __init__(self) -> None:
        self._errors: dict[bytes, tuple[Fingerprint, TouchError]] = {}

    def add(self, error: TouchError) -> None:
        """Leave the file of `error` alone from now on."""
        seen = fingerprint_of(error.path)
        if seen is not None:
            self._errors[error.path] = (seen, error)

    def clear(self) -> None:
        """Try all of them again."""
        self._errors.clear()

    def current(self) -> dict[bytes, TouchError]:
        """The errors of the files that have not changed since."""
        self._errors = {
            path: (seen, error)
            for path, (seen, error) in self._errors.items()
            if fingerprint_of(path) == seen
        }
        return {path: error for path, (_, error) in self._errors.items()}
