"""A damaged store: each command names the file and the way back, and none ends with a signal."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imgscore import paths
from imgscore.cli.path_text import short
from imgscore.store import backup_folders
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


def zero_a_page(data: bytearray) -> None:
    data[3 * PAGE : 4 * PAGE] = bytes(PAGE)


def overwrite_pages(data: bytearray) -> None:
    for number in range(2, len(data) // PAGE, 2):
        data[number * PAGE : (number + 1) * PAGE] = os.urandom(PAGE)


def zero_everything(data: bytearray) -> None:
    data[:] = bytes(len(data))


@pytest.mark.parametrize("damage", [truncate, zero_a_page, overwrite_pages, zero_everything])
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
