"""Every check of the doctor's finds what it is there for, and says what to do."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.events import FileSystemEventHandler
from watchdog.observers.inotify import InotifyObserver

from imgscore import config, doctor, paths, protocol
from imgscore.doctor import files, folders, session, software
from imgscore.doctor.finding import Finding
from imgscore.embedders import lite0_spec, manifest, registry
from imgscore.store import journal
from imgscore.store.lock import StoreLock
from imgscore.store.schema import Touch
from imgscore.store.store import Store
from tests.conftest import put
from tests.support.disks import mounted


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A watched inbox that a store knows nothing of yet."""
    folder = tmp_path / "inbox"
    for name in ("keep", "trash"):
        (folder / name).mkdir(parents=True)
    write_config(f'[[watch]]\ninbox = "{folder}"\n')
    return folder


def write_config(text: str) -> None:
    paths.config_file().parent.mkdir(parents=True, exist_ok=True)
    paths.config_file().write_text(text)


def findings(check: str) -> list[Finding]:
    return [one for one in doctor.examine() if one.check == check]


def finding(check: str) -> Finding:
    (one,) = findings(check)
    return one


def ill(check: str, state: str) -> str:
    """What is said of a check that is not well; a remedy there must be."""
    (one,) = [one for one in findings(check) if one.state != "ok"]
    assert one.state == state and one.remedy, one
    return one.detail


def test_examine_healthy_installation_finds_nothing(inbox: Path) -> None:
    every = list(doctor.examine())
    assert [one for one in every if one.state == "problem"] == []
    assert {one.check for one in every if one.state == "warning"} <= {"daemon", "tray", "inotify"}
    named = [one.check for one in every]
    assert set(named) <= set(doctor.CHECKS)
    assert set(doctor.CHECKS) - set(named) == {
        "stars",
        "hard links",
        "sync",
        "links",
        "desktop trash",
    }
    # The worker that doctor tries makes its folders; no file is left in them.
    for folder in (paths.data_folder(), paths.cache_folder()):
        assert not [path for path in folder.rglob("*") if not path.is_dir()]


def test_stars_missing_graded_folder_is_a_problem(inbox: Path) -> None:
    (inbox / "good").mkdir()
    write_config(f'[[watch]]\ninbox = "{inbox}"\ngrades = {{ "4" = "good", "2" = "poor" }}\n')
    assert ill("stars", "problem") == f"2 stars: {inbox}/poor is missing"
    (good,) = [one for one in findings("stars") if one.state == "ok"]
    assert good.detail.startswith(f"4 stars: {inbox}/good on ")


def test_packages_one_missing_is_a_problem(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "OLDEST", (3, 99))
    assert "3.99" in finding("Python").remedy
    needed = ["numpy>=2", "no-such-part[x]>=1 ; python_version > '3'", "torch ; extra == 'torch'"]
    monkeypatch.setattr(software, "requires", lambda name: needed)
    assert ill("packages", "problem") == "missing: no-such-part"


def test_model_damaged_file_is_a_problem(
    inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(lite0_spec.MODEL.read_bytes()[:-1] + b"?")
    monkeypatch.setattr(lite0_spec, "MODEL", model)
    assert "damaged" in ill("model", "problem")
    model.unlink()
    assert "is missing" in ill("model", "problem")


def test_model_damaged_download_names_the_remedy(inbox: Path) -> None:
    folder = registry.model_folder("uform3-small")
    folder.mkdir(parents=True)
    write_config(f'model = "uform3-small"\n{paths.config_file().read_text()}')
    assert "not downloaded" in ill("model", "problem")
    (folder / "weights").write_bytes(b"good")
    facts = manifest.FileFacts(4, manifest.sha256_of(folder / "weights"))
    manifest.write(folder, manifest.Manifest("a/b", "1", {"weights": facts}))
    assert findings("model")[1].state == "ok"
    (folder / "weights").write_bytes(b"baad")
    assert ill("model", "problem").endswith("weights")
    assert findings("device")[0].state == "problem"


def test_config_missing_invalid_or_empty_is_found(inbox: Path) -> None:
    write_config("watch = 7")
    assert "watch" in ill("config", "problem")
    write_config("")
    assert ill("config", "warning") == "the config has no watched folder"
    paths.config_file().unlink()
    assert ill("config", "warning").endswith("config.toml does not exist")


def test_store_place_decides_its_state(inbox: Path) -> None:
    assert finding("store").detail.endswith("no store yet")
    with Store(paths.store_folder()):
        pass
    assert finding("store").detail.endswith("no errors")
    data = paths.store_folder() / "data.mdb"
    data.write_bytes(os.urandom(data.stat().st_size))
    assert ill("store", "problem")
    assert finding("clock").state == "ok"  # one damage, one problem


def test_store_unreadable_entry_is_a_problem(inbox: Path) -> None:
    with Store(paths.store_folder()) as store:
        store.commit(lambda txn: txn.table("failures").put(b"key", b"no record"))
    assert "1 problem: failures" in ill("store", "problem")


def test_disk_low_space_is_found(inbox: Path) -> None:
    free = shutil.disk_usage(inbox).free // 10**6
    for free_mb, state in ((2 * free, "problem"), (free // 2, "warning")):
        write_config(f'[[watch]]\ninbox = "{inbox}"\n[daemon]\nfree_mb = {free_mb}\n')
        assert "MB free" in ill("disk", state)


def test_lock_names_the_process_that_holds_it(inbox: Path) -> None:
    with StoreLock(paths.data_folder()):
        assert ill("lock", "warning").startswith(f"process {os.getpid()} has locked the store")
    assert finding("lock") == Finding("lock", "ok", "no process holds the store")


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket in the daemon's place that accepts requests and never answers."""
    for module in (files, session):
        monkeypatch.setattr(module, "STATUS_SECONDS", 0.1)
    paths.runtime_folder().mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as one, protocol.address(paths.socket_path()) as name:
        one.bind(name)
        one.listen()
        yield one


def test_socket_open_to_others_is_found(
    inbox: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.socket_path().chmod(0o660)
    assert "open to others" in ill("socket", "warning")
    paths.socket_path().chmod(0o600)
    assert finding("socket").state == "ok"
    assert "does not answer" in ill("daemon", "problem")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert "another user" in ill("socket", "problem")


def test_socket_of_a_daemon_with_another_runtime_folder_is_found(
    inbox: Path, tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cron job has no XDG_RUNTIME_DIR, but the lock file names the daemon's socket."""
    path = paths.socket_path()
    path.chmod(0o600)
    paths.data_folder().mkdir(parents=True, exist_ok=True)
    (paths.data_folder() / "lock").write_bytes(b"1\n" + os.fsencode(path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert paths.socket_path() != path
    assert finding("socket") == Finding("socket", "ok", f"only you can use {path}")


def test_clock_set_back_is_found(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert finding("clock").state == "ok"
    with Store(paths.store_folder()) as store:
        later = Touch(time.time_ns() + 10**13, 1, b"", b"", b"", 0, 0, "", "order")
        store.commit(lambda txn: journal.append(txn, later))
    assert "set back" in ill("clock", "warning")
    monkeypatch.setattr(session.time, "time", lambda: 100_000.0)
    assert "1970" in ill("clock", "problem")


def test_folders_missing_or_foreign_are_found(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (inbox / "keep").rmdir()
    assert "missing" in ill("keep", "problem")
    put(inbox, "sun", 2)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert "2 files belong to other users" in ill("inbox", "warning")
    (inbox / ".stfolder").mkdir()
    assert "Syncthing" in ill("sync", "warning")


def test_folders_read_only_mount_is_a_problem(tmp_path: Path) -> None:
    with mounted(tmp_path, "mkfs.ext4", "-q") as disk:
        write_config(f'[[watch]]\ninbox = "{disk}"\nkeep = "/tmp/keep"\ntrash = "/mnt"\n')
        assert finding("inbox").state == "ok"
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        assert "read-only" in ill("inbox", "problem")


def test_inotify_too_few_watches_is_a_warning(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me = Path("/proc/self")
    instances, watches = folders._in_use([me])
    observer = InotifyObserver()
    observer.schedule(FileSystemEventHandler(), os.fspath(inbox), recursive=True)
    observer.start()
    try:
        assert folders._in_use([me]) == (instances + 1, watches + 3)
        for limits, word in (((4, 999), "max_user_watches"), ((10**6, 1), "max_user_instances")):
            named = dict(zip(("watches", "instances"), limits, strict=True))
            monkeypatch.setattr(folders, "_limit", named.get)
            assert ill("inotify", "warning").startswith("3 folders to watch")
            assert word in finding("inotify").remedy
    finally:
        observer.stop()
        observer.join()


def test_examine_check_that_raises_becomes_a_finding(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Iterator[Finding]:
        raise ImportError("libc.so.7")

    monkeypatch.setattr(software, "python", broken)
    assert "libc.so.7" in ill("Python", "problem")
    assert finding("disk").state == "ok"
    assert config.load().watch


def test_desktop_trash_unreadable_is_a_problem(inbox: Path) -> None:
    assert findings("desktop trash") == []  # nobody asked for it
    write_config(f'[[watch]]\ninbox = "{inbox}"\nxdg_trash = true\n')
    assert "does not exist yet" in finding("desktop trash").detail
    info = paths.trash_folder() / "info"
    info.mkdir(parents=True)
    (info / "a.trashinfo").touch()
    found = finding("desktop trash")
    assert found.state == "ok" and "holds 1" in found.detail
    assert str(paths.trash_folder()) in found.detail


def test_device_is_tried_in_a_confined_worker(inbox: Path) -> None:
    detail = finding("device").detail
    assert "(CPUExecutionProvider)" in detail and "images a second" in detail
    assert not paths.cache_folder().exists() and "XDG_CACHE_HOME" in os.environ


def test_device_that_cannot_compute_is_a_warning_with_the_reason(inbox: Path) -> None:
    write_config(f'device = "directml"\n{paths.config_file().read_text()}')
    assert "has no DmlExecutionProvider" in finding("device").detail
