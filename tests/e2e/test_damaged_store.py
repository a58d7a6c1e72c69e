"""A damaged store: each command names the file and the way back, and none ends with a signal."""

import os
import shutil
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import lmdb
import pytest

from imgscore import paths
from imgscore.cli.path_text import short
from imgscore.store import backup_folders
from imgscore.store.store import TABLES
from imgscore.testing import IMGSCORED, run
from tests.conftest import put
from tests.support.commands import Start, imgscore

PAGE = 4096
VERBS = (
    "scan", "score a.png", "label keep a.png", "history", "undo order", "order", "restore-times",
    "evaluate", "suspects", "next", "explain a.png", "train", "heads list", "report", "status",
    "export out.parquet", "db check", "db compact", "db backup to",
)  # fmt: skip
"""verbs that open the store; each is tried without a daemon"""


@pytest.fixture
def folder(inbox: Path, start: Start) -> Path:
    """A watched inbox whose store was closed properly and has one automatic backup."""
    for kind, place in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 5)[:3]:
            path.rename(inbox / place / path.name)
    daemon = start()
    daemon.settle()
    assert imgscore("order").code == 0
    assert daemon.stop() == 0
    backup = paths.backups_folder() / backup_folders.name(datetime.now(UTC))
    assert imgscore("db", "backup", backup).code == 0
    shutil.copyfile(next(inbox.glob("*.png")), inbox / "a.png")
    return inbox


def truncate(data: bytearray) -> None:
    del data[len(data) // 2 :]


def truncate_to_the_meta_pages(data: bytearray) -> None:
    del data[2 * PAGE :]


def zero_a_page(data: bytearray) -> None:
    # Zero the root of the main table in the newest meta page: (root, last page, transaction).
    metas = [struct.unpack_from("<3Q", data, page * PAGE + 128) for page in (0, 1)]
    root = max(metas, key=lambda meta: meta[2])[0]
    data[root * PAGE : (root + 1) * PAGE] = bytes(PAGE)


def overwrite_pages(data: bytearray) -> None:
    for number in range(2, len(data) // PAGE, 2):
        data[number * PAGE : (number + 1) * PAGE] = os.urandom(PAGE)


def zero_everything(data: bytearray) -> None:
    data[:] = bytes(len(data))


@pytest.mark.parametrize(
    "damage",
    [truncate, truncate_to_the_meta_pages, zero_a_page, overwrite_pages, zero_everything],
)
def test_verbs_damaged_store_name_the_way_back(
    folder: Path, damage: Callable[[bytearray], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    file = paths.store_folder() / "data.mdb"
    data = bytearray(file.read_bytes())
    damage(data)
    file.write_bytes(data)
    backup = backup_folders.newest_sound()
    assert backup is not None
    for verb in VERBS:
        done = imgscore(*verb.split())
        assert done.code == 5, (verb, done)
        assert short(str(file)) in done.err, (verb, done)
        assert f"imgscore db restore {short(str(backup))}" in done.err, (verb, done)
        assert "Traceback" not in done.err, (verb, done)
    daemon = run([*IMGSCORED])
    assert daemon.code == 5 and str(backup) in daemon.err and "Traceback" not in daemon.err
    doctor = imgscore("doctor")
    assert doctor.code == 1 and "Traceback" not in doctor.err
    assert "damaged" in doctor.out.replace("\n", " ") + doctor.err
    assert file.read_bytes() == data, "a damaged store is not changed"
    assert imgscore("db", "restore").code == 0
    assert imgscore("db", "check").code == 0
    assert imgscore("restore-times").code == 0


def test_restore_newest_backup_damaged_uses_an_older_one(folder: Path) -> None:
    whole = backup_folders.newest_sound()
    assert whole is not None
    broken = whole.with_name(backup_folders.name(datetime(2030, 1, 1, tzinfo=UTC)))
    shutil.copytree(whole, broken)
    later = whole.with_name(backup_folders.name(datetime.now(UTC)))
    if later != whole:
        broken.rename(later)
        broken = later
    data = bytearray((broken / "data.mdb").read_bytes())
    truncate(data)
    (broken / "data.mdb").write_bytes(data)
    assert backup_folders.newest_sound() == whole
    done = imgscore("db", "restore")
    assert done.code == 0 and short(str(whole)) in done.out


def flip_a_bit(table: str) -> bytes:
    """Flip one bit of the first record of a table, and return the record's key."""
    with lmdb.open(str(paths.store_folder()), max_dbs=len(TABLES)) as environment:
        database = environment.open_db(table.encode())
        with environment.begin(db=database, write=True) as txn:
            key, value = next(iter(txn.cursor()))
            damaged = bytearray(value)
            damaged[len(value) // 2] ^= 1
            txn.put(key, bytes(damaged))
    return key


def test_daemon_damaged_original_goes_on_and_reports_it(folder: Path, start: Start) -> None:
    # A new copy of the image with the damaged record would have to wait until the store is mended.
    (folder / "a.png").unlink()
    dates = {path: path.stat().st_mtime_ns for path in folder.glob("*.*")}
    key = flip_a_bit("originals")
    daemon = start()
    status = daemon.settle()
    assert any("originals cannot be used" in text for text in status["troubles"])
    assert imgscore("label", "keep", next(folder.glob("text*"))).code == 0
    check = imgscore("db", "check")
    assert check.code == 1 and key.hex() in check.out
    done = imgscore("restore-times")
    assert done.code == 5 and "db restore" in done.err and "Traceback" not in done.err
    restored = [path for path in dates if path.stat().st_mtime_ns != dates[path]]
    assert len(restored) >= 1, "the other files get their dates back"
    assert daemon.stop() == 0
    again = imgscore("restore-times")
    assert again.code == 5 and not again.out, "the damaged date is never set"


@pytest.mark.parametrize("table", ["labels", "label_log", "journal", "heads", "meta"])
def test_verbs_damaged_record_ends_none_with_a_traceback(folder: Path, table: str) -> None:
    key = flip_a_bit(table)
    check = imgscore("db", "check")
    assert check.code == 1 and key.hex() in check.out
    for verb in ("status", "scan", "history", "order", "suspects", "heads list", "doctor"):
        done = imgscore(*verb.split())
        assert done.code in (0, 1, 5) and "Traceback" not in done.err, (verb, done)
    assert imgscore("db", "restore").code == 0
    assert imgscore("db", "check").code == 0
