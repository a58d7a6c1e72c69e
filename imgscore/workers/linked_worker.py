"""The loop of a file worker that is connected to the device process.

The worker decodes the next file while the device computes the inputs of earlier files. Answers are
sent in the order of the tasks. If the device process is not ready, has ended or does not answer,
the worker computes the inputs itself.
"""

from __future__ import annotations

import os
import select
import signal
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from imgscore.embedders import registry
from imgscore.workers import frames
from imgscore.workers.context import Context
from imgscore.workers.device_link import Link
from imgscore.workers.endings import seconds_of
from imgscore.workers.index_file import Prepared, embed_here, finish, prepare_file
from imgscore.workers.messages import Answer, IndexFile, Task

Attempt = Callable[[Context, Task, Callable[[], Any] | None], Iterator[Any]]
"""The type of a function that does a part of a task, and yields the result, or an answer that
describes the error. If the part is None, it does the whole task."""


@dataclass
class _Entry:
    """A task that has no answer yet, or whose answer waits for the answers of earlier tasks."""

    task: Task
    answers: list[Answer] = field(default_factory=list)
    prepared: Prepared | None = None
    """the decoded image, while the device computes it"""
    slots: list[int] = field(default_factory=list)
    missing: int = 0
    """the number of outputs that have not arrived"""


class LinkedWorker:
    """A file worker with a link to the device process."""

    def __init__(
        self, context: Context, link: Link, attempt: Attempt, output: int, file_seconds: int
    ) -> None:
        self._context = context
        self._link = link
        self._attempt = attempt
        self._output = output
        self._seconds = file_seconds
        self._computes = registry.is_quick_to_load(context.model)
        """whether this worker computes inputs as long as the device process is not ready"""
        self._entries: deque[_Entry] = deque()
        self._by_slot: dict[int, _Entry] = {}
        self._begun = 0

    def serve(self, tasks: int) -> None:
        """Do the tasks that arrive at a descriptor until it is closed."""
        while True:
            sources: list[Any] = [tasks] if self._link.free else []
            if self._by_slot:
                sources.append(self._link)
            ready = select.select(sources, [], [], self._seconds if self._by_slot else None)[0]
            if self._link in ready:
                self._receive(wait=False)
            elif self._by_slot and not ready:
                self._link.close()  # The device hangs.
                self._take_over()
            if tasks in ready:
                task = frames.read_task_from(tasks)
                if task is None:
                    return
                self._begin(task)
            self._send_answers()

    def _begin(self, task: Task) -> None:
        """Do a task, or the part of it that comes before the device."""
        entry = _Entry(task)
        self._entries.append(entry)
        self._begun += 1
        self._link.mark(self._begun, active=True)
        # The default action of SIGALRM ends the process even inside a decoder's C code.
        signal.alarm(seconds_of(task, self._seconds))
        if isinstance(task, IndexFile):
            self._index(entry, task)
        else:
            entry.answers += self._attempt(self._context, task, None)
        signal.alarm(0)
        self._link.mark(self._begun, active=False)

    def _index(self, entry: _Entry, task: IndexFile) -> None:
        context = self._context
        for result in self._attempt(context, task, lambda: prepare_file(context, task)):
            if isinstance(result, Prepared):
                self._embed(entry, task, result)
            else:
                entry.answers.append(result)

    def _embed(self, entry: _Entry, task: IndexFile, prepared: Prepared) -> None:
        """Send the inputs of an image to the device process, or compute them here."""
        link = self._link
        if not link.ready:
            self._receive(wait=False)
        while not link.ended and link.free < len(prepared.inputs):
            self._receive(wait=True)
        if link.ended or (self._computes and not link.ready):
            entry.answers += self._compute(task, prepared)
            return
        entry.slots = link.send(prepared.inputs)
        # The inputs are in the slots now. Release the other copy.
        entry.prepared = prepared._replace(inputs=prepared.inputs[:0])
        entry.missing = len(entry.slots)
        self._by_slot.update(dict.fromkeys(entry.slots, entry))

    def _receive(self, *, wait: bool) -> None:
        """Finish the images whose outputs have arrived."""
        for slot in self._link.receive(wait=wait):
            entry = self._by_slot.pop(slot)
            entry.missing -= 1
            if not entry.missing:
                self._finish(entry)
        if self._link.ended:
            self._take_over()

    def _finish(self, entry: _Entry) -> None:
        task, prepared = entry.task, entry.prepared
        assert isinstance(task, IndexFile) and prepared is not None
        vector = self._context.preprocessor.vector(self._link.take(entry.slots))
        entry.answers += self._attempt(
            self._context, task, lambda: finish(self._context, task, prepared, vector)
        )
        entry.prepared = None

    def _take_over(self) -> None:
        """Compute the images that the device process has not finished."""
        import numpy as np

        for entry in self._entries:
            if entry.prepared is None:
                continue
            inputs = np.stack([self._link.input(slot) for slot in entry.slots])
            entry.answers += self._compute(entry.task, entry.prepared._replace(inputs=inputs))
            entry.prepared = None
            self._link.release(entry.slots)
        self._by_slot.clear()

    def _compute(self, task: Task, prepared: Prepared) -> Iterator[Answer]:
        """Embed and score an image in this process."""
        assert isinstance(task, IndexFile)
        return self._attempt(self._context, task, lambda: embed_here(self._context, task, prepared))

    def _send_answers(self) -> None:
        """Send the answers of the oldest tasks, up to the first one without an answer."""
        data = b""
        while self._entries and self._entries[0].answers:
            data += b"".join(frames.frame(answer) for answer in self._entries.popleft().answers)
        while data:
            data = data[os.write(self._output, data) :]
