"""The device process: it owns the accelerator, and computes inputs of all file workers in batches.

Only one process of a pool uses the device. The file workers decode images, and send their pixels
through shared memory (`ring`). A batch contains all inputs of one size that wait at that moment, so
a single file never waits for others. While the device computes a batch, the next one is collected.

The pool starts the process with a socket as stdin. Each message on it brings the socket of a new
file worker. The process ends when the pool closes its end.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import socket
import struct
import sys
from collections import deque
from typing import Any

import numpy as np

from imgscore import paths
from imgscore.embedders import registry
from imgscore.embedders.base import Network, Preprocessor
from imgscore.errors import ImgscoreError
from imgscore.system import accelerators
from imgscore.system.landlock import confine_writes
from imgscore.workers import frames, messages, temporary
from imgscore.workers.ring import HELLO, INPUT, OUTPUT, READY, SLOTS, Ring, Shape, is_sealed

IN_FLIGHT = 2
"""The number of batches that the device has at a time: it computes one, and the other waits."""


POLL_SECONDS = 0.0005
"""The number of seconds between two checks whether the device has computed a batch."""


class Client:
    """A file worker: its socket, its slots, and the messages that are not complete yet."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.ring: Ring | None = None
        self.received = bytearray()

    def read(self) -> list[tuple[int, int, int]]:
        """Return the new inputs as (slot, height, width). Raises EOFError if the worker has ended,
        and ValueError if it sends an invalid message."""
        if self.ring is None:
            self._greet()
            return []
        data = self.connection.recv(INPUT.size * SLOTS * 4)
        if not data:
            raise EOFError
        self.received += data
        whole = len(self.received) // INPUT.size * INPUT.size
        inputs = list(INPUT.iter_unpack(bytes(self.received[:whole])))
        del self.received[:whole]
        for slot, height, width in inputs:
            self.ring.input(slot, height, width)  # raises ValueError
        return inputs

    def _greet(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self.connection, HELLO.size, 1)
        if not data:
            raise EOFError
        try:
            shape = Shape(*HELLO.unpack(data))
            if len(descriptors) != 1 or not is_sealed(descriptors[0], shape):
                raise ValueError("the memory has another shape")
            self.ring = Ring(descriptors[0], shape)
        except (OSError, struct.error) as error:
            raise ValueError(str(error)) from error
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self.send(OUTPUT.pack(READY))

    def send(self, message: bytes) -> None:
        """Send a message. If the worker has ended, the next `read` reports it."""
        with contextlib.suppress(OSError):
            self.connection.sendall(message)


class Server:
    """The clients, the inputs that wait, and the batches that the device computes."""

    def __init__(self, network: Network, control: socket.socket) -> None:
        self._network = network
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, None)
        self._waiting: dict[tuple[int, int], deque[tuple[Client, int]]] = {}
        """the inputs that wait, as (client, slot), by height and width"""
        self._running: deque[tuple[Any, list[tuple[Client, int]]]] = deque()

    def serve(self) -> None:
        """Compute inputs until the pool closes the socket."""
        while True:
            may_start = self._may_start()
            finished = bool(self._running) and self._network.is_done(self._running[0][0])
            timeout = None if not (self._waiting or self._running) else POLL_SECONDS
            for key, _ in self._selector.select(0 if may_start or finished else timeout):
                if key.data is None:
                    if not self._welcome():
                        return
                else:
                    self._read(key.data)
            if finished:
                self._finish()
            if self._may_start():
                self._start()

    def _may_start(self) -> bool:
        """Return whether to start a batch now.

        The first batch starts at once. While the device computes it, a second batch starts only if
        it is at least half as large. Small batches would take the device more time for each input.
        """
        if not self._waiting or len(self._running) >= IN_FLIGHT:
            return False
        most = max(map(len, self._waiting.values()))
        return not self._running or 2 * most >= len(self._running[-1][1])

    def _welcome(self) -> bool:
        """Take the socket of a new file worker. Return False if the pool has closed its end."""
        data, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        if not data:
            return False
        for descriptor in descriptors:
            client = Client(socket.socket(fileno=descriptor))
            self._selector.register(client.connection, selectors.EVENT_READ, client)
        return True

    def _read(self, client: Client) -> None:
        try:
            for slot, height, width in client.read():
                self._waiting.setdefault((height, width), deque()).append((client, slot))
        except (EOFError, ValueError, OSError):
            self._selector.unregister(client.connection)
            client.connection.close()

    def _start(self) -> None:
        """Start a batch of the size of which most inputs wait."""
        size = max(self._waiting, key=lambda key: len(self._waiting[key]))
        waiting = self._waiting[size]
        # The sizes of batches are powers of two. A new size costs the device some preparation.
        count = 1 << (min(len(waiting), self._network.max_batch).bit_length() - 1)
        batch = [waiting.popleft() for _ in range(count)]
        if not waiting:
            del self._waiting[size]
        inputs = self._network.allocate((count, *size, 3))
        for row, (client, slot) in zip(inputs, batch, strict=True):
            assert client.ring is not None
            row[:] = client.ring.input(slot, *size)
        self._running.append((self._network.start(inputs), batch))

    def _finish(self) -> None:
        """Wait for the oldest batch, and send its outputs."""
        handle, batch = self._running.popleft()
        outputs = self._network.collect(handle)
        done: dict[Client, bytes] = {}
        for row, (client, slot) in zip(outputs, batch, strict=True):
            assert client.ring is not None
            client.ring.output(slot)[:] = row
            done[client] = done.get(client, b"") + OUTPUT.pack(slot)
        for client, message in done.items():
            client.send(message)


def main() -> None:
    """Run the device process. The arguments are those of `device.start`."""
    model, device, batch = sys.argv[1:]
    control = socket.socket(fileno=os.dup(0))
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    # Libraries may print to stdout. Redirect such output to stderr.
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _confine()
    folder = temporary.make_folder()
    try:
        embedder = registry.load_for_batches(model, device)
        network = embedder.network
        if int(batch):
            network.max_batch = int(batch)
        _try_out(network, embedder.preprocessor)
    except ImgscoreError as error:
        answers.write(frames.frame(messages.ModelUnavailable(error.message, error.remedy)))
        temporary.delete_folder(folder)
        os._exit(0)
    answers.write(frames.frame(messages.DeviceReady(network.device, network.providers[0])))
    Server(network, control).serve()
    temporary.delete_folder(folder)
    # A normal exit would first unload the libraries, which takes time.
    os._exit(0)


def _confine() -> None:
    """Forbid writes, except those that the driver of the device needs."""
    cache = paths.cache_folder()
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ.setdefault("CUDA_CACHE_PATH", os.fspath(cache / "cuda"))
    existing = accelerators.written_by_this_process() if accelerators.is_present() else ()
    confine_writes([cache], existing)


def _try_out(network: Network, preprocessor: Preprocessor) -> None:
    """Compute one input, so that a device that cannot compute is found before the first file."""
    network.collect(network.start(preprocessor.blank()[np.newaxis]))


if __name__ == "__main__":
    main()
