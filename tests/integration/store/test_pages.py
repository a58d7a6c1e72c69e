"""The check of the pages of a store's file: it finds damage, and reading the rest cannot crash."""

import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from imgscore.errors import StoreError
from imgscore.store import labels, originals, pages, sightings, vectors, verify
from imgscore.store.schema import Fingerprint, LabelEvent, Original, Sighting
from imgscore.store.store import Store
from imgscore.store.transaction import Txn

# Commits to the store until it is killed.
COMMIT = """
import itertools, sys
from pathlib import Path
from imgscore.store.store import Store
with Store(Path(sys.argv[1])) as store:
    for number in itertools.count():
        store.commit(lambda txn: txn.table("traits").delete(b"%d" % number))
        store.commit(lambda txn: txn.table("names").put(bytes(32), b"%d" % number))
"""

SEEN = Fingerprint(1, 2, 3, 4, 5)
PAGE = 4096

# Reads all tables, then writes to the store: both must end without a signal.
USE = """
import sys
from pathlib import Path
from imgscore.errors import StoreError
from imgscore.store.store import TABLES, Store
try:
    with Store(Path(sys.argv[1])) as store:
        with store.read() as txn:
            for name in TABLES:
                for key, _ in txn.raw_table(name).scan():
                    txn.raw_table(name).get(key)
        for number in range(40):
            store.commit(lambda txn: txn.table("names").put(b"%d" % number, bytes(3000)))
except StoreError:
    sys.exit(5)
"""


def fill(txn: Txn, first: int) -> None:
    for number in range(first, first + 150):
        digest, path = number.to_bytes(32, "big"), b"/inbox/%d.png" % number
        sightings.record(txn, Sighting(path, SEEN, digest, b"/inbox", "inbox"))
        originals.record(txn, digest, Original(path, number, number, 2 * number))
        labels.append(txn, LabelEvent(1, "default", digest, "keep", "cli", path))
        vectors.append(txn, "x", [(digest, bytes(400))])


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "store"
    with Store(folder) as store:
        for first in range(0, 900, 150):
            store.commit(lambda txn, first=first: fill(txn, first))
        store.commit(lambda txn: txn.table("originals").delete_all(bytes(31)))
    return folder / "data.mdb"


def test_check_store_after_random_changes_finds_no_damage(tmp_path: Path) -> None:
    chance = random.Random(1)
    with Store(tmp_path / "store") as store:
        for _ in range(60):
            with store.write() as txn:
                for _ in range(chance.randrange(200)):
                    table = txn.raw_table(chance.choice(["names", "meta", "traits", "counts"]))
                    key = chance.randbytes(chance.choice([1, 2, 30, 400]))
                    if chance.random() < 0.6:
                        table.put(b"x" + key, chance.randbytes(chance.choice([0, 9, 900, 9000])))
                    else:
                        found = table.first_from(b"x" + key)
                        if found:
                            table.delete(found[0])
            with store.read() as txn:
                assert pages.check(store.file, txn.number) > 2
            assert pages.check(store.file) > 2


def test_check_commit_that_newer_ones_replaced_is_no_damage(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store, store.read() as txn:
        for number in range(2):
            assert pages.check(store.file, txn.number) > 2
            store.commit(lambda txn, number=number: txn.table("names").put(b"%d" % number, b""))
        with pytest.raises(pages.OvertakenError):
            pages.check(store.file, txn.number)


def test_findings_while_another_process_commits_find_no_problem(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        store.commit(lambda txn: fill(txn, 0))
    with subprocess.Popen([sys.executable, "-c", COMMIT, str(tmp_path / "store")]) as writer:
        try:
            for _ in range(5):
                findings = verify.findings(tmp_path / "store")
                assert [finding for finding in findings if finding.problems] == []
            assert writer.poll() is None
        finally:
            writer.kill()


def test_check_damaged_store_is_found_or_harmless(sound: Path, tmp_path: Path) -> None:
    chance, whole = random.Random(2), sound.read_bytes()
    folder = tmp_path / "store"
    folder.mkdir()
    found = 0
    for _ in range(60):
        damaged = bytearray(whole)
        match chance.randrange(4):
            case 0:
                del damaged[chance.randrange(len(whole)) :]
            case 1:
                at = PAGE * chance.randrange(len(whole) // PAGE)
                damaged[at : at + PAGE] = bytes(PAGE)
            case 2:
                at = PAGE * chance.randrange(len(whole) // PAGE)
                damaged[at : at + PAGE] = chance.randbytes(PAGE)
            case _:  # one bit in the header or the list of nodes of a page
                at = PAGE * chance.randrange(len(whole) // PAGE) + chance.randrange(60)
                damaged[at] ^= 1 << chance.randrange(8)
        (folder / "data.mdb").write_bytes(damaged)
        try:
            pages.check(folder / "data.mdb")
        except StoreError as error:
            found += 1
            assert "data.mdb is damaged" in error.message
            continue
        if not pages.is_complete(folder / "data.mdb"):
            pages.complete(folder / "data.mdb")
        done = subprocess.run([sys.executable, "-P", "-c", USE, folder], check=False)
        assert done.returncode in (0, 5)
    assert found > 25


def test_check_file_shorter_than_its_last_page_is_found(sound: Path, tmp_path: Path) -> None:
    short = tmp_path / "data.mdb"
    short.write_bytes(sound.read_bytes()[: -2 * PAGE])
    assert not pages.is_complete(short) and pages.is_complete(sound)
    with pytest.raises(StoreError, match=f"ends at byte {short.stat().st_size}|not exist"):
        pages.check(short)


@pytest.mark.parametrize("size", [0, 1, 100, 5000])
def test_check_file_without_meta_pages_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "data.mdb").write_bytes(os.urandom(size))
    with pytest.raises(StoreError, match="damaged"):
        pages.check(tmp_path / "data.mdb")


def test_check_free_list_with_a_used_page_is_found(sound: Path, tmp_path: Path) -> None:
    # LMDB would give the used page to the next writer.
    data = bytearray(sound.read_bytes())
    with lmdb.open(str(sound.parent), readonly=True, max_dbs=30) as environment:
        number = environment.info()["last_txnid"] % 2
    free_root = struct.unpack_from("<Q", data, number * PAGE + 16 + 24 + 40)[0]
    upper = struct.unpack_from("<H", data, free_root * PAGE + 14)[0]
    value = free_root * PAGE + upper + 8 + 8
    count = struct.unpack_from("<Q", data, value)[0]
    assert 0 < count < 400
    main_root = struct.unpack_from("<Q", data, number * PAGE + 16 + 24 + 88)[0]
    struct.pack_into("<Q", data, value + 8, main_root)
    (tmp_path / "data.mdb").write_bytes(data)
    with pytest.raises(StoreError, match=f"page {main_root} is both free and used"):
        pages.check(tmp_path / "data.mdb")
