"""Load: many files, many inboxes, a steady stream of files.

A monitor measures the response time of `status` and the daemon's memory while the daemon works.
"""

from __future__ import annotations

import hashlib
import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from bench.crash.sandbox import LOSSES, Fault, LostError, Sandbox
from bench.crash.workload import HOUR_NS, PAST_NS, draw_image
from bench.figures import percentile, repeated, time_call
from imgscore.embedders import lite0_spec
from imgscore.errors import ImgscoreError
from imgscore.images.decode import decode
from imgscore.store import traits, vectors
from imgscore.store.store import Store
from imgscore.store.transaction import Txn

STATUS_SECONDS = 0.1
"""s: the notes count the `status` calls that take longer"""
LABELS = 30
"""labels of each kind before the first order: enough for a useful head"""
SETTINGS = {"worker_idle": 5, "train_after": 0.5, "settle": 0.1, "backup": 0}
"""s: shorter than the defaults, so that a run takes less time"""
COMMIT_BATCH = 2000
"""vectors written by one commit: 10 MB"""


# An idle server whose responses have the size of a status: it measures the machine's own delays.
IDLE_SERVER = """
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
class StatusMonitor:
    """Calls `status` repeatedly; records the response time and the daemon's memory."""

    sandbox: Sandbox
    seconds: list[float] = field(default_factory=list)
    idle_seconds: list[float] = field(default_factory=list)
    """response times of the idle server"""
    memory: list[tuple[float, int]] = field(default_factory=list)
    """(seconds since the start, bytes)"""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Call `status` every 50 ms in a thread until the block ends."""
        path = self.sandbox.folder / "idle-server"
        server = subprocess.Popen([sys.executable, "-c", IDLE_SERVER, path])
        while not path.exists():
            time.sleep(0.01)

        start = time.monotonic()

        def poll() -> bool:
            self.idle_seconds.append(time_call(lambda: _call_idle_server(path)))
            try:
                self.seconds.append(time_call(self.sandbox.status))
            except ImgscoreError:
                return False
            self.memory.append((time.monotonic() - start, _private_bytes(self.sandbox.pid)))
            return True

        try:
            with repeated(poll, 0.05):
                yield
        finally:
            server.kill()
            server.wait()

    def summary(self) -> str:
        """The measurements in a sentence."""
        peak = max(size for _, size in self.memory)
        slow = sum(seconds > STATUS_SECONDS for seconds in self.seconds)
        return (
            f"status: {_format_times(self.seconds)}, {slow} of {len(self.seconds)} over 100 ms "
            f"(an idle server at the same time: {_format_times(self.idle_seconds)}); private "
            f"memory of the daemon: at most {peak / 1e6:.0f} MB"
        )

    def memory_slope(self, since: float) -> float:
        """MB a minute, by least squares over the samples after `since` seconds."""
        samples = [(at, size) for at, size in self.memory if at >= since]
        at, size = np.array(samples, np.float64).T
        return float(np.polyfit(at / 60, size / 1e6, 1)[0])


def _format_times(seconds: list[float]) -> str:
    """The median, two high percentiles and the maximum."""
    times = [percentile(seconds, share) * 1000 for share in (0.5, 0.99, 0.999, 1.0)]
    return "median {:.0f} ms, p99 {:.0f} ms, p99.9 {:.0f} ms, maximum {:.0f} ms".format(*times)


def _call_idle_server(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(os.fspath(path))
        client.sendall(b"x")
        while client.recv(1 << 16):
            pass


def _private_bytes(pid: int) -> int:
    """Anonymous resident bytes of a process: without the mapped pages of the store."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise LookupError("RssAnon")


def _fill(sandbox: Sandbox, folders: list[Path], each: int) -> None:
    """Write `each` tiny, distinct images into each folder, and their vectors into the store.

    So the daemon has nothing to embed.
    """
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(stream, "PNG")
    image = stream.getvalue()
    image_traits = decode(image).traits
    chance = np.random.default_rng(1)
    mixing = chance.standard_normal((8, lite0_spec.DIM)).astype(np.float32)
    digests: list[bytes] = []
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(each):
            content = image + b"%s %d" % (os.fsencode(folder), number)
            digests.append(hashlib.sha256(content).digest())
            path = folder / f"{number:06}.png"
            path.write_bytes(content)
            date = PAST_NS + len(digests) * 10**9
            os.utime(path, ns=(date, date))
    with Store(sandbox.store_folder) as store:
        for start in range(0, len(digests), COMMIT_BATCH):
            batch = digests[start : start + COMMIT_BATCH]
            inner = chance.standard_normal((len(batch), 8)).astype(np.float32)
            rows = np.maximum(inner @ mixing, 0).astype(np.float16)

            def add(txn: Txn, batch: list[bytes] = batch, rows: object = rows) -> None:
                pairs = zip(batch, (row.tobytes() for row in rows), strict=True)  # type: ignore
                vectors.append(txn, lite0_spec.ID, pairs)
                for digest in batch:
                    traits.record(txn, digest, image_traits)

            store.commit(add)


def _label_files(inbox: Path, count: int) -> None:
    """Move the first `count` pairs of files: one file of each pair into keep/, one into trash/."""
    for number, path in enumerate(sorted(inbox.glob("*.png"))[: 2 * count]):
        path.rename(inbox / ("keep", "trash")[number % 2] / path.name)


def order_many_files(folder: Path, inboxes: int, each: int) -> Iterator[Fault]:
    """Scan and score `each` files in each inbox, order them, and order again after more labels."""
    name = (
        f"{each} files in each of {inboxes} inboxes"
        if inboxes > 1
        else f"{each} files in one inbox"
    )
    with Sandbox(folder / f"many-{inboxes}") as sandbox:
        paths = [sandbox.folder / f"inbox-{number:03}" for number in range(inboxes)]
        sandbox.configure(*paths, **SETTINGS)
        _fill(sandbox, paths, each)
        monitor, losses, durations = StatusMonitor(sandbox), [], []
        sandbox.start()
        try:
            with monitor.running():
                for action in (
                    lambda: None,
                    lambda: _label_files(paths[0], LABELS),
                    lambda: _label_files(paths[-1], LABELS),
                ):
                    start = time.monotonic()
                    action()
                    _wait_until_idle(sandbox)
                    durations.append(f"{time.monotonic() - start:.0f} s")
            losses += _find_losses(sandbox, inboxes * each - 4 * LABELS)
        except LOSSES as error:
            losses.append(str(error))
        note = (
            f"{monitor.summary()}; reading and scoring, first order, order after more labels: "
            f"{', '.join(durations)}"
        )
        yield Fault(name, 1, losses, note)


def _wait_until_idle(sandbox: Sandbox) -> None:
    """Raises LostError if the daemon has pending work after 50 minutes."""
    rows = sandbox.ask("wait", timeout=3000)
    if not rows:
        raise LostError("the daemon still has pending work after 50 minutes")


def _find_losses(sandbox: Sandbox, count: int) -> list[str]:
    """The losses of an idle daemon that should have `count` scored and ordered files."""
    status = sandbox.status()
    files = sum(watch["files"] for watch in status["watches"])
    scored = sum(watch["scored"] for watch in status["watches"])
    losses = []
    if (files, scored) != (count, count) or status["failed"]:
        losses.append(f"of {count} files, {files} are in the store and {scored} are scored")
    if sandbox.ask("order", dry_run=True):
        losses.append("nothing is pending, but the files are not in order")
    return losses


def add_files_steadily(folder: Path, rate: float, seconds: float) -> Iterator[Fault]:
    """Add `rate` files a second, each of which must be embedded, for `seconds`."""
    with Sandbox(folder / "steadily") as sandbox:
        sandbox.configure(**{**SETTINGS, "worker_idle": 60})
        staging = sandbox.folder / "staging"
        staging.mkdir()
        paths = [draw_image(("sun", "text")[n % 2], n, sandbox.inbox) for n in range(4 * LABELS)]
        for number, path in enumerate(paths):
            os.utime(path, ns=(PAST_NS + number * HOUR_NS,) * 2)
        images = [path.read_bytes() for path in paths]
        monitor, losses = StatusMonitor(sandbox), []
        sandbox.start()
        sandbox.settle()
        for number, path in enumerate(paths[: 2 * LABELS]):
            path.rename(sandbox.inbox / ("keep", "trash")[number % 2] / path.name)
        sandbox.settle()
        start = time.monotonic()
        count = int(rate * seconds)
        with monitor.running():
            for number in range(count):
                time.sleep(max(0.0, start + number / rate - time.monotonic()))
                path = staging / f"{number:06}{paths[number % len(paths)].suffix}"
                path.write_bytes(images[number % len(images)] + b"%d" % number)
                path.rename(sandbox.inbox / path.name)
            pending = sandbox.status()["pending"]
            _wait_until_idle(sandbox)
        losses += _find_losses(sandbox, count + 2 * LABELS)
        delay = time.monotonic() - start - seconds
        slope = monitor.memory_slope(min(seconds / 5, 120))
        note = (
            f"{monitor.summary()}; memory {slope:+.2f} MB a minute; {pending} pending after the "
            f"last file, all in order {delay:.0f} s later"
        )
        yield Fault(f"{rate:g} files a second for {seconds:g} s", 1, losses, note)
