"""Tests of the return of memory to the kernel."""

import os
import re
from pathlib import Path

import pytest
from imgscored import idle_memory
from imgscored.idle_memory import IdleMemory

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
        with store.read() as txn:  # the pages of an open transaction may be returned, too
            idle_memory.release(os.fsencode(store.file))
            assert resident_kb(tmp_path / "real/data.mdb") < 500
            assert len(txn.table("traits")) == 5000
        assert read_all(store) == 5_000_000


def test_idle_memory_returns_memory_once_after_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = IdleMemory(tmp_path / "data.mdb")
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
