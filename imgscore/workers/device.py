"""The pool's side of the device process: start it, connect file workers to it, and end it.

This module runs in the parent process and imports no large libraries.
"""

import contextlib
import mmap
import os
import selectors
import socket
import subprocess
import sys
from typing import Literal

from imgscore.workers.device_connection import PAGE, Connection
from imgscore.workers.frames import take_answers
from imgscore.workers.messages import DeviceReady, ModelUnavailable, Notice
from imgscore.workers.process import WorkerSettings


class Device:
    """The device process of a pool, or the reason why there is none."""

    def __init__(self, settings: WorkerSettings, selector: selectors.BaseSelector) -> None:
        self._settings = settings
        self._selector = selector
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._waiting: list[socket.socket] = []
        """the sockets of file workers that the device process will get when it is started"""
        self._buffer = bytearray()
        self._busy_files = 0
        self.state: Literal["off", "starting", "ready", "failed"] = "off"
        self.name = ""
        """the name of the device; "" before the device process is ready"""
        self.provider = ""
        """the library that computes on the device, for example "torch CUDA" """
        self.failure = "", ""
        """the reason and the remedy, after a failure"""

    @property
    def pid(self) -> int | None:
        """The process id of the device process, or None."""
        return self._process.pid if self._process is not None else None

    def connect(self) -> Connection | None:
        """Return the connection for a new file worker. Return None if the device cannot be used."""
        if self.state == "failed":
            return None
        ours, theirs = socket.socketpair()
        memory = os.memfd_create("imgscore", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        os.ftruncate(memory, PAGE)
        self._waiting.append(ours)
        self._introduce()
        descriptors = theirs.detach(), memory
        return Connection(descriptors, mmap.mmap(memory, PAGE), lambda: self.state == "ready")

    def _introduce(self) -> None:
        """Send the sockets of new file workers to the device process, if it runs."""
        if self._control is None:
            return
        for connection in self._waiting:
            with contextlib.suppress(OSError):  # `read` finds the end of the process.
                socket.send_fds(self._control, [b"+"], [connection.fileno()])
            connection.close()
        self._waiting.clear()

    def count(self, *, busy: bool) -> None:
        """Count a file, and start the device process if there are many.

        `busy`: whether all file workers had a task already.
        """
        self._busy_files = self._busy_files + 1 if busy else 0
        if self._busy_files >= self._settings.device_after:
            self.start()

    def start(self) -> None:
        """Start the device process, unless it runs or has failed."""
        if self.state != "off":
            return
        ours, theirs = socket.socketpair()
        settings = self._settings
        arguments = [settings.model, settings.device, str(settings.batch)]
        try:
            with theirs:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "imgscore.workers.device_process", *arguments],
                    stdin=theirs.fileno(),
                    stdout=subprocess.PIPE,
                    process_group=0,
                )
        except OSError:
            ours.close()
            return  # A later file starts it again.
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self._selector.register(process.stdout, selectors.EVENT_READ, self)
        self._process, self._control, self.state = process, ours, "starting"
        self._introduce()

    def read(self) -> Notice | None:
        """Read a message of the device process. Return a notice for the user if it has failed."""
        assert self._process is not None and self._process.stdout is not None
        try:
            data = os.read(self._process.stdout.fileno(), PAGE)
        except BlockingIOError:
            return None
        self._buffer += data
        notice = None
        for message in take_answers(self._buffer):
            match message:
                case DeviceReady(device=device, provider=provider):
                    self.state, self.name, self.provider = "ready", device, provider
                case ModelUnavailable(reason, remedy):
                    self.failure = reason, remedy
                    notice = f"{reason}, so the CPU is used; {remedy}"
        if not data or notice is not None:
            ended = self._end()
            self.state = "failed"
            if notice is None:
                self.failure = (
                    f"the process that uses the device ended (exit status {ended})",
                    "see the message above, and: imgscore doctor",
                )
                notice = f"{self.failure[0]}, so the CPU is used; {self.failure[1]}"
        return None if notice is None else Notice("device", notice)

    def end(self) -> None:
        """End the device process. A later file may start it again, even if it has failed before."""
        if self._process is not None:
            self._end()
        for connection in self._waiting:
            connection.close()
        self._waiting.clear()
        self.state, self._busy_files, self.name = "off", 0, ""

    def _end(self) -> int:
        process, control = self._process, self._control
        assert process is not None and control is not None and process.stdout is not None
        self._selector.unregister(process.stdout)
        control.close()
        for connection in self._waiting:
            connection.close()
        self._waiting.clear()
        self._buffer.clear()
        try:
            status = process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        process.stdout.close()
        self._process = self._control = None
        return status
