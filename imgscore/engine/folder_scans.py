"""The queue of the scans that compare whole folders with the store."""

import logging
import os
from collections.abc import Iterator

from imgscore.engine.context import EngineContext
from imgscore.images.version import DECODER_VERSION
from imgscore.reconcile.scan import ScanBatch, scan
from imgscore.watches import within

logger = logging.getLogger(__name__)

# The largest number of queued scans, for example while an archive is unpacked. Each scan reads all
# sightings under its folder, so one scan of all watched folders is cheaper than more scans.
MAX_SCANS = 16


class FolderScans:
    """The scans that are queued. The first one may have begun."""

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self._scans: list[tuple[bytes, Iterator[ScanBatch]]] = []

    def __len__(self) -> int:
        return len(self._scans)

    def add(self, root: bytes) -> None:
        """Queue a scan of the folder `root`. It replaces the scans of folders inside `root`."""
        if any(within(root, queued) for queued, _ in self._scans[1:]):
            return  # Another scan, which is queued but has not begun, includes `root`.
        self._scans = [(queued, scan) for queued, scan in self._scans if not within(queued, root)]
        if len(self._scans) >= MAX_SCANS and root not in self.ctx.watches.roots():
            for folder in self.ctx.watches.roots():
                self.add(folder)
            return
        slices = scan(self.ctx.store, self.ctx.watches, root, DECODER_VERSION)
        self._scans.append((root, slices))

    def next_part(self) -> tuple[bytes, ScanBatch] | None:
        """Return the folder and the next part of the first scan. None: it has ended."""
        root, slices = self._scans[0]
        part = next(slices, None)
        if part is not None:
            return root, part
        self._scans.pop(0)
        logger.debug("scanned %s", os.fsdecode(root))
        return None
