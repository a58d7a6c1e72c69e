"""Hostile files: their names, their types, their size, and changes while the daemon reads them.

tests/unit/images/test_hostile.py and bench/crash/fuzz.py test hostile content.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.crash.kill import repeat
from bench.crash.missed import SHORT_INTERVALS, SkippedError
from bench.crash.sandbox import Fault, LostError, Sandbox
from bench.crash.workload import draw_image, hash_file


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def make_png_bomb(side: int) -> bytes:
    """A PNG of side × side grey pixels in a few kilobytes."""
    rows = zlib.compressobj(9)
    row = bytes(1 + side)
    packed = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def make_gif(frames: int) -> bytes:
    """A GIF with `frames` frames of one pixel."""
    frame = b"!\xf9\x04\0\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0"
    return b"GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0" + frame * frames + b";"


def _start(sandbox: Sandbox, **settings: float) -> bytes:
    """Start a daemon with one image in the inbox; returns the content of that image."""
    sandbox.configure(**{**SHORT_INTERVALS, **settings})
    content = draw_image("sun", 1, sandbox.inbox).read_bytes()
    sandbox.start()
    sandbox.settle()
    return content


def use_hostile_names(sandbox: Sandbox) -> None:
    """Use names with newlines, escapes, no UTF-8, of 255 bytes, and a path of over 4,000 bytes."""
    content = _start(sandbox)
    inbox = os.fsencode(sandbox.inbox)
    odd = [
        b"new\nline.png", b"not-\xff\xfe-utf8.png", b"x" * 251 + b".png", b"-rf.png", b" .png",
        b"\x1b]0;title\x07\x1b[2J.png", b"'\"$(touch x)`.png", "\u202egnp.png".encode(),
    ]  # fmt: skip
    for number, name in enumerate(odd):
        with open(inbox + b"/" + name, "wb") as file:
            file.write(content + bytes([number]))
    deep = os.open(inbox, os.O_RDONLY | os.O_DIRECTORY)
    length = len(inbox)
    while length < 3800:
        os.mkdir(b"d" * 200, dir_fd=deep)
        lower = os.open(b"d" * 200, os.O_RDONLY | os.O_DIRECTORY, dir_fd=deep)
        os.close(deep)
        deep, length = lower, length + 201
    long = os.open(
        b"p" * (4090 - length - 5) + b".png", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=deep
    )
    os.write(long, content + b"long")
    os.close(long)
    os.close(deep)
    status = sandbox.settle()
    if status["failed"] or status["watches"][0]["files"] != len(odd) + 2:
        raise LostError(f"{status['watches'][0]['files']} files, failed: {status['failed']}")
    paths = [os.fsdecode(inbox + b"/" + name) for name in odd]
    for arguments in (("status",), ("history",), ("score", *paths)):
        output = sandbox.run(*arguments).out
        if "\x1b" in output or "\x07" in output or "\nline" in output:
            raise LostError(f"imgscore {arguments[0]} prints control characters of a name")


def create_special_files(sandbox: Sandbox) -> None:
    """Create a FIFO, a socket, a device and links named like images: imgscore must ignore them."""
    content = _start(sandbox)
    inbox, outside = sandbox.inbox, sandbox.folder / "outside"
    outside.mkdir()
    private = outside / "private.png"
    private.write_bytes(content + b"private")
    os.utime(private, ns=(7, 7))
    before = private.stat()
    os.mkfifo(inbox / "fifo.png")
    with socket.socket(socket.AF_UNIX) as listener:
        folder = os.open(inbox, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{folder}/socket.png")
        os.close(folder)
        try:
            os.mknod(inbox / "device.png", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
        except OSError as error:
            raise SkippedError("cannot make devices here") from error
        (inbox / "link.png").symlink_to(private)
        (inbox / "folder").symlink_to(outside)
        (inbox / "loop").symlink_to(inbox)
        (inbox / "loop.png").symlink_to("loop.png")
        status = sandbox.settle()
        watch = status["watches"][0]
        if watch["files"] != 1 or status["failed"]:
            raise LostError(f"{watch['files']} files, failed: {status['failed']}")
        after = private.stat()
        if (before.st_mtime_ns, before.st_atime_ns) != (after.st_mtime_ns, after.st_atime_ns):
            raise LostError("imgscore followed a link out of the inbox")


def add_bombs(sandbox: Sandbox) -> None:
    """Add decompression bombs, a truncated and a sparse file: only these may fail, each once."""
    content = _start(sandbox, file_seconds=10)
    inbox = sandbox.inbox
    (inbox / "bomb.png").write_bytes(make_png_bomb(50_000))
    (inbox / "frames.gif").write_bytes(make_gif(100_000))
    (inbox / "lies.jpg").write_bytes(content)
    (inbox / "half.png").write_bytes(content[: len(content) // 2])
    with (inbox / "sparse.png").open("wb") as file:
        file.truncate(40 << 30)
    status = sandbox.settle()
    reasons = {Path(row["path"]).name: row["reason"] for row in status["failed"]}
    if set(reasons) != {"bomb.png", "half.png", "sparse.png"}:
        raise LostError(f"failed: {reasons}")
    sandbox.stop()
    sandbox.start()
    status = sandbox.settle()
    if status["workers"] or len(status["failed"]) != len(reasons):
        raise LostError("the daemon decodes unchanged broken files again after a restart")
    (inbox / "half.png").write_bytes(content + b"complete")
    if len(sandbox.settle()["failed"]) != len(reasons) - 1:
        raise LostError("the daemon does not decode a repaired file again")


def grow_file(sandbox: Sandbox, seconds: float = 3.0) -> None:
    """Write one file slowly and replace another: the daemon must store only the final contents."""
    content = _start(sandbox)
    slow, replaced = sandbox.inbox / "slow.png", sandbox.inbox / "replaced.png"
    step = seconds / 50
    with slow.open("wb") as file:
        for number in range(50):
            file.write(content[len(content) * number // 50 : len(content) * (number + 1) // 50])
            file.flush()
            new = sandbox.folder / "new.png"
            new.write_bytes(content + b"%d" % number)
            new.rename(replaced)
            time.sleep(step)
    status = sandbox.settle()
    if status["failed"] or status["watches"][0]["files"] != 3:
        raise LostError(f"{status['watches'][0]['files']} files, failed: {status['failed']}")
    (row,) = sandbox.ask("score", files=[os.fspath(replaced)])
    if row["sha256"] != hash_file(replaced):
        raise LostError("the store has the old content of a replaced file")


def run_all(folder: Path, tries: int, seconds: float) -> Iterator[Fault]:
    """Run each case; `seconds`: how long one file grows."""
    cases: list[tuple[str, Callable[[Sandbox], None], int]] = [
        ("hostile names and paths", use_hostile_names, tries),
        ("FIFO, socket, device, links and loops", create_special_files, tries),
        ("decompression bombs, a truncated file, a sparse file of 40 GB", add_bombs, tries),
        (
            f"a file that grows for {seconds:g} s, and one that is replaced",
            lambda sandbox: grow_file(sandbox, seconds),
            1,
        ),
    ]
    for name, case, case_tries in cases:

        def attempt(number: int, case: Callable[[Sandbox], None] = case) -> None:
            with Sandbox(folder / "hostile") as sandbox:
                case(sandbox)

        yield repeat(name, case_tries, attempt)
