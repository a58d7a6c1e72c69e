"""Entries of a table that are read in one call."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.store import table
from imgscore.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as store:
        yield store


@pytest.mark.parametrize("limit", [1, 7, 128, 500])
@pytest.mark.parametrize("prefix", [b"a", b"b", b"b\xff", b"\xff", b"none", b"zz"])
def test_items_under_prefix_equal_those_of_a_scan(store: Store, prefix: bytes, limit: int) -> None:
    counts = {b"a": 3, b"b": 2 * table.ITEMS_AT_ONCE, b"b\xff": table.ITEMS_AT_ONCE, b"\xff": 5}
    entries = {
        first + number.to_bytes(4, "big"): bytes([number % 256])
        for first, count in counts.items()
        for number in range(count)
    }
    store.commit(lambda txn: txn.raw_table("group_index").put_many(sorted(entries.items())))
    with store.read() as txn:
        found = txn.raw_table("group_index").items_under(prefix, limit)
        assert found == list(txn.raw_table("group_index").scan(prefix))[:limit]
    assert table.NoTable().items_under(prefix, limit) == []
