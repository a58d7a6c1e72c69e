"""The shared memory between one file worker and the device process.

The memory belongs to an anonymous file (memfd), so the kernel frees it when both processes have
ended, however they end. It contains a page for the pool, the slots of inputs, and the slots of
outputs. The two processes exchange the numbers of slots through a socket.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgscore.workers.device_connection import PAGE, PROGRESS

SLOTS = 32
"""The number of inputs that a worker may have in the device process at a time. It is the largest
number of views of one picture (`images.views.MAX_TILES`)."""
HELLO = struct.Struct("<II")
"""The first message of a worker: the bytes of an input slot, and the values of an output. The
descriptor of the memory comes with it."""
INPUT = struct.Struct("<HHH")
"""A message of a worker: the slot, height and width of an input."""
OUTPUT = struct.Struct("<H")
"""A message of the device process: the slot of an output, or READY."""
READY = 0xFFFF
"""The message of the device process after it has loaded the network."""
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Shape(NamedTuple):
    """The sizes of a ring: the bytes of an input slot, and the values (float32) of an output."""

    input_bytes: int
    outputs: int

    @property
    def size(self) -> int:
        """The size of the memory in bytes."""
        return PAGE + SLOTS * (self.input_bytes + 4 * self.outputs)


class Ring:
    """The slots of one worker, mapped into this process."""

    def __init__(self, descriptor: int, shape: Shape) -> None:
        """Map the memory of `descriptor`, which has been sealed with this shape."""
        self.shape = shape
        self._memory = mmap.mmap(descriptor, shape.size)
        end = PAGE + SLOTS * shape.input_bytes
        whole = np.frombuffer(self._memory, np.uint8)
        self._inputs = whole[PAGE:end].reshape(SLOTS, shape.input_bytes)
        self._outputs = whole[end : shape.size].view(np.float32).reshape(SLOTS, shape.outputs)

    def mark(self, begun: int, *, active: bool) -> None:
        """Record for the pool which task the worker does."""
        PROGRESS.pack_into(self._memory, 0, begun, active)

    def input(self, slot: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return the input uint8 [h, w, 3] of a slot, as a view of the memory.

        Raises ValueError if the slot or the size is impossible.
        """
        size = height * width * 3
        if slot >= SLOTS or not 0 < size <= self.shape.input_bytes:
            raise ValueError(f"slot {slot} of {height} × {width} pixels")
        return self._inputs[slot, :size].reshape(height, width, 3)

    def output(self, slot: int) -> NDArray[np.float32]:
        """Return the output float32 [outputs] of a slot, as a view of the memory."""
        output: NDArray[np.float32] = self._outputs[slot]
        return output


def seal(descriptor: int, shape: Shape) -> None:
    """Give the memory its final size.

    After that, no process can shrink it, which would crash the other process.
    """
    os.ftruncate(descriptor, shape.size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)


def is_sealed(descriptor: int, shape: Shape) -> bool:
    """Return whether the memory has this shape and cannot shrink."""
    seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    return seals & _SEALS == _SEALS and os.fstat(descriptor).st_size >= shape.size
