"""From scores to dates: which inbox's order is off, and which files get their own date back."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from imgscore.engine import arrange
from imgscore.engine.base import House
from imgscore.engine.looker import Looker
from imgscore.errors import StoreError
from imgscore.order.touch import TouchError
from imgscore.reconcile.walk import look_at
from imgscore.store import originals, records
from imgscore.store.schema import Fingerprint, path_key
from imgscore.store.store import Txn
from imgscore.watches import Watch

# While much is still to be embedded, the order is brought up to date only this often.
ORDER_SECONDS = 10.0


@dataclass
class OrderState:
    """What is known of one inbox's order."""

    watch: Watch
    due: bool = True
    done_at: float = float("-inf")
    planned: list[arrange.Intended] = field(default_factory=list)
    """in a dry run: what would be touched"""


class Orderer:
    """Knows every inbox's order. Times are seconds of the monotonic clock."""

    def __init__(self, house: House, looker: Looker, txn: Txn) -> None:
        self.house = house
        self._looker = looker
        self._states = {watch.inbox: OrderState(watch) for watch in house.watches.all}
        self._restores = {
            (digest, original.path)
            for digest, original in originals.every(txn)
            if (place := house.watches.locate(original.path)) and place.role != "inbox"
        }
        self._refusals: dict[bytes, tuple[Fingerprint, TouchError]] = {}
        self._held = {inbox for inbox in self._states if records.setting(txn, _hold(inbox))}

    def reorder(self, inbox: bytes) -> None:
        """The order of an inbox may be off."""
        self._states[inbox].due = True

    def reorder_taste(self, taste: str) -> None:
        """The order of every inbox of a taste may be off."""
        for state in self._states.values():
            state.due |= state.watch.taste == taste

    def restore(self, files: set[tuple[bytes, bytes]]) -> None:
        """These files, (digest, path), have left the inbox: give them their own date back."""
        self._restores |= files

    def held(self, inbox: bytes) -> bool:
        """Whether dates were put back by the user's wish, so that nothing is ordered by itself."""
        return inbox in self._held

    def hold(self, inbox: bytes, *, held: bool) -> None:
        """Order an inbox only when asked to, or by itself again. Kept over restarts."""
        if held == (inbox in self._held):
            return
        value = "yes" if held else None
        self.house.store.commit(lambda txn: records.set_setting(txn, _hold(inbox), value))
        (self._held.add if held else self._held.discard)(inbox)
        self.house.changed()

    def planned(self, inbox: bytes) -> list[arrange.Intended]:
        """In a dry run: the touches that would put an inbox in order."""
        return self._states[inbox].planned

    def refusals(self) -> dict[bytes, TouchError]:
        """Files whose date could not be set, and why: left alone until they change."""
        self._refusals = {
            path: (seen, error)
            for path, (seen, error) in self._refusals.items()
            if look_at(path) == seen
        }
        return {path: error for path, (_, error) in self._refusals.items()}

    def _refused(self, path: bytes, error: TouchError) -> None:
        seen = look_at(path)
        if seen is not None:
            self._refusals[path] = (seen, error)

    def _is_due(self, state: OrderState) -> bool:
        inbox = state.watch.inbox
        if not state.due or inbox in self._held or not self._looker.is_online(inbox):
            return False
        return bool(self.house.ordering_head(state.watch.taste))

    @property
    def pending(self) -> int:
        """How many orders and dates are due."""
        return len(self._restores) + sum(self._is_due(state) for state in self._states.values())

    def next_time(self, now: float) -> float | None:
        """When `advance` has something to do."""
        if self._restores:
            return now
        return min(
            (self._time(state, now) for state in self._states.values() if self._is_due(state)),
            default=None,
        )

    def _time(self, state: OrderState, now: float) -> float:
        return max(now, state.done_at + ORDER_SECONDS) if self._looker.looking else now

    def advance(self, now: float) -> None:
        """Order what is due."""
        if self._restores:
            self._put_back()
        for state in self._states.values():
            if self._is_due(state) and self._time(state, now) <= now:
                state.done_at = now
                self.house.changed()
                if self.house.config.dry_run:
                    state.planned = self.intended(state.watch)
                else:
                    for _ in self.order(state.watch):
                        pass
                state.due = False  # not before: a full disk leaves it due

    def _put_back(self) -> None:
        files, self._restores = self._restores, set()
        if self.house.config.dry_run:
            return
        try:
            self._put_back_now(files)
        except StoreError:
            self._restores |= files  # what has its date back already is left alone then
            raise

    def _put_back_now(self, files: set[tuple[bytes, bytes]]) -> None:
        store = self.house.store
        with store.read() as txn:
            held = [(digest, originals.at(txn, digest, path)) for digest, path in files]
        wanted = [(digest, original) for digest, original in held if original is not None]
        wanted += arrange.with_sidecars(store, [original.path for _, original in wanted])
        for entry, error in arrange.put_back(store, wanted):
            if error is not None:
                self._refused(entry.path, error)
                self._looker.hint(entry.path)

    def intended(self, watch: Watch) -> list[arrange.Intended]:
        """The touches that would bring an inbox into order now."""
        head = self.house.ordering_head(watch.taste)
        return arrange.intended(self.house.store, watch, head, self.refusals()) if head else []

    def order(self, watch: Watch, *, asked: bool = False) -> Iterator[arrange.Outcome]:
        """Bring an inbox into order now, CHUNK touches at a time. `asked`: refused files too."""
        if asked:
            self._refusals.clear()
        wanted, head = self.intended(watch), self.house.ordering_head(watch.taste)
        for outcome in arrange.arrange(self.house.store, wanted, head):
            for path in outcome.look_again:
                self._looker.hint(path)
            for error in outcome.refused:
                self._refused(error.path, error)
            self.house.changed()
            yield outcome


def _hold(inbox: bytes) -> str:
    """The name of the setting that holds an inbox."""
    return f"held:{path_key(inbox).hex()}"
