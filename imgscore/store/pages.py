"""Checks the pages of a store's file without LMDB, so that a damaged file cannot crash the process.

LMDB trusts its file: a damaged page can end the process with SIGSEGV, SIGBUS or SIGABRT. This
module reads the file with plain reads. It follows both trees of pages from the newest meta page,
and checks each page header, each node, the order of the keys, the counts in the records of the
tables, and the list of free pages. It knows the format of LMDB 0.9 on 64-bit little-endian
machines.
"""

import contextlib
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from imgscore.errors import StoreError

MAGIC = 0xBEEFC0DE
DATA_VERSION = 1
_HEADER = struct.Struct("<QHHHH")  # page number, pad, flags, lower, upper
_NODE = struct.Struct("<HHHH")  # low and high half of the size, flags, size of the key
_TABLE = struct.Struct("<IHHQQQQQ")  # pad, flags, depth, branch, leaf, overflow, entries, root
_META = struct.Struct("<IIQQ48s48sQQ")  # magic, version, address, map size, two tables, last, txn
_NUMBER = struct.Struct("<Q")
_BRANCH, _LEAF, _OVERFLOW, _METAPAGE = 1, 2, 4, 8
_BIG, _SUBTABLE = 1, 2
_NO_ROOT = (1 << 64) - 1
_META_PAGES = 2
_MAX_DEPTH = 32
"""The largest depth of a tree that LMDB accepts."""
_PAGE_SIZES = frozenset(1 << bits for bits in range(9, 17))


class DamagedPageError(Exception):
    """The error raised if the file contradicts the format. The message says where."""


class OvertakenError(StoreError):
    """Two newer commits have replaced the meta page of the commit that was to be checked."""


class Meta(NamedTuple):
    """The content of a meta page: the state of the store after one commit."""

    page_size: int
    free: bytes
    main: bytes
    last_page: int
    transaction: int


class _Record(NamedTuple):
    """The record of a table: the size of its tree, and the root page."""

    pad: int
    flags: int
    depth: int
    branches: int
    leaves: int
    overflows: int
    entries: int
    root: int


def check(file: Path, transaction: int | None = None) -> int:
    """Check all pages of the file, and return the number of used pages.

    `transaction`: the number of the commit to check; None means the newest. Raises StoreError if
    the file is damaged or cannot be read, and OvertakenError if two newer commits came before the
    check: begin a new read transaction then.
    """
    with _store_errors(file), _File(file) as opened:
        return _Check(opened, _newest(opened, transaction)).run()


def is_complete(file: Path) -> bool:
    """Return whether the file is as long as its newest meta page says, or does not exist.

    A shorter file may still be sound, because LMDB does not write pages that were freed in the
    transaction that allocated them. Raises StoreError if there is no valid meta page.
    """
    with _store_errors(file):
        if not file.exists():
            return True
        with _File(file) as opened:
            if opened.size == 0:
                return True
            meta = _newest(opened, None)
            return opened.size >= (meta.last_page + 1) * meta.page_size


def complete(file: Path) -> None:
    """Extend the file to the length that its newest meta page says, with zero bytes."""
    with _File(file) as opened:
        meta = _newest(opened, None)
    os.truncate(file, (meta.last_page + 1) * meta.page_size)


@contextlib.contextmanager
def _store_errors(file: Path) -> Iterator[None]:
    """Raise StoreError if the block cannot read the file, or finds a damaged page."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{file}: cannot be read: {error.strerror}", "check the permissions of the file"
        ) from None
    except DamagedPageError as error:
        raise StoreError(f"{file} is damaged: {error}", "") from None


class _File:
    """A file that is read page by page."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        self.size = os.fstat(self._descriptor).st_size

    def read(self, at: int, size: int) -> bytes:
        data = os.pread(self._descriptor, size, at)
        if len(data) < size:
            raise DamagedPageError(f"it ends at byte {self.size}, but has data at byte {at}")
        return data

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _newest(file: _File, transaction: int | None) -> Meta:
    """Return the content of the newest meta page, or of the page with this transaction number."""
    if sys.byteorder != "little" or struct.calcsize("P") != _NUMBER.size:
        raise DamagedPageError("this machine cannot check it")
    first = _meta(file, 0, 0)
    metas = [first, _meta(file, 1, first.page_size)]
    if metas[1].page_size != first.page_size:
        raise DamagedPageError("its two meta pages contradict each other")
    if transaction is not None:
        newer = all(meta.transaction > transaction for meta in metas)
        metas = [meta for meta in metas if meta.transaction == transaction]
        if newer:
            raise OvertakenError(f"newer commits have replaced the commit {transaction}")
        if not metas:
            raise DamagedPageError(f"no meta page has the transaction {transaction}")
    return max(metas, key=lambda meta: meta.transaction)


def _meta(file: _File, number: int, at: int) -> Meta:
    data = file.read(at, _HEADER.size + _META.size)
    page, _, flags, _, _ = _HEADER.unpack_from(data)
    magic, version, _, _, free, main, last, transaction = _META.unpack_from(data, _HEADER.size)
    size = _Record(*_TABLE.unpack(free)).pad
    if (
        page != number
        or not flags & _METAPAGE
        or magic != MAGIC
        or version != DATA_VERSION
        or size not in _PAGE_SIZES
    ):
        raise DamagedPageError(f"the meta page {number} is not one")
    return Meta(size, free, main, last, transaction)


class _Check:
    """One check of all pages that the commit in `meta` uses."""

    def __init__(self, file: _File, meta: Meta) -> None:
        self.file = file
        self.meta = meta
        self.size = meta.page_size
        if not _META_PAGES - 1 <= meta.last_page <= max(1, file.size) * 2 // self.size + 2**20:
            raise DamagedPageError(f"its last page has the impossible number {meta.last_page}")
        self.used = bytearray(meta.last_page + 1)
        self.used[:_META_PAGES] = b"\1" * _META_PAGES
        self._counts = [0, 0, 0, 0]  # branch pages, leaf pages, overflow pages, entries

    def run(self) -> int:
        free = list(self._tree(_Record(*_TABLE.unpack(self.meta.free)), "free list", integer=True))
        main = _Record(*_TABLE.unpack(self.meta.main))
        for name, value in self._tree(main, "main table", subtables=True):
            record = _Record(*_TABLE.unpack(value))
            for _ in self._tree(record, f"table {name.decode(errors='replace')}", values=False):
                pass
        used = sum(self.used)
        self._check_free(free)
        return used

    def _check_free(self, entries: list[tuple[bytes, bytes]]) -> None:
        for _, value in entries:
            count = _NUMBER.unpack_from(value)[0] if len(value) >= _NUMBER.size else -1
            if len(value) < (count + 1) * _NUMBER.size or count < 0:
                raise DamagedPageError("its list of free pages has an entry of the wrong length")
            for number in struct.unpack_from(f"<{count}Q", value, _NUMBER.size):
                if not _META_PAGES <= number <= self.meta.last_page:
                    raise DamagedPageError(f"its list of free pages has the page {number}")
                if self.used[number]:
                    raise DamagedPageError(f"the page {number} is both free and used")
                self.used[number] = 1

    def _claim(self, number: int, what: str, pages: int = 1) -> None:
        """Mark pages as used. Raises DamagedPageError if one of them is used already."""
        if number < _META_PAGES or number + pages - 1 > self.meta.last_page:
            raise DamagedPageError(f"the {what} refers to the page {number}, which does not exist")
        if any(self.used[number : number + pages]):
            raise DamagedPageError(f"the page {number} is used twice")
        self.used[number : number + pages] = b"\1" * pages

    def _tree(
        self,
        record: _Record,
        what: str,
        *,
        integer: bool = False,
        subtables: bool = False,
        values: bool = True,
    ) -> Iterator[tuple[bytes, bytes]]:
        """Check the tree of one table, and yield its entries. `values`: whether to yield any."""
        if record.flags & ~0x7FFF or record.depth > _MAX_DEPTH:
            raise DamagedPageError(f"the record of the {what} is not readable")
        counts = [0, 0, 0, 0]
        if record.root != _NO_ROOT:
            last: bytes | None = None
            for key, value in self._page(
                record.root, record.depth, what, counts, subtables=subtables, values=values
            ):
                order = key[::-1] if integer else key
                if last is not None and order <= last:
                    raise DamagedPageError(f"the keys of the {what} are not sorted")
                last = order
                if values:
                    yield key, value
        expected = [record.branches, record.leaves, record.overflows, record.entries]
        if counts != expected or (record.root == _NO_ROOT) != (record.depth == 0):
            raise DamagedPageError(
                f"the {what} has {counts} branches, leaves, overflow pages and entries instead of "
                f"{expected}"
            )

    def _page(
        self,
        number: int,
        depth: int,
        what: str,
        counts: list[int],
        *,
        subtables: bool,
        values: bool,
    ) -> Iterator[tuple[bytes, bytes]]:
        """Check a page and the pages below it, and yield the entries of its leaves."""
        self._claim(number, what)
        data = self.file.read(number * self.size, self.size)
        page, _, flags, lower, upper = _HEADER.unpack_from(data)
        kind = _BRANCH if depth > 1 else _LEAF
        if page != number or flags != kind or lower < _HEADER.size or lower % 2:
            raise DamagedPageError(f"the page {number} of the {what} has a wrong header")
        if not lower <= upper <= self.size or depth < 1:
            raise DamagedPageError(f"the page {number} of the {what} has a wrong header")
        count = (lower - _HEADER.size) // 2
        offsets = struct.unpack_from(f"<{count}H", data, _HEADER.size)
        nodes = self._nodes(data, offsets, upper, number, what, is_branch=kind == _BRANCH)
        counts[kind == _LEAF] += 1
        if kind == _LEAF:
            counts[3] += count
            for key, at, size, node_flags in nodes:
                if (node_flags & _SUBTABLE != 0) != subtables or node_flags & ~(_BIG | _SUBTABLE):
                    raise DamagedPageError(f"the page {number} of the {what} has a wrong node")
                if node_flags & _BIG:
                    yield key, self._overflow(data, at, size, what, counts, values=values)
                else:
                    yield key, data[at : at + size] if values else b""
            return
        for position, (key, _, child, _) in enumerate(nodes):
            high = nodes[position + 1][0] if position + 1 < count else None
            for below, value in self._page(
                child, depth - 1, what, counts, subtables=subtables, values=values
            ):
                if (position and below < key and what != "free list") or (
                    high is not None and below >= high and what != "free list"
                ):
                    raise DamagedPageError(f"the page {number} of the {what} has a wrong key")
                yield below, value

    def _nodes(
        self,
        data: bytes,
        offsets: tuple[int, ...],
        upper: int,
        number: int,
        what: str,
        *,
        is_branch: bool,
    ) -> list[tuple[bytes, int, int, int]]:
        """Check the nodes of a page. Return (key, offset of the value, size of it, flags) of each.

        For a branch, the size is the number of the page below.
        """
        nodes, total, unpack, end = [], 0, _NODE.unpack_from, self.size
        for offset in offsets:
            if not upper <= offset <= end - _NODE.size:
                raise DamagedPageError(f"the page {number} of the {what} has a wrong offset")
            low, high, flags, key_size = unpack(data, offset)
            at = offset + _NODE.size + key_size
            if is_branch:
                size, stored = low | high << 16 | flags << 32, 0
            else:
                size = low | high << 16
                stored = _NUMBER.size if flags & _BIG else size
            if at + stored > end:
                raise DamagedPageError(
                    f"the page {number} of the {what} has a node that is too long"
                )
            used = at + stored - offset
            total += used + used % 2
            nodes.append((data[offset + _NODE.size : at], at, size, flags))
        if total != end - upper or len(set(offsets)) != len(offsets):
            raise DamagedPageError(f"the nodes of the page {number} of the {what} overlap")
        return nodes

    def _overflow(
        self, data: bytes, at: int, size: int, what: str, counts: list[int], *, values: bool
    ) -> bytes:
        """Check the pages of a large value, and return the value if `values` is true."""
        (number,) = _NUMBER.unpack_from(data, at)
        pages = (_HEADER.size - 1 + size) // self.size + 1
        self._claim(number, what, pages)
        counts[2] += pages
        start = number * self.size
        page, _, flags, low, high = _HEADER.unpack(self.file.read(start, _HEADER.size))
        if page != number or flags != _OVERFLOW or low | high << 16 != pages:
            raise DamagedPageError(f"the page {number} of the {what} has a wrong header")
        if not values:
            self.file.read(start + _HEADER.size + size - 1, 1)
            return b""
        return self.file.read(start + _HEADER.size, size)
