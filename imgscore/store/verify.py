"""After a power failure or a kill: whether every page of the store can be read at all.

LMDB has no checksums, and a page that is not what it should be may end the process that reads it.
So that is another one: `python -m imgscore.store.verify FOLDER`.
"""

import logging
import os
import subprocess
import sys
from pathlib import Path

from imgscore.errors import StoreError
from imgscore.store.lock import StoreLock
from imgscore.store.store import RESTORE_REMEDY, TABLES, Store

logger = logging.getLogger(__name__)

# A service manager gives a start 300 s; one that it ends would have to be verified again.
MAX_SECONDS = 200


def after_a_crash(lock: StoreLock, folder: Path) -> None:
    """Verify the store in `folder` if its last user did not close it. Raises StoreError."""
    if not lock.left_open or not (folder / "data.mdb").exists():
        return
    command = [sys.executable, "-P", "-m", "imgscore.store.verify", os.fspath(folder)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=MAX_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        logger.warning("the store is not verified to its end; see to it with: imgscore db check")
        return
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = said[-1] if said and done.returncode > 0 else "reading it ends the process"
        raise StoreError(f"{folder}/data.mdb is damaged: {why}", RESTORE_REMEDY)


def read_all(folder: Path) -> int:
    """Read every entry of every table; returns how many there are. Raises StoreError."""
    count = 0
    with Store(folder, readonly=True) as store, store.read() as txn:
        for name in TABLES:
            count += sum(1 for _ in txn.table(name).scan())
    return count


def main() -> None:
    """Exit with 5, or by a signal, where it cannot be read."""
    try:
        read_all(Path(sys.argv[1]))
    except StoreError as error:
        print(error.message, file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
