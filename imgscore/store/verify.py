"""This module finds a damaged store before LMDB reads it.

LMDB trusts its file, and reading a damaged page can crash the process. The check therefore runs in
a separate process: `python -m imgscore.store.verify FOLDER`.
"""

import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from imgscore.errors import StoreError
from imgscore.store import backup_folders, checks, pages
from imgscore.store.lock import BusyError, StoreLock
from imgscore.store.store import TABLES, Store

logger = logging.getLogger(__name__)

# The longest duration of a verification, in seconds. systemd stops a start of the daemon that takes
# more than 300 s. The next start would then verify the store again.
MAX_SECONDS = 200
# The option with which this module prints the findings of all checks as JSON.
_FINDINGS = "--findings"


def before_use(lock: StoreLock, folder: Path) -> None:
    """Verify the store in `folder` if it may be damaged.

    This is so if the last writer ended without closing the store, or if the file has changed since
    then. Raises StoreError if the store is damaged.
    """
    data = folder / "data.mdb"
    if not data.exists():
        return
    if lock.is_unverified:
        _run(data)
        lock.is_unverified = False
    if not pages.is_complete(data):
        # The pages beyond the end of the file are free: otherwise the verification fails. LMDB maps
        # the file into memory, so they must exist.
        pages.complete(data)


def before_reading(data_folder: Path, folder: Path) -> None:
    """Verify the store before it is opened read-only, as `before_use` does.

    If another process has locked the store, that process has verified it. Raises StoreError if the
    store is damaged.
    """
    with suppress(BusyError), StoreLock(data_folder) as lock:
        before_use(lock, folder)


def _run(data: Path) -> None:
    command = [sys.executable, "-P", "-m", "imgscore.store.verify", os.fspath(data.parent)]
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
        reason = lines[-1] if lines and done.returncode > 0 else _killed(data, done.returncode)
        raise StoreError(reason, backup_folders.remedy())


def _killed(data: Path, code: int) -> str:
    cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"{data} is damaged: a process that reads it ends with {cause}"


def findings(folder: Path) -> list[checks.Finding]:
    """Check the store in `folder` in a separate process, and return the findings.

    The daemon may run at the same time. Raises StoreError if the store cannot be opened.
    """
    command = [sys.executable, "-P", "-m", "imgscore.store.verify", _FINDINGS, os.fspath(folder)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode < 0:
        raise StoreError(_killed(folder / "data.mdb", done.returncode), backup_folders.remedy())
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise StoreError(lines[-1] if lines else "the check failed", backup_folders.remedy())
    return msgspec.json.decode(done.stdout, type=list[checks.Finding])


def read_all(folder: Path) -> int:
    """Check all pages, read all entries of all tables, and return the number of entries.

    No other process may write to the store. Raises StoreError if the store cannot be opened or
    read.
    """
    pages.check(folder / "data.mdb")
    count = 0
    with Store(folder, readonly=True) as store, store.read() as txn:
        for name in TABLES:
            count += sum(1 for _ in txn.raw_table(name).scan())
    return count


def _find(folder: Path) -> list[checks.Finding]:
    """Run all checks of `db check`. Another process may write to the store meanwhile."""
    with Store(folder, readonly=True) as store:
        while True:
            with suppress(pages.OvertakenError), store.read() as txn:
                return list(checks.iter_all(txn, folder / "data.mdb"))


def main() -> None:
    """Read all entries of the store, or print the findings of all checks.

    If the store cannot be read, the process exits with status 5 or is killed by a signal.
    """
    folder = Path(sys.argv[-1])
    try:
        if _FINDINGS in sys.argv:
            found = _find(folder)
            sys.stdout.buffer.write(msgspec.json.encode(found))
        else:
            read_all(folder)
    except StoreError as error:
        print(error.message, file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
