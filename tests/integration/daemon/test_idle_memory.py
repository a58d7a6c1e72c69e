"""Tests of the return of memory to the kernel."""

import os
import re
from pathlib import Path

import pytest
from imgscored import idle_memory
from imgscored.idle_memory import IdleMemory
from imgscored.renewal import Renewal

from imgscore.errors import StoreError
from imgscore.store.store import Store
from imgscore.testing import Sandbox, eventually
from tests.conftest import put


def resident_kb(file: Path) -> int:
    """The resident memory of this process that belongs to the mapping of a file."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"^[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.endswith(os.fspath(file))
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total


def read_all(store: Store) -> int:
    with store.read() as txn:
        return sum(len(value) for _, value in txn.table("traits").scan())


def fill(store: Store) -> None:
    records = ((number.to_bytes(4, "big"), bytes(1000)) for number in range(5000))
    store.commit(lambda txn: txn.table("traits").put_many(records))


def test_release_pages_of_the_store_are_returned_and_can_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with Store(tmp_path / "link") as store:
        fill(store)
        assert read_all(store) == 5_000_000
        assert resident_kb(tmp_path / "real/data.mdb") > 4000
        idle_memory.release(store)
        assert resident_kb(tmp_path / "real/data.mdb") < 500
        assert read_all(store) == 5_000_000


def anonymous_kb() -> int:
    found = re.search(
        r"^Anonymous: +(\d+)", Path("/proc/self/smaps_rollup").read_text(), re.MULTILINE
    )
    assert found is not None
    return int(found[1])


def test_release_memory_of_a_large_transaction_is_returned(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        idle_memory.release(store)
        before = anonymous_kb()
        store.commit(
            lambda txn: txn.table("traits").put_many(
                (number.to_bytes(4, "big"), bytes(3000)) for number in range(10_000)
            )
        )
        assert anonymous_kb() > before + 30_000
        idle_memory.release(store)
        assert anonymous_kb() < before + 10_000
        store.park()  # A second call has no effect.


def test_park_store_that_was_replaced_is_not_used(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        store.park()
        (tmp_path / "store").rename(tmp_path / "away")
        with pytest.raises(StoreError, match="moved or replaced"), store.read():
            pass
        (tmp_path / "away").rename(tmp_path / "store")
        assert read_all(store) == 0


def test_park_deferred_writes_are_read_and_made_later(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        fill(store)
        store.deferred.add(1, {"dates": {b"key": b""}}, b"")
        store.park()
        with store.read() as txn:
            assert txn.table("dates").get(b"key") == b""
        store.park()
    with Store(tmp_path / "store") as store, store.read() as txn:
        assert txn.table("dates").get(b"key") == b""


def test_idle_memory_returns_memory_once_after_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "store") as store:
        check_states(IdleMemory(store), monkeypatch)


def check_states(memory: IdleMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not memory.observe(1, idle=False)
    assert memory.wait() is None
    assert not memory.observe(1, idle=True)
    assert memory.wait() is not None
    assert not memory.observe(2, idle=True)
    assert memory.wait() is not None
    monkeypatch.setattr(idle_memory, "SECONDS", 0.0)
    assert not memory.observe(3, idle=True)
    assert memory.wait() == 0.0
    assert memory.observe(3, idle=True)
    assert not memory.observe(3, idle=True)
    assert memory.wait() is None
    assert not memory.observe(3, idle=False)
    assert memory.wait() is None


def test_daemon_after_work_has_no_pages_of_the_store_and_no_worker(sandbox: Sandbox) -> None:
    sandbox.configure(worker_idle=0.1)
    put(sandbox.inbox, "sun", 1)
    with Store(sandbox.store_folder) as store:
        fill(store)
    with sandbox:
        sandbox.start()
        check_released(sandbox)


def check_released(sandbox: Sandbox) -> None:
    sandbox.ask("wait")
    eventually(lambda: sandbox.ask("status")[0]["workers"] == 0)
    smaps = Path(f"/proc/{sandbox.pid}/smaps")

    def is_released() -> bool:
        rows = smaps.read_text().split("data.mdb\n")[1:]
        sizes = [re.search(r"^Rss: +(\d+)", row, re.MULTILINE) for row in rows]
        return bool(sizes) and all(size is not None and int(size[1]) < 200 for size in sizes)

    eventually(is_released)


def test_wait_with_a_waiting_client_ignores_a_due_renewal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop cannot start again then, and a wait of 0 s would use a whole core."""
    monkeypatch.setattr(idle_memory, "SECONDS", 0.0)
    with Store(tmp_path / "store") as store:
        memory = IdleMemory(store, Renewal(0.0, -(1 << 40), renewed=False))
        assert [memory.observe(1, idle=True) for _ in range(2)] == [False, True]
        assert memory.must_renew and memory.wait(may_renew=True) == 0.0
        assert memory.wait(may_renew=False) is None
