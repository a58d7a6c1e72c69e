"""This module compares the .xmp sidecars on disk with the store, as a part of a scan.

It costs nothing if no watch has the setting `ratings`.
"""

import os
from collections.abc import Iterable

from imgscore.reconcile.walk import Listing
from imgscore.store import ratings
from imgscore.store.schema import packed_stat, path_key
from imgscore.store.store import Store
from imgscore.watches import Watches, within


class SidecarScan:
    """The sidecars of one scan of the folder `root`.

    `is_wanted`: whether the scan has to list sidecars.
    """

    def __init__(self, store: Store, watches: Watches, root: bytes) -> None:
        self._store = store
        self._watches = watches
        self._root = root
        self._present: set[bytes] = set()
        self.is_wanted = any(
            within(folder, root) or within(root, folder)
            for watch in watches.all
            if watch.ratings
            for folder, _ in watch.folders()
        )

    def changed(self, part: Iterable[Listing]) -> list[bytes]:
        """Return the paths of the sidecars that differ from the store."""
        if not self.is_wanted:
            return []
        seen: list[tuple[bytes, bytes]] = []
        for listing in part:
            place = self._watches.locate(listing.folder) if listing.sidecars else None
            if place is None or not place.watch.ratings:
                continue
            for name, status in listing.sidecars:
                path = os.path.join(listing.folder, name)
                self._present.add(path_key(path))
                seen.append((path, packed_stat(status)))
        with self._store.read() as txn:
            return ratings.changed_sidecars(txn, seen)

    def missing(self, unlisted: list[bytes]) -> list[bytes]:
        """Return the paths of the sidecars in the store that are not on disk any more.

        `unlisted`: the folders that cannot be listed. Their sidecars are not missing.
        """
        if not self.is_wanted:
            return []
        with self._store.read() as txn:
            return [
                path
                for path in ratings.missing_sidecars(txn, self._present, self._root)
                if within(path, self._root) and not any(within(path, folder) for folder in unlisted)
            ]
