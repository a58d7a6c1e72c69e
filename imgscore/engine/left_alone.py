"""Counts the files that imgscore leaves alone, by reason: videos, links, hidden files and others.

A scan counts them folder by folder. The totals of each inbox are stored, so that a later command
can print them without a scan.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Mapping

from imgscore.reconcile import hard_links
from imgscore.reconcile.walk import Unlisted, is_skipped, listings
from imgscore.store import settings
from imgscore.store.store import Store
from imgscore.watches import Watches, within

_SETTING = "left_alone"
RECOUNT_SECONDS = 1.0
"""The minimum number of seconds between an event and the next count of the folder."""
RECOUNT_SHARE = 20
"""Counting a folder takes at most 1/RECOUNT_SHARE of the loop's time. A folder may contain 100,000
files."""

Counts = Mapping[bytes, Counter[str]]
"""The number of files that are left alone, by folder and by reason."""


class LeftAlone:
    """The number of files that imgscore leaves alone, by inbox and by reason."""

    def __init__(self, store: Store, watches: Watches) -> None:
        self._store = store
        self._watches = watches
        self._folders: dict[bytes, Counter[str]] = {}
        self._scanned: set[bytes] = set()
        """the inboxes of which this process has counted all folders"""
        self.unlisted: set[bytes] = set()
        """the folders that the last scan could not list"""
        self._dirty: set[bytes] = set()
        self._due = 0.0
        with store.read() as txn:
            stored = settings.get(txn, _SETTING)
        self._totals: dict[bytes, dict[str, int]] = {
            os.fsencode(inbox): counts for inbox, counts in json.loads(stored or "{}").items()
        }

    def of(self, inbox: bytes) -> dict[str, int]:
        """Return the number of files in an inbox that are left alone, by reason."""
        return self._totals.get(inbox, {})

    def replace(self, root: bytes, counts: Counts) -> bool:
        """Replace the counts of all folders under `root`. Return whether a total has changed."""
        for folder in [folder for folder in self._folders if within(folder, root)]:
            del self._folders[folder]
        self._folders |= counts
        self._scanned |= {watch.inbox for watch in self._watches.all if within(watch.inbox, root)}
        return self._update()

    def replace_unlisted(self, root: bytes, unlisted: set[bytes]) -> None:
        """Replace the folders under `root` that cannot be listed."""
        elsewhere = {folder for folder in self.unlisted if not within(folder, root)}
        self.unlisted = elsewhere | unlisted

    def hint(self, path: bytes, now: float) -> None:
        """Count the folder of a file soon. The file was created, moved or deleted."""
        if not self._watches.hides(os.path.dirname(path) + b"/"):
            self._due = self._due if self._dirty else max(self._due, now + RECOUNT_SECONDS)
            self._dirty.add(os.path.dirname(path))

    def next_time(self) -> float | None:
        """Return the time of the next count, in monotonic seconds. None means that none is due."""
        return self._due if self._dirty else None

    def advance(self, now: float) -> bool:
        """Count the changed folders again, if it is time. Return whether a total has changed."""
        if not self._dirty or now < self._due:
            return False
        folders, self._dirty = self._dirty, set()
        for folder in folders:
            before = self._folders.pop(folder, Counter[str]())
            if is_skipped(self._watches, folder + b"/"):
                continue
            counts: Counter[str] = Counter()
            for part in listings(folder, recursive=False):
                if not isinstance(part, Unlisted):
                    counts += part.left_alone
            # Only a scan of the whole inbox finds the other hard links of a file.
            if linked := before.get(hard_links.REASON):
                counts[hard_links.REASON] = linked
            if counts:
                self._folders[folder] = counts
        self._due = now + max(RECOUNT_SECONDS, RECOUNT_SHARE * (time.monotonic() - now))
        return self._update()

    def _update(self) -> bool:
        """Add up the counts of each inbox, and store the totals if they have changed."""
        totals = {inbox: counts for inbox, counts in self._totals.items() if self._is_kept(inbox)}
        fresh: dict[bytes, Counter[str]] = {inbox: Counter() for inbox in self._scanned}
        for folder, counts in self._folders.items():
            place = self._watches.locate(folder)
            if place is not None and place.watch.inbox in fresh:
                fresh[place.watch.inbox] += counts
        totals |= {inbox: dict(sorted(counts.items())) for inbox, counts in fresh.items() if counts}
        if totals == self._totals:
            return False
        self._totals = totals
        text = json.dumps({os.fsdecode(inbox): counts for inbox, counts in totals.items()})
        self._store.commit(lambda txn: settings.put(txn, _SETTING, text))
        return True

    def _is_kept(self, inbox: bytes) -> bool:
        """Return whether the stored total of an inbox stays valid: no scan has replaced it."""
        return inbox not in self._scanned and any(
            watch.inbox == inbox for watch in self._watches.all
        )
