"""Measures the CPU time of the data of a review with many images: gather, write, read and page.

`python -m bench.review_data [IMAGES]`. The store is made first: all images have traits, a score and
a measured quality, nearly all are in groups of 30, and 300 have a label. At the end, `imgscore
review` is started without a daemon, until it prints the address and until it has the data.
"""

import argparse
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from bench.sandbox import new_sandbox
from imgscore.cli.review_images import ReviewImages
from imgscore.cli.review_thumbnails import ReviewThumbnails
from imgscore.embedders import registry
from imgscore.groups.best import VERSION, Quality
from imgscore.images.traits import GRID_SIDE, Traits
from imgscore.report import files, gather
from imgscore.report.data import WatchFolders
from imgscore.report.page import page, page_data
from imgscore.store import groups, heads, labels, qualities, scores, sightings, traits
from imgscore.store.groups import NewGroup
from imgscore.store.qualities import QualityRecord
from imgscore.store.schema import Fingerprint, HeadRecord, LabelEvent, Sighting
from imgscore.store.store import Store
from imgscore.store.transaction import Txn
from imgscore.testing import IMGSCORE, Sandbox

GROUP = 30
"""Images in a group."""
LABELS = 300
BATCH = 5000
"""Images that are written in one transaction."""
MODEL = registry.BUILT_IN

T = TypeVar("T")


def fill(store: Store, inbox: bytes, count: int) -> None:
    """Write the records of `count` images."""
    chance = random.Random(0)
    digests = [chance.randbytes(32) for _ in range(count)]
    head = HeadRecord("1", "default", registry.spec(MODEL).id, 1, LABELS, 0, True, {})
    store.commit(lambda txn: heads.record(txn, head))

    def write(txn: Txn, start: int) -> None:
        part = digests[start : start + BATCH]
        for at, digest in enumerate(part, start):
            path = inbox + b"/trip %d/IMG_%06d.jpg" % (at % 300, at)
            seen = Fingerprint(1, at, 3_000_000 + at, 1, 1)
            sightings.record(txn, Sighting(path, seen, digest, inbox, "inbox"))
            grid = chance.randbytes(GRID_SIDE**2)
            known = Traits(
                width=4000, height=3000, format="JPEG", bytes_per_pixel=0.25, grid=grid,
                taken="2024-05-06T12:34:56", camera="Nikon Z 6",
            )  # fmt: skip
            traits.record(txn, digest, known)
            quality = Quality(
                12_000_000,
                3_000_000,
                3.0 + chance.random(),
                900.0,
                2.0,
                1.0,
                90,
                0.0,
                0.0,
                5.0,
                0.5,
            )
            qualities.record(txn, digest, QualityRecord(VERSION, quality))
            if at < LABELS:
                name = chance.choice(["keep", "trash"])
                labels.append(txn, LabelEvent(1, "default", digest, name, "cli", path))
        packed = b"".join(scores.pack(digest, chance.random(), 0.1) for digest in part)
        scores.record(txn, "default", "1", packed)
        alike = [part[at : at + GROUP] for at in range(0, len(part), GROUP)]
        why = "They were taken together."
        groups.replace(txn, part, [NewGroup("bursts", tuple(group), why) for group in alike])

    for start in range(0, count, BATCH):
        store.commit(lambda txn, start=start: write(txn, start))


def measure(store: Store, inbox: bytes, folder: Path) -> dict[str, Any]:
    """The CPU time of each step in seconds."""
    seconds: dict[str, Any] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        start = time.process_time()
        result = work()
        seconds[name] = round(time.process_time() - start, 3)
        return result

    file, spec = os.fsencode(folder / "data.json"), registry.spec(MODEL)

    def gathered(*, with_groups: bool) -> gather.ReportData:
        with store.read() as txn:
            found = gather.Gatherer(txn, spec, "default", {inbox}, None)
            return found.gather(
                gather.read_previous(file),
                max_suspects=0,
                figures=False,
                with_groups=with_groups,
                stop=lambda: False,
            )

    gathered(with_groups=False)  # LMDB maps the pages of the store
    data = timed("gather", lambda: gathered(with_groups=False))
    timed("write", lambda: gather.write(data, file))
    read = timed("read", lambda: files.read(Path(os.fsdecode(file)), None))
    watch = WatchFolders(os.fsdecode(inbox), None, None)
    content = page_data(read, [watch], "thumbnails", review=True)
    thumbnails = folder / "thumbnails"
    thumbnails.mkdir()
    making, images = ReviewThumbnails(bytes(thumbnails)), ReviewImages(content)
    missing = timed("missing_thumbnails", lambda: making.missing(images.digests))
    timed("their_order", lambda: list(images.best_first(missing)))
    text = timed("page", lambda: page(content))
    seconds["in_all"] = round(sum(seconds.values()), 3)
    timed("gather_with_groups", lambda: gathered(with_groups=True))
    return {"groups": data.group_count, "page_mb": round(len(text) / 1e6, 1), "cpu_s": seconds}


def opened(sandbox: Sandbox, *options: str) -> float:
    """The CPU time in seconds that `imgscore review` and its workers use until they print a line.

    With --json, the line is printed when the data are complete.
    """
    command = [*IMGSCORE, "review", "--no-open", *options]
    with subprocess.Popen(
        command, env=sandbox.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline(), "the review has ended"
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
        process.terminate()
    # The times of the process and of its ended children, in the program and in the kernel.
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print the measurements as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("images", type=int, nargs="?", default=100_000)
    count = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        sandbox = new_sandbox(Path(folder))
        inbox = os.fsencode(sandbox.inbox)
        with Store(sandbox.store_folder) as store:
            fill(store, inbox, count)
            result = {"images": count, **measure(store, inbox, Path(folder))}
        result["review_cpu_s"] = {
            "address": opened(sandbox),
            "data": opened(sandbox, "--json"),
        }
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
