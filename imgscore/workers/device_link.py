"""The connection of a file worker to the device process, from the worker's side."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from imgscore.embedders.base import Preprocessor
from imgscore.workers.ring import HELLO, INPUT, OUTPUT, READY, SLOTS, Ring, Shape, seal

SLOT_ALIGNMENT = 64
"""The number of bytes to which input slots are rounded, so that outputs are aligned."""


class Link:
    """The slots of this worker. A slot is free, or has an input that waits for its output."""

    def __init__(self, connection: socket.socket, memory: int, preprocessor: Preprocessor) -> None:
        """Make the slots, and announce them to the device process.

        `memory`: the descriptor of the memory that the pool has made. The device process may start
        later: the socket keeps the messages.
        """
        size = -(-preprocessor.max_input_bytes // SLOT_ALIGNMENT) * SLOT_ALIGNMENT
        shape = Shape(size, preprocessor.outputs)
        seal(memory, shape)
        self._ring = Ring(memory, shape)
        self._connection = connection
        self._free = list(range(SLOTS))
        self._shapes: dict[int, tuple[int, int]] = {}
        """the height and width of the input in each slot that waits"""
        self._received = bytearray()
        self.ready = False
        """whether the device process has loaded the network"""
        self.ended = False
        """whether the device process has ended, or will not start"""
        try:
            socket.send_fds(connection, [HELLO.pack(*shape)], [memory])
        except OSError:
            self.ended = True

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when outputs arrive."""
        return self._connection.fileno()

    @property
    def free(self) -> int:
        """The number of free slots."""
        return len(self._free)

    @property
    def used(self) -> list[int]:
        """The slots that are not free."""
        return list(self._shapes)

    def mark(self, begun: int, *, active: bool) -> None:
        """Record for the pool how many tasks were begun, and whether this worker does the last of
        them now."""
        self._ring.mark(begun, active=active)

    def close(self) -> None:
        """Stop using the device process. The inputs stay in their slots."""
        self._connection.close()
        self.ended = True

    def send(self, inputs: Iterable[NDArray[np.uint8]]) -> list[int]:
        """Send the inputs of a picture. There must be a free slot for each. Return the slots."""
        slots, message = [], b""
        for item in inputs:
            height, width = item.shape[:2]
            slot = self._free.pop()
            self._ring.input(slot, height, width)[:] = item
            self._shapes[slot] = height, width
            message += INPUT.pack(slot, height, width)
            slots.append(slot)
        try:
            self._connection.sendall(message)
        except OSError:
            self.ended = True
        return slots

    def receive(self, *, wait: bool) -> list[int]:
        """Return the slots whose outputs have arrived. `wait`: whether to wait for at least one
        message."""
        if self.ended or not select.select([self], [], [], None if wait else 0)[0]:
            return []
        try:
            data = self._connection.recv(4096)
        except OSError:
            data = b""
        self.ended = not data
        self._received += data
        whole = len(self._received) // OUTPUT.size * OUTPUT.size
        numbers = [number for (number,) in OUTPUT.iter_unpack(bytes(self._received[:whole]))]
        del self._received[:whole]
        self.ready = self.ready or READY in numbers
        return [number for number in numbers if number != READY]

    def input(self, slot: int) -> NDArray[np.uint8]:
        """Return the input of a slot that waits, for a computation in this process."""
        return self._ring.input(slot, *self._shapes[slot])

    def take(self, slots: Sequence[int]) -> NDArray[np.float32]:
        """Return the outputs float32 [n, outputs] of slots, and free the slots."""
        outputs = np.stack([self._ring.output(slot) for slot in slots])
        self.release(slots)
        return outputs

    def release(self, slots: Sequence[int]) -> None:
        """Free slots."""
        for slot in slots:
            del self._shapes[slot]
            self._free.append(slot)


def open_link(connection: int, memory: int, preprocessor: Preprocessor) -> Link:
    """Return the link for the two descriptors that the pool has passed to this process."""
    sock = socket.socket(fileno=connection)
    link = Link(sock, memory, preprocessor)
    os.close(memory)
    return link
