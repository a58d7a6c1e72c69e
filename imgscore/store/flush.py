"""Make deferred writes in a thread, while the caller sets dates (see deferred.py).

Only the commit runs beside the caller: it waits for the disk, and does not hold Python's lock. If
the writes before it ran beside the caller, the two threads would wait for each other at each write
and each system call.
"""

from threading import Event, Thread
from typing import TYPE_CHECKING

from imgscore.store.transaction import Txn

if TYPE_CHECKING:
    from imgscore.store.store import Store


class Flush:
    """A commit of a part of the deferred writes. Until `finish`, the caller must not use the store.

    The constructor returns before the commit waits for the disk.
    """

    def __init__(self, store: "Store") -> None:
        self._store = store
        self._part = store.deferred.next_part()
        self._is_written = Event()
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="flush", daemon=True)
        self._thread.start()
        self._is_written.wait()

    def _run(self) -> None:
        try:
            self._store.commit(self._write)
        except BaseException as error:  # noqa: BLE001 - `finish` raises it
            self._error = error
        finally:
            self._is_written.set()

    def _write(self, txn: Txn) -> None:
        self._part.write(txn.own_table)
        self._is_written.set()

    def wait(self) -> None:
        """Wait until the commit has ended. From then on, the caller may use the store."""
        self._thread.join()

    def finish(self) -> None:
        """Wait for the commit, and forget the writes that it has made. Raises StoreError."""
        self._thread.join()
        if self._error is not None:
            self._store.deferred.repeat()
            raise self._error
        self._store.deferred.made(self._part)
