"""A second scan of 100,000 unchanged files, against `find` that reads the same metadata."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

from bench.figures import Figure, Setting, median_seconds
from bench.sandbox import add_known_files, new_sandbox, run_imgscore
from imgscore.images.version import DECODER_VERSION
from imgscore.reconcile.scan import scan
from imgscore.store.store import Store
from imgscore.watches import Watch, Watches


def measure(setting: Setting) -> Iterator[Figure]:
    """Measure both with a warm cache, so that the disk has no influence."""
    count, repeats = setting.choose((10_000, 3), (100_000, 5))
    sandbox = new_sandbox(setting.scratch / "sandbox")
    inbox = os.fsencode(sandbox.inbox)
    watch = Watch(inbox, (os.fsencode(sandbox.keep),), (os.fsencode(sandbox.trash),), "default",
                  "best-newest")  # fmt: skip
    with Store(sandbox.store_folder) as store:
        store.commit(lambda txn: add_known_files(txn, sandbox, count))

        def run_scan() -> None:
            parts = list(scan(store, Watches([watch]), inbox, DECODER_VERSION))
            assert not any(part.changed or part.gone for part in parts), "the scan found changes"

        def run_find() -> None:
            command = ["find", os.fspath(sandbox.inbox), "-printf", r"%s %T@ %i\n"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        run_find()
        find_seconds = median_seconds(run_find, repeats)
        seconds = median_seconds(run_scan, repeats)
    baseline = f"{find_seconds:.2f} s, `find -printf '%s %T@ %i'`"
    yield Figure(f"rescan of {count} unchanged files, in a running process", f"{seconds:.2f} s",
                 baseline, seconds / find_seconds)  # fmt: skip
    seconds = median_seconds(lambda: run_imgscore(sandbox, "scan"), repeats)
    yield Figure(f"`imgscore scan` of {count} unchanged files, start to end", f"{seconds:.2f} s",
                 baseline, seconds / find_seconds)  # fmt: skip
    shutil.rmtree(sandbox.folder)
