"""The probes of bench.check: repeatable pieces of imgscore's work, measured in CPU time.

bench.probe_runner runs the probes of two versions and compares those with equal names. So
`probes(scratch)`, `name` and `seconds()` must keep their names, and a probe that changes its work
must change its name.
"""

from __future__ import annotations

import gc
import io
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

FILES = 4000
"""files of the scan"""
ENTRIES = 5000
"""files of the plan"""
ROWS = 1000
"""vectors that are scored or written"""
DATES = 3000
"""files of the inbox that is planned, and whose dates are set; more than one batch"""
GROUPED, COMPARED = 200, 10
"""images that are grouped, and new images that are compared with them one by one"""
INSERTED = 50
"""new files, each of which gets its place in an ordered inbox and a date"""
XDG_NAMES = ("CONFIG_HOME", "DATA_HOME", "CACHE_HOME", "RUNTIME_DIR")


class Probe(NamedTuple):
    """A piece of work; `seconds()` runs it once and returns its CPU seconds."""

    name: str
    seconds: Callable[[], float]


def probes(scratch: Path) -> Iterator[Probe]:
    """All probes, prepared; `scratch` is an empty folder for their files."""
    yield from _pixels()
    yield from _vectors()
    yield from _files(scratch)
    yield from _order()
    yield from _commands(scratch)
    yield from _inbox(scratch / "planned")
    yield from _groups(scratch / "groups")


def _measure(work: Callable[[], object]) -> float:
    """CPU seconds of a call with the cyclic GC off: its cost depends on unrelated live objects."""
    gc.disable()
    start = time.process_time()
    try:
        work()
        return time.process_time() - start
    finally:
        gc.enable()


def _pixels() -> Iterator[Probe]:
    from imgscore.demo.pictures import draw_all
    from imgscore.embedders import lite0
    from imgscore.images.decode import decode

    drawn = [image.convert("RGB") for _, image in draw_all(8)]
    small = [_encode(image, "PNG") for image in drawn]
    camera = _encode(drawn[0].resize((4000, 3000)), "JPEG", quality=92)

    yield Probe("decode a 12-megapixel JPEG", partial(_measure, lambda: decode(camera)))
    yield Probe("decode small PNGs", partial(_measure, lambda: [decode(data) for data in small]))
    embedder = lite0.load()
    pictures = [decode(data) for data in small]
    yield Probe("embed", partial(_measure, lambda: embedder.embed(pictures)))


def _encode(image: Image, kind: str, **options: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _vectors() -> Iterator[Probe]:
    import numpy as np

    from bench.sandbox import make_taste
    from imgscore.embedders import lite0_spec
    from imgscore.heads.base import Examples
    from imgscore.heads.recipes import AUTO, recipe

    chance = np.random.default_rng(1)
    values = np.abs(chance.standard_normal((ROWS, lite0_spec.DIM))).astype(np.float16)
    grades = make_taste(values)[:200].astype(np.float32)
    examples = Examples(values[:200], grades, values[200:], lite0_spec.SECTIONS, lite0_spec.ID)
    yield Probe("train on 200 labels", partial(_measure, lambda: recipe(AUTO).fit(examples)))
    head = recipe(AUTO).fit(examples).head
    yield Probe("score 1,000 vectors", partial(_measure, lambda: head.score(values)))


def _files(scratch: Path) -> Iterator[Probe]:
    import numpy as np

    from imgscore.embedders import lite0_spec
    from imgscore.images.version import DECODER_VERSION
    from imgscore.reconcile.scan import scan
    from imgscore.store import sightings, vectors
    from imgscore.store.schema import Fingerprint, Sighting
    from imgscore.store.store import Store
    from imgscore.store.transaction import Txn
    from imgscore.watches import Watch, Watches

    folder = scratch / "inbox"
    folder.mkdir()
    inbox = os.fsencode(folder)
    for number in range(FILES):
        (folder / f"{number:05}.png").write_bytes(b"")
    store = Store(scratch / "store")

    def record_files(txn: Txn) -> None:
        for entry in os.scandir(inbox):
            seen, digest = Fingerprint.of_stat(entry.stat()), os.urandom(32)
            sightings.record(txn, Sighting(entry.path, seen, digest, inbox, "inbox"))

    store.commit(record_files)
    watches = Watches([Watch(inbox, (), (), "default", "best-newest")])

    def rescan() -> None:
        parts = list(scan(store, watches, inbox, DECODER_VERSION))
        assert not any(part.changed or part.gone for part in parts)

    yield Probe("scan of unchanged files", partial(_measure, rescan))
    rows = np.random.default_rng(1).bytes(ROWS * lite0_spec.DIM * 2)
    size = lite0_spec.DIM * 2

    def write() -> None:
        digests = [random.randbytes(32) for _ in range(ROWS)]
        pairs = ((digest, rows[n * size : (n + 1) * size]) for n, digest in enumerate(digests))
        store.commit(lambda txn: vectors.append(txn, lite0_spec.ID, pairs))
        store.commit(lambda txn: vectors.drop(txn, lite0_spec.ID))

    yield Probe("write 1,000 vectors", partial(_measure, write))


def _order() -> Iterator[Probe]:
    from bench.order import NOW_NS, make_entries
    from imgscore.order.blocks import Block
    from imgscore.order.plan import plan

    entries = make_entries(ENTRIES, deviation=0.005)
    yield Probe("plan an order", partial(_measure, lambda: plan(entries, NOW_NS)))
    blocks = [Block((i, i + 1), *entries[i][1:]) for i in range(0, ENTRIES, 10)]

    def plan_groups() -> None:
        plan(entries, NOW_NS, "best-newest", blocks)

    yield Probe("plan an order, a fifth in groups", partial(_measure, plan_groups))


def _commands(scratch: Path) -> Iterator[Probe]:
    home = scratch / "home"
    home.mkdir()
    environment = os.environ | {f"XDG_{name}": os.fspath(home) for name in XDG_NAMES}
    imgscore = shutil.which("imgscore", path=os.path.dirname(sys.executable)) or "imgscore"

    def run_command(*command: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    yield Probe("imgscore --help", partial(run_command, imgscore, "--help"))
    yield Probe("imgscore status", partial(run_command, imgscore, "status"))
    daemon = "import imgscored.main"
    yield Probe("load the daemon", partial(run_command, sys.executable, "-c", daemon))


def _inbox(folder: Path) -> Iterator[Probe]:
    from imgscore.engine.apply import apply_plan
    from imgscore.store import scores, settings, sightings
    from imgscore.store.schema import Fingerprint, Sighting
    from imgscore.store.store import Store
    from imgscore.store.transaction import Txn
    from imgscore.watches import Watch
    from imgscore.workers.plan_inbox import insert_files, plan_inbox

    (folder / "inbox").mkdir(parents=True)
    inbox, chance = os.fsencode(folder / "inbox"), random.Random(1)
    for number in range(DATES):
        (folder / "inbox" / f"{number:05}.png").write_bytes(b"")
    digests = [chance.randbytes(32) for _ in range(DATES)]
    store, watch = Store(folder / "store"), Watch(inbox, (), (), "default", "best-newest")

    def record_files(txn: Txn) -> None:
        for digest, entry in zip(digests, os.scandir(inbox), strict=True):
            seen = Fingerprint.of_stat(entry.stat())
            sightings.record(txn, Sighting(entry.path, seen, digest, inbox, "inbox"))

    def packed() -> bytes:
        return b"".join(scores.pack(digest, chance.random(), 0.01) for digest in digests)

    store.commit(record_files)
    store.commit(lambda txn: scores.record(txn, "default", "1", packed()))
    planned = plan_inbox(store, watch, "1")
    for _ in apply_plan(store, planned.touches, "1"):
        pass
    store.commit(lambda txn: settings.record_ties(txn, inbox, planned.ties))

    def store_scores() -> None:
        store.commit(lambda txn: scores.record(txn, "default", "2", packed()))
        store.commit(lambda txn: scores.forget(txn, "default", "2"))

    def shuffle() -> None:
        store.commit(lambda txn: scores.record(txn, "default", "1", packed()))

    def set_dates() -> float:
        shuffle()
        touches = plan_inbox(store, watch, "1").touches
        return _measure(lambda: list(apply_plan(store, touches, "1"))) / len(touches) * DATES

    def plan_again() -> float:
        shuffle()
        return _measure(lambda: plan_inbox(store, watch, "1"))

    def insert() -> float:
        timeline = plan_inbox(store, watch, "1").timeline
        with store.read() as txn:
            files = [file.path for file in sightings.iter_all(txn)][:INSERTED]

        def insert_each() -> None:
            for path in files:
                touches = insert_files(store, watch, "1", timeline, {path}) or []
                list(apply_plan(store, touches, "1"))

        return _measure(insert_each)

    yield Probe("store 3,000 scores", partial(_measure, store_scores))
    yield Probe("plan an inbox of 3,000", plan_again)
    yield Probe("set 3,000 dates", set_dates)
    yield Probe("place 50 new files", insert)


def _groups(folder: Path) -> Iterator[Probe]:
    import numpy as np

    from bench.group_store import compare_all, context_of, digest_of, fill
    from imgscore.demo.pictures import draw_all
    from imgscore.embedders import lite0, registry
    from imgscore.images.decode import decode
    from imgscore.store.store import Store
    from imgscore.workers.compare_new import compare_new
    from imgscore.workers.group_messages import CompareNew

    pictures = [decode(_encode(image.convert("RGB"), "PNG")) for _, image in draw_all(24)]
    real = lite0.load().embed(pictures).astype(np.float32)
    store, spec = Store(folder), registry.spec(registry.BUILT_IN)
    fill(store, spec, real, [picture.traits for picture in pictures], GROUPED)
    context = context_of(store, spec)

    def group_all() -> float:
        seconds = compare_all(store, context)
        return sum(cost for step, cost in seconds.items() if step != "longest commit")

    group_all()

    def compare() -> None:
        for number in range(COMPARED):
            compare_new(context, CompareNew([digest_of(number)]))

    yield Probe("group 200 images", group_all)
    yield Probe("groups of 10 new files, one by one", partial(_measure, compare))
