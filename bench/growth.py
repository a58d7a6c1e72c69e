"""The memory and the wake-ups of an idle daemon with many known files, before and after many come.

The vectors of all files are in the store, so that nothing is decoded or embedded.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.figures import Figure, Setting
from bench.idle import read_usage
from bench.retrain import make_vectors
from bench.sandbox import add_known_files, count_workers, make_png, make_taste, new_sandbox
from imgscore.embedders import registry
from imgscore.images.traits import Traits
from imgscore.store import labels, sightings, similarity, traits, vectors
from imgscore.store.schema import LabelEvent
from imgscore.store.similarity import IndexState
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.testing import IMGSCORE, Sandbox, eventually

MODEL = "efficientnet-lite0"
LABELS = 300
FILES_PER_FOLDER = 1000
SETTLE_SECONDS = 10
"""the time from the end of the work to the measurement: the daemon returns memory after 3 s"""
RENEW_SECONDS = 30
"""the time until the daemon starts again if its memory has grown; a user's daemon waits 600 s"""
MAX_RSS, MAX_PRIVATE = 40, 30
"""targets, in MB"""


class Memory(NamedTuple):
    """The resident memory of a process in MB, by kind."""

    total: float
    anonymous: float
    store: float
    """pages of the store's file that are mapped"""
    code: float
    """pages of programs and libraries"""


def read_memory(pid: int) -> Memory:
    """Read the resident memory of a process from its map."""
    total = anonymous = store = code = 0
    name = ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"^[0-9a-f]+-[0-9a-f]+ ", line):
            name = line.split(maxsplit=5)[5] if len(line.split(maxsplit=5)) > 5 else ""
        elif line.startswith("Rss:"):
            size = int(line.split()[1])
            total += size
        elif line.startswith("Anonymous:"):
            private = int(line.split()[1])
            anonymous += private
            if name.endswith("data.mdb"):
                store += size - private
            elif name.startswith("/"):
                code += size - private
    return Memory(*(kb / 1024 for kb in (total, anonymous, store, code)))


def measure(setting: Setting) -> Iterator[Figure]:
    """Measure a daemon that knows many files, then one to which more came and went."""
    count, more, seconds = setting.choose((4_000, 3_000, 10), (100_000, 80_000, 120))
    sandbox = new_sandbox(
        setting.scratch / "sandbox", worker_idle=0.5, train_after=10**6, settle=0.05
    )
    prepare(sandbox, count, more)
    with sandbox:
        sandbox.start("--renew-after", str(RENEW_SECONDS))
        list(sandbox.call("scan"))
        list(sandbox.call("train"))
        yield from _memory_figures(sandbox, f"with {count:,} known files")
        come_and_go(sandbox, count, more)
        yield from _memory_figures(sandbox, f"with {count:,}, after {more:,} more came and went")
        yield from _wakeups(sandbox, seconds)
    shutil.rmtree(sandbox.folder)


def prepare(sandbox: Sandbox, count: int, more: int) -> None:
    """Write the known files, the vectors of these and of the later files, and labels."""
    model = registry.spec(MODEL)
    with Store(sandbox.store_folder) as store:
        store.commit(lambda txn: add_known_files(txn, sandbox, count))
        with store.read() as txn:
            known = [sighting.digest for sighting in sightings.iter_all(txn)]

        later = [hashlib.sha256(make_png(number)).digest() for number in range(count, count + more)]
        values = make_vectors(5_000, model.dim)
        keep = make_taste(values)
        digests = [*known, *later]
        found = Traits(width=1, height=1, format="PNG", bytes_per_pixel=70.0)
        for at in range(0, len(digests), 2000):
            part = digests[at : at + 2000]

            def write(txn: Txn, part: list[bytes] = part, at: int = at) -> None:
                rows = (values[(at + row) % len(values)].tobytes() for row in range(len(part)))
                vectors.append(txn, model.id, zip(part, rows, strict=True))
                for digest in part:
                    traits.record(txn, digest, found)

            store.commit(write)

        def label(txn: Txn) -> None:
            for number in range(LABELS):
                name = "keep" if keep[number] else "trash"
                event = LabelEvent(number + 1, "default", known[number], name, "cli", b"/bench")
                labels.append(txn, event)

        store.commit(label)
        # The search for groups is measured elsewhere: say that all images are compared.
        state = IndexState(model.image_embedder, len(digests))
        store.commit(lambda txn: similarity.set_state(txn, state))


def come_and_go(sandbox: Sandbox, first: int, count: int) -> None:
    """Put files into the inbox, wait until all are in order, and delete them."""
    began = time.monotonic()
    folders = []
    for number in range(first, first + count):
        folder = sandbox.inbox / f"more{number // FILES_PER_FOLDER:03}"
        if not folder.exists():
            folder.mkdir()
            folders.append(folder)
        (folder / f"{number:06}.png").write_bytes(make_png(number))
    sandbox.ask("wait")
    print(f"  ({count:,} files came in {time.monotonic() - began:.0f} s)", flush=True)
    for folder in folders:
        shutil.rmtree(folder)
    sandbox.ask("wait")
    print(f"  (and went after {time.monotonic() - began:.0f} s)", flush=True)


def _memory_figures(sandbox: Sandbox, state: str) -> Iterator[Figure]:
    sandbox.ask("wait")
    eventually(lambda: count_workers(sandbox.pid) == 0)
    time.sleep(SETTLE_SECONDS)
    yield from _figures_now(sandbox, state)
    time.sleep(RENEW_SECONDS)
    sandbox.ask("wait")
    time.sleep(SETTLE_SECONDS)
    starts = sandbox.log_text.count("starting again")
    yield from _figures_now(sandbox, f"{state}, {RENEW_SECONDS} s later ({starts} new starts)")


def _figures_now(sandbox: Sandbox, state: str) -> Iterator[Figure]:
    memory = read_memory(sandbox.pid)
    yield Figure(
        f"idle daemon {state}, resident memory ({memory.store:.1f} MB of it pages of the store, "
        f"{memory.code:.1f} MB of programs and libraries)",
        f"{memory.total:.1f} MB", "", None, f"≤ {MAX_RSS} MB", memory.total <= MAX_RSS,
    )  # fmt: skip
    yield Figure(
        f"idle daemon {state}, private memory",
        f"{memory.anonymous:.1f} MB", "", None, f"≤ {MAX_PRIVATE} MB",
        memory.anonymous <= MAX_PRIVATE,
    )  # fmt: skip


def _wakeups(sandbox: Sandbox, seconds: int) -> Iterator[Figure]:
    """Count the wake-ups while two programs follow the events, and nothing happens."""
    command = [*IMGSCORE, "watch-log", "--json"]
    followers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, env=sandbox.environment())
        for _ in range(2)
    ]
    for follower in followers:
        assert follower.stdout is not None
        follower.stdout.readline()
    time.sleep(2)
    pids = (sandbox.pid, *(follower.pid for follower in followers))
    before = [read_usage(pid) for pid in pids]
    time.sleep(seconds)
    after = [read_usage(pid) for pid in pids]
    for follower in followers:
        follower.terminate()  # A job in the background of a shell ignores SIGINT.
        follower.wait()
    woken = [new.switches - old.switches for old, new in zip(before, after, strict=True)]
    yield Figure(
        f"wake-ups in {seconds} s with two followers of watch-log, while nothing happens: daemon, "
        "followers",
        ", ".join(map(str, woken)), "", None, "0", not any(woken),
    )  # fmt: skip
