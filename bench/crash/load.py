"""Much at once, and much for long: what a status takes meanwhile, and what memory does."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from bench.crash.sandbox import LOSSES, Fault, LostError, Sandbox
from bench.crash.workload import HOUR, LONG_AGO, draw
from bench.figures import percentile, seconds_of
from imgscore.embedders import lite0_spec
from imgscore.errors import ImgscoreError
from imgscore.images.decode import decode
from imgscore.store import traits, vectors
from imgscore.store.store import Store
from imgscore.store.transaction import Txn

STATUS_SECONDS = 0.1
LABELS = 30
PATIENCE = {"worker_idle": 5, "train_after": 0.5, "settle": 0.1, "backup": 0}
# Vectors that are written by one commit.
PART = 2000


# Beside it, what the machine alone takes: a server with nothing to do, that says as much.
ECHO = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(8)
while True:
    client, _ = listener.accept()
    with client:
        client.recv(100)
        client.sendall(b"x" * 4000)
"""


@dataclass
class Watchman:
    """Asks for the status again and again, and notes what it takes and how large the daemon is."""

    sandbox: Sandbox
    seconds: list[float] = field(default_factory=list)
    echo: list[float] = field(default_factory=list)
    """the same of a server that has nothing to do: what the machine is to blame for"""
    memory: list[tuple[float, int]] = field(default_factory=list)
    """(seconds since the start, bytes)"""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Ask every few hundredths of a second, from a thread."""
        ended = threading.Event()
        path = self.sandbox.folder / "echo"
        echo = subprocess.Popen([sys.executable, "-c", ECHO, path])
        while not path.exists():
            time.sleep(0.01)

        def ask() -> None:
            start = time.monotonic()
            while not ended.wait(0.05):
                self.echo.append(seconds_of(lambda: _hear(path)))
                try:
                    self.seconds.append(seconds_of(self.sandbox.status))
                except ImgscoreError:
                    return
                self.memory.append((time.monotonic() - start, _own_memory(self.sandbox.pid)))

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            echo.kill()
            echo.wait()

    def said(self) -> str:
        """The figures in words."""
        peak = max(size for _, size in self.memory)
        slow = sum(one > STATUS_SECONDS for one in self.seconds)
        return (
            f"status took {_times(self.seconds)}, {slow} of {len(self.seconds)} over 100 ms (an "
            f"idle server beside it: {_times(self.echo)}); the daemon had {peak / 1e6:.0f} MB of "
            "its own at most"
        )

    def slope(self, since: float) -> float:
        """MB a minute, by least squares over the samples after `since` seconds."""
        late = [(at, size) for at, size in self.memory if at >= since]
        at, size = np.array(late, np.float64).T
        return float(np.polyfit(at / 60, size / 1e6, 1)[0])


def _times(seconds: list[float]) -> str:
    """Median, 99th percentile and maximum in words."""
    shares = [percentile(seconds, share) * 1000 for share in (0.5, 0.99, 1.0)]
    return "{:.0f} ms at the median, {:.0f} ms at p99, {:.0f} ms at most".format(*shares)


def _hear(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(os.fspath(path))
        client.sendall(b"x")
        while client.recv(1 << 16):
            pass


def _own_memory(pid: int) -> int:
    """Bytes of its own: the pages of the store, which the kernel lends it, are not."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise LookupError("RssAnon")


def _fill(sandbox: Sandbox, folders: list[Path], each: int) -> None:
    """Tiny files, each another image, whose vectors are in the store already: no embedding."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(stream, "PNG")
    picture = stream.getvalue()
    picture_traits = decode(picture).traits
    chance = np.random.default_rng(1)
    mixing = chance.standard_normal((8, lite0_spec.DIM)).astype(np.float32)
    digests: list[bytes] = []
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(each):
            content = picture + b"%s %d" % (os.fsencode(folder), number)
            digests.append(hashlib.sha256(content).digest())
            path = folder / f"{number:06}.png"
            path.write_bytes(content)
            date = LONG_AGO + len(digests) * 10**9
            os.utime(path, ns=(date, date))
    with Store(sandbox.store_folder) as store:
        for start in range(0, len(digests), PART):
            part = digests[start : start + PART]
            inner = chance.standard_normal((len(part), 8)).astype(np.float32)
            rows = np.maximum(inner @ mixing, 0).astype(np.float16)

            def add(txn: Txn, part: list[bytes] = part, rows: object = rows) -> None:
                pairs = zip(part, (row.tobytes() for row in rows), strict=True)  # type: ignore
                vectors.append(txn, lite0_spec.ID, pairs)
                for digest in part:
                    traits.record(txn, digest, picture_traits)

            store.commit(add)


def _teach(inbox: Path, count: int, first: int = 0) -> None:
    """Moves every other one of some files into keep/, the rest into trash/."""
    for number, path in enumerate(sorted(inbox.glob("*.png"))[first : first + 2 * count]):
        path.rename(inbox / ("keep", "trash")[number % 2] / path.name)


def many_files(folder: Path, inboxes: int, each: int) -> Iterator[Fault]:
    """Scanned, scored, taught, ordered, and ordered anew after more labels."""
    name = (
        f"{each} files in each of {inboxes} inboxes"
        if inboxes > 1
        else f"{each} files in one inbox"
    )
    with Sandbox(folder / f"many-{inboxes}") as sandbox:
        places = [sandbox.folder / f"inbox-{number:03}" for number in range(inboxes)]
        sandbox.configure(*places, **PATIENCE)
        _fill(sandbox, places, each)
        watchman, losses, spent = Watchman(sandbox), [], []
        sandbox.start()
        try:
            with watchman.watching():
                for what in (
                    lambda: None,
                    lambda: _teach(places[0], LABELS),
                    lambda: _teach(places[-1], LABELS),
                ):
                    start = time.monotonic()
                    what()
                    _rest(sandbox)
                    spent.append(f"{time.monotonic() - start:.0f} s")
            losses += _unordered(sandbox, inboxes * each - 4 * LABELS)
        except LOSSES as error:
            losses.append(str(error))
        note = (
            f"{watchman.said()}; read and scored, ordered, and ordered anew in {', '.join(spent)}"
        )
        yield Fault(name, 1, losses, note)


def _rest(sandbox: Sandbox) -> None:
    """Nothing is pending; asked for by the hint that `wait` begins with, and by status."""
    rows = sandbox.ask("wait", timeout=3000)
    if not rows:
        raise LostError("it does not come to rest")


def _unordered(sandbox: Sandbox, count: int) -> list[str]:
    status = sandbox.status()
    files = sum(watch["files"] for watch in status["watches"])
    scored = sum(watch["scored"] for watch in status["watches"])
    found = []
    if (files, scored) != (count, count) or status["failed"]:
        found.append(f"{count} files, of which {files} are known and {scored} scored")
    if sandbox.ask("order", dry_run=True):
        found.append("it rests, and is not in order")
    return found


def steadily(folder: Path, rate: float, seconds: float) -> Iterator[Fault]:
    """Pictures that have to be embedded, so many a second for so long."""
    with Sandbox(folder / "steadily") as sandbox:
        sandbox.configure(**{**PATIENCE, "worker_idle": 60})
        staging = sandbox.folder / "staging"
        staging.mkdir()
        drawn = [draw(("sun", "text")[n % 2], n, sandbox.inbox) for n in range(4 * LABELS)]
        for number, path in enumerate(drawn):
            os.utime(path, ns=(LONG_AGO + number * HOUR,) * 2)
        kinds = [path.read_bytes() for path in drawn]
        watchman, losses = Watchman(sandbox), []
        sandbox.start()
        sandbox.settle()
        for number, path in enumerate(drawn[: 2 * LABELS]):
            path.rename(sandbox.inbox / ("keep", "trash")[number % 2] / path.name)
        sandbox.settle()
        late, begin = 0.0, time.monotonic()
        count = int(rate * seconds)
        with watchman.watching():
            for number in range(count):
                due = begin + number / rate
                late = max(late, time.monotonic() - due)
                time.sleep(max(0.0, due - time.monotonic()))
                path = staging / f"{number:06}{drawn[number % len(drawn)].suffix}"
                path.write_bytes(kinds[number % len(kinds)] + b"%d" % number)
                path.rename(sandbox.inbox / path.name)
            fed = sandbox.status()["pending"]
            _rest(sandbox)
        losses += _unordered(sandbox, count + 2 * LABELS)
        after = time.monotonic() - begin - seconds
        slope = watchman.slope(min(seconds / 5, 120))
        note = (
            f"{watchman.said()}; memory {slope:+.2f} MB a minute; {fed} pending after the last "
            f"file, all in order {after:.0f} s later"
        )
        yield Fault(f"{rate:g} files a second for {seconds:g} s", 1, losses, note)
