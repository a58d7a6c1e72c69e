"""Returns memory to the kernel after work.

The store is a mapped file: each page that was read counts as memory of the daemon, until the kernel
needs it. LMDB keeps the memory of its largest transaction until the store is closed: 95 MB after
80,000 files came and went. The allocator keeps memory that was freed, too. An idle daemon needs
none of this.
"""

import ctypes
import gc
import time

from imgscore.store.store import Store
from imgscored.renewal import Renewal

SECONDS = 3.0
"""The time between the last change and the return of memory, in seconds. It is long enough that a
series of files causes one return, which takes some milliseconds."""


class IdleMemory:
    """Returns memory once, SECONDS after the last work of the daemon."""

    def __init__(self, store: Store, renewal: Renewal | None = None) -> None:
        self._store = store
        self._renewal = renewal
        self._state: object = None
        self._due = 0.0
        self._idle = False
        self._is_due = False

    def observe(self, state: object, *, idle: bool) -> bool:
        """Return memory if it is due. Return whether it was due.

        `state`: differs from the last one after any work. `idle`: whether no work is pending and
        no worker runs.
        """
        now = time.monotonic()
        self._idle = idle
        if state != self._state or not idle:
            self._state, self._due, self._is_due = state, now + SECONDS, True
            if self._renewal is not None:
                self._renewal.postpone()
        elif self._is_due and now >= self._due:
            self._is_due = False
            release(self._store)
            if self._renewal is not None:
                self._renewal.released(now)
            return True
        return False

    @property
    def must_renew(self) -> bool:
        """Whether the program must start again, because it keeps much unused memory."""
        renewal = self._renewal
        return self._idle and renewal is not None and renewal.is_due(time.monotonic())

    def wait(self, *, may_renew: bool = True) -> float | None:
        """Return the seconds until memory or a new start is due, or None if nothing is due.

        `may_renew`: whether the program can start again. A client that waits prevents this.
        """
        due = self._renewal.due_at if self._renewal is not None and may_renew else None
        due = self._due if self._is_due else due
        return max(0.0, due - time.monotonic()) if self._idle and due is not None else None


def release(store: Store) -> None:
    """Return unused memory, and the pages of the store's file, to the kernel.

    The pages stay in the kernel's cache, so that the next access takes a microsecond. No
    transaction may be open.
    """
    gc.collect()
    store.park()
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "malloc_trim"):  # glibc; other C libraries return memory themselves
        libc.malloc_trim(0)
