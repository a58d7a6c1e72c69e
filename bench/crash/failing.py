"""Disks that are full, broken or locked, a damaged store, a clock set back, no descriptor left."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.crash.kill import tried
from bench.crash.missed import SOON, SkippedError
from bench.crash.sandbox import Fault, LostError, Sandbox
from bench.crash.workload import HOUR, LONG_AGO, digest_of, draw
from imgscore.errors import ImgscoreError
from imgscore.store import name_vectors
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.testing import Row, eventually

# Root without its powers is asked for permission like anybody else.
POWERLESS = ("setpriv", "--inh-caps=-all", "--bounding-set=-all") if os.geteuid() == 0 else ()
CLOCK = """
import os, time
back = int(os.environ["CLOCK_SET_BACK"])
real_ns, real = time.time_ns, time.time
time.time_ns = lambda: real_ns() - back * 10**9
time.time = lambda: real() - back
"""
STORE_ERROR = 5
PAGE = 4096


def _need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise SkippedError(f"install {program}")


def _learned(sandbox: Sandbox, **settings: float) -> dict[str, int]:
    """Ten pictures of each kind, three of each labelled, in order, the daemon at rest.

    digest → the user's own mtime.
    """
    sandbox.configure(**{**SOON, **settings})
    dates, found = {}, []
    for number in range(20):
        path = draw(("sun", "text")[number % 2], number, sandbox.inbox)
        date = LONG_AGO + number * HOUR + 77
        os.utime(path, ns=(date, date))
        dates[digest_of(path)] = date
        found.append(path)
    sandbox.start()
    sandbox.settle()
    for number in range(6):
        found[number].rename(sandbox.inbox / ("keep", "trash")[number % 2] / found[number].name)
    sandbox.settle()
    return dates


def _whole(sandbox: Sandbox, dates: dict[str, int], labels: int = 6) -> None:
    """Labels, dates and the store itself are as they should be."""
    sandbox.settle()
    problems = [row for row in sandbox.ask("db", action="check") if row["error"]]
    if problems:
        raise LostError(f"db check: {problems}")
    sandbox.ask("restore-times")
    for path in sandbox.files():
        own = dates.get(digest_of(path))
        if own is not None and path.stat().st_mtime_ns != own:
            raise LostError(f"{path.name} did not get its own date back")
    sandbox.stop()
    found = len(sandbox.labels())
    if found != labels:
        raise LostError(f"{found} labels, and not {labels}")


def _refused(status: Row, why: str, *paths: str) -> None:
    """These files cannot be used, for that reason, and no others."""
    reasons = {Path(row["path"]).name: row["reason"] for row in status["failed"]}
    if set(reasons) != set(paths) or not all(why in reason for reason in reasons.values()):
        raise LostError(f"failed: {reasons}")


def _mounted(what: list[str | Path], point: Path) -> contextlib.AbstractContextManager[None]:
    @contextlib.contextmanager
    def block() -> Iterator[None]:
        _need("mount")
        if subprocess.run(["mount", *what, point], check=False, capture_output=True).returncode:
            raise SkippedError("cannot mount file systems here")
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", point], check=False)

    return block()


def full_disk(sandbox: Sandbox) -> None:
    """The store's disk fills up under the daemon, and gets room again."""
    data = sandbox.home / "data"
    data.mkdir(parents=True)
    with _mounted(["-t", "tmpfs", "-o", "size=8m", "tmpfs"], data):
        dates = _learned(sandbox)
        ballast = data / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)) == 4096:
                pass
        for number in range(40):
            draw("sun", 200 + number, sandbox.inbox)
        sandbox.until(lambda one: bool(one["troubles"]), "a full disk is said")
        ballast.unlink()
        sandbox.until(lambda one: one["watches"][0]["scored"] == 54, "all is taken in")
        _whole(sandbox, dates)


def unreadable(sandbox: Sandbox) -> None:
    """EIO from the disk: it is said of that file, and the rest goes on."""
    dates = _learned(sandbox)
    sandbox.stop()
    disk, image = sandbox.inbox / "disk", sandbox.folder / "disk.img"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(8 << 20)
    _need("mkfs.ext4")
    subprocess.run(["mkfs.ext4", "-q", image], check=True, capture_output=True)
    with _mounted(["-o", "loop", image], disk):
        (disk / "bad.png").write_bytes(os.urandom(3 << 20))
    with _mounted(["-o", "loop", image], disk):
        os.truncate(image, 2 << 20)  # the disk's end, where the file lies, breaks off
        sandbox.start()
        draw("sun", 300, sandbox.inbox)
        status = sandbox.settle()
        _refused(status, "Input/output", "bad.png")
        if status["watches"][0]["scored"] != 15:
            raise LostError(f"the others wait: {status['watches']}")
        sandbox.stop()
    disk.rmdir()
    sandbox.start()
    _whole(sandbox, dates)


def locked_files(sandbox: Sandbox) -> None:
    """EACCES for want of permission: a file, and a folder; seen again once they may be read."""
    _need(*POWERLESS[:1])
    dates = _learned(sandbox)
    sandbox.stop()
    folder = sandbox.inbox / "private"
    folder.mkdir()
    file = draw("sun", 300, sandbox.inbox)
    draw("sun", 301, folder)
    paths = [file, folder]
    for path in paths:
        path.chmod(0)
    sandbox.start(prefix=POWERLESS)
    status = sandbox.settle()
    _refused(status, "ermission", file.name, folder.name)
    file.chmod(0o600)
    folder.chmod(0o700)
    sandbox.until(lambda one: not one["failed"], "files that may be read again")
    sandbox.stop()
    sandbox.start()
    _whole(sandbox, dates)


def locked_store(sandbox: Sandbox) -> None:
    """A store that may not be written: a clear error, and all of it there afterwards."""
    _need(*POWERLESS[:1])
    dates = _learned(sandbox)
    sandbox.stop()
    paths = [sandbox.data_folder, sandbox.store_folder, *(sandbox.store_folder).iterdir()]
    for path in paths:
        path.chmod(0o500 if path.is_dir() else 0o400)
    sandbox.launch(prefix=POWERLESS)
    assert sandbox.process is not None
    code = sandbox.process.wait(timeout=60)
    said = sandbox.log_tail(2)
    for path in paths:
        path.chmod(0o700 if path.is_dir() else 0o600)
    if code != STORE_ERROR or "permission" not in said.lower():
        raise LostError(f"exit code {code}: {said}")
    sandbox.start()
    _whole(sandbox, dates)


def damaged_store(sandbox: Sandbox, hurt: Callable[[bytes], bytes]) -> None:
    """A store that is damaged while nobody looks; then the printed way back, word by word."""
    dates = _learned(sandbox, backup=1)
    backups = sandbox.data_folder / "backups"
    eventually(
        lambda: any((backup / "data.mdb").exists() for backup in backups.glob("*Z")),
        what="an automatic backup is made",
    )
    sandbox.settle()
    time.sleep(4)  # so that the newest backup has the last touch
    sandbox.kill()
    file = sandbox.store_folder / "data.mdb"
    damaged = hurt(file.read_bytes())
    file.write_bytes(damaged)
    sandbox.launch()
    assert sandbox.process is not None
    code, said = sandbox.process.wait(timeout=60), sandbox.log_tail(2)
    if code != STORE_ERROR or "damaged" not in said:
        raise LostError(f"exit code {code}: {said}")
    if file.read_bytes() != damaged:
        raise LostError("the damaged file was changed")
    remedy = said.partition("`")[2].partition("`")[0]
    if remedy != "imgscore db restore":
        raise LostError(f"the way back is {remedy!r}")
    sandbox.must(*remedy.split()[1:])
    copies = sandbox.data_folder.glob("store.*/data.mdb")
    kept = [file for file in copies if file.read_bytes() == damaged]
    if not kept:
        raise LostError("the damaged file was not kept")
    sandbox.start()
    _whole(sandbox, dates)


def rotten_store(sandbox: Sandbox, seed: int, pages: int) -> None:
    """Pages of the store are overwritten: it is said, by the daemon or by db check, or harmless."""
    _learned(sandbox)
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


def full_map(sandbox: Sandbox) -> None:
    """MAP_FULL in the middle of a commit: the map grows, and the commit is done."""
    with Store(sandbox.folder / "store", map_size=1 << 20) as store:
        for number in range(200):
            store.commit(lambda txn, number=number: _fill_up(txn, number))
        with store.read() as txn:
            found = len(txn.table("names"))
        if found != 200 or store.environment.info()["map_size"] <= 1 << 20:
            raise LostError(f"{found} of 200 commits are there")


def _fill_up(txn: Txn, number: int) -> None:
    name_vectors.put(txn, number.to_bytes(8, "big"), bytes(20_000))


def clock_set_back(sandbox: Sandbox) -> None:
    """By a day, with files that are newer than now."""
    dates = _learned(sandbox)
    sandbox.stop()
    folder = sandbox.folder / "clock"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(CLOCK)
    places = [os.fspath(folder), os.environ.get("PYTHONPATH", "")]
    setting = f"PYTHONPATH={os.pathsep.join(filter(None, places))}"
    sandbox.start(prefix=("env", setting, "CLOCK_SET_BACK=86400"))
    for number in range(5):
        path = draw("sun", 400 + number, sandbox.inbox)
        dates[digest_of(path)] = path.stat().st_mtime_ns
    moved = sorted(sandbox.inbox.glob("sun*"))[0]
    moved.rename(sandbox.inbox / "keep" / moved.name)
    status = sandbox.settle()
    if status["watches"][0]["scored"] != 18 or sandbox.ask("order"):
        raise LostError(f"not in order with the clock set back: {status['watches']}")
    if any(path.stat().st_mtime > time.time() - 86_400 for path in sandbox.inbox.glob("*.*")):
        raise LostError("a file is dated into what is the future for the daemon")
    _whole(sandbox, dates, labels=7)


def few_descriptors(sandbox: Sandbox) -> None:
    """Hardly any more descriptors than the daemon itself has open."""
    _need("prlimit")
    dates = _learned(sandbox)
    sandbox.stop()
    sandbox.start(prefix=("prlimit", "--nofile=32:32"))
    for number in range(30):
        draw("text", 500 + number, sandbox.inbox)
    connections = []
    for _ in range(20):
        connections.append(sandbox.connect())
    time.sleep(1)
    for one in connections:
        one.close()
    sandbox.until(lambda one: one["watches"][0]["scored"] == 44, "all is taken in", 90)
    _whole(sandbox, dates)


HURTS: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda content: content[: len(content) // 2],
    "zeroed from page 2": lambda content: content[:8192] + bytes(len(content) - 8192),
    "overwritten": lambda content: b"\xa5" * len(content),
}


def all_of(folder: Path, tries: int) -> Iterator[Fault]:
    """Every one of them."""
    kinds: list[tuple[str, Callable[[Sandbox], None]]] = [
        ("ENOSPC: the store's disk full, and free again", full_disk),
        ("EIO when an image is read", unreadable),
        ("EACCES: a file and a folder", locked_files),
        ("a store that may not be written", locked_store),
        *(
            (f"the store {name}, then the printed way back", partial(damaged_store, hurt=hurt))
            for name, hurt in HURTS.items()
        ),
        ("MAP_FULL", full_map),
        ("the clock set back by a day", clock_set_back),
        ("descriptor limit 32", few_descriptors),
    ]
    for name, kind in kinds:

        def attempt(number: int, kind: Callable[[Sandbox], None] = kind) -> None:
            with Sandbox(folder / "failing") as sandbox:
                kind(sandbox)

        yield tried(name, tries, attempt)

    def rot(number: int) -> None:
        with Sandbox(folder / "rotten") as sandbox:
            rotten_store(sandbox, number, 1 + number % 3)

    yield tried("pages of the store overwritten at random", 10 * tries, rot)
