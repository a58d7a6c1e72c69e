"""This module checks that the store is readable after a power failure or a crash.

LMDB has no checksums, and reading a damaged page can crash the process. The check therefore reads
all pages in a separate process: `python -m imgscore.store.verify FOLDER`.
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

# The longest duration of a verification, in seconds. systemd stops a start of the daemon that takes
# more than 300 s. The next start would then verify the store again.
MAX_SECONDS = 200


def after_a_crash(lock: StoreLock, folder: Path) -> None:
    """Verify the store in `folder` if the last writer ended without closing the store.

    Raises StoreError if the store is damaged.
    """
    if not lock.left_open or not (folder / "data.mdb").exists():
        return
    command = [sys.executable, "-P", "-m", "imgscore.store.verify", os.fspath(folder)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=MAX_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        logger.warning(
            "verifying the store took more than %d s and was stopped; run: imgscore db check",
            MAX_SECONDS,
        )
        return
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines and done.returncode > 0 else "reading it crashes the process"
        raise StoreError(f"{folder}/data.mdb is damaged: {reason}", RESTORE_REMEDY)


def read_all(folder: Path) -> int:
    """Read all entries of all tables, and return the number of entries.

    Raises StoreError if the store cannot be opened or read.
    """
    count = 0
    with Store(folder, readonly=True) as store, store.read() as txn:
        for name in TABLES:
            count += sum(1 for _ in txn.raw_table(name).scan())
    return count


def main() -> None:
    """Read all entries of the store.

    If the store cannot be read, the process exits with status 5 or is killed by a signal.
    """
    try:
        read_all(Path(sys.argv[1]))
    except StoreError as error:
        print(error.message, file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
