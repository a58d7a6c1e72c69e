"""A read transaction that stays open, with which later states of tables are compared."""

from collections.abc import Iterable
from contextlib import AbstractContextManager

from imgscore.store.transaction import Txn


class Snapshot:
    """The state of the store at one time.

    Before LMDB changes a page, it copies the page and all pages above it, up to the root of the
    table. It does not use the number of an old page again while a transaction that can read this
    page is open. So if a table has the same root in two transactions, its content is the same. No
    record is compared.

    A snapshot must be closed after some seconds, because the store grows while it is open.
    """

    def __init__(self, transaction: AbstractContextManager[Txn]) -> None:
        self._transaction = transaction
        self._txn: Txn | None = transaction.__enter__()

    @property
    def txn(self) -> Txn | None:
        """The open transaction, or None after `close`."""
        return self._txn

    def has_changed(self, txn: Txn, tables: Iterable[str]) -> bool:
        """Return whether one of these tables may differ between the snapshot and `txn`."""
        own = self._txn
        return own is None or any(own.root(table) != txn.root(table) for table in tables)

    def close(self) -> None:
        """End the transaction. All tables then count as changed."""
        if self._txn is not None:
            self._txn = None
            self._transaction.__exit__(None, None, None)
