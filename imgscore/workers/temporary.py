"""Give this worker a private temporary folder, and delete the folders of workers that were killed.

Landlock blocks writes to /tmp, but some libraries need a temporary folder: importing torch's
optimisers fails without one. The folder is inside imgscore's cache folder, where a worker may
write, and only the user can open it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from imgscore import paths

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_folder() -> Path | None:
    """Make an empty temporary folder for this process, and set TMPDIR to it.

    The process holds a lock on the folder as long as it runs. Returns None if no folder can be
    made, for example because the disk is full. A library that needs a temporary folder then reports
    the error.
    """
    root = paths.temporary_folder()
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        _delete_left_over(root)
        with _open(root) as all_folders:
            # This lock keeps other workers from deleting the new folder before it is locked.
            fcntl.flock(all_folders, fcntl.LOCK_SH)
            folder = Path(tempfile.mkdtemp(prefix="worker-", dir=root))
            # Leave the descriptor open until the process ends. Its lock marks the folder as in use.
            fcntl.flock(os.open(folder, _FOLDER), fcntl.LOCK_SH)
    except OSError:
        return None
    os.environ["TMPDIR"] = os.fspath(folder)
    tempfile.tempdir = None  # Python then reads TMPDIR again.
    return folder


def _delete_left_over(root: Path) -> None:
    """Delete the temporary folders of processes that were killed: no process has locked them."""
    with contextlib.suppress(BlockingIOError), _open(root) as all_folders:
        fcntl.flock(all_folders, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for entry in list(os.scandir(root)):
            with contextlib.suppress(OSError), _open(entry.path) as folder:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(entry.path, ignore_errors=True)


@contextlib.contextmanager
def _open(folder: str | Path) -> Iterator[int]:
    """Yield a file descriptor of a folder, and close it at the end of the block."""
    descriptor = os.open(folder, _FOLDER)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def delete_folder(folder: Path | None) -> None:
    """Delete the temporary folder of this process. Ignore errors: the next worker tries again."""
    if folder is not None:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
