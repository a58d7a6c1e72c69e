"""A store of a million images: scoring, look-ups, start, status, check and backup.

The store has a vector, traits and a sighting for each image, and an index for groups. The images
do not exist on disk. The store has 6 GB; the check and the backup read all of them.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from bench.figures import Figure, Setting
from bench.idle import read_usage
from bench.parts import measure_parts
from bench.sandbox import make_taste, new_sandbox, resample, run_imgscore
from imgscore.config import Config
from imgscore.embedders import registry
from imgscore.engine.reembed import COMPLETE
from imgscore.groups.find import unit_rows
from imgscore.images.traits import Traits
from imgscore.store import labels, settings, sightings, similarity, traits, vectors
from imgscore.store.schema import Fingerprint, LabelEvent, LabelName, Sighting
from imgscore.store.similarity import IndexState
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.testing import Sandbox
from imgscore.workers.compare_new import compare_new
from imgscore.workers.context import Context
from imgscore.workers.find_pairs import new_frame
from imgscore.workers.group_messages import CompareNew
from imgscore.workers.grouping import matrix, pack_frame, width_of
from imgscore.workers.messages import Rescore, Train
from imgscore.workers.scoring import rescore
from imgscore.workers.training import train

MODEL = Config().model
BATCH = 10_000
BASE = 20_000
"""the number of made-up vectors of which all others are variations"""
NEW = 64
"""the images of one search for groups: the largest number that the daemon sends to a worker"""
TASTES = (("few", 300), ("many", 5_000))
"""the name of each taste, and the number of its labels"""
MIN_RATE = 0.6
MAX_PRIVATE_MB = 300
MAX_LOOKUP = 1.0


def measure(setting: Setting) -> Iterator[Figure]:
    """Make the store, and measure it."""
    count = setting.choose(50_000, 1_000_000)
    sandbox = new_sandbox(setting.scratch / "sandbox")
    real = measure_parts(setting.images(setting.choose(80, 400))).vectors
    base = resample(real, BASE)
    began = time.process_time()
    make_store(sandbox, base, count)
    print(f"  (the store was made in {time.process_time() - began:.0f} s CPU)", flush=True)
    yield from measure_store(sandbox, count)


def digest_of(number: int) -> bytes:
    """The digest of an image."""
    return hashlib.sha256(b"%d" % number).digest()


def variations(base: NDArray[np.float16], start: int, count: int) -> NDArray[np.float16]:
    """Vectors that differ from the base vectors, and from each other."""
    rows = np.arange(start, start + count)
    other = base[(rows * 7919 + rows // len(base)) % len(base)]
    mixed = base[rows % len(base)].astype(np.float32) * 0.7 + other * np.float32(0.3)
    return mixed.astype(np.float16)


def make_store(sandbox: Sandbox, base: NDArray[np.float16], count: int) -> None:
    """Write the records of `count` images, and labels of the first of them."""
    spec, inbox = registry.spec(MODEL), os.fsencode(sandbox.inbox)
    random = np.random.default_rng(1)
    with Store(sandbox.store_folder) as store:
        for start in range(0, count, BATCH):
            values = variations(base, start, min(BATCH, count - start))
            digests = [digest_of(start + row) for row in range(len(values))]
            light = random.random((len(values), 4)).tolist()
            grids = random.integers(0, 256, (len(values), 256), np.uint8)

            def write(txn: Txn) -> None:
                pairs = zip(digests, (row.tobytes() for row in values), strict=True)  # noqa: B023
                vectors.append(txn, spec.image_embedder, pairs)
                for row, digest in enumerate(digests):  # noqa: B023
                    number = start + row  # noqa: B023
                    path = b"%s/%03d/%06d.jpg" % (inbox, number // 10_000, number)
                    seen = Fingerprint(1, number + 1, 100_000, 1, 1_700_000_000 * 10**9)
                    sightings.record(txn, Sighting(path, seen, digest, inbox, "inbox"))
                    found = Traits(
                        width=4000, height=3000, format="JPEG", bytes_per_pixel=light[row][0],  # noqa: B023
                        brightness=light[row][1], contrast=light[row][2], sharpness=light[row][3],  # noqa: B023
                        grid=grids[row].tobytes(),  # noqa: B023
                    )  # fmt: skip
                    traits.record(txn, digest, found)

            store.commit(write)
        keep = make_taste(variations(base, 0, TASTES[-1][1]))
        store.commit(lambda txn: write_labels(txn, keep))
        store.commit(lambda txn: settings.put(txn, COMPLETE, spec.id))
        _make_index(store, sandbox, count)


def write_labels(txn: Txn, keep: NDArray[np.bool_]) -> None:
    """Label the first images in each taste."""
    for taste, labelled in TASTES:
        for number in range(labelled):
            name: LabelName = "keep" if keep[number] else "trash"
            digest = digest_of(number)
            labels.append(txn, LabelEvent(number + 1, taste, digest, name, "import", b"/bench"))


def _make_index(store: Store, sandbox: Sandbox, count: int) -> None:
    """Write the index for groups, without the comparison of all images."""
    spec = registry.spec(MODEL)
    with store.read() as txn:
        frame = new_frame(txn, spec, count)
        blocks = list(range(0, -(-count // vectors.ROWS_PER_BLOCK), 500))
    store.commit(lambda txn: similarity.add(txn, [similarity.frame_entry(pack_frame(frame))], []))
    for first in blocks:
        entries: list[tuple[bytes, bytes]] = []
        with store.read() as txn:
            for number, names, values in vectors.blocks_from(txn, spec.image_embedder, first):
                if number >= first + 500:
                    break
                rows = unit_rows(matrix([values], spec), width_of(spec))
                sketches = frame.sketches(rows)
                cells = frame.cells(sketches)[:, 0].tolist()
                for row, cell in enumerate(cells):
                    sketch = sketches[row].astype(np.float16).tobytes()
                    entries.append(
                        similarity.cell_entry(cell, names[row * 32 : row * 32 + 32], sketch)
                    )
        store.commit(lambda txn: similarity.add(txn, entries, []))  # noqa: B023
    state = IndexState(spec.image_embedder, count)
    store.commit(lambda txn: similarity.set_state(txn, state))


def measure_store(sandbox: Sandbox, count: int) -> Iterator[Figure]:
    """Measure the made store."""
    spec = registry.spec(MODEL)
    weights = np.random.default_rng(1).standard_normal(spec.dim).astype(np.float32)
    for taste, labelled in TASTES:
        yield from _measure_scoring(sandbox, count, taste, labelled, weights)
    yield from _measure_groups(sandbox, count)
    yield from _measure_verbs(sandbox, count)


def _context(sandbox: Sandbox) -> Context:
    return Context(sandbox.store_folder, sandbox.store_folder.parent / "heads", MODEL, "cpu")


def _measure_scoring(
    sandbox: Sandbox, count: int, taste: str, labelled: int, weights: NDArray[np.float32]
) -> Iterator[Figure]:
    context = _context(sandbox)
    head = train(context, Train(taste)).record.version
    context.store.close()
    context = _context(sandbox)

    def product() -> None:
        with context.store.read() as txn:
            for _, values in vectors.blocks(txn, context.spec.image_embedder):
                rows = np.frombuffer(values, np.float16).reshape(-1, context.spec.image_dim)
                rows.astype(np.float32) @ weights

    def score() -> None:
        for _ in rescore(context, Rescore(taste, head, inboxes=[os.fsencode(sandbox.inbox)])):
            pass

    # The scores are not stored, so the second scoring finds the same images without a score.
    with TemporaryDirectory(dir=sandbox.folder) as folder, cache_folder(folder):
        for what in ("from the vectors", "from the rows that the first scoring has stored"):
            bare, _ = measure_work(product)
            seconds, private = measure_work(score)
            rate = bare / seconds
            yield Figure(
                f"scoring {count:,} stored images in one worker, {what}, a head of {labelled} "
                f"labels, CPU ({1e6 * seconds / count:.1f} µs an image, {rate:.2f} of the "
                "product's rate)",
                f"{seconds:.1f} s",
                f"{bare:.1f} s, one product with a vector, from the same store, float16 → float32 "
                "included",
                seconds / bare,
                f"≥ {MIN_RATE} of its rate",
                rate >= MIN_RATE,
            )
            yield Figure(
                "peak of private memory during it, trained in the same process",
                f"{private:.0f} MB", "", None, f"≤ {MAX_PRIVATE_MB} MB", private <= MAX_PRIVATE_MB,
            )  # fmt: skip
    context.store.close()


@contextmanager
def cache_folder(folder: str) -> Iterator[None]:
    """Let this process write its caches to a folder."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before


def measure_work(work: Callable[[], object]) -> tuple[float, float]:
    """The CPU seconds of some work, and the peak of this process's private memory in MB."""
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.1):
            peak = max(peak, read_usage(os.getpid()).anonymous)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.process_time()
    try:
        work()
    finally:
        seconds = time.process_time() - began
        done.set()
        watcher.join()
    return seconds, peak / 2**20


def _measure_groups(sandbox: Sandbox, count: int) -> Iterator[Figure]:
    context = _context(sandbox)
    for wanted in (1, NEW):
        digests = [digest_of(number * 97 % count) for number in range(wanted)]
        compare_new(context, CompareNew(digests[:1]))
        began = time.process_time()
        compare_new(context, CompareNew(digests))
        seconds = time.process_time() - began
        yield Figure(
            f"near-duplicates and bursts of {wanted} new images among {count:,}, CPU of the worker",
            f"{seconds:.3f} s", "", None, f"≤ {MAX_LOOKUP:g} s", seconds <= MAX_LOOKUP,
        )  # fmt: skip
    context.store.close()


def _measure_verbs(sandbox: Sandbox, count: int) -> Iterator[Figure]:
    code = (
        "import sys, time; from pathlib import Path; from imgscore.store.store import Store\n"
        "began = time.perf_counter(); Store(Path(sys.argv[1])); print(time.perf_counter() - began)"
    )
    command = [sys.executable, "-c", code, os.fspath(sandbox.store_folder)]
    opened = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    yield Figure(f"opening the store of {count:,} images", f"{opened * 1000:.1f} ms")
    size = (sandbox.store_folder / "data.mdb").stat().st_size / 2**30
    target = sandbox.folder / "backup"
    for verb in (["status"], ["heads", "list"], ["history"], ["db", "check"],
                 ["db", "backup", str(target)]):  # fmt: skip
        run = run_imgscore(sandbox, *verb)
        name = " ".join(part for part in verb if part != str(target))
        yield Figure(
            f"`imgscore {name}` without a daemon, {count:,} images, {size:.1f} GB",
            f"{run.cpu_seconds:.2f} s CPU, {run.seconds:.2f} s wall",
        )


def _main() -> None:
    """Make a store that stays, or measure one: `python -m bench.million make|measure FOLDER`."""
    action, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    sandbox = new_sandbox(folder)
    if action == "make":
        random = np.random.default_rng(0)
        real = np.maximum(random.standard_normal((400, registry.spec(MODEL).dim)), 0)
        make_store(sandbox, resample(real.astype(np.float16), BASE), count)
        return
    for figure in measure_store(sandbox, count):
        print(figure, flush=True)


if __name__ == "__main__":
    _main()
