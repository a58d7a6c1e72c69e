"""The task to find expired records, and its answer. `messages` lists both."""

from typing import ClassVar

import msgspec

from imgscore.store.retention import Expired


class Prune(msgspec.Struct, tag=True, frozen=True):
    """The task to delete old thumbnails, and to find the records that the store may delete.

    `thumbnails`: the folder of the thumbnails. `max_bytes`: the largest size of this folder.
    """

    handler: ClassVar[str] = "pruning:prune"
    seconds: ClassVar[int] = 3600
    thumbnails: bytes
    max_bytes: int


class Pruned(msgspec.Struct, tag=True, frozen=True):
    """The answer to Prune: the records that the store may delete."""

    expired: Expired
