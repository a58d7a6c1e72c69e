"""The sightings: records of the file that was last seen at each path.

An index contains the paths of each digest. If a file is missing, the sighting of the file is not
deleted but marked as gone. If a new file has the digest of such a sighting, the missing file may
have been moved.
"""

import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import product

import msgspec
from msgspec.structs import astuple

from imgscore.store import counts
from imgscore.store.path_keys import PathKeys
from imgscore.store.schema import (
    DIGEST_SIZE,
    FINGERPRINT_SIZE,
    Fingerprint,
    Sighting,
    pack,
    path_key,
    size_of,
)
from imgscore.store.transaction import Txn
from imgscore.watches import Role


class _Rest(msgspec.Struct, array_like=True, frozen=True):
    """The fields of a Sighting that follow the fingerprint in the stored value.

    A stored value begins with the packed fingerprint (40 bytes). The other bytes are this struct.
    """

    path: bytes
    digest: bytes
    inbox: bytes
    role: Role
    gone_ns: int = 0


_decoder = msgspec.msgpack.Decoder(_Rest)
# The format of the first bytes of a packed fingerprint: the device and the inode.
_inode = struct.Struct("<QQ")
_DIGEST_HEADER = bytes([0xC4, DIGEST_SIZE])
"""the bytes with which msgpack begins a digest"""


def decode(value: bytes) -> Sighting:
    """Return the sighting that is encoded in a stored value."""
    rest = _decoder.decode(value[FINGERPRINT_SIZE:])
    return Sighting(
        rest.path, Fingerprint.unpacked(value), rest.digest, rest.inbox, rest.role, rest.gone_ns
    )


@lru_cache(maxsize=64)
def ending(inbox: bytes, role: Role) -> bytes:
    """Return the last bytes of the stored value of each present sighting with this inbox and role.

    A stored value begins with the fingerprint. A scan compares the first and the last bytes of the
    stored value with the expected bytes. If they are equal, the file is unchanged, and the scan
    need not decode the value.
    """
    return b"".join(msgspec.msgpack.encode(part) for part in (inbox, role, 0))


def find(txn: Txn, path: bytes) -> Sighting | None:
    """Return the sighting at `path`, even if it is marked as gone.

    None means that there is no sighting.
    """
    value = txn.table("sightings").get(path_key(path))
    return None if value is None else decode(value)


def record(txn: Txn, sighting: Sighting) -> None:
    """Write a sighting. Update the index of paths by digest, and the counters."""
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


def rest_of(value: bytes, present: Sighting) -> bytes:
    """Return the bytes that follow the fingerprint in a stored value.

    `present`: the sighting that `value` must contain, which is not marked as gone. `value`: the
    stored value at the path of `present`. Return b"" if `value` contains another sighting. The
    function compares bytes, which is faster than decoding them.
    """
    tail = _DIGEST_HEADER + present.digest + ending(present.inbox, present.role)
    if value.startswith(present.seen.packed()) and value.endswith(tail):
        return value[FINGERPRINT_SIZE:]
    return b""


def record_new(txn: Txn, new: Sequence[Sighting]) -> None:
    """Write sightings of paths that have none, of files that are present."""
    entries: list[tuple[bytes, bytes]] = []
    places: list[tuple[bytes, bytes]] = []
    for path, seen, digest, inbox, role, gone_ns in map(astuple, new):
        key = path_key(path)
        entries.append((key, seen.packed() + pack(_Rest(path, digest, inbox, role, gone_ns))))
        places.append((digest + key, b""))
    # Neighbours in the order of the keys are on one page.
    txn.table("sightings").put_many(sorted(entries))
    txn.table("places").put_many(sorted(places))
    counts.sightings_added(txn, new)


def forget(txn: Txn, sighting: Sighting) -> None:
    """Delete a sighting. The labels and originals of the digest stay in the store."""
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


def vanished(txn: Txn) -> int:
    """Return the number of sightings that are marked as gone. No sighting is read.

    The index of paths by digest has one entry for each sighting, and LMDB stores its length.
    """
    return max(0, len(txn.table("places")) - counts.all_files(txn))


def iter_from(txn: Txn, first: bytes) -> Iterator[tuple[bytes, Sighting]]:
    """Yield the key and the sighting of each path from the key `first` on, sorted by key.

    Sightings that are marked as gone are also yielded.
    """
    for key, value in txn.table("sightings").scan_from(first):
        yield key, decode(value)


def digests(
    txn: Txn, inboxes: Iterable[bytes], roles: Iterable[Role] = ("inbox",)
) -> Iterator[bytes]:
    """Yield the digest of each present sighting in these inboxes.

    `roles`: the roles of the folders in these watches that are read. The digest is copied from the
    stored value. Decoding the whole value would take longer.
    """
    ends = tuple(ending(inbox, role) for inbox, role in product(inboxes, roles))
    for _, value in txn.table("sightings").scan():
        if value.endswith(ends):
            size = next(len(end) for end in ends if value.endswith(end))
            yield value[-size - DIGEST_SIZE : -size]


def in_place(txn: Txn, inbox: bytes, role: Role) -> Iterator[Sighting]:
    """Yield the present sightings with this inbox and role. Other sightings are not decoded."""
    return map(decode, values_in_place(txn, inbox, role))


def values_in_place(txn: Txn, inbox: bytes, role: Role) -> Iterator[bytes]:
    """Yield the stored values of the sightings that `in_place` yields."""
    end = ending(inbox, role)
    return (value for _, value in txn.table("sightings").scan() if value.endswith(end))


def present_files(txn: Txn, inboxes: Collection[bytes]) -> Iterator[tuple[bytes, bytes, Role, int]]:
    """Yield (path, digest, role, size) of each present file in the watches of these inboxes.

    No Sighting is made, which halves the time.
    """
    decode_rest = _decoder.decode
    for _, value in txn.table("sightings").scan():
        rest = decode_rest(value[FINGERPRINT_SIZE:])
        if not rest.gone_ns and rest.inbox in inboxes:
            yield rest.path, rest.digest, rest.role, size_of(value)


def of_inodes(
    txn: Txn, inodes: Iterable[tuple[int, int]], exclude: tuple[bytes, Role]
) -> Iterator[Sighting]:
    """Yield the present sightings that have one of these inodes.

    An inode with several names has several sightings. `inodes`: pairs (device, inode). `exclude`: a
    pair (inbox, role). Sightings with this inbox and role are not yielded.
    """
    beginnings, end = {_inode.pack(*inode) for inode in inodes}, ending(*exclude)
    for _, value in txn.table("sightings").scan():
        if value[: _inode.size] in beginnings and not value.endswith(end):
            sighting = decode(value)
            if not sighting.gone_ns:
                yield sighting


def of_inode(txn: Txn, device: int, inode: int) -> Iterator[Sighting]:
    """Yield the sightings of an inode, even if they are marked as gone. This reads all values."""
    beginning = _inode.pack(device, inode)
    for _, value in txn.table("sightings").scan():
        if value.startswith(beginning):
            yield decode(value)


def missing_from(txn: Txn, present: PathKeys, root: bytes) -> Iterator[Sighting]:
    """Yield the sightings of the paths that are not in `present`.

    `present`: the path keys of the files on disk. `root`: the folder that the caller compares with
    the store. A sighting whose stored value does not contain `root` is skipped without decoding.
    The caller must still check whether the path of each yielded sighting is inside `root`.
    Sightings that are marked as gone are also yielded.
    """
    table = txn.table("sightings")
    for key in list(present.missing(table.keys())):
        value = table.get(key)
        if value is not None and root in value:
            yield decode(value)


def digest_index(txn: Txn) -> Iterator[tuple[bytes, bytes]]:
    """Yield the (digest, path key) pairs of the index of paths by digest."""
    return ((key[:DIGEST_SIZE], key[DIGEST_SIZE:]) for key, _ in txn.table("places").scan())


def digests_after(txn: Txn, digest: bytes) -> Iterator[bytes]:
    """Yield the digest of each sighting whose digest is greater than `digest`, sorted.

    A digest with several sightings is yielded once for each of them. `digest`: b"" for all.
    """
    first = digest + b"\xff" * (DIGEST_SIZE + 1) if digest else b""
    return (key[:DIGEST_SIZE] for key, _ in txn.table("places").scan_from(first))


def inboxes(txn: Txn, digests: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the inbox of each present file that has one of these digests and is in an inbox.

    If several such files are in one inbox, this inbox is yielded several times.
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


def is_known(txn: Txn, digest: bytes) -> bool:
    """Return whether a digest has a sighting, even one that is marked as gone."""
    entry = txn.table("places").first_from(digest)
    return entry is not None and entry[0].startswith(digest)


def with_inode(txn: Txn, digest: bytes, dev: int, ino: int) -> Sighting | None:
    """Return a sighting of a digest with this inode, even if it is marked as gone.

    A digest may have thousands of sightings, so the others are not decoded.
    """
    table, beginning = txn.table("sightings"), _inode.pack(dev, ino)
    for key, _ in txn.table("places").scan(digest):
        value = table.get(key[len(digest) :])
        if value is not None and value.startswith(beginning):
            return decode(value)
    return None
