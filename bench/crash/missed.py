"""Events that never come: overflow, limits, folders and disks that go and come, moves unseen."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.crash.kill import tried
from bench.crash.sandbox import Fault, LostError, Sandbox
from bench.crash.workload import HOUR, LONG_AGO, digest_of, draw
from imgscore.images.formats import is_image_name
from imgscore.store import sightings
from imgscore.store.store import Store

SOON = {"poll": 1, "rescan": 10, "backup": 0}
START = 6


class SkippedError(LostError):
    """The machine cannot do this to anybody; it counts as a loss, so that nobody overlooks it."""


def _begin(sandbox: Sandbox, *inboxes: Path, prefix: tuple[str, ...] = ()) -> list[Path]:
    """Six pictures of each kind, two of each labelled, at rest."""
    sandbox.configure(*inboxes, **SOON)
    found = []
    for number in range(2 * START):
        path = draw(("sun", "text")[number % 2], number, sandbox.inbox)
        os.utime(path, ns=(LONG_AGO + number * HOUR,) * 2)
        found.append(path)
    sandbox.start(prefix=prefix)
    sandbox.settle()
    for number in range(4):
        found[number] = found[number].rename(
            sandbox.inbox / ("keep", "trash")[number % 2] / found[number].name
        )
    sandbox.settle()
    return found


def _known_as_on_disk(sandbox: Sandbox, *roots: Path, labels: dict[str, int] | None = None) -> None:
    """The store's present sightings are the files on disk, and the labels as many as they were."""
    sandbox.settle()
    sandbox.stop()
    on_disk = {
        os.fsencode(path): hashlib.sha256(path.read_bytes()).digest()
        for root in (sandbox.inbox, *roots)
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and is_image_name(os.fsencode(path.name))
    }
    with Store(sandbox.store_folder, readonly=True) as store, store.read() as txn:
        known = {one.path: one.digest for one in sightings.iter_all(txn)}
    if known != on_disk:
        different = {*known.items()} ^ {*on_disk.items()}
        raise LostError(f"{len(different)} sightings are not what is on disk: {[*different][:3]}")
    found = list(sandbox.labels().values())
    counts = {name: found.count(name) for name in ("keep", "trash")}
    if counts != (labels or {"keep": 2, "trash": 2}):
        raise LostError(f"labels: {counts}, and not {labels}")


def overflow(sandbox: Sandbox, count: int) -> None:
    """Files come while the daemon is stopped, more than the kernel queues events for."""
    found = _begin(sandbox)
    content = found[4].read_bytes()
    os.kill(sandbox.pid, signal.SIGSTOP)
    for number in range(count):
        (sandbox.inbox / f"copy-{number:06}.png").write_bytes(content + b"%d" % (number % 500))
    os.kill(sandbox.pid, signal.SIGCONT)
    _known_as_on_disk(sandbox)


def watch_limit(sandbox: Sandbox) -> None:
    """The kernel watches ten folders for this user, and there are thirty."""
    for number in range(30):
        (sandbox.inbox / f"{number:02}").mkdir(parents=True)
    limit = 'echo 10 > /proc/sys/user/max_inotify_watches && exec "$@"'
    prefix = ("unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh")
    if shutil.which("unshare") is None:
        raise SkippedError("install util-linux")
    if subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode:
        raise SkippedError("cannot make user namespaces here")
    _begin(sandbox, prefix=prefix)
    for number in range(30):
        path = draw("sun", 100 + number, sandbox.folder)
        path.rename(sandbox.inbox / f"{number:02}" / path.name)
    sandbox.until(lambda one: one["watches"][0]["files"] == 38, "files in unwatched folders")
    if not any("max_user_watches" in one for one in sandbox.status()["troubles"]):
        raise LostError(f"status does not say that it polls: {sandbox.status()['troubles']}")
    _known_as_on_disk(sandbox)


def folders_in_and_out(sandbox: Sandbox) -> None:
    """A folder of pictures comes in by a move, grows, goes out, grows there, and comes back."""
    _begin(sandbox)
    outside = sandbox.folder / "outside"
    outside.mkdir()
    draw("sun", 50, outside)
    inside = sandbox.inbox / "deep" / "inside"
    inside.parent.mkdir()
    outside.rename(inside)
    for number in range(3):
        draw("text", 60 + number, inside)
        time.sleep(0.1)
    sandbox.settle()
    inside.rename(outside)
    draw("sun", 70, outside)
    sandbox.settle()
    if sandbox.status()["watches"][0]["files"] != 8:
        raise LostError("a folder that was moved out is still counted")
    outside.rename(sandbox.inbox / "back")
    _known_as_on_disk(sandbox)


def root_made_anew(sandbox: Sandbox) -> None:
    """The inbox is deleted with all that is in it, and made anew, and gets new pictures."""
    _begin(sandbox)
    aside = sandbox.folder / "aside"
    sandbox.inbox.rename(aside)
    sandbox.until(lambda one: one["watches"][0]["state"] == "offline", "the inbox is gone")
    sandbox.inbox.mkdir()
    for number in range(3):
        draw("sun", 80 + number, sandbox.inbox)
    sandbox.until(lambda one: one["watches"][0]["files"] == 3, "new files in the new inbox")
    shutil.rmtree(aside)
    _known_as_on_disk(sandbox)


def unmounted(sandbox: Sandbox, *, empty: bool) -> None:
    """The disk with the inbox goes, leaving a missing or an empty folder, and comes back."""
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
        _begin(sandbox)
        before = _labels_of(sandbox)
        files = sandbox.status()["watches"][0]["files"]
        subprocess.run(["umount", "--lazy", sandbox.folder / "point"], check=True)
        sandbox.settle()
        time.sleep(3)  # two polls
        draw("sun", 90, source if empty else source / "inbox")
        if _labels_of(sandbox) != before:
            raise LostError("labels went with the disk")
        subprocess.run(mount, check=True)
        sandbox.until(lambda one: one["watches"][0]["files"] == files + 1, "the disk is back")
        _known_as_on_disk(sandbox)
    finally:
        subprocess.run(["umount", "--lazy", sandbox.folder / "point"], check=False)


def _labels_of(sandbox: Sandbox) -> object:
    return sandbox.status()["watches"][0]["labels"]


def _two_roots(sandbox: Sandbox, other: Path) -> None:
    """A file taught in one watch goes to the other's inbox, and files cross both ways."""
    found = _begin(sandbox, sandbox.inbox, other)
    dates = {digest_of(path): path.stat().st_mtime_ns for path in found[:4]}
    shutil.move(found[5], other / found[5].name)
    shutil.move(found[6], other / "keep" / found[6].name)
    shutil.move(found[1], other / "trash" / found[1].name)
    sandbox.settle()
    shutil.move(other / found[5].name, sandbox.inbox / found[5].name)
    for path in (found[0], other / "trash" / found[1].name):
        if path.stat().st_mtime_ns != dates[digest_of(path)]:
            raise LostError(f"{path} lost its own date on the way")
    _known_as_on_disk(sandbox, other, labels={"keep": 3, "trash": 2})


def across_roots(sandbox: Sandbox) -> None:
    """Between two watched folders of one disk."""
    _two_roots(sandbox, sandbox.folder / "other")


def across_disks(sandbox: Sandbox) -> None:
    """Between two watched folders on two file systems: a copy and a deletion."""
    other = sandbox.folder / "tmpfs"
    other.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", other]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        raise SkippedError("cannot mount file systems here")
    try:
        _two_roots(sandbox, other)
    finally:
        sandbox.kill()
        subprocess.run(["umount", "--lazy", other], check=False)


def while_down(sandbox: Sandbox) -> None:
    """Everything happens while no daemon runs."""
    found = _begin(sandbox)
    sandbox.stop()
    found[4].rename(sandbox.inbox / "keep" / found[4].name)
    found[1].rename(sandbox.inbox / "keep" / found[1].name)
    found[0].rename(sandbox.inbox / found[0].name)
    found[3].unlink()
    (sandbox.inbox / "sub").mkdir()
    found[7].rename(sandbox.inbox / "sub" / found[7].name)
    draw("text", 99, sandbox.inbox)
    sandbox.start()
    _known_as_on_disk(sandbox, labels={"keep": 3, "trash": 1})


def all_of(folder: Path, tries: int, count: int) -> Iterator[Fault]:
    """Every one of them; `count`: how many files overflow the kernel's queue."""
    kinds: list[tuple[str, Callable[[Sandbox], None], int]] = [
        (f"inotify overflow: {count} files while stopped", lambda one: overflow(one, count), 1),
        ("inotify watch limit reached", watch_limit, tries),
        ("folders moved in, out and in", folders_in_and_out, tries),
        ("watched root gone and made anew", root_made_anew, tries),
        ("disk unmounted and mounted: the folder is missing", _missing, tries),
        ("disk unmounted and mounted: the folder is empty", _empty, tries),
        ("moves across two watched roots", across_roots, tries),
        ("moves across file systems", across_disks, tries),
        ("moves while the daemon is down", while_down, tries),
    ]
    for name, kind, most in kinds:

        def attempt(number: int, kind: Callable[[Sandbox], None] = kind) -> None:
            with Sandbox(folder / "missed") as sandbox:
                kind(sandbox)

        yield tried(name, most, attempt)


def _missing(sandbox: Sandbox) -> None:
    unmounted(sandbox, empty=False)


def _empty(sandbox: Sandbox) -> None:
    unmounted(sandbox, empty=True)
