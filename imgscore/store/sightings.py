"""Sightings: what was last seen at each path, and which paths hold a digest.

A path that is missing keeps its sighting, marked gone, so that a move can be told from a copy.
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
    """A sighting without its fingerprint, which stands before it in plain bytes."""

    path: bytes
    digest: bytes
    inbox: bytes
    role: Role
    gone_ns: int = 0


_decoder = msgspec.msgpack.Decoder(_Rest)
_inode = struct.Struct("<QQ")  # how a packed fingerprint begins


def decode(value: bytes) -> Sighting:
    """A sighting from its stored bytes."""
    rest = _decoder.decode(value[FINGERPRINT_SIZE:])
    return Sighting(
        rest.path, Fingerprint.unpacked(value), rest.digest, rest.inbox, rest.role, rest.gone_ns
    )


def ending(inbox: bytes, role: Role) -> bytes:
    """How the stored bytes of every present sighting in a place end.

    With the fingerprint's bytes in front it tells an unchanged file without decoding anything.
    """
    return b"".join(msgspec.msgpack.encode(part) for part in (inbox, role, 0))


def find(txn: Txn, path: bytes) -> Sighting | None:
    """The sighting at `path`, gone or not."""
    value = txn.table("sightings").get(path_key(path))
    return None if value is None else decode(value)


def record(txn: Txn, sighting: Sighting) -> None:
    """Write a sighting, let its digest point to its path, and count it."""
    key = path_key(sighting.path)
    table = txn.table("sightings")
    old = table.get(key)
    rest = pack(
        _Rest(sighting.path, sighting.digest, sighting.inbox, sighting.role, sighting.gone_ns)
    )
    table.put(key, sighting.seen.packed() + rest)
    if old is not None and old[FINGERPRINT_SIZE:] == rest:
        return  # the same file in the same place, as after each touch
    before = None if old is None else decode(old)
    if before is not None and before.digest != sighting.digest:
        txn.table("places").delete(before.digest + key)
    txn.table("places").put(sighting.digest + key, b"")
    counts.moved(txn, before, sighting)


def forget(txn: Txn, sighting: Sighting) -> None:
    """Remove a sighting altogether; labels and originals stay."""
    key = path_key(sighting.path)
    before = find(txn, sighting.path)
    if before is not None:
        txn.table("sightings").delete(key)
        txn.table("places").delete(before.digest + key)
        counts.moved(txn, before, None)


def iter_all(txn: Txn, *, gone: bool = False) -> Iterator[Sighting]:
    """All sightings that are present; with `gone`, those marked gone too."""
    for _, value in txn.table("sightings").scan():
        sighting = decode(value)
        if gone or not sighting.gone_ns:
            yield sighting


def digests(txn: Txn, inboxes: Iterable[bytes]) -> Iterator[bytes]:
    """The digest of every present sighting in these inboxes; nothing is decoded."""
    ends = tuple(ending(inbox, "inbox") for inbox in inboxes)
    for _, value in txn.table("sightings").scan():
        if value.endswith(ends):
            size = next(len(end) for end in ends if value.endswith(end))
            yield value[-size - DIGEST_SIZE : -size]


def in_place(txn: Txn, inbox: bytes, role: Role) -> Iterator[Sighting]:
    """The present sightings in one place; those elsewhere are told by their bytes alone."""
    end = ending(inbox, role)
    return (decode(value) for _, value in txn.table("sightings").scan() if value.endswith(end))


def of_inodes(
    txn: Txn, inodes: Iterable[tuple[int, int]], but: tuple[bytes, Role]
) -> Iterator[Sighting]:
    """The present sightings of some files, (device, inode), under whatever name, `but` in one
    place."""
    beginnings, end = {_inode.pack(*inode) for inode in inodes}, ending(*but)
    for _, value in txn.table("sightings").scan():
        if value[: _inode.size] in beginnings and not value.endswith(end):
            sighting = decode(value)
            if not sighting.gone_ns:
                yield sighting


def beyond(txn: Txn, present: Set[bytes], root: bytes) -> Iterator[Sighting]:
    """Every sighting whose path key is not among `present`, gone ones included.

    Those that have nothing to do with `root` may be left out: their bytes say so.
    """
    table = txn.table("sightings")
    for key in list(filterfalse(present.__contains__, table.keys())):
        value = table.get(key)
        if value is not None and root in value:
            yield decode(value)


def places(txn: Txn) -> Iterator[tuple[bytes, bytes]]:
    """(digest, path key) of every sighting, as they are found by digest."""
    return ((key[:DIGEST_SIZE], key[DIGEST_SIZE:]) for key, _ in txn.table("places").scan())


def inboxes(txn: Txn, digests: Iterable[bytes]) -> Iterator[bytes]:
    """The inbox of each present sighting of these digests that lies in one."""
    get = txn.table("sightings").getter()
    for key in txn.table("places").keys_under(digests):
        value = get(key[DIGEST_SIZE:], b"")
        if value:
            rest = _decoder.decode(value[FINGERPRINT_SIZE:])
            if rest.role == "inbox" and not rest.gone_ns:
                yield rest.inbox


def of_digest(txn: Txn, digest: bytes) -> list[Sighting]:
    """Every sighting of a digest, gone ones included."""
    table = txn.table("sightings")
    values = (table.get(key[len(digest) :]) for key, _ in txn.table("places").scan(digest))
    return [decode(value) for value in values if value is not None]
