"""The demo's folder and its daemon: all of it inside one folder, and ended whatever happens."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imgscore import client
from imgscore.errors import ImgscoreError, UsageError
from imgscore.messages import Message, Result
from imgscore.store.lock import BusyError, StoreLock
from imgscore.verbs.base import Row

START_SECONDS = 30.0
STOP_SECONDS = 10.0


class Sandbox:
    """A folder with an inbox, the pictures' manifest, and a state of its own beside the user's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.inbox = self.folder / "inbox"
        self.keep = self.inbox / "keep"
        self.trash = self.inbox / "trash"
        self.sheet = self.folder / "before-and-after.png"
        self.state = self.folder / ".imgscore-state"
        self.log = self.state / "imgscored.log"
        self._manifest = self.state / "made-by-imgscore-demo"
        self._socket = self.state / "run" / "imgscore" / "control.sock"

    # ---- the folder

    def prepare(self) -> None:
        """Make the folder, or empty one of an earlier demo. Raises UsageError where others' lie."""
        if self.folder.is_dir() and any(self.folder.iterdir()):
            self._empty()
        try:
            for folder in (self.inbox, self.state):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{self.folder} cannot be made: {error.strerror}",
                "choose a folder that you may write to",
            ) from None
        self._manifest.touch()

    def remember(self, file: Path) -> None:
        """Write down a file that the demo made, so that another run may delete that, and no more.

        A line of sha256, two spaces and the name, as sha256sum writes and checks it.
        """
        with self._manifest.open("a", encoding="utf-8") as lines:
            lines.write(f"{_digest(file)}  {file.name}\n")

    def made(self) -> dict[str, str]:
        """sha256 by name of everything that the demo made."""
        lines = self._manifest.read_text(encoding="utf-8").splitlines()
        return {line[66:]: line[:64] for line in lines}

    def _empty(self) -> None:
        if not self._manifest.is_file():
            raise UsageError(
                f"{self.folder} is not empty, and the demo did not make it",
                "give a new folder: imgscore demo DIR",
            )
        made = self.made()
        ours: list[Path] = []
        for file in self.folder.rglob("*"):
            if self.state in file.parents or file.is_dir():
                continue
            if made.get(file.name) != _digest(file):
                raise UsageError(
                    f"{file} is not the demo's, and would be lost",
                    "move it elsewhere, or give a new folder: imgscore demo DIR",
                )
            ours.append(file)
        self._end_old_daemon()
        for file in ours:
            file.unlink()
        shutil.rmtree(self.state)

    def _end_old_daemon(self) -> None:
        """A demo that was killed leaves its daemon behind."""
        with contextlib.suppress(ImgscoreError):
            list(self.call("stop"))
        deadline = time.monotonic() + STOP_SECONDS
        while True:
            try:
                StoreLock(self.state / "data" / "imgscore").close()
            except BusyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    # ---- the daemon

    def environment(self) -> dict[str, str]:
        """The environment in which config, store, caches and socket lie in the demo's folder."""
        names = {"CONFIG_HOME": "config", "DATA_HOME": "data", "CACHE_HOME": "cache",
                 "RUNTIME_DIR": "run"}  # fmt: skip
        places = {f"XDG_{name}": str(self.state / place) for name, place in names.items()}
        # systemd's, where we run as a part of a service, are not for the demo's daemon.
        held = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
        return held | places

    @contextlib.contextmanager
    def daemon(self) -> Iterator[int]:
        """The real daemon on the inbox: its process id. When the block ends, so have both it and
        its workers."""
        config = self.state / "config" / "imgscore" / "config.toml"
        if not config.exists():
            config.parent.mkdir(parents=True)
            # Whoever asks for a demonstration does not wait for the power.
            config.write_text('[daemon]\non_battery = "work"\n', encoding="utf-8")
        command = [sys.executable, "-P", "-m", "imgscore.cli.main", "init", str(self.inbox)]
        made = subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise ImgscoreError(
                f"imgscore init failed: {made.stderr.strip()}", "see: imgscore doctor"
            )
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "imgscored.main"],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # Ctrl-C is for us, and we end it
            )
        try:
            self._await(process)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            connection = client.connect(self._socket)
            if connection is not None:
                connection.close()
                return
            time.sleep(0.02)
        tail = self.log.read_text(errors="replace").strip().splitlines()[-3:]
        raise ImgscoreError(f"the daemon did not start: {' / '.join(tail)}", f"see {self.log}")

    def call(self, verb: str, **arguments: Any) -> Iterator[Message]:
        """A verb's messages, through the daemon's control socket."""
        connection = client.connect(self._socket)
        if connection is None:
            raise ImgscoreError("the demo's daemon has ended", f"see {self.log}")
        with connection:
            yield from client.call(connection, verb, arguments)

    def rows(self, verb: str, **arguments: Any) -> list[Row]:
        """A verb's rows."""
        return [one.row for one in self.call(verb, **arguments) if isinstance(one, Result)]

    # ---- the inbox

    def by_date(self) -> list[tuple[str, int]]:
        """(name, mtime in ns) of the inbox's own files, newest first, as a viewer shows them."""
        found = [
            (entry.name, entry.stat().st_mtime_ns)
            for entry in os.scandir(self.inbox)
            if entry.is_file()
        ]
        return sorted(found, key=lambda file: (-file[1], file[0]))


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
