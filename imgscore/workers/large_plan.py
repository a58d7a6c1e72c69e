"""Plan a large inbox with arrays: the same plan as that of `plan_inbox`.

This module reads no disk, except for the digests of sidecars.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgscore.groups.copy_names import original_first
from imgscore.order.blocks import Block, blocks_of
from imgscore.order.columns import (
    Bools,
    ColumnPlan,
    Columns,
    Ints,
    Reals,
    keepable_dates,
    plan_columns,
    tie_deviations,
)
from imgscore.order.entries import NANOSECONDS, Entry, File, group
from imgscore.order.plan import must_change, order_item
from imgscore.order.ties import knots
from imgscore.reconcile import sidecars
from imgscore.store import groups, scores
from imgscore.store.group_order import ranker
from imgscore.store.groups import MIN_MEMBERS
from imgscore.store.schema import DIGEST_SIZE, Sighting, Ties
from imgscore.store.transaction import Txn
from imgscore.watches import Watch
from imgscore.workers.inbox_files import InboxFiles
from imgscore.workers.inbox_groups import copied
from imgscore.workers.messages import PlannedTouch

SCORE = np.dtype([("digest", f"S{DIGEST_SIZE}"), ("score", "<f4"), ("deviation", "<f4")])
"""One score in the format of `store.scores.pack`. All digests have the same length, so numpy sorts
them as LMDB does."""


@dataclass(frozen=True, eq=False)
class FileScores:
    """The scores of the files of an inbox. An image without a usable score has the score NaN.

    `unusable`: the number of files whose score is not a number.
    """

    score: Reals
    deviation: Reals
    unusable: int


@dataclass(frozen=True, eq=False)
class RankedGroups:
    """The groups of an inbox, with the numbers of their files, the best file of each group first.

    `present`: for each file of the inbox, whether it was taken into account.
    """

    groups: list[list[int]]
    present: Bools


@dataclass(frozen=True, eq=False)
class LargePlan:
    """The plan of an inbox; see `plan_inbox.InboxPlan`."""

    files: InboxFiles
    numbers: Ints
    """the number of the file of each entry with one file"""
    entries: list[Entry]
    """the entries with several files. Their indices follow those of the entries with one file."""
    paths: dict[bytes, int]
    """the numbers of the files in these entries"""
    plan: ColumnPlan
    now_ns: int
    ties: Ties
    store_ties: bool
    unusable: int

    def touches(self) -> Iterator[PlannedTouch]:
        """Yield the touches, that of the newest entry first."""
        single, files = len(self.numbers), self.files
        order, dates = self.plan.order[::-1], self.plan.dates[::-1]
        changed = self.plan.changed[::-1] | (order >= single)
        numbers = self.numbers.tolist()
        for i, date in zip(order[changed].tolist(), dates[changed].tolist(), strict=True):
            if i < single:
                yield PlannedTouch(files.file(numbers[i]), date * NANOSECONDS)
                continue
            for path, mtime_ns in self.entries[i - single].members:
                file = files.file(self.paths[path])
                digest = file.digest or sidecars.digest_of(path)
                if must_change(mtime_ns, date, self.now_ns) and digest is not None:
                    hashed = Sighting(path, file.seen, digest, file.inbox, file.role)
                    yield PlannedTouch(hashed, date * NANOSECONDS)


def stored_scores(txn: Txn, taste: str, head: str) -> NDArray[Any]:
    """Return all scores of a head in the store, as an array of SCORE, sorted by digest."""
    return np.frombuffer(b"".join(scores.packed(txn, taste, head)), SCORE)


def scores_of(files: InboxFiles, known: NDArray[Any]) -> FileScores:
    """Return the scores of files. `known`: an array of SCORE, sorted by digest."""
    digests = np.frombuffer(files.digests, SCORE["digest"])
    score, deviation = np.full(len(files), np.nan), np.zeros(len(files))
    if not len(known):
        return FileScores(score, deviation, 0)
    place = np.searchsorted(known["digest"], digests)
    place[place == len(known)] = 0
    is_known = known["digest"][place] == digests
    score[is_known] = known["score"][place[is_known]]
    deviation[is_known] = known["deviation"][place[is_known]]
    # A sum is finite only if both numbers are. An older version stored scores that are not.
    is_usable = np.isfinite(score + deviation)
    score[~is_usable], deviation[~is_usable] = np.nan, 0.0
    return FileScores(score, deviation, int(np.count_nonzero(is_known & ~is_usable)))


def rank_groups(txn: Txn, watch: Watch, files: InboxFiles, present: Bools) -> RankedGroups:
    """Return the groups of an inbox. `present`: the files that are taken into account.

    Copies with equal bytes are a group too, also inside another group.
    """
    if watch.groups == "off":
        return RankedGroups([], present)
    numbers = np.flatnonzero(present).tolist()
    digests = [files.digest(number) for number in numbers]
    stored, copies = groups.members_of_all(txn), copied(digests)
    wanted = set(chain.from_iterable(members for members, _ in stored)).union(copies)
    numbers_of: dict[bytes, list[int]] = {}
    for number, digest in zip(numbers, digests, strict=True):
        if digest in wanted:
            numbers_of.setdefault(digest, []).append(number)
    for equal in numbers_of.values():
        if len(equal) > 1:
            equal.sort(key=lambda number: original_first(files.file(number).path))
    rank = ranker(txn, watch.taste)
    found = []
    for members, wholes in chain(stored, (((digest,), ()) for digest in copies)):
        own = [digest for digest in members if digest in numbers_of]
        if sum(len(numbers_of[digest]) for digest in own) >= MIN_MEMBERS:
            found.append([n for digest in rank(own, wholes) for n in numbers_of[digest]])
    return RankedGroups(found, present)


def make_plan(
    txn: Txn,
    watch: Watch,
    head: str,
    files: InboxFiles,
    known: FileScores,
    ties: Ties | None,
    ranked: RankedGroups | None,
    now_ns: int,
) -> LargePlan:
    """Plan an inbox. `ties`: the stored ones. `ranked`: None if the groups are not loaded yet."""
    is_scored = ~np.isnan(known.score)
    # See `plan_inbox`: the quantiles are computed once for each head.
    count = int(np.count_nonzero(is_scored))
    store_ties = ties is None or count > 2 * ties.count
    if ties is None or store_ties:
        ties = Ties(head, count, knots(known.score[is_scored].tolist()))
    deviations = tie_deviations(known.score, known.deviation, ties.knots)
    numbers = files.alone[is_scored[files.alone]]
    entries, paths = _shared_entries(watch, files, known.score, deviations)
    columns = _columns(files, numbers, entries, paths, known.score, deviations, now_ns)
    entry_of = np.full(len(files), -1, np.int64)
    entry_of[numbers] = np.arange(len(numbers))
    for i, entry in enumerate(entries, len(numbers)):
        for path, _ in entry.members:
            if paths[path] < len(files):
                entry_of[paths[path]] = i
    if ranked is None or not np.array_equal(ranked.present, entry_of >= 0):
        ranked = rank_groups(txn, watch, files, np.asarray(entry_of >= 0))
    blocks = _blocks(watch, ranked.groups, entry_of.tolist(), columns)
    plan = plan_columns(columns, now_ns, watch.order, blocks)
    return LargePlan(files, numbers, entries, paths, plan, now_ns, ties, store_ties, known.unusable)


def _shared_entries(
    watch: Watch, files: InboxFiles, score: Reals, deviation: Reals
) -> tuple[list[Entry], dict[bytes, int]]:
    """Return the entries of the files that share dates, and the numbers of these files by path."""
    shared: list[File] = []
    paths: dict[bytes, int] = {}
    for number in files.shared:
        path, seen = files.file(number).path, files.file(number).seen
        is_scored = number < len(files) and not np.isnan(score[number])
        interval = (float(score[number]), float(deviation[number])) if is_scored else (None, 0.0)
        shared.append(File(path, seen.mtime_ns, seen.dev, seen.ino, *interval))
        paths[path] = number
    return group(shared, watch.siblings), paths


def _columns(
    files: InboxFiles,
    numbers: Ints,
    entries: Sequence[Entry],
    paths: dict[bytes, int],
    score: Reals,
    deviation: Reals,
    now_ns: int,
) -> Columns:
    """Return the entries with one file, and then the entries with several files."""
    items = [order_item(entry, now_ns, 1.0) for entry in entries]
    seconds, rests = files.seconds[numbers], files.rests[numbers]
    ranks = [int(files.ranks[paths[entry.path]]) for entry in entries]
    return Columns(
        np.append(seconds, np.array([item.second for item in items], np.int64)),
        np.append(
            keepable_dates(seconds, rests, now_ns),
            np.array([item.keepable for item in items], np.bool_),
        ),
        np.append(score[numbers], np.array([item.score for item in items])),
        np.append(deviation[numbers], np.array([item.deviation for item in items])),
        np.append(files.ranks[numbers], np.array(ranks, np.int64)),
    )


def _blocks(
    watch: Watch, ranked: Iterable[Sequence[int]], entry_of: Sequence[int], columns: Columns
) -> list[Block]:
    """Return the blocks of all groups; see `inbox_groups.blocks_of_inbox`."""
    found: list[Block] = []
    done: set[int] = set()
    all_scores, all_deviations = columns.scores.tolist(), columns.deviations.tolist()
    for numbers in ranked:
        in_order = dict.fromkeys(entry_of[number] for number in numbers)
        places = [i for i in in_order if i >= 0 and i not in done]
        if len(places) < MIN_MEMBERS:
            continue
        done.update(places)
        scored = [(all_scores[i], all_deviations[i]) for i in places]
        for block, score, deviation in blocks_of(scored, watch.groups):
            if len(block) > 1 or (score, deviation) != scored[block[0]]:
                found.append(Block(tuple([places[k] for k in block]), score, deviation))
    return found
