"""A second scan of 100,000 unchanged files, against `find` looking at the same facts."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

from bench.figures import Figure, Setting, median_seconds
from bench.sandbox import fill_known, imgscore, new_sandbox
from imgscore.images.version import DECODER_VERSION
from imgscore.reconcile.scan import scan
from imgscore.store.store import Store
from imgscore.watches import Watch, Watches


def measure(setting: Setting) -> Iterator[Figure]:
    """Both with a warm cache: what is measured is the work, not the disk."""
    count, repeats = setting.either((10_000, 3), (100_000, 5))
    sandbox = new_sandbox(setting.scratch / "sandbox")
    inbox = os.fsencode(sandbox.inbox)
    watch = Watch(inbox, (os.fsencode(sandbox.keep),), (os.fsencode(sandbox.trash),), "default",
                  "best-newest")  # fmt: skip
    with Store(sandbox.store_folder) as store:
        store.commit(lambda txn: fill_known(txn, sandbox, count))

        def alone() -> None:
            found = list(scan(store, Watches([watch]), inbox, DECODER_VERSION))
            assert not any(part.changed or part.gone for part in found), "not unchanged"

        def find() -> None:
            command = ["find", os.fspath(sandbox.inbox), "-printf", r"%s %T@ %i\n"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        find()
        floor = median_seconds(find, repeats)
        seconds = median_seconds(alone, repeats)
    said = f"{floor:.2f} s, `find -printf '%s %T@ %i'`"
    yield Figure(f"rescan of {count} unchanged files, in a process that is up", f"{seconds:.2f} s",
                 said, seconds / floor)  # fmt: skip
    whole = median_seconds(lambda: imgscore(sandbox, "scan"), repeats)
    yield Figure(f"`imgscore scan` of {count} unchanged files, start to end", f"{whole:.2f} s",
                 said, whole / floor)  # fmt: skip
    shutil.rmtree(sandbox.folder)
