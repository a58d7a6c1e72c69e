"""Embeddings, apart for each embedder id, so that vectors of two never meet.

Vectors are packed 64 to a block: LMDB gives a value of 5 kB two whole pages of 4 kB each, and one
scan over blocks runs at the memory's speed. A block is n digests (32 bytes each), then n vectors.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator

import msgspec

from imgscore.errors import StoreError
from imgscore.store.schema import DIGEST_SIZE, pack
from imgscore.store.transaction import Txn

ROWS_PER_BLOCK = 64
_NUMBER = 4  # bytes of a block number, and of a row number


class EmbedderRecord(msgspec.Struct, array_like=True, frozen=True):
    """An embedder that has vectors in the store.

    `number` (from 1) stands for its id in keys; `size` is a vector's bytes (2 × dim).
    """

    number: int
    size: int
    count: int

    @property
    def prefix(self) -> bytes:
        """What its keys begin with."""
        return self.number.to_bytes(2, "big")


_record = msgspec.msgpack.Decoder(EmbedderRecord)


def _known(txn: Txn, embedder: str) -> EmbedderRecord | None:
    value = txn.table("embedders").get(embedder.encode())
    return None if value is None else _record.decode(value)


def embedders(txn: Txn) -> dict[str, EmbedderRecord]:
    """The embedders in the store, by id."""
    return {key.decode(): _record.decode(value) for key, value in txn.table("embedders").scan()}


def append(txn: Txn, embedder: str, vectors: Iterable[tuple[bytes, bytes]]) -> int:
    """Add (digest, float16 vector) pairs; a digest that is there already is left alone.

    Returns how many were added. Raises StoreError when a vector has not the embedder's length.
    """
    record = _known(txn, embedder)
    rows, blocks = txn.table("rows"), txn.table("vectors")
    number, digests, values, added = -1, b"", b"", 0
    for digest, vector in vectors:
        if record is None:
            numbers = [one.number for one in embedders(txn).values()]
            record = EmbedderRecord(max(numbers, default=0) + 1, len(vector), 0)
        if len(vector) != record.size:
            raise StoreError(
                f"a vector of {len(vector)} bytes under {embedder}, which has {record.size}",
                "this is a defect of the embedder; please report it",
            )
        if rows.get(record.prefix + digest) is not None:
            continue
        if number < 0:
            number, digests, values = _last_block(txn, record)
        elif len(digests) == ROWS_PER_BLOCK * DIGEST_SIZE:
            blocks.put(record.prefix + number.to_bytes(_NUMBER, "big"), digests + values)
            number, digests, values = number + 1, b"", b""
        row = number * ROWS_PER_BLOCK + len(digests) // DIGEST_SIZE
        rows.put(record.prefix + digest, row.to_bytes(_NUMBER, "big"))
        digests, values, added = digests + digest, values + vector, added + 1
    if record is not None and added:
        blocks.put(record.prefix + number.to_bytes(_NUMBER, "big"), digests + values)
        grown = EmbedderRecord(record.number, record.size, record.count + added)
        txn.table("embedders").put(embedder.encode(), pack(grown))
    return added


def _last_block(txn: Txn, record: EmbedderRecord) -> tuple[int, bytes, bytes]:
    """The block to go on filling: (number, digests, vectors)."""
    last = txn.table("vectors").last_under(record.prefix, _NUMBER)
    if last is None:
        return 0, b"", b""
    number, value = int.from_bytes(last[0], "big"), last[1]
    split = _split(value, record)
    if split == ROWS_PER_BLOCK * DIGEST_SIZE:
        return number + 1, b"", b""
    return number, value[:split], value[split:]


def _split(block: bytes, record: EmbedderRecord) -> int:
    """Where a block's digests end and its vectors begin."""
    return len(block) // (DIGEST_SIZE + record.size) * DIGEST_SIZE


def knows(txn: Txn, embedder: str) -> Callable[[bytes], bool]:
    """`known` under one embedder, to be asked of many digests."""
    record, get = _known(txn, embedder), txn.table("rows").getter()
    return lambda digest: record is not None and bool(get(record.prefix + digest, b""))


def known(txn: Txn, embedder: str, digest: bytes) -> bool:
    """Whether the digest has a vector under this embedder."""
    record = _known(txn, embedder)
    return record is not None and txn.table("rows").get(record.prefix + digest) is not None


def count(txn: Txn, embedder: str) -> int:
    """How many digests have a vector under this embedder."""
    record = _known(txn, embedder)
    return 0 if record is None else record.count


def rows(txn: Txn, embedder: str) -> int:
    """How many digests lead to a vector under this embedder; read from the index itself."""
    record = _known(txn, embedder)
    return 0 if record is None else sum(1 for _ in txn.table("rows").scan(record.prefix))


def digests(txn: Txn, embedder: str) -> Iterator[bytes]:
    """Every digest that has a vector under this embedder, in order."""
    record = _known(txn, embedder)
    if record is not None:
        for key in txn.table("rows").keys_under([record.prefix]):
            yield key[len(record.prefix) :]


def get(txn: Txn, embedder: str, digest: bytes) -> bytes | None:
    """The float16 bytes of a digest's vector."""
    record = _known(txn, embedder)
    raw = None if record is None else txn.table("rows").get(record.prefix + digest)
    if record is None or raw is None:
        return None
    number, place = divmod(int.from_bytes(raw, "big"), ROWS_PER_BLOCK)
    return _vector(_block(txn, record, number), record, place)


def several(txn: Txn, embedder: str, digests: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """(digest, vector) of those that have one, as they lie in the store: a block is read once."""
    record = _known(txn, embedder)
    if record is None:
        return
    row_of = txn.table("rows").getter()
    found = (row_of(record.prefix + digest, b"") for digest in digests)
    # Numbers only, as there may be millions: the digests stand in the blocks, too.
    rows = array("Q", (int.from_bytes(row, "big") for row in found if row))
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
        raise StoreError("an embedding's block is missing", "run: imgscore db check")
    return block


def _vector(block: bytes, record: EmbedderRecord, place: int) -> bytes:
    start = _split(block, record) + place * record.size
    return block[start : start + record.size]


def blocks(txn: Txn, embedder: str) -> Iterator[tuple[bytes, bytes]]:
    """(n digests end to end, n float16 vectors end to end), block by block."""
    record = _known(txn, embedder)
    if record is None:
        return
    for _, block in txn.table("vectors").scan(record.prefix):
        split = _split(block, record)
        yield block[:split], block[split:]


def drop(txn: Txn, embedder: str) -> None:
    """Delete every vector of an embedder."""
    record = _known(txn, embedder)
    if record is not None:
        txn.table("vectors").delete_all(record.prefix)
        txn.table("rows").delete_all(record.prefix)
        txn.table("embedders").delete(embedder.encode())
