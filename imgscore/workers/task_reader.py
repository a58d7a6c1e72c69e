"""What a worker has still to do: tasks in their order, less those that another has done.

Read whole before each task, so that a word about what waits behind a long one comes in time.
"""

import os
import select
from collections import deque

from imgscore.workers.messages import Cancel, Sent, take_sent

_MAX_READ = 1 << 16


class TaskReader:
    """What comes in on `descriptor`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = bytearray()
        self._tasks: deque[Sent] = deque()
        self._given = 0

    def next(self) -> Sent | None:
        """The next task, once there is one, or a Drop in its place; None when no more come."""
        while not self._tasks or self.has_come():
            if not self._read():
                return None
        self._given += 1
        return self._tasks.popleft()

    def has_come(self) -> bool:
        """Whether there is something to read: a message, or the end."""
        return bool(select.select([self._descriptor], [], [], 0)[0])

    def _read(self) -> bool:
        data = os.read(self._descriptor, _MAX_READ)
        self._buffer += data
        for message in take_sent(self._buffer):
            if not isinstance(message, Cancel):
                self._tasks.append(message)
            elif message.number >= self._given:  # else it is done here as well, or under way
                self._tasks[message.number - self._given] = message
        return bool(data)
