"""A read transaction that stays open, with which later states of tables are compared."""

from collections.abc import Iterable
from contextlib import AbstractContextManager

from imgscore.store.transaction import Txn


class Snapshot:
    """The state of the store at one time.

    LMDB copies a page before it changes the page, up to the root of the table. As long as a
    transaction that can read the old pages is open, LMDB does not use their numbers again. Two
    transactions that see the same root of a table therefore see the same content. No record is
    compared.

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
