"""A set of many path keys in little memory.

A set of objects would leave its memory unusable: Python returns a block of a megabyte to the kernel
only if no object in it is in use, and the objects that a scan keeps lie between its keys.
"""

from collections.abc import Iterable, Iterator
from itertools import filterfalse, groupby
from operator import itemgetter

from imgscore.store.schema import PATH_KEY_SIZE


class PathKeys:
    """The keys are joined in buckets, by their first byte."""

    def __init__(self) -> None:
        self._buckets = [bytearray() for _ in range(256)]

    def update(self, keys: Iterable[bytes]) -> None:
        """Add keys. Each key must be added once."""
        buckets = self._buckets
        for key in keys:
            buckets[key[0]] += key

    def missing(self, keys: Iterable[bytes]) -> Iterator[bytes]:
        """Yield those of the sorted `keys` that are not in the set."""
        for first, group in groupby(keys, itemgetter(0)):
            yield from filterfalse(self._keys(first).__contains__, group)

    def _keys(self, first: int) -> set[bytes]:
        joined, size = bytes(self._buckets[first]), PATH_KEY_SIZE
        return {joined[at : at + size] for at in range(0, len(joined), size)}

    def __contains__(self, key: bytes) -> bool:
        bucket, at = self._buckets[key[0]], -1
        while (at := bucket.find(key, at + 1)) >= 0:
            if at % PATH_KEY_SIZE == 0:
                return True
        return False

    def __len__(self) -> int:
        return sum(map(len, self._buckets)) // PATH_KEY_SIZE
