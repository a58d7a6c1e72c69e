"""The groups of an inbox, as blocks of its order.

This module reads the store. The rules for the positions are in order/blocks.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from imgscore.groups.copy_names import original_first
from imgscore.order.blocks import Block, block_for, blocks_of
from imgscore.order.entries import NANOSECONDS, Entry
from imgscore.order.plan import Neighbours
from imgscore.order.ties import tie_deviation
from imgscore.store import groups, scores, sightings
from imgscore.store.group_order import best_images_first, ranker
from imgscore.store.groups import MIN_MEMBERS
from imgscore.store.schema import Sighting, Ties
from imgscore.store.transaction import Txn
from imgscore.watches import Watch


def blocks_of_inbox(
    txn: Txn, watch: Watch, entries: Sequence[Entry], files: Collection[Sighting]
) -> list[Block]:
    """Return the blocks of all groups of an inbox. The members are indices of `entries`.

    `files`: the sightings of the inbox. A sidecar has an empty digest.

    Copies with equal bytes are a group too, also inside another group. An entry with several
    images, such as a RAW with its JPEG, is in the first group that contains one of them.
    """
    if watch.groups == "off":
        return []
    stored = groups.members_of_all(txn)
    copies = copied([file.digest for file in files if file.digest])
    wanted = set(chain.from_iterable(members for members, _ in stored)).union(copies)
    digest_of = {file.path: file.digest for file in files if file.digest in wanted}
    grouped = [
        (path, i)
        for i, (members, _, _) in enumerate(entries)
        for path, _ in members
        if path in digest_of
    ]
    positions: dict[bytes, list[tuple[bytes, int]]] = {}
    for path, i in grouped:
        positions.setdefault(digest_of[path], []).append((path, i))
    rank = ranker(txn, watch.taste)
    found: list[Block] = []
    done: set[int] = set()
    for digests, wholes in chain(stored, (((digest,), ()) for digest in copies)):
        present = [digest for digest in digests if digest in positions]
        ranked = rank(present, wholes)
        in_order = [i for digest in ranked for i in _originals_first(positions[digest])]
        places = [i for i in dict.fromkeys(in_order) if i not in done]
        if len(places) < MIN_MEMBERS:
            continue
        done.update(places)
        scored = [entries[i][1:] for i in places]
        for block, score, deviation in blocks_of(scored, watch.groups):
            if len(block) > 1 or (score, deviation) != scored[block[0]]:
                found.append(Block(tuple([places[k] for k in block]), score, deviation))
    return found


def _originals_first(files: list[tuple[bytes, int]]) -> list[int]:
    """Return the indices of the entries of files with equal bytes, the probable original first."""
    if len(files) > 1:
        files = sorted(files, key=lambda file: original_first(file[0]))
    return [i for _, i in files]


def members_of(txn: Txn, watch: Watch, paths: Iterable[bytes]) -> set[bytes]:
    """Return the paths of these files, and of all members of their groups in the inbox."""
    members = set(paths)
    found = (sightings.find(txn, path) for path in list(members))
    for digest in {file.digest for file in found if file is not None}:
        group = groups.of(txn, digest)
        for member in (digest,) if group is None else group.members:
            members.update(
                file.path
                for file in sightings.of_digest(txn, member)
                if not file.gone_ns and (file.inbox, file.role) == (watch.inbox, "inbox")
            )
    return members


def best_first(txn: Txn, taste: str, paths: Iterable[bytes]) -> list[bytes]:
    """Return the paths in such an order that the best file of each group comes first."""
    ranks: dict[bytes, tuple[int, int]] = {}
    digest_of: dict[bytes, bytes] = {}
    for path in paths:
        file = sightings.find(txn, path)
        digest_of[path] = b"" if file is None else file.digest
        # A file may have disappeared before it was indexed. LMDB accepts no empty key.
        is_ranked = file is None or file.digest in ranks
        group = None if is_ranked else groups.of(txn, digest_of[path])
        if group is not None:
            ranked = best_images_first(txn, group.members, taste, group.wholes)
            ranks |= {digest: (group.number, rank) for rank, digest in enumerate(ranked)}
    return sorted(
        digest_of, key=lambda path: (ranks.get(digest_of[path], (0, 0)), original_first(path))
    )


def copied(digests: Sequence[bytes]) -> list[bytes]:
    """Return the digests that occur several times, sorted."""
    if len(set(digests)) == len(digests):
        return []
    return sorted(digest for digest, count in Counter(digests).items() if count > 1)


class Position(NamedTuple):
    """The position of a new file in its group.

    `score` and `deviation`: the interval of its block. `block`: the other members of the block.
    """

    score: float
    deviation: float
    block: Neighbours | None


class GroupPositions:
    """Finds the positions of new files in the groups of an inbox that is in order.

    `waiting`: the paths of the files that are not in the order yet. The object removes a path when
    its file is placed.
    """

    def __init__(
        self,
        txn: Txn,
        watch: Watch,
        head: str,
        ties: Ties,
        waiting: set[bytes],
        exclude: Container[bytes],
    ) -> None:
        self._txn = txn
        self._watch = watch
        self._score = scores.getter(txn, watch.taste, head)
        self._ties = ties
        self._waiting = waiting
        self._exclude = exclude
        self._dates: dict[bytes, int] = {}

    def placed(self, path: bytes, mtime_ns: int) -> None:
        """Record that a file has been inserted with this date, which is not on disk yet."""
        self._waiting.discard(path)
        self._dates[path] = mtime_ns

    def of(self, file: Sighting) -> Position | None:
        """Return the position of a file. None means that the whole inbox must be planned."""
        own = self.interval(file.digest)
        assert own is not None, "only files with a score are inserted"
        if self._watch.groups == "off":
            return Position(*own, None)
        members = self._members(file)
        if len(members) == 1:
            return Position(*own, None)
        scored = [interval for _, interval in members]
        new = next(at for at, (member, _) in enumerate(members) if member.path == file.path)
        block = block_for(scored, new, self._watch.groups)
        if block is None:
            return None
        seconds = [self._second(members[at][0]) for at in block.members if at != new]
        neighbours = Neighbours(seconds, block.members.index(new)) if seconds else None
        return Position(block.score, block.deviation, neighbours)

    def interval(self, digest: bytes) -> tuple[float, float] | None:
        """Return the score of an image with the deviation that the plan uses, or None."""
        found = self._score(digest)
        if found is None:
            return None
        return found[0], tie_deviation(*found, self._ties.knots)

    def _members(self, file: Sighting) -> list[tuple[Sighting, tuple[float, float]]]:
        """Return the file and the members of its group that are in the order, best first."""
        group = groups.of(self._txn, file.digest)
        digests: Iterable[bytes] = (file.digest,) if group is None else group.members
        present = {digest: list(self._files(digest, file)) for digest in digests}
        ranked = best_images_first(
            self._txn,
            (digest for digest, files in present.items() if files),
            self._watch.taste,
            () if group is None else group.wholes,
        )
        return [
            (member, interval)
            for digest in ranked
            if (interval := self.interval(digest)) is not None
            for member in sorted(present[digest], key=lambda member: original_first(member.path))
        ]

    def _files(self, digest: bytes, new: Sighting) -> Iterator[Sighting]:
        for file in sightings.of_digest(self._txn, digest):
            if file.gone_ns or (file.inbox, file.role) != (self._watch.inbox, "inbox"):
                continue
            if file.path == new.path or (
                file.path not in self._waiting and file.path not in self._exclude
            ):
                yield file

    def _second(self, member: Sighting) -> int:
        return self._dates.get(member.path, member.seen.mtime_ns) // NANOSECONDS
