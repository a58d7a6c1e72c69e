"""Failures of the system: full, broken or read-only disks, a damaged store, a wrong clock, limits.

The daemon must report each failure, and lose no label and no date.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.crash.kill import repeat
from bench.crash.missed import SHORT_INTERVALS, SkippedError
from bench.crash.sandbox import Fault, LostError, Sandbox
from bench.crash.workload import HOUR_NS, PAST_NS, draw_image, hash_file
from imgscore.errors import ImgscoreError
from imgscore.store import name_vectors
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.testing import Row, eventually

NO_CAPABILITIES = ("setpriv", "--inh-caps=-all", "--bounding-set=-all") if os.geteuid() == 0 else ()
"""command prefix: without capabilities, file permissions apply to root, too"""
CLOCK = """
import os, time
back = int(os.environ["CLOCK_SET_BACK"])
real_ns, real = time.time_ns, time.time
time.time_ns = lambda: real_ns() - back * 10**9
time.time = lambda: real() - back
"""
STORE_ERROR = 5
"""exit code of the daemon when it cannot use the store"""
PAGE = 4096
"""bytes of a page of LMDB, which is the page size of the system"""


def _require(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise SkippedError(f"install {program}")


def _start(sandbox: Sandbox, **settings: float) -> dict[str, int]:
    """Start a daemon with ten images of each kind, label three of each, wait for the order.

    Returns digest → the original mtime in ns.
    """
    sandbox.configure(**{**SHORT_INTERVALS, **settings})
    dates, paths = {}, []
    for number in range(20):
        path = draw_image(("sun", "text")[number % 2], number, sandbox.inbox)
        date = PAST_NS + number * HOUR_NS + 77
        os.utime(path, ns=(date, date))
        dates[hash_file(path)] = date
        paths.append(path)
    sandbox.start()
    sandbox.settle()
    for number, path in enumerate(paths[:6]):
        path.rename(sandbox.inbox / ("keep", "trash")[number % 2] / path.name)
    sandbox.settle()
    return dates


def _check_nothing_lost(sandbox: Sandbox, dates: dict[str, int], labels: int = 6) -> None:
    """Check the store, restore all dates and compare them, count the labels."""
    sandbox.settle()
    problems = [row for row in sandbox.ask("db", action="check") if row["error"]]
    if problems:
        raise LostError(f"db check: {problems}")
    sandbox.ask("restore-times")
    for path in sandbox.files():
        original = dates.get(hash_file(path))
        if original is not None and path.stat().st_mtime_ns != original:
            raise LostError(f"restore-times did not restore the date of {path.name}")
    sandbox.stop()
    count = len(sandbox.labels())
    if count != labels:
        raise LostError(f"{count} labels instead of {labels}")


def _check_failed(status: Row, expected_reason: str, *names: str) -> None:
    """Check that exactly these files failed, each for the expected reason."""
    reasons = {Path(row["path"]).name: row["reason"] for row in status["failed"]}
    if set(reasons) != set(names) or not all(
        expected_reason in reason for reason in reasons.values()
    ):
        raise LostError(f"failed: {reasons}")


@contextlib.contextmanager
def _mount(arguments: list[str | Path], point: Path) -> Iterator[None]:
    """Mount a file system for the block. Raises SkippedError where that is not allowed."""
    _require("mount")
    if subprocess.run(["mount", *arguments, point], check=False, capture_output=True).returncode:
        raise SkippedError("cannot mount file systems here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", point], check=False)


def fill_disk(sandbox: Sandbox) -> None:
    """Fill the store's disk while the daemon runs, then free it."""
    data = sandbox.home / "data"
    data.mkdir(parents=True)
    with _mount(["-t", "tmpfs", "-o", "size=8m", "tmpfs"], data):
        dates = _start(sandbox)
        ballast = data / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)) == 4096:
                pass
        for number in range(40):
            draw_image("sun", 200 + number, sandbox.inbox)
        sandbox.until(lambda status: bool(status["troubles"]), "status reports the full disk")
        ballast.unlink()
        sandbox.until(lambda status: status["watches"][0]["scored"] == 54, "all images are scored")
        _check_nothing_lost(sandbox, dates)


def break_disk(sandbox: Sandbox) -> None:
    """Let a disk return EIO for one file: status must report it, and the other files go on."""
    dates = _start(sandbox)
    sandbox.stop()
    disk, image = sandbox.inbox / "disk", sandbox.folder / "disk.img"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(8 << 20)
    _require("mkfs.ext4")
    subprocess.run(["mkfs.ext4", "-q", image], check=True, capture_output=True)
    with _mount(["-o", "loop", image], disk):
        (disk / "bad.png").write_bytes(os.urandom(3 << 20))
    with _mount(["-o", "loop", image], disk):
        os.truncate(image, 2 << 20)  # cuts off the blocks of the file
        sandbox.start()
        draw_image("sun", 300, sandbox.inbox)
        status = sandbox.settle()
        _check_failed(status, "Input/output", "bad.png")
        if status["watches"][0]["scored"] != 15:
            raise LostError(f"the other files are not scored: {status['watches']}")
        sandbox.stop()
    disk.rmdir()
    sandbox.start()
    _check_nothing_lost(sandbox, dates)


def deny_read(sandbox: Sandbox) -> None:
    """Take away the permission to read a file and a folder, then give it back."""
    _require(*NO_CAPABILITIES[:1])
    dates = _start(sandbox)
    sandbox.stop()
    folder = sandbox.inbox / "private"
    folder.mkdir()
    file = draw_image("sun", 300, sandbox.inbox)
    draw_image("sun", 301, folder)
    paths = [file, folder]
    for path in paths:
        path.chmod(0)
    sandbox.start(prefix=NO_CAPABILITIES)
    status = sandbox.settle()
    _check_failed(status, "ermission", file.name, folder.name)
    file.chmod(0o600)
    folder.chmod(0o700)
    sandbox.until(lambda status: not status["failed"], "the files are read")
    sandbox.stop()
    sandbox.start()
    _check_nothing_lost(sandbox, dates)


def deny_store_write(sandbox: Sandbox) -> None:
    """Take away the permission to write the store: the daemon must end with a clear error."""
    _require(*NO_CAPABILITIES[:1])
    dates = _start(sandbox)
    sandbox.stop()
    paths = [sandbox.data_folder, sandbox.store_folder, *(sandbox.store_folder).iterdir()]
    for path in paths:
        path.chmod(0o500 if path.is_dir() else 0o400)
    sandbox.launch(prefix=NO_CAPABILITIES)
    assert sandbox.process is not None
    code = sandbox.process.wait(timeout=60)
    error = sandbox.log_tail(2)
    for path in paths:
        path.chmod(0o700 if path.is_dir() else 0o600)
    if code != STORE_ERROR or "permission" not in error.lower():
        raise LostError(f"exit code {code}: {error}")
    sandbox.start()
    _check_nothing_lost(sandbox, dates)


def damage_store(sandbox: Sandbox, damage: Callable[[bytes], bytes]) -> None:
    """Damage the store while no daemon runs; then run the command that the error message names."""
    dates = _start(sandbox, backup=1)
    backups = sandbox.data_folder / "backups"
    eventually(
        lambda: any((backup / "data.mdb").exists() for backup in backups.glob("*Z")),
        what="the daemon makes a backup",
    )
    sandbox.settle()
    time.sleep(4)  # until the newest backup contains the last touch
    sandbox.kill()
    file = sandbox.store_folder / "data.mdb"
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    sandbox.launch()
    assert sandbox.process is not None
    code, error = sandbox.process.wait(timeout=60), sandbox.log_tail(4)
    if code != STORE_ERROR or "damaged" not in error:
        raise LostError(f"exit code {code}: {error}")
    if file.read_bytes() != damaged:
        raise LostError("the daemon changed the damaged file")
    remedy = re.search(r"imgscore (db restore \S+)", error)
    if remedy is None:
        raise LostError(f"the error message names no command: {error}")
    sandbox.run_checked(*remedy[1].split())
    copies = sandbox.data_folder.glob("store.*/data.mdb")
    if not any(copy.read_bytes() == damaged for copy in copies):
        raise LostError("db restore did not keep the damaged file")
    sandbox.start()
    _check_nothing_lost(sandbox, dates)


def overwrite_pages(sandbox: Sandbox, seed: int, pages: int) -> None:
    """Overwrite random pages of the store: an error message, or no effect; never a traceback."""
    _start(sandbox)
    sandbox.kill()
    file, chance = sandbox.store_folder / "data.mdb", random.Random(seed)
    content = bytearray(file.read_bytes())
    for _ in range(pages):
        at = chance.randrange(2, len(content) // PAGE) * PAGE
        content[at : at + PAGE] = chance.choice((bytes(PAGE), chance.randbytes(PAGE)))
    file.write_bytes(content)
    sandbox.launch()
    assert sandbox.process is not None
    with contextlib.suppress(ImgscoreError, TimeoutError):
        sandbox.until(lambda status: not status["pending"] or status["troubles"])
    if sandbox.running:
        sandbox.ask("db", action="check")
        sandbox.stop()
    code, log = sandbox.process.wait(timeout=60), sandbox.log_text
    if code not in (0, STORE_ERROR) or "Traceback" in log:
        raise LostError(f"exit code {code}: {sandbox.log_tail(3)}")


def fill_map(sandbox: Sandbox) -> None:
    """Cause MAP_FULL in a commit: the store must enlarge the map and repeat the commit."""
    with Store(sandbox.folder / "store", map_size=1 << 20) as store:
        for number in range(200):
            store.commit(lambda txn, number=number: _write_20_kb(txn, number))
        with store.read() as txn:
            count = len(txn.table("names"))
        if count != 200 or store.environment.info()["map_size"] <= 1 << 20:
            raise LostError(f"the store has {count} of 200 commits")


def _write_20_kb(txn: Txn, number: int) -> None:
    name_vectors.put(txn, number.to_bytes(8, "big"), bytes(20_000))


def set_clock_back(sandbox: Sandbox) -> None:
    """Set the daemon's clock back by a day, so that existing files have dates in the future."""
    dates = _start(sandbox)
    sandbox.stop()
    folder = sandbox.folder / "clock"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(CLOCK)
    folders = [os.fspath(folder), os.environ.get("PYTHONPATH", "")]
    setting = f"PYTHONPATH={os.pathsep.join(filter(None, folders))}"
    sandbox.start(prefix=("env", setting, "CLOCK_SET_BACK=86400"))
    for number in range(5):
        path = draw_image("sun", 400 + number, sandbox.inbox)
        dates[hash_file(path)] = path.stat().st_mtime_ns
    moved = sorted(sandbox.inbox.glob("sun*"))[0]
    moved.rename(sandbox.inbox / "keep" / moved.name)
    status = sandbox.settle()
    if status["watches"][0]["scored"] != 18 or sandbox.ask("order"):
        raise LostError(f"not in order with the clock set back: {status['watches']}")
    if any(path.stat().st_mtime > time.time() - 86_400 for path in sandbox.inbox.glob("*.*")):
        raise LostError("the daemon set a date that is in the future by its clock")
    _check_nothing_lost(sandbox, dates, labels=7)


def limit_descriptors(sandbox: Sandbox) -> None:
    """Allow 32 file descriptors, few more than the daemon needs, and open 20 connections."""
    _require("prlimit")
    dates = _start(sandbox)
    sandbox.stop()
    sandbox.start(prefix=("prlimit", "--nofile=32:32"))
    for number in range(30):
        draw_image("text", 500 + number, sandbox.inbox)
    connections = [sandbox.connect() for _ in range(20)]
    time.sleep(1)
    for connection in connections:
        connection.close()
    sandbox.until(lambda status: status["watches"][0]["scored"] == 44, "all images are scored", 90)
    _check_nothing_lost(sandbox, dates)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda content: content[: len(content) // 2],
    "zeroed from page 2": lambda content: content[:8192] + bytes(len(content) - 8192),
    "overwritten": lambda content: b"\xa5" * len(content),
}


def run_all(folder: Path, tries: int) -> Iterator[Fault]:
    """Run each case `tries` times, and ten times as often the random damage."""
    cases: list[tuple[str, Callable[[Sandbox], None]]] = [
        ("ENOSPC: the store's disk full, then free again", fill_disk),
        ("EIO while an image is read", break_disk),
        ("EACCES: a file and a folder", deny_read),
        ("EACCES: the store", deny_store_write),
        *(
            (f"the store {name}, then `db restore`", partial(damage_store, damage=damage))
            for name, damage in DAMAGES.items()
        ),
        ("MAP_FULL", fill_map),
        ("the clock set back by a day", set_clock_back),
        ("descriptor limit 32", limit_descriptors),
    ]
    for name, case in cases:

        def attempt(number: int, case: Callable[[Sandbox], None] = case) -> None:
            with Sandbox(folder / "failing") as sandbox:
                case(sandbox)

        yield repeat(name, tries, attempt)

    def overwrite(number: int) -> None:
        with Sandbox(folder / "overwritten") as sandbox:
            overwrite_pages(sandbox, number, 1 + number % 3)

    yield repeat("random pages of the store overwritten", 10 * tries, overwrite)
