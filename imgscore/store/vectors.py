"""The embeddings of images, stored separately for each embedder id.

Embeddings of two embedders must not be mixed. Up to 64 embeddings are stored in one block: n
digests of 32 bytes, then n vectors. If each vector had its own value, space would be wasted: LMDB
uses two pages of 4 kB for a value of 5 kB. Reading blocks is about as fast as reading memory.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from imgscore.errors import StoreError
from imgscore.store.schema import DIGEST_SIZE, pack, split_digests
from imgscore.store.transaction import Txn

ROWS_PER_BLOCK = 64
# Each block number and each row number is encoded in this number of bytes.
_NUMBER = 4


class EmbedderRecord(msgspec.Struct, array_like=True, frozen=True):
    """The record of an embedder that has vectors in the store.

    number: the number (1, 2, …) that identifies the embedder in keys.
    size: the number of bytes of a vector, which is 2 × dim.
    count: the number of stored vectors.
    """

    number: int
    size: int
    count: int

    @property
    def prefix(self) -> bytes:
        """The first two bytes of the keys of all vectors of this embedder."""
        return self.number.to_bytes(2, "big")


_record = msgspec.msgpack.Decoder(EmbedderRecord)


def _find(txn: Txn, embedder: str) -> EmbedderRecord | None:
    value = txn.table("embedders").get(embedder.encode())
    return None if value is None else _record.decode(value)


def embedders(txn: Txn) -> dict[str, EmbedderRecord]:
    """Return all embedders that have vectors in the store, by id."""
    return {key.decode(): _record.decode(value) for key, value in txn.table("embedders").scan()}


def append(txn: Txn, embedder: str, vectors: Iterable[tuple[bytes, bytes]]) -> int:
    """Add vectors to the store. Skip a digest that already has a vector from this embedder.

    `vectors`: pairs (digest, float16 vector). Return the number of added vectors. Raises StoreError
    if the vectors of an embedder differ in length.
    """
    record = _find(txn, embedder)
    rows, blocks = txn.table("rows"), txn.table("vectors")
    number, added = -1, 0
    # The block is joined once. Adding each row to it would copy all earlier rows.
    digests: list[bytes] = []
    values: list[bytes] = []
    for digest, vector in vectors:
        if record is None:
            numbers = [stored.number for stored in embedders(txn).values()]
            record = EmbedderRecord(max(numbers, default=0) + 1, len(vector), 0)
        if len(vector) != record.size:
            raise StoreError(
                f"a vector of {embedder} has {len(vector)} bytes instead of {record.size}",
                "this is a defect of the embedder; please report it",
            )
        if rows.get(record.prefix + digest) is not None:
            continue
        if number < 0:
            number, digests, values = _last_block(txn, record)
        elif len(digests) == ROWS_PER_BLOCK:
            blocks.put(_block_key(record, number), b"".join([*digests, *values]))
            number, digests, values = number + 1, [], []
        row = number * ROWS_PER_BLOCK + len(digests)
        rows.put(record.prefix + digest, row.to_bytes(_NUMBER, "big"))
        digests.append(digest)
        values.append(vector)
        added += 1
    if record is not None and added:
        blocks.put(_block_key(record, number), b"".join([*digests, *values]))
        grown = EmbedderRecord(record.number, record.size, record.count + added)
        txn.table("embedders").put(embedder.encode(), pack(grown))
    return added


def _block_key(record: EmbedderRecord, number: int) -> bytes:
    return record.prefix + number.to_bytes(_NUMBER, "big")


def _last_block(txn: Txn, record: EmbedderRecord) -> tuple[int, list[bytes], list[bytes]]:
    """Return the last block, to which new vectors are added: (number, digests, vectors)."""
    last = txn.table("vectors").last_under(record.prefix, _NUMBER)
    if last is None:
        return 0, [], []
    number, value = int.from_bytes(last[0], "big"), last[1]
    split = _split(value, record)
    if split == ROWS_PER_BLOCK * DIGEST_SIZE:
        return number + 1, [], []
    digests = split_digests(value[:split])
    return number, digests, [_vector(value, record, place) for place in range(len(digests))]


def _split(block: bytes, record: EmbedderRecord) -> int:
    """Return the offset in a block at which the vectors of the block begin."""
    return len(block) // (DIGEST_SIZE + record.size) * DIGEST_SIZE


def is_embedded(txn: Txn, embedder: str) -> Callable[[bytes], bool]:
    """Return a function that checks whether a digest has a vector from this embedder.

    For many digests, the returned function is faster than `contains`.
    """
    record, get = _find(txn, embedder), txn.table("rows").getter()
    return lambda digest: record is not None and bool(get(record.prefix + digest, b""))


def contains(txn: Txn, embedder: str, digest: bytes) -> bool:
    """Return whether a digest has a vector from this embedder."""
    record = _find(txn, embedder)
    return record is not None and txn.table("rows").get(record.prefix + digest) is not None


def count(txn: Txn, embedder: str) -> int:
    """Return the number of vectors of an embedder, as stored in the record of the embedder."""
    record = _find(txn, embedder)
    return 0 if record is None else record.count


def rows(txn: Txn, embedder: str) -> int:
    """Return the number of entries in the index of an embedder's vectors.

    The entries are counted one by one. The result can therefore differ from `count` if the store is
    damaged.
    """
    record = _find(txn, embedder)
    return 0 if record is None else sum(1 for _ in txn.table("rows").scan(record.prefix))


def digests(txn: Txn, embedder: str) -> Iterator[bytes]:
    """Yield all digests that have a vector from this embedder, sorted."""
    record = _find(txn, embedder)
    if record is not None:
        for key in txn.table("rows").keys_under([record.prefix]):
            yield key[len(record.prefix) :]


def get(txn: Txn, embedder: str, digest: bytes) -> bytes | None:
    """Return the vector of a digest as float16 bytes. None means that the digest has no vector."""
    record = _find(txn, embedder)
    raw = None if record is None else txn.table("rows").get(record.prefix + digest)
    if record is None or raw is None:
        return None
    number, place = divmod(int.from_bytes(raw, "big"), ROWS_PER_BLOCK)
    return _vector(_block(txn, record, number), record, place)


def get_many(txn: Txn, embedder: str, digests: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (digest, vector) for each of the digests that has a vector.

    The pairs are in the order in which the store contains the vectors, so that each block is read
    once.
    """
    record = _find(txn, embedder)
    if record is None:
        return
    row_of = txn.table("rows").getter()
    keys = (row_of(record.prefix + digest, b"") for digest in digests)
    # Keep only the row numbers in memory, because there may be millions of rows. The digests are
    # read from the blocks later.
    rows = array("Q", (int.from_bytes(row, "big") for row in keys if row))
    number, block = -1, b""
    for row in sorted(rows):
        before = number
        number, place = divmod(row, ROWS_PER_BLOCK)
        if number != before:
            block = _block(txn, record, number)
        yield block[place * DIGEST_SIZE : (place + 1) * DIGEST_SIZE], _vector(block, record, place)


def _block(txn: Txn, record: EmbedderRecord, number: int) -> bytes:
    block = txn.table("vectors").get(record.prefix + number.to_bytes(_NUMBER, "big"))
    if block is None:
        raise StoreError("the store lacks a block of embeddings", "run: imgscore db check")
    return block


def _vector(block: bytes, record: EmbedderRecord, place: int) -> bytes:
    start = _split(block, record) + place * record.size
    return block[start : start + record.size]


def blocks(txn: Txn, embedder: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield each block as a pair (digests, vectors).

    `digests`: n digests as one bytes object. `vectors`: n float16 vectors, also as one bytes
    object.
    """
    record = _find(txn, embedder)
    if record is None:
        return
    for _, block in txn.table("vectors").scan(record.prefix):
        split = _split(block, record)
        yield block[:split], block[split:]


def blocks_from(txn: Txn, embedder: str, first: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the blocks whose number is at least `first`, as (number, digests, vectors).

    A caller that reads many vectors can end its transaction between two blocks, and continue with
    the next number. A vector stays in its block, and only the last block grows. `forget` makes a
    block smaller.
    """
    record = _find(txn, embedder)
    if record is None:
        return
    start = record.prefix + first.to_bytes(_NUMBER, "big")
    for key, block in txn.table("vectors").scan_from(start):
        if not key.startswith(record.prefix):
            return
        split = _split(block, record)
        number = int.from_bytes(key[len(record.prefix) :], "big")
        yield number, block[:split], block[split:]


def places(txn: Txn, digest: bytes) -> list[tuple[int, int]]:
    """Return (number of the embedder, number of the block) for each vector of a digest."""
    get = txn.table("rows").get
    found = [(record.number, get(record.prefix + digest)) for record in embedders(txn).values()]
    return [
        (number, int.from_bytes(row, "big") // ROWS_PER_BLOCK)
        for number, row in found
        if row is not None
    ]


def forget(txn: Txn, digests: Collection[bytes]) -> None:
    """Delete the vectors of digests, under every embedder.

    Each block that contains such a vector is written again without it; an empty block is deleted.
    """
    rows = txn.table("rows")
    for embedder, record in embedders(txn).items():
        by_block: defaultdict[int, set[bytes]] = defaultdict(set)
        for digest in digests:
            row = rows.get(record.prefix + digest)
            if row is not None:
                by_block[int.from_bytes(row, "big") // ROWS_PER_BLOCK].add(digest)
        for number, leaving in by_block.items():
            _shrink(txn, record, number, leaving)
        count = record.count - sum(map(len, by_block.values()))
        shrunk = EmbedderRecord(record.number, record.size, count)
        txn.table("embedders").put(embedder.encode(), pack(shrunk))


def _shrink(txn: Txn, record: EmbedderRecord, number: int, leaving: set[bytes]) -> None:
    """Delete the vectors of `leaving` from a block, and correct the index of the others."""
    block, rows = _block(txn, record, number), txn.table("rows")
    split = _split(block, record)
    digests, values = b"", b""
    for place in range(split // DIGEST_SIZE):
        digest = block[place * DIGEST_SIZE : (place + 1) * DIGEST_SIZE]
        if digest in leaving:
            rows.delete(record.prefix + digest)
            continue
        row = number * ROWS_PER_BLOCK + len(digests) // DIGEST_SIZE
        rows.put(record.prefix + digest, row.to_bytes(_NUMBER, "big"))
        digests, values = digests + digest, values + _vector(block, record, place)
    key = record.prefix + number.to_bytes(_NUMBER, "big")
    if digests:
        txn.table("vectors").put(key, digests + values)
    else:
        txn.table("vectors").delete(key)


def drop(txn: Txn, embedder: str) -> None:
    """Delete all vectors of an embedder, the index of these vectors, and the embedder's record."""
    record = _find(txn, embedder)
    if record is not None:
        txn.table("vectors").delete_all(record.prefix)
        txn.table("rows").delete_all(record.prefix)
        txn.table("embedders").delete(embedder.encode())
