"""The folder of the demo. It is a sandbox with a list of the files that the demo made. A later demo
may delete these files.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

from imgscore.errors import ImgscoreError, UsageError
from imgscore.store.lock import BusyError, StoreLock
from imgscore.testing import Sandbox, eventually

OLD_DAEMON_SECONDS = 10.0
"""The largest number of seconds to wait for the daemon of an earlier demo to release the lock of
the store."""


class DemoFolder(Sandbox):
    """A sandbox with a contact sheet and a manifest. The sandbox keeps its state in a hidden
    folder.

    The manifest is a file that lists the files that the demo made.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, folder / ".imgscore-state")
        self.sheet = self.folder / "before-and-after.png"
        self._manifest = self.home / "made-by-imgscore-demo"

    def prepare(self) -> None:
        """Make the folder and its config. If an earlier demo made the folder, empty the folder
        first.

        If the folder has a file that the demo did not make, raises UsageError and deletes nothing.
        """
        if self.folder.is_dir() and any(self.folder.iterdir()):
            self._empty()
        try:
            self.configure()
        except OSError as error:
            raise UsageError(
                f"{self.folder} cannot be made: {error.strerror}",
                "choose a folder in which you have write permission",
            ) from None
        self._manifest.touch()

    def record(self, file: Path) -> None:
        """Add a file to the manifest. A later demo may then delete this file.

        A line of the manifest has the sha256 of the file, two spaces, and the name of the file.
        This is the format of the program sha256sum.
        """
        with self._manifest.open("a", encoding="utf-8") as lines:
            lines.write(f"{_sha256(file)}  {file.name}\n")

    def manifest(self) -> dict[str, str]:
        """Return the sha256 of every file that the demo made, by file name."""
        lines = self._manifest.read_text(encoding="utf-8").splitlines()
        return {line[66:]: line[:64] for line in lines}

    def by_date(self) -> list[tuple[str, int]]:
        """Return (name, mtime in ns) of each file in the inbox, newest first.

        Files in subfolders of the inbox are left out.
        """
        files = [
            (entry.name, entry.stat().st_mtime_ns)
            for entry in os.scandir(self.inbox)
            if entry.is_file()
        ]
        return sorted(files, key=lambda file: (-file[1], file[0]))

    def _empty(self) -> None:
        if not self._manifest.is_file():
            raise UsageError(
                f"{self.folder} is not empty, and it was not created by the demo",
                "give a new folder: imgscore demo DIR",
            )
        manifest = self.manifest()
        files = [
            file
            for file in self.folder.rglob("*")
            if self.home not in file.parents and not file.is_dir()
        ]
        for file in files:
            if manifest.get(file.name) != _sha256(file):
                raise UsageError(
                    f"{file} is not from the demo, so the demo does not delete this folder",
                    "move the file elsewhere, or give a new folder: imgscore demo DIR",
                )
        self._stop_old_daemon()
        for file in files:
            file.unlink()
        shutil.rmtree(self.home)

    def _stop_old_daemon(self) -> None:
        """Stop the daemon of an earlier demo.

        This daemon still runs if the earlier demo was killed.
        """
        with contextlib.suppress(ImgscoreError):
            self.ask("stop")

        def unlocked() -> bool:
            try:
                StoreLock(self.data_folder).close()
            except BusyError:
                return False
            return True

        try:
            eventually(unlocked, seconds=OLD_DAEMON_SECONDS)
        except TimeoutError:
            # The daemon still has the lock. This call raises an error that names the process and a
            # remedy.
            StoreLock(self.data_folder).close()


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
