"""The connection of a file worker to the device process, as the pool sees it.

This module runs in the parent process and imports no large libraries.
"""

import mmap
import os
import struct
from collections.abc import Callable

PAGE = mmap.PAGESIZE
"""The size in bytes of the first part of the memory, which the pool reads."""
PROGRESS = struct.Struct("<QQ")
"""The first bytes of the memory: the number of tasks that the worker has begun, and whether it does
the last of them now. If the worker crashes, the pool finds in it which file is the cause."""


class Connection:
    """The two descriptors that a file worker inherits, and its progress.

    `descriptors`: the socket and the memory. The pool closes them after the start of the worker.
    """

    def __init__(
        self, descriptors: tuple[int, int], progress: mmap.mmap, is_ready: Callable[[], bool]
    ) -> None:
        """`progress`: the first PAGE bytes of the memory. `is_ready`: returns whether the device
        process computes."""
        self.descriptors = descriptors
        self._progress = progress
        self._is_ready = is_ready

    @property
    def is_ready(self) -> bool:
        """Whether the device process computes images."""
        return self._is_ready()

    def close_descriptors(self) -> None:
        """Close the two descriptors in this process."""
        for descriptor in self.descriptors:
            os.close(descriptor)

    def current(self, answered: int) -> int | None:
        """Return the index of the task that the worker does now, among those without an answer.

        `answered`: the number of tasks that have an answer. Return None if the worker only waits
        for the device.
        """
        begun, active = PROGRESS.unpack_from(self._progress)
        return begun - answered - 1 if active and begun > answered else None
