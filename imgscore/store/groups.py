"""The groups of similar images, by number, with an index by digest.

A group depends only on the content of its images. It also contains images that have been deleted
since, because their files may come back. A reader leaves out the images that are not in its
folders; fewer than two images are no group. Copies with equal bytes have no record here: their
sightings have equal digests.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal, NamedTuple, get_args

import msgspec

from imgscore.store.schema import DIGEST_SIZE, pack
from imgscore.store.transaction import Txn

Kind = Literal["near-duplicates", "bursts"]
Whole = tuple[bytes, bytes, float]
"""(an image, an image that shows a part of it, the gain of the first one): see
`groups.containment.gains`."""
KINDS: tuple[Kind, ...] = get_args(Kind)
MIN_MEMBERS = 2
"""The smallest number of images of a group."""
# The number of bytes of the number of a group.
_NUMBER = 8


class Group(NamedTuple):
    """A group. An image is in at most one group.

    `number`: the number of the group. It stays the same when images are added to the group.
    `members`: the digests of the images, the central image first: each other image is similar to
    this image. `why`: one sentence about what the images have in common. `wholes`: which members
    show more than others.
    """

    number: int
    kind: Kind
    members: tuple[bytes, ...]
    why: str
    wholes: tuple[Whole, ...] = ()


class NewGroup(NamedTuple):
    """A group that has no number yet. The fields are those of `Group`."""

    kind: Kind
    members: tuple[bytes, ...]
    why: str
    wholes: tuple[Whole, ...] = ()


class _Record(msgspec.Struct, array_like=True, frozen=True):
    kind: Kind
    members: bytes
    why: str
    wholes: tuple[Whole, ...] = ()


_decoder = msgspec.msgpack.Decoder(_Record)


def of(txn: Txn, digest: bytes) -> Group | None:
    """Return the group that contains an image, or None."""
    number = txn.table("grouped").get(digest)
    return None if number is None else find(txn, int.from_bytes(number, "big"))


def find(txn: Txn, number: int) -> Group | None:
    """Return the group with this number, or None."""
    value = txn.table("groups").get(number.to_bytes(_NUMBER, "big"))
    return None if value is None else _group(number, value)


def iter_all(txn: Txn) -> Iterator[Group]:
    """Yield all groups, in the order of their numbers."""
    for key, value in txn.table("groups").scan():
        yield _group(int.from_bytes(key, "big"), value)


def members_of_all(txn: Txn) -> list[tuple[tuple[bytes, ...], tuple[Whole, ...]]]:
    """Return (members, wholes) of all groups, in the order of the numbers of the groups.

    This takes less time than `iter_all`, because it makes no Group.
    """
    records = (_decoder.decode(value) for _, value in txn.table("groups").scan())
    return [(_members(record), record.wholes) for record in records]


def iter_after(txn: Txn, number: int) -> Iterator[Group]:
    """Yield the groups whose number is greater than `number`, in the order of their numbers."""
    for key, value in txn.table("groups").scan_from((number + 1).to_bytes(_NUMBER, "big")):
        yield _group(int.from_bytes(key, "big"), value)


def numbers(txn: Txn) -> Iterator[tuple[bytes, int]]:
    """Yield (digest, number of its group) for each image that is in a group, sorted by digest.

    This takes less time than `iter_all`, because no group is decoded.
    """
    for digest, number in txn.table("grouped").scan():
        yield digest, int.from_bytes(number, "big")


def contains(txn: Txn, digest: bytes) -> bool:
    """Return whether an image is in a group. The group is not decoded."""
    return txn.table("grouped").get(digest) is not None


def digests_from(txn: Txn, first: bytes, limit: int) -> list[bytes]:
    """Return the digests of at most `limit` images in groups, from `first` on, sorted."""
    return [digest for digest, _ in islice(txn.table("grouped").scan_from(first), limit)]


def count(txn: Txn) -> int:
    """Return the number of groups."""
    return len(txn.table("groups"))


def replace(txn: Txn, digests: Iterable[bytes], groups: Iterable[NewGroup]) -> set[bytes]:
    """Replace the groups of some images. Return the images whose group has changed.

    `digests`: the images that leave their groups. `groups`: their new groups; all members are in
    `digests`, and no image is in two groups. The other members of an old group stay together. A new
    group gets the number of an old group with which it shares an image, if there is one.
    """
    leaving = set(digests)
    wanted = [group for group in groups if len(group.members) >= MIN_MEMBERS]
    found = (of(txn, digest) for digest in leaving)
    old = {group.number: group for group in found if group is not None}
    for group in old.values():
        rest = tuple(member for member in group.members if member not in leaving)
        if len(rest) >= MIN_MEMBERS:
            kept = (whole for whole in group.wholes if leaving.isdisjoint(whole[:2]))
            wanted.append(NewGroup(group.kind, rest, group.why, tuple(kept)))
    before = {member: group for group in old.values() for member in group.members}
    after = {member: new for new in wanted for member in new.members}
    unused = set(old)
    numbered = [(_number_for(new, before, unused), new) for new in wanted]
    for number, new in numbered:
        if number == 0:
            _write(txn, txn.table("groups").last_number() + 1, new)
        elif old[number] != (number, *new):
            _write(txn, number, new)
    for number in unused:
        txn.table("groups").delete(number.to_bytes(_NUMBER, "big"))
    for digest in before.keys() - after.keys():
        txn.table("grouped").delete(digest)
    return {
        digest
        for digest in before.keys() | after.keys()
        if _content(before.get(digest)) != _content(after.get(digest))
    }


def clear(txn: Txn) -> None:
    """Delete all groups."""
    txn.table("groups").delete_all(b"")
    txn.table("grouped").delete_all(b"")


def _number_for(group: NewGroup, before: dict[bytes, Group], unused: set[int]) -> int:
    """Return the number of an old group for a new group, and remove it from `unused`. 0: none."""
    for member in group.members:
        if member in before and before[member].number in unused:
            unused.remove(before[member].number)
            return before[member].number
    return 0


def _content(group: Group | NewGroup | None) -> tuple[Kind, frozenset[bytes]] | None:
    return None if group is None else (group.kind, frozenset(group.members))


def _write(txn: Txn, number: int, group: NewGroup) -> None:
    key = number.to_bytes(_NUMBER, "big")
    record = _Record(group.kind, b"".join(group.members), group.why, group.wholes)
    txn.table("groups").put(key, pack(record))
    for member in group.members:
        txn.table("grouped").put(member, key)


def _group(number: int, value: bytes) -> Group:
    record = _decoder.decode(value)
    return Group(number, record.kind, _members(record), record.why, record.wholes)


def _members(record: _Record) -> tuple[bytes, ...]:
    members = record.members
    ends = range(DIGEST_SIZE, len(members) + 1, DIGEST_SIZE)
    return tuple([members[end - DIGEST_SIZE : end] for end in ends])
