"""Sightings: the file last seen at each path, and an index of the paths of each digest.

A missing path keeps its sighting, marked gone: this distinguishes a moved file from a copy.
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
    """A sighting without its fingerprint, which precedes it as 40 packed bytes."""

    path: bytes
    digest: bytes
    inbox: bytes
    role: Role
    gone_ns: int = 0


_decoder = msgspec.msgpack.Decoder(_Rest)
_inode = struct.Struct("<QQ")  # device and inode: the first bytes of a packed fingerprint


def decode(value: bytes) -> Sighting:
    """Decode a stored sighting."""
    rest = _decoder.decode(value[FINGERPRINT_SIZE:])
    return Sighting(
        rest.path, Fingerprint.unpacked(value), rest.digest, rest.inbox, rest.role, rest.gone_ns
    )


def ending(inbox: bytes, role: Role) -> bytes:
    """Return the last bytes of every stored sighting that is present in a place.

    Together with the fingerprint's bytes at the front, they identify an unchanged file without
    decoding.
    """
    return b"".join(msgspec.msgpack.encode(part) for part in (inbox, role, 0))


def find(txn: Txn, path: bytes) -> Sighting | None:
    """Return the sighting at `path`, gone or not."""
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
        return  # the same digest in the same place, as after each touch
    before = None if old is None else decode(old)
    if before is not None and before.digest != sighting.digest:
        txn.table("places").delete(before.digest + key)
    txn.table("places").put(sighting.digest + key, b"")
    counts.sighting_changed(txn, before, sighting)


def forget(txn: Txn, sighting: Sighting) -> None:
    """Delete a sighting; labels and originals stay."""
    key = path_key(sighting.path)
    before = find(txn, sighting.path)
    if before is not None:
        txn.table("sightings").delete(key)
        txn.table("places").delete(before.digest + key)
        counts.sighting_changed(txn, before, None)


def iter_all(txn: Txn, *, gone: bool = False) -> Iterator[Sighting]:
    """Yield the present sightings; with `gone`, also those marked gone."""
    for _, value in txn.table("sightings").scan():
        sighting = decode(value)
        if gone or not sighting.gone_ns:
            yield sighting


def digests(txn: Txn, inboxes: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the digest of every present sighting in these inboxes, without decoding."""
    ends = tuple(ending(inbox, "inbox") for inbox in inboxes)
    for _, value in txn.table("sightings").scan():
        if value.endswith(ends):
            size = next(len(end) for end in ends if value.endswith(end))
            yield value[-size - DIGEST_SIZE : -size]


def in_place(txn: Txn, inbox: bytes, role: Role) -> Iterator[Sighting]:
    """Yield the present sightings in one place; decodes only these."""
    end = ending(inbox, role)
    return (decode(value) for _, value in txn.table("sightings").scan() if value.endswith(end))


def of_inodes(
    txn: Txn, inodes: Iterable[tuple[int, int]], exclude: tuple[bytes, Role]
) -> Iterator[Sighting]:
    """Yield the present sightings of these inodes (device, inode), under all names.

    `exclude`: the place, (inbox, role), whose sightings are left out.
    """
    beginnings, end = {_inode.pack(*inode) for inode in inodes}, ending(*exclude)
    for _, value in txn.table("sightings").scan():
        if value[: _inode.size] in beginnings and not value.endswith(end):
            sighting = decode(value)
            if not sighting.gone_ns:
                yield sighting


def missing_from(txn: Txn, present: Set[bytes], root: bytes) -> Iterator[Sighting]:
    """Yield the sightings whose path key is not in `present`, gone ones included.

    Skips, without decoding, those whose bytes do not contain `root`; the caller checks the rest.
    """
    table = txn.table("sightings")
    for key in list(filterfalse(present.__contains__, table.keys())):
        value = table.get(key)
        if value is not None and root in value:
            yield decode(value)


def digest_index(txn: Txn) -> Iterator[tuple[bytes, bytes]]:
    """Yield the (digest, path key) pairs of the index by digest."""
    return ((key[:DIGEST_SIZE], key[DIGEST_SIZE:]) for key, _ in txn.table("places").scan())


def inboxes(txn: Txn, digests: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the inbox of each present sighting of these digests that is in an inbox."""
    get = txn.table("sightings").getter()
    for key in txn.table("places").keys_under(digests):
        value = get(key[DIGEST_SIZE:], b"")
        if value:
            rest = _decoder.decode(value[FINGERPRINT_SIZE:])
            if rest.role == "inbox" and not rest.gone_ns:
                yield rest.inbox


def of_digest(txn: Txn, digest: bytes) -> list[Sighting]:
    """Return every sighting of a digest, gone ones included."""
    table = txn.table("sightings")
    values = (table.get(key[len(digest) :]) for key, _ in txn.table("places").scan(digest))
    return [decode(value) for value in values if value is not None]
