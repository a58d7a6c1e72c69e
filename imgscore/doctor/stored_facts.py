"""Reads the facts from the store that the doctor reports, in a process of its own.

LMDB trusts its file, so a damaged page could end the process that reads it.
"""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from imgscore import paths
from imgscore.errors import ImgscoreError
from imgscore.reconcile import hard_links
from imgscore.store import journal, settings, sightings
from imgscore.store.store import Store

LEFT_ALONE = "left_alone"
"""The setting in which `engine.left_alone` stores its counts."""
TIMEOUT_SECONDS = 30.0
"""The longest time, in seconds, on a busy machine. Reading takes 0.2 s."""


class StoredFacts(msgspec.Struct):
    """`latest_touch`: the time of the last touch, in seconds since 1970; 0 if there was none.

    `linked_outside`: the number of files with hard links outside of the watched folders, by inbox.
    `vanished`: the number of files that have disappeared and still have records.
    """

    latest_touch: float = 0.0
    linked_outside: dict[str, int] = {}
    vanished: int = 0


@functools.cache
def read() -> StoredFacts:
    """Return the facts. If the store cannot be read, they are empty: the check `store` reports it.

    The daemon may write to the store at the same time.
    """
    folder = paths.store_folder()
    if not (folder / "data.mdb").exists():
        return StoredFacts()
    command = [sys.executable, "-P", "-m", __name__, os.fspath(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT_SECONDS)
        return msgspec.json.decode(done.stdout, type=StoredFacts)
    except (subprocess.SubprocessError, msgspec.DecodeError):
        return StoredFacts()


def _read_store(folder: Path) -> StoredFacts:
    facts = StoredFacts()
    with Store(folder, readonly=True) as store, store.read() as txn:
        for _, touch in journal.newest_first(txn):
            facts.latest_touch = touch.time_ns / 1e9
            break
        facts.vanished = sightings.vanished(txn)
        counts = json.loads(settings.get(txn, LEFT_ALONE) or "{}")
    facts.linked_outside = {
        inbox: of_inbox[hard_links.REASON]
        for inbox, of_inbox in counts.items()
        if hard_links.REASON in of_inbox
    }
    return facts


def main() -> None:
    """Print the facts of the store in the folder that the last argument names, as JSON."""
    try:
        facts = _read_store(Path(sys.argv[-1]))
    except ImgscoreError:
        facts = StoredFacts()
    sys.stdout.buffer.write(msgspec.json.encode(facts))


if __name__ == "__main__":
    main()
