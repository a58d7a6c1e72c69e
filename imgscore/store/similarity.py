"""The records from which groups are made: links between images, and an index of images.

The index has an entry for each image, under the key of its cell (see `groups/nearest.py`), and one
under its camera and time, if both are known. It belongs to one embedder. The queue contains the
images that are not compared yet.
"""

import hashlib
from collections.abc import Container, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from imgscore.store import settings
from imgscore.store.schema import DIGEST_SIZE, pack
from imgscore.store.transaction import Txn

MAX_CELL = 2000
"""The largest number of images of a cell that are read, so that a look-up is bounded."""
_FRAME, _CELL, _TIME = b"f", b"c", b"t"
_NUMBER = 8


class IndexState(msgspec.Struct, frozen=True):
    """What the index contains. `images`: the number of images when it was made."""

    embedder: str
    images: int


class Link(msgspec.Struct, array_like=True, frozen=True):
    """Two images that belong together. `kind`: see `groups/find.py`. `strength`: the cosine.

    `gain`: positive if the first image shows more than the second one; see `groups/containment.py`.
    """

    first: bytes
    second: bytes
    kind: int
    strength: float
    gain: float = 0.0


class _Value(msgspec.Struct, array_like=True, frozen=True):
    kind: int
    strength: float
    gain: float = 0.0


class Neighbour(NamedTuple):
    """An image that is linked to another image. `gain`: negative if it shows more than that one."""

    digest: bytes
    kind: int
    strength: float
    gain: float


_value = msgspec.msgpack.Decoder(_Value)


def state(txn: Txn) -> IndexState | None:
    """Return what the index contains. None means that it is not complete."""
    value = settings.get(txn, "group_index")
    return None if value is None else msgspec.json.decode(value, type=IndexState)


def set_state(txn: Txn, new: IndexState | None) -> None:
    """Record what the index contains."""
    value = None if new is None else msgspec.json.encode(new).decode()
    settings.put(txn, "group_index", value)


def enqueue(txn: Txn, digests: Iterable[bytes]) -> None:
    """Add images to the queue of the images that are not compared yet."""
    txn.table("ungrouped").put_many((digest, b"") for digest in sorted(digests))


def queued(txn: Txn, limit: int) -> list[bytes]:
    """Return at most `limit` images of the queue."""
    return list(islice(txn.table("ungrouped").keys(), limit))


def queue_length(txn: Txn) -> int:
    """Return the number of images in the queue."""
    return len(txn.table("ungrouped"))


def dequeue(txn: Txn, digests: Iterable[bytes]) -> None:
    """Remove images from the queue."""
    for digest in digests:
        txn.table("ungrouped").delete(digest)


def add(txn: Txn, entries: Iterable[tuple[bytes, bytes]], links: Iterable[Link]) -> None:
    """Write entries of the index, and links. An entry is a pair (key, value)."""
    for key, value in entries:
        txn.table("group_index").put(key, value)
    for link in links:
        for first, second, gain in (
            (link.first, link.second, link.gain),
            (link.second, link.first, -link.gain),
        ):
            value = pack(_Value(link.kind, link.strength, gain))
            txn.table("similar").put(first + second, value)


def keys_of(txn: Txn, digests: Container[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (digest, key) for each entry of these images in the index. This reads all keys."""
    for key in txn.table("group_index").keys():  # noqa: SIM118
        if key[-DIGEST_SIZE:] in digests and key != _FRAME:
            yield key[-DIGEST_SIZE:], key


def forget(txn: Txn, digests: Iterable[bytes], keys: Iterable[bytes]) -> None:
    """Delete the links of images, their places in the queue, and their entries in the index.

    `keys`: the keys of these entries, from `keys_of`.
    """
    digests = list(digests)
    for digest in digests:
        for other in list(neighbours(txn, digest)):
            txn.table("similar").delete(digest + other.digest)
            txn.table("similar").delete(other.digest + digest)
    dequeue(txn, digests)
    for key in keys:
        txn.table("group_index").delete(key)


def clear(txn: Txn) -> None:
    """Delete the index and all links. The groups stay until new ones replace them."""
    set_state(txn, None)
    txn.table("group_index").delete_all(b"")
    txn.table("similar").delete_all(b"")


def neighbours(txn: Txn, digest: bytes) -> Iterator[Neighbour]:
    """Yield the images that are linked to an image."""
    for key, raw in txn.table("similar").scan(digest):
        value = _value.decode(raw)
        yield Neighbour(key[DIGEST_SIZE:], value.kind, value.strength, value.gain)


def iter_links(txn: Txn) -> Iterator[Link]:
    """Yield each link once, the smaller digest first."""
    for key, raw in txn.table("similar").scan():
        first, second = key[:DIGEST_SIZE], key[DIGEST_SIZE:]
        if first < second:
            value = _value.decode(raw)
            yield Link(first, second, value.kind, value.strength, value.gain)


def indexed(txn: Txn) -> Iterator[bytes]:
    """Yield the images in the index."""
    for key in txn.table("group_index").keys_under([_CELL]):
        yield key[-DIGEST_SIZE:]


def are_linked(txn: Txn, first: bytes, others: Iterable[bytes]) -> bool:
    """Return whether an image is linked to each of the others."""
    links = txn.table("similar")
    return all(links.get(first + other) is not None for other in others)


def frame_entry(value: bytes) -> tuple[bytes, bytes]:
    """Return the entry that contains the frame of the index."""
    return _FRAME, value


def frame(txn: Txn) -> bytes | None:
    """Return the frame of the index."""
    return txn.table("group_index").get(_FRAME)


def cell_entry(cell: int, digest: bytes, sketch: bytes) -> tuple[bytes, bytes]:
    """Return the entry of an image in its cell."""
    return _CELL + cell.to_bytes(2, "big") + digest, sketch


def in_cell(txn: Txn, cell: int) -> list[tuple[bytes, bytes]]:
    """Return (entry of the index, sketch) for at most MAX_CELL images of a cell.

    `digest_in` returns the digest in an entry: few of them are needed.
    """
    table = txn.raw_table("group_index")
    return table.items_under(_CELL + cell.to_bytes(2, "big"), MAX_CELL)


def digest_in(entry: bytes) -> bytes:
    """Return the digest in the key of an entry of the index."""
    return entry[-DIGEST_SIZE:]


def time_entry(camera: str, seconds: float, digest: bytes) -> tuple[bytes, bytes]:
    """Return the entry of a photograph under its camera and time."""
    return _time_key(camera, seconds) + digest, b""


def taken_within(txn: Txn, camera: str, seconds: float, distance: float, limit: int) -> list[bytes]:
    """Return at most `limit` photographs of a camera that were taken within `distance` seconds."""
    first, last = (_time_key(camera, seconds + by) for by in (-distance, distance + 1))
    found: list[bytes] = []
    for key, _ in txn.table("group_index").scan_from(first):
        if key >= last or len(found) == limit:
            break
        found.append(key[-DIGEST_SIZE:])
    return found


def _time_key(camera: str, seconds: float) -> bytes:
    name = hashlib.blake2b(camera.encode(), digest_size=8).digest()
    return _TIME + name + max(int(seconds), 0).to_bytes(_NUMBER, "big")
