"""Changes without file events: queue overflow, watch limit, unmounted disks, a stopped daemon.

After each of them the store must list the files that are on disk, and keep all labels.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.crash.kill import repeat
from bench.crash.sandbox import Fault, LostError, Sandbox
from bench.crash.workload import HOUR_NS, PAST_NS, draw_image, hash_file
from imgscore.images.formats import is_image_name
from imgscore.store import sightings
from imgscore.store.store import Store

SHORT_INTERVALS = {"poll": 1, "rescan": 10, "backup": 0}
"""s: settings with which the daemon finds a missed change within a few seconds"""
IMAGES = 6
"""images of each kind at the start"""


class SkippedError(LostError):
    """This machine cannot inject the fault. It counts as a loss, so that the report shows it."""


def _start(sandbox: Sandbox, *inboxes: Path, prefix: tuple[str, ...] = ()) -> list[Path]:
    """Start a daemon with six images of each kind, label two of each, wait until it is idle."""
    sandbox.configure(*inboxes, **SHORT_INTERVALS)
    paths = []
    for number in range(2 * IMAGES):
        path = draw_image(("sun", "text")[number % 2], number, sandbox.inbox)
        os.utime(path, ns=(PAST_NS + number * HOUR_NS,) * 2)
        paths.append(path)
    sandbox.start(prefix=prefix)
    sandbox.settle()
    for number, path in enumerate(paths[:4]):
        paths[number] = path.rename(sandbox.inbox / ("keep", "trash")[number % 2] / path.name)
    sandbox.settle()
    return paths


def _check_store(sandbox: Sandbox, *roots: Path, labels: dict[str, int] | None = None) -> None:
    """Check that the store lists the files on disk, and the given number of labels (2 of each)."""
    sandbox.settle()
    sandbox.stop()
    on_disk = {
        os.fsencode(path): hashlib.sha256(path.read_bytes()).digest()
        for root in (sandbox.inbox, *roots)
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and is_image_name(os.fsencode(path.name))
    }
    with Store(sandbox.store_folder, readonly=True) as store, store.read() as txn:
        stored = {sighting.path: sighting.digest for sighting in sightings.iter_all(txn)}
    if stored != on_disk:
        different = {*stored.items()} ^ {*on_disk.items()}
        raise LostError(f"{len(different)} sightings differ from the disk: {[*different][:3]}")
    names = list(sandbox.labels().values())
    counts = {name: names.count(name) for name in ("keep", "trash")}
    if counts != (labels or {"keep": 2, "trash": 2}):
        raise LostError(f"labels: {counts} instead of {labels}")


def overflow_event_queue(sandbox: Sandbox, count: int) -> None:
    """Create files while SIGSTOP holds the daemon: more than the kernel queues events for."""
    paths = _start(sandbox)
    content = paths[4].read_bytes()
    os.kill(sandbox.pid, signal.SIGSTOP)
    for number in range(count):
        (sandbox.inbox / f"copy-{number:06}.png").write_bytes(content + b"%d" % (number % 500))
    os.kill(sandbox.pid, signal.SIGCONT)
    _check_store(sandbox)


def exceed_watch_limit(sandbox: Sandbox) -> None:
    """Use thirty folders where the kernel allows this user ten inotify watches."""
    for number in range(30):
        (sandbox.inbox / f"{number:02}").mkdir(parents=True)
    limit = 'echo 10 > /proc/sys/user/max_inotify_watches && exec "$@"'
    prefix = ("unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh")
    if shutil.which("unshare") is None:
        raise SkippedError("install util-linux")
    if subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode:
        raise SkippedError("cannot make user namespaces here")
    _start(sandbox, prefix=prefix)
    for number in range(30):
        path = draw_image("sun", 100 + number, sandbox.folder)
        path.rename(sandbox.inbox / f"{number:02}" / path.name)
    sandbox.until(lambda status: status["watches"][0]["files"] == 38, "files in unwatched folders")
    problems = sandbox.status()["troubles"]
    if not any("max_user_watches" in problem for problem in problems):
        raise LostError(f"status does not report that the daemon polls: {problems}")
    _check_store(sandbox)


def move_folder_in_and_out(sandbox: Sandbox) -> None:
    """Move a folder into the inbox, out and in again, and add files to it at each place."""
    _start(sandbox)
    outside = sandbox.folder / "outside"
    outside.mkdir()
    draw_image("sun", 50, outside)
    inside = sandbox.inbox / "deep" / "inside"
    inside.parent.mkdir()
    outside.rename(inside)
    for number in range(3):
        draw_image("text", 60 + number, inside)
        time.sleep(0.1)
    sandbox.settle()
    inside.rename(outside)
    draw_image("sun", 70, outside)
    sandbox.settle()
    if sandbox.status()["watches"][0]["files"] != 8:
        raise LostError("status still counts the files of a folder that was moved out")
    outside.rename(sandbox.inbox / "back")
    _check_store(sandbox)


def recreate_inbox(sandbox: Sandbox) -> None:
    """Delete the inbox with its files, create it again, and add new files."""
    _start(sandbox)
    aside = sandbox.folder / "aside"
    sandbox.inbox.rename(aside)
    sandbox.until(lambda status: status["watches"][0]["state"] == "offline", "the inbox is offline")
    sandbox.inbox.mkdir()
    for number in range(3):
        draw_image("sun", 80 + number, sandbox.inbox)
    sandbox.until(lambda status: status["watches"][0]["files"] == 3, "new files in the new inbox")
    shutil.rmtree(aside)
    _check_store(sandbox)


def unmount_inbox(sandbox: Sandbox, *, empty: bool) -> None:
    """Unmount the inbox's disk, which leaves an empty or no folder, and mount it again."""
    disk = sandbox.folder / "disk"
    disk.mkdir(parents=True)
    (disk / "inbox").mkdir()
    (sandbox.folder / "point").mkdir()
    sandbox.inbox = sandbox.folder / "point" if empty else sandbox.folder / "point" / "inbox"
    source = disk / "inbox" if empty else disk
    mount = ["mount", "--bind", source, sandbox.folder / "point"]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        raise SkippedError("cannot mount file systems here")
    try:
        _start(sandbox)
        before = _count_labels(sandbox)
        files = sandbox.status()["watches"][0]["files"]
        subprocess.run(["umount", "--lazy", sandbox.folder / "point"], check=True)
        sandbox.settle()
        time.sleep(3)  # two polls
        draw_image("sun", 90, source if empty else source / "inbox")
        if _count_labels(sandbox) != before:
            raise LostError("labels were lost with the disk")
        subprocess.run(mount, check=True)
        sandbox.until(
            lambda status: status["watches"][0]["files"] == files + 1, "the disk is mounted again"
        )
        _check_store(sandbox)
    finally:
        subprocess.run(["umount", "--lazy", sandbox.folder / "point"], check=False)


def _count_labels(sandbox: Sandbox) -> object:
    return sandbox.status()["watches"][0]["labels"]


def _move_between(sandbox: Sandbox, second: Path) -> None:
    """Move labelled and unlabelled files between two watched folders, in both directions."""
    paths = _start(sandbox, sandbox.inbox, second)
    dates = {hash_file(path): path.stat().st_mtime_ns for path in paths[:4]}
    shutil.move(paths[5], second / paths[5].name)
    shutil.move(paths[6], second / "keep" / paths[6].name)
    shutil.move(paths[1], second / "trash" / paths[1].name)
    sandbox.settle()
    shutil.move(second / paths[5].name, sandbox.inbox / paths[5].name)
    for path in (paths[0], second / "trash" / paths[1].name):
        if path.stat().st_mtime_ns != dates[hash_file(path)]:
            raise LostError(f"{path} lost its original date")
    _check_store(sandbox, second, labels={"keep": 3, "trash": 2})


def move_across_roots(sandbox: Sandbox) -> None:
    """Move files between two watched folders of one disk."""
    _move_between(sandbox, sandbox.folder / "second")


def move_across_disks(sandbox: Sandbox) -> None:
    """Move files between two file systems, which is a copy and a deletion."""
    second = sandbox.folder / "tmpfs"
    second.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", second]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        raise SkippedError("cannot mount file systems here")
    try:
        _move_between(sandbox, second)
    finally:
        sandbox.kill()
        subprocess.run(["umount", "--lazy", second], check=False)


def change_while_stopped(sandbox: Sandbox) -> None:
    """Label, correct, unlabel, delete, move and add files while no daemon runs."""
    paths = _start(sandbox)
    sandbox.stop()
    paths[4].rename(sandbox.inbox / "keep" / paths[4].name)
    paths[1].rename(sandbox.inbox / "keep" / paths[1].name)
    paths[0].rename(sandbox.inbox / paths[0].name)
    paths[3].unlink()
    (sandbox.inbox / "sub").mkdir()
    paths[7].rename(sandbox.inbox / "sub" / paths[7].name)
    draw_image("text", 99, sandbox.inbox)
    sandbox.start()
    _check_store(sandbox, labels={"keep": 3, "trash": 1})


def run_all(folder: Path, tries: int, count: int) -> Iterator[Fault]:
    """Run each case; `count` is the number of files that overflow the kernel's event queue."""
    cases: list[tuple[str, Callable[[Sandbox], None], int]] = [
        (
            f"inotify overflow: {count} files while stopped",
            lambda sandbox: overflow_event_queue(sandbox, count),
            1,
        ),
        ("inotify watch limit reached", exceed_watch_limit, tries),
        ("folders moved in, out and in", move_folder_in_and_out, tries),
        ("watched root deleted and created again", recreate_inbox, tries),
        (
            "disk unmounted and mounted: the folder is missing",
            partial(unmount_inbox, empty=False),
            tries,
        ),
        (
            "disk unmounted and mounted: the folder is empty",
            partial(unmount_inbox, empty=True),
            tries,
        ),
        ("moves between two watched roots", move_across_roots, tries),
        ("moves between file systems", move_across_disks, tries),
        ("changes while no daemon runs", change_while_stopped, tries),
    ]
    for name, case, case_tries in cases:

        def attempt(number: int, case: Callable[[Sandbox], None] = case) -> None:
            with Sandbox(folder / "missed") as sandbox:
                case(sandbox)

        yield repeat(name, case_tries, attempt)
