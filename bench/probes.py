"""What bench.check measures: parts of imgscore, each repeatable, in CPU time.

bench.probe_runner calls these in processes of two versions, each with its own. So the names
`probes(scratch)`, `name` and `seconds()` must stay, and a probe with other work needs another name.
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
ENTRIES = 5000
ROWS = 1000
PLACES = ("CONFIG_HOME", "DATA_HOME", "CACHE_HOME", "RUNTIME_DIR")


class Probe(NamedTuple):
    """A piece of work; `seconds()` does it once and returns the CPU seconds that it took."""

    name: str
    seconds: Callable[[], float]


def probes(scratch: Path) -> Iterator[Probe]:
    """Every probe, ready to be measured; `scratch` is an empty folder."""
    yield from _pixels()
    yield from _vectors()
    yield from _files(scratch)
    yield from _order()
    yield from _commands(scratch)


def _own(work: Callable[[], object]) -> float:
    """Without the garbage collector, whose work depends on what else the process holds."""
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
    small = [_file(image, "PNG") for image in drawn]
    camera = _file(drawn[0].resize((4000, 3000)), "JPEG", quality=92)

    yield Probe("decode a 12-megapixel JPEG", partial(_own, lambda: decode(camera)))
    yield Probe("decode small PNGs", partial(_own, lambda: [decode(data) for data in small]))
    embedder = lite0.load()
    pictures = [decode(data) for data in small]
    yield Probe("embed", partial(_own, lambda: embedder.embed(pictures)))


def _file(image: Image, kind: str, **options: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _vectors() -> Iterator[Probe]:
    import numpy as np

    from bench.sandbox import liked
    from imgscore.embedders import lite0_spec
    from imgscore.heads.base import Examples
    from imgscore.heads.recipes import AUTO, recipe

    chance = np.random.default_rng(1)
    values = np.abs(chance.standard_normal((ROWS, lite0_spec.DIM))).astype(np.float16)
    keep = liked(values)[:200]
    examples = Examples(values[:200], keep, values[200:], lite0_spec.SECTIONS, lite0_spec.ID)
    yield Probe("train on 200 labels", partial(_own, lambda: recipe(AUTO).fit(examples)))
    head = recipe(AUTO).fit(examples).head
    yield Probe("score 1,000 vectors", partial(_own, lambda: head.score(values)))


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

    def know(txn: Txn) -> None:
        for entry in os.scandir(inbox):
            seen, digest = Fingerprint.of_stat(entry.stat()), os.urandom(32)
            sightings.record(txn, Sighting(entry.path, seen, digest, inbox, "inbox"))

    store.commit(know)
    watches = Watches([Watch(inbox, (), (), "default", "best-newest")])

    def again() -> None:
        parts = list(scan(store, watches, inbox, DECODER_VERSION))
        assert not any(part.changed or part.gone for part in parts)

    yield Probe("scan of unchanged files", partial(_own, again))
    rows = np.random.default_rng(1).bytes(ROWS * lite0_spec.DIM * 2)
    size = lite0_spec.DIM * 2

    def write() -> None:
        digests = [random.randbytes(32) for _ in range(ROWS)]
        pairs = ((one, rows[at * size : (at + 1) * size]) for at, one in enumerate(digests))
        store.commit(lambda txn: vectors.append(txn, lite0_spec.ID, pairs))
        store.commit(lambda txn: vectors.drop(txn, lite0_spec.ID))

    yield Probe("write 1,000 vectors", partial(_own, write))


def _order() -> Iterator[Probe]:
    from bench.order import NOW_NS, folder
    from imgscore.order.plan import plan

    entries = folder(ENTRIES, deviation=0.005)
    yield Probe("plan an order", partial(_own, lambda: plan(entries, NOW_NS)))


def _commands(scratch: Path) -> Iterator[Probe]:
    home = scratch / "home"
    home.mkdir()
    environment = os.environ | {f"XDG_{place}": os.fspath(home) for place in PLACES}
    imgscore = shutil.which("imgscore", path=os.path.dirname(sys.executable)) or "imgscore"

    def child(*command: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    yield Probe("imgscore --help", partial(child, imgscore, "--help"))
    yield Probe("imgscore status", partial(child, imgscore, "status"))
    daemon = "import imgscored.main"
    yield Probe("load the daemon", partial(child, sys.executable, "-c", daemon))
