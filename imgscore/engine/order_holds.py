"""The inboxes whose automatic orders are off, because the user restored their dates."""

from collections.abc import Iterable

from imgscore.store import settings
from imgscore.store.schema import path_key
from imgscore.store.store import Store
from imgscore.store.transaction import Txn


class Holds:
    """A set of inboxes that is kept in the store."""

    def __init__(self, store: Store, txn: Txn, inboxes: Iterable[bytes]) -> None:
        self._store = store
        self._held = {inbox for inbox in inboxes if settings.get(txn, _setting(inbox))}

    def __contains__(self, inbox: bytes) -> bool:
        return inbox in self._held

    def put(self, inbox: bytes, *, held: bool) -> None:
        """Add an inbox if `held` is true, else remove it."""
        self._write(inbox, "yes" if held else None)
        (self._held.add if held else self._held.discard)(inbox)

    def forget_at_end(self, inbox: bytes) -> None:
        """Keep an inbox in the set only until this object ends."""
        self._write(inbox, None)

    def _write(self, inbox: bytes, value: str | None) -> None:
        self._store.commit(lambda txn: settings.put(txn, _setting(inbox), value))


def _setting(inbox: bytes) -> str:
    """Return the name of the setting that switches the automatic orders of an inbox off."""
    return f"held:{path_key(inbox).hex()}"
