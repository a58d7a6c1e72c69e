"""The pairs of images that the present comparison of all images has still to compare, in blocks.

The blocks are in the store, so that the daemon needs no memory for them.
"""

from collections.abc import Iterator

import msgspec

from imgscore.store.schema import DIGEST_SIZE, pack
from imgscore.store.transaction import Txn

_BLOCK = b"p"
_NUMBER = 4
BLOCK_PAIRS = 16384
"""The number of pairs that a worker compares in one task. It takes two to three seconds. In smaller
blocks, more images are read several times. Places have two bytes, so 32,768 is the largest."""


class PairBlock(msgspec.Struct, array_like=True, frozen=True):
    """Pairs of images.

    `digests`: the images, one after the other. `places`: the places of the images of each pair in
    `digests`, two bytes each, the lower byte first.
    """

    digests: bytes
    places: bytes

    @property
    def pairs(self) -> int:
        """The number of pairs."""
        return len(self.places) // 4

    def images(self) -> list[bytes]:
        """Return the digests of the images."""
        starts = range(0, len(self.digests), DIGEST_SIZE)
        return [self.digests[start : start + DIGEST_SIZE] for start in starts]

    def iter_places(self) -> Iterator[tuple[int, int]]:
        """Yield the places of the two images of each pair."""
        places = memoryview(self.places).cast("H")
        return zip(places[::2], places[1::2], strict=True)


_decoder = msgspec.msgpack.Decoder(PairBlock)


def put(txn: Txn, number: int, block: PairBlock) -> None:
    """Write a block. `clear` of the index deletes it, too."""
    txn.table("group_index").put(_BLOCK + number.to_bytes(_NUMBER, "big"), pack(block))


def get(txn: Txn, number: int) -> PairBlock | None:
    """Return a block, or None if there is no such block."""
    value = txn.table("group_index").get(_BLOCK + number.to_bytes(_NUMBER, "big"))
    return None if value is None else _decoder.decode(value)


def delete(txn: Txn, number: int) -> None:
    """Delete a block whose pairs are compared."""
    txn.table("group_index").delete(_BLOCK + number.to_bytes(_NUMBER, "big"))
