"""Files that mean harm: what they are called, what they are, what they become while they are read.

What is in them is tests/unit/images/test_hostile.py's and bench/crash/fuzz.py's affair.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.crash.kill import tried
from bench.crash.missed import SOON, SkippedError
from bench.crash.sandbox import Fault, LostError, Sandbox
from bench.crash.workload import draw


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb(side: int) -> bytes:
    """A PNG of side × side grey pixels in a few kilobytes."""
    rows = zlib.compressobj(9)
    row = bytes(1 + side)
    packed = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def gif_of(frames: int) -> bytes:
    """A GIF of so many frames of one pixel."""
    frame = b"!\xf9\x04\0\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0"
    return b"GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0" + frame * frames + b";"


def _begin(sandbox: Sandbox, **settings: float) -> bytes:
    sandbox.configure(**{**SOON, **settings})
    content = draw("sun", 1, sandbox.inbox).read_bytes()
    sandbox.start()
    sandbox.settle()
    return content


def names(sandbox: Sandbox) -> None:
    """Names with newlines, escapes, no UTF-8, of 255 bytes, and a path of more than 4,000."""
    content = _begin(sandbox)
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
    for arguments in (("status",), ("history",), ("score", *map(os.fsdecode, _paths(inbox, odd)))):
        answer = sandbox.run(*arguments)
        if "\x1b" in answer.out or "\x07" in answer.out or "\nline" in answer.out:
            raise LostError(f"imgscore {arguments[0]} prints what a name says to the terminal")


def _paths(folder: bytes, found: list[bytes]) -> list[bytes]:
    return [folder + b"/" + name for name in found]


def no_files(sandbox: Sandbox) -> None:
    """A FIFO, a socket, a device and links with images' names are neither opened nor touched."""
    content = _begin(sandbox)
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
            raise LostError("a link was followed out of the inbox")


def bombs(sandbox: Sandbox) -> None:
    """Small files that become huge ones, and files without end: each is said, and costs itself."""
    content = _begin(sandbox, file_seconds=10)
    inbox = sandbox.inbox
    (inbox / "bomb.png").write_bytes(png_bomb(50_000))
    (inbox / "frames.gif").write_bytes(gif_of(100_000))
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
        raise LostError("broken files are tried again, though neither they nor the decoder changed")
    (inbox / "half.png").write_bytes(content + b"whole")
    if len(sandbox.settle()["failed"]) != len(reasons) - 1:
        raise LostError("a file that was mended is not tried again")


def growing(sandbox: Sandbox, seconds: float = 3.0) -> None:
    """A file that grows for a minute is not read before it is whole; one that is replaced is."""
    content = _begin(sandbox)
    slow, replaced = sandbox.inbox / "slow.png", sandbox.inbox / "replaced.png"
    step = seconds / 50
    with slow.open("wb") as file:
        for number in range(50):
            file.write(content[len(content) * number // 50 : len(content) * (number + 1) // 50])
            file.flush()
            other = sandbox.folder / "other.png"
            other.write_bytes(content + b"%d" % number)
            other.rename(replaced)
            time.sleep(step)
    status = sandbox.settle()
    if status["failed"] or status["watches"][0]["files"] != 3:
        raise LostError(f"{status['watches'][0]['files']} files, failed: {status['failed']}")
    (row,) = sandbox.ask("score", files=[os.fspath(replaced)])
    if row["sha256"] != _sha256(replaced):
        raise LostError("a file that was replaced is known by what it was")


def _sha256(path: Path) -> str:
    return subprocess.run(["sha256sum", path], capture_output=True, check=True).stdout[:64].decode()


def all_of(folder: Path, tries: int, seconds: float) -> Iterator[Fault]:
    """Every one of them; `seconds`: how long a file grows."""
    kinds: list[tuple[str, Callable[[Sandbox], None], int]] = [
        ("hostile names and paths", names, tries),
        ("FIFO, socket, device, links and loops", no_files, tries),
        ("bombs, halves, and a file of 40 GB", bombs, tries),
        (
            f"a file that grows for {seconds:g} s, one replaced",
            lambda one: growing(one, seconds),
            1,
        ),
    ]
    for name, kind, most in kinds:

        def attempt(number: int, kind: Callable[[Sandbox], None] = kind) -> None:
            with Sandbox(folder / "hostile") as sandbox:
                kind(sandbox)

        yield tried(name, most, attempt)
