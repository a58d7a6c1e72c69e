"""The sightings: the file that was last seen at each path, and an index of paths by digest.

If a file is missing, its sighting stays and is marked as gone. With such a sighting, a moved file
can be distinguished from a copy.
"""

import struct
from collections.abc import Iterable, Iterator, Set
from itertools import filterfalse

import msgspec

from imgscore.store import counts
from imgscore.store.schema import (
    DIGEST_SIZE,
    FINGERPRINT_SIZE,
    Fingerprint,
    Sighting,
    pack,
    path_key,
)
from imgscore.store.transaction import Txn
from imgscore.watches import Role


class _Rest(msgspec.Struct, array_like=True, frozen=True):
    """A sighting without its fingerprint.

    In the stored value, the 40 packed bytes of the fingerprint come first.
    """

    path: bytes
    digest: bytes
    inbox: bytes
    role: Role
    gone_ns: int = 0


_decoder = msgspec.msgpack.Decoder(_Rest)
# The device and the inode, which are the first bytes of a packed fingerprint.
_inode = struct.Struct("<QQ")


def decode(value: bytes) -> Sighting:
    """Return the sighting that is encoded in a stored value."""
    rest = _decoder.decode(value[FINGERPRINT_SIZE:])
    return Sighting(
        rest.path, Fingerprint.unpacked(value), rest.digest, rest.inbox, rest.role, rest.gone_ns
    )


def ending(inbox: bytes, role: Role) -> bytes:
    """Return the last bytes of the stored value of every present sighting in a place.

    A stored value begins with the bytes of its fingerprint. If the first and the last bytes of a
    stored value are as expected, the file is unchanged. The value then need not be decoded.
    """
    return b"".join(msgspec.msgpack.encode(part) for part in (inbox, role, 0))


def find(txn: Txn, path: bytes) -> Sighting | None:
    """Return the sighting at `path`, even if it is marked as gone.

    None means that there is no sighting.
    """
    value = txn.table("sightings").get(path_key(path))
    return None if value is None else decode(value)


def record(txn: Txn, sighting: Sighting) -> None:
    """Write a sighting, its entry in the digest index, and its counters."""
    key = path_key(sighting.path)
    table = txn.table("sightings")
    old = table.get(key)
    rest = pack(
        _Rest(sighting.path, sighting.digest, sighting.inbox, sighting.role, sighting.gone_ns)
    )
    table.put(key, sighting.seen.packed() + rest)
    if old is not None and old[FINGERPRINT_SIZE:] == rest:
        # Only the fingerprint has changed, for example after a touch.
        return
    before = None if old is None else decode(old)
    if before is not None and before.digest != sighting.digest:
        txn.table("places").delete(before.digest + key)
    txn.table("places").put(sighting.digest + key, b"")
    counts.sighting_changed(txn, before, sighting)


def forget(txn: Txn, sighting: Sighting) -> None:
    """Delete a sighting. The labels and originals of its digest stay."""
    key = path_key(sighting.path)
    before = find(txn, sighting.path)
    if before is not None:
        txn.table("sightings").delete(key)
        txn.table("places").delete(before.digest + key)
        counts.sighting_changed(txn, before, None)


def iter_all(txn: Txn, *, gone: bool = False) -> Iterator[Sighting]:
    """Yield the present sightings. If `gone` is true, also yield the sightings marked as gone."""
    for _, value in txn.table("sightings").scan():
        sighting = decode(value)
        if gone or not sighting.gone_ns:
            yield sighting


def digests(txn: Txn, inboxes: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the digest of each present sighting in these inboxes.

    The digest is cut out of the stored value, because decoding the value takes longer.
    """
    ends = tuple(ending(inbox, "inbox") for inbox in inboxes)
    for _, value in txn.table("sightings").scan():
        if value.endswith(ends):
            size = next(len(end) for end in ends if value.endswith(end))
            yield value[-size - DIGEST_SIZE : -size]


def in_place(txn: Txn, inbox: bytes, role: Role) -> Iterator[Sighting]:
    """Yield the present sightings in one place. Only these sightings are decoded."""
    end = ending(inbox, role)
    return (decode(value) for _, value in txn.table("sightings").scan() if value.endswith(end))


def of_inodes(
    txn: Txn, inodes: Iterable[tuple[int, int]], exclude: tuple[bytes, Role]
) -> Iterator[Sighting]:
    """Yield the present sightings of these inodes, under all their names.

    `inodes`: pairs (device, inode). `exclude`: the place (inbox, role) whose sightings are not
    yielded.
    """
    beginnings, end = {_inode.pack(*inode) for inode in inodes}, ending(*exclude)
    for _, value in txn.table("sightings").scan():
        if value[: _inode.size] in beginnings and not value.endswith(end):
            sighting = decode(value)
            if not sighting.gone_ns:
                yield sighting


def missing_from(txn: Txn, present: Set[bytes], root: bytes) -> Iterator[Sighting]:
    """Yield the sightings whose path key is not in `present`, even if they are marked as gone.

    A sighting whose bytes do not contain `root` is skipped without decoding. The caller must check
    whether the path of each yielded sighting is inside `root`.
    """
    table = txn.table("sightings")
    for key in list(filterfalse(present.__contains__, table.keys())):
        value = table.get(key)
        if value is not None and root in value:
            yield decode(value)


def digest_index(txn: Txn) -> Iterator[tuple[bytes, bytes]]:
    """Yield the (digest, path key) pairs of the index of paths by digest."""
    return ((key[:DIGEST_SIZE], key[DIGEST_SIZE:]) for key, _ in txn.table("places").scan())


def inboxes(txn: Txn, digests: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the inbox of each present sighting that has one of these digests and the role inbox.

    An inbox is yielded once for each such sighting.
    """
    get = txn.table("sightings").getter()
    for key in txn.table("places").keys_under(digests):
        value = get(key[DIGEST_SIZE:], b"")
        if value:
            rest = _decoder.decode(value[FINGERPRINT_SIZE:])
            if rest.role == "inbox" and not rest.gone_ns:
                yield rest.inbox


def of_digest(txn: Txn, digest: bytes) -> list[Sighting]:
    """Return all sightings of a digest, even if they are marked as gone."""
    table = txn.table("sightings")
    values = (table.get(key[len(digest) :]) for key, _ in txn.table("places").scan(digest))
    return [decode(value) for value in values if value is not None]
