"""Backups: which ones are kept, when the next is due, restoring one, and a damaged store."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from imgscored.schedule import AFTER_START, next_backup

from imgscore import paths
from imgscore.config import Config, DaemonConfig
from imgscore.engine.engine import Engine, open_engine
from imgscore.engine.stage import Conditions
from imgscore.errors import StoreError
from imgscore.store import backup_folders, backups, checks, labels, originals, verify
from imgscore.store.lock import StoreLock
from imgscore.store.schema import LabelEvent, Original
from imgscore.store.store import TABLES, Store
from imgscore.store.transaction import Txn
from imgscore.store.verify import read_all
from imgscore.testing import eventually
from imgscore.workers.messages import BackUp, Interrupted, Task
from imgscore.workers.pool import NoWorkerError

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DIGEST = bytes(32)
EVEN = 1_700_000_000 * 10**9


@pytest.fixture
def store() -> Iterator[Store]:
    with Store(paths.store_folder()) as store:
        yield store


def label(txn: Txn, number: int) -> None:
    labels.append(txn, LabelEvent(number, "default", DIGEST, "keep", "cli", b"/x"))


@pytest.fixture
def engine(store: Store) -> Iterator[Engine]:
    config = Config(daemon=DaemonConfig(free_mb=0, backups_kept=2))
    with open_engine(store, config, paths.heads_folder()) as engine:
        yield engine


def written(engine: Engine) -> list[Path]:
    """Let an automatic backup become due; return all backups when the engine is idle."""
    engine.backup_job.due()

    def is_idle() -> bool:
        engine.step(0.05)
        return not engine.ctx.pool.trainer_busy

    eventually(is_idle, what="the backup is written", pause=0.0)
    return backup_folders.kept(paths.backups_folder(), datetime.now(UTC))


def test_backup_job_keeps_the_newest_and_copies_no_commit_twice(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = engine.ctx.store
    names = iter(f"2026-11-2{day}T00-00-00Z" for day in range(5))
    monkeypatch.setattr(backups, "name", lambda now: next(names))
    for number in range(3):
        store.commit(lambda txn, number=number: label(txn, number))
        kept = written(engine)
    assert [backup.name for backup in kept] == ["2026-11-21T00-00-00Z", "2026-11-22T00-00-00Z"]
    assert written(engine) == kept  # nothing has changed
    assert read_all(kept[-1]) > read_all(kept[0])
    assert not list(paths.backups_folder().glob("*.partial"))


def test_backup_job_with_little_free_space_writes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor = shutil.disk_usage(paths.data_folder()).free // 10**6 + 1000
    config = Config(daemon=DaemonConfig(free_mb=floor))
    with open_engine(store, config, paths.heads_folder()) as engine:
        monkeypatch.setattr(engine.indexer, "hint_all", lambda: None)
        assert written(engine) == []
        assert "free" in engine.ctx.notes["backup"]


def test_backup_job_with_an_unwritable_folder_reports_it(engine: Engine) -> None:
    paths.backups_folder().touch()  # a file instead of a folder
    assert written(engine) == []
    assert "backups" in engine.ctx.notes["backup"]
    paths.backups_folder().unlink()
    assert len(written(engine)) == 1
    assert "backup" not in engine.ctx.notes


def test_partial_unfinished_backup_is_ignored_and_deleted(store: Store) -> None:
    folder = paths.backups_folder()
    left = folder / "2026-11-21T00-00-00Z.partial"
    backups.write(store, paths.heads_folder(), left)
    (folder / "2026-11-20T00-00-00Z").mkdir()  # a backup without a store
    assert backup_folders.kept(folder, NOW) == []
    backups.partial(folder, NOW)
    assert not left.exists()


def test_partial_second_backup_in_one_second_gets_another_name(store: Store) -> None:
    folder = paths.backups_folder()
    for _ in range(2):
        written = backups.partial(folder, NOW)
        backups.write(store, paths.heads_folder(), written)
        backups.finish(written, 3)
    assert [
        backup_folders.moment(backup) - NOW
        for backup in backup_folders.kept(folder, NOW + timedelta(days=1))
    ] == [
        timedelta(0),
        timedelta(seconds=1),
    ]


def test_kept_backup_from_the_future_counts_as_the_oldest(store: Store) -> None:
    """It was made before the clock was set back, and must not displace later ones."""
    folder = paths.backups_folder()
    for moment in (NOW + timedelta(days=365), NOW, NOW + timedelta(days=1)):
        written = backups.partial(folder, moment)
        backups.write(store, paths.heads_folder(), written)
        whole = backups.finish(written, 1)
        assert backup_folders.kept(folder, moment) == [whole]
    (folder / "2026-11-2Z").mkdir()  # the name is no moment
    (folder / "2026-11-2Z/data.mdb").touch()
    assert backup_folders.kept(folder, NOW + timedelta(days=2)) == [whole]


@pytest.mark.parametrize("ended", [False, True])
def test_backup_job_after_a_failure_is_still_due(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    """No worker could be started, or another program ended it."""
    engine.ctx.store.commit(lambda txn: label(txn, 1))
    with monkeypatch.context() as context:

        def submit(task: Task) -> bool:
            if ended:
                return True
            raise NoWorkerError("no worker can be started", "end other programs")

        context.setattr(engine.ctx.pool, "submit", submit)
        engine.backup_job.due()
        if ended:
            engine.backup_job.advance(Conditions(0.0))
            engine.backup_job.take(BackUp(b"/x"), Interrupted())
        else:
            with pytest.raises(NoWorkerError):
                engine.backup_job.advance(Conditions(0.0))

    def is_written() -> bool:
        engine.step(0.05)
        return bool(backup_folders.kept(paths.backups_folder(), datetime.now(UTC)))

    eventually(is_written, what="a backup is written", pause=0.0)


def test_backup_job_next_time_is_a_day_after_the_last(store: Store) -> None:
    day, soon = 86_400.0, NOW + timedelta(seconds=AFTER_START)
    assert next_backup(NOW, day) == soon
    for ago, wanted in (
        (timedelta(hours=1), NOW + timedelta(hours=23)),
        (timedelta(days=9), soon),
        (timedelta(days=-365), soon),  # the clock was set back by an unknown time
    ):
        folder = paths.backups_folder() / backup_folders.name(NOW - ago)
        backups.write(store, paths.heads_folder(), folder)
        assert next_backup(NOW, day) == wanted
        shutil.rmtree(folder)


def test_restore_replaces_the_store_and_keeps_the_old_one(store: Store, tmp_path: Path) -> None:
    """Labels are restored, and a date that we set after the backup is no new original."""
    path = tmp_path / "a.jpg"
    path.touch()

    def before(txn: Txn) -> None:
        label(txn, 1)
        originals.record(txn, DIGEST, Original(os.fsencode(path), 5, 5, EVEN))

    store.commit(before)
    backups.write(store, paths.heads_folder(), tmp_path / "backup")
    store.close()
    dates = {os.fsencode(path): EVEN + 4 * 10**9}
    aside = backups.restore(
        tmp_path / "backup", paths.store_folder(), paths.heads_folder(), dates.get
    )
    assert aside is not None and (aside / "data.mdb").is_file()
    with Store(paths.store_folder()) as again, again.read() as txn:
        assert labels.current(txn, "default", DIGEST) is not None
        original = originals.get(txn, DIGEST, os.fsencode(path))
    assert original is not None and original.original_ns == 5
    assert originals.is_ours(original, EVEN) and originals.is_ours(original, EVEN + 4 * 10**9)


def test_restore_killed_at_any_point_leaves_a_store(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each rename there is a store: without one, a daemon would create an empty one."""
    store.commit(lambda txn: label(txn, 1))
    backups.write(store, paths.heads_folder(), tmp_path / "backup")
    store.close()

    class Killed(BaseException):
        pass

    done = []
    for way in ("rename", "replace"):
        real = getattr(os, way)

        def then_killed(*paths: Path, real: Callable[..., None] = real) -> None:
            real(*paths)
            done.append(paths)
            raise Killed

        monkeypatch.setattr(os, way, then_killed)
    with pytest.raises(Killed):
        backups.restore(
            tmp_path / "backup", paths.store_folder(), paths.heads_folder(), lambda path: None
        )
    assert done
    with Store(paths.store_folder(), readonly=True) as again, again.read() as txn:
        assert labels.current(txn, "default", DIGEST) is not None


def test_restore_of_no_backup_changes_nothing(store: Store, tmp_path: Path) -> None:
    store.close()
    before = (paths.store_folder() / "data.mdb").read_bytes()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/data.mdb").write_bytes(b"x" * 9000)
    for folder in (tmp_path / "nothing", tmp_path / "broken"):
        with pytest.raises(StoreError):
            backups.restore(folder, paths.store_folder(), paths.heads_folder(), lambda path: None)
    assert (paths.store_folder() / "data.mdb").read_bytes() == before


def test_verify_runs_only_after_a_crash_or_a_change(tmp_path: Path) -> None:
    with Store(paths.store_folder()) as store:
        for number in range(400):
            store.commit(lambda txn, number=number: label(txn, number))
    file = paths.store_folder() / "data.mdb"
    whole = file.read_bytes()
    code = (
        "import os; from imgscore import paths; from imgscore.store.lock import StoreLock; "
        "lock = StoreLock(paths.data_folder()); os._exit(9)"
    )
    for damaged in (whole[: len(whole) // 2], whole[:8192] + bytes(len(whole) - 8192)):
        subprocess.run([sys.executable, "-c", code], check=False)
        file.write_bytes(damaged)
        with StoreLock(paths.data_folder()) as lock:
            with pytest.raises(StoreError, match="damaged") as caught:
                verify.before_use(lock, paths.store_folder())
            assert "imgscore db restore" in caught.value.remedy
        assert file.read_bytes() == damaged
        with StoreLock(paths.data_folder()) as lock:
            assert lock.is_unverified, "the damaged store stays marked"
            file.write_bytes(whole)
            verify.before_use(lock, paths.store_folder())
        with StoreLock(paths.data_folder()) as lock:
            assert not lock.is_unverified
    file.write_bytes(damaged)
    with StoreLock(paths.data_folder()) as lock:
        assert lock.is_unverified, "another program has changed the file"


@pytest.mark.parametrize("tables", [TABLES[:15], TABLES[:3]], ids=["older", "killed at first"])
def test_verify_store_with_fewer_tables_succeeds(tables: tuple[str, ...]) -> None:
    """An older imgscore wrote it, without marking its lock as closed; or it is being created."""
    folder = paths.store_folder()
    assert "deletions" not in tables
    with Store(folder) as store, store.environment.begin(write=True) as raw:
        for name in set(TABLES) - set(tables):
            table = store.handles[name]
            assert table is not None
            raw.drop(table)
    (paths.data_folder() / "lock").write_text("1234")
    with StoreLock(paths.data_folder()) as lock:
        verify.before_use(lock, folder)
        with Store(folder, readonly=True) as store, store.read() as txn:
            for table in (txn.table("deletions"), txn.table("places")):
                assert (table.get(b"x"), table.last(), table.last_under(b"x", 8)) == (
                    None,
                    None,
                    None,
                )
                assert table.getter()(b"x", b"y") == b"y" and len(table) == 0
                assert [*table.scan(), *table.keys(), *table.backwards()] == []
            assert not any(finding.problems for finding in checks.iter_all(txn, store.file))
        with Store(folder) as store, store.read() as txn:
            assert len(txn.table("deletions")) == 0


def test_verify_that_takes_too_long_warns_and_uses_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verify, "MAX_SECONDS", 0.01)
    Store(paths.store_folder()).close()
    (paths.data_folder() / "lock").write_text("1234")
    with StoreLock(paths.data_folder()) as lock:
        verify.before_use(lock, paths.store_folder())
