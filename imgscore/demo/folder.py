"""The demo's folder: a sandbox with a list of the files that the demo made, and may delete."""

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
"""Until the daemon of an earlier demo has released the store's lock."""


class DemoFolder(Sandbox):
    """A sandbox with hidden state, a contact sheet, and the manifest of all files in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, folder / ".imgscore-state")
        self.sheet = self.folder / "before-and-after.png"
        self._manifest = self.home / "made-by-imgscore-demo"

    def prepare(self) -> None:
        """Make the folder and its config; empty it first if it is an earlier demo's.

        Raises UsageError if a file in it is not the demo's, before anything is deleted.
        """
        if self.folder.is_dir() and any(self.folder.iterdir()):
            self._empty()
        try:
            self.configure()
        except OSError as error:
            raise UsageError(
                f"{self.folder} cannot be made: {error.strerror}",
                "choose a folder that you may write to",
            ) from None
        self._manifest.touch()

    def record(self, file: Path) -> None:
        """Add a file to the manifest, so that a later demo may delete it.

        The line is the one of sha256sum, which can check it: sha256, two spaces, name.
        """
        with self._manifest.open("a", encoding="utf-8") as lines:
            lines.write(f"{_sha256(file)}  {file.name}\n")

    def manifest(self) -> dict[str, str]:
        """sha256 by name of every file that the demo made."""
        lines = self._manifest.read_text(encoding="utf-8").splitlines()
        return {line[66:]: line[:64] for line in lines}

    def by_date(self) -> list[tuple[str, int]]:
        """(name, mtime in ns) of the files in the inbox itself, newest first."""
        files = [
            (entry.name, entry.stat().st_mtime_ns)
            for entry in os.scandir(self.inbox)
            if entry.is_file()
        ]
        return sorted(files, key=lambda file: (-file[1], file[0]))

    def _empty(self) -> None:
        if not self._manifest.is_file():
            raise UsageError(
                f"{self.folder} is not empty, and the demo did not make it",
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
                    f"{file} was not made by the demo, which would delete it",
                    "move it elsewhere, or give a new folder: imgscore demo DIR",
                )
        self._stop_old_daemon()
        for file in files:
            file.unlink()
        shutil.rmtree(self.home)

    def _stop_old_daemon(self) -> None:
        """Stop the daemon that a killed demo has left."""
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
            StoreLock(self.data_folder).close()  # its error names the process and the remedy


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
