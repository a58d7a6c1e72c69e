"""Framing of the messages between a pool and its workers, and the handlers of the tasks."""

import os
from collections.abc import Iterator
from importlib import import_module
from typing import BinaryIO, get_args

import pytest

from imgscore.workers import queries
from imgscore.workers.frames import frame, read_task, take_answers
from imgscore.workers.messages import Answer, Crashed, IndexFile, OwnTask, Ready, Task, Train
from imgscore.workers.queries import SuspectsQuery

TASKS: list[Task] = [
    IndexFile(b"/\xff", "default", None),
    Train("a"),
    SuspectsQuery("b", [b"/in"], 3),
]


@pytest.mark.parametrize("task", [*get_args(OwnTask), *get_args(queries.AnyQuery)])
def test_handler_of_each_task_exists(task: type[Task]) -> None:
    module, function = task.handler.split(":")
    assert callable(getattr(import_module(f"imgscore.workers.{module}"), function))


@pytest.fixture
def pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "wb", buffering=0) as writer:
        yield reader, writer


def test_read_task_returns_tasks_in_order_then_none(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    reader, writer = pipe
    writer.write(b"".join(map(frame, TASKS)))
    writer.close()
    assert [read_task(reader) for _ in range(4)] == [*TASKS, None]


def test_read_task_at_an_end_within_a_task_returns_none(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    reader, writer = pipe
    writer.write(frame(TASKS[0])[:-3])
    writer.close()
    assert read_task(reader) is None


def test_take_answers_keeps_an_incomplete_answer_in_the_buffer() -> None:
    answers: list[Answer] = [Ready(), Crashed("takes too long")]
    data = b"".join(map(frame, answers))
    buffer = bytearray(data[:-3])
    assert take_answers(buffer) == answers[:1]
    buffer += data[-3:]
    assert take_answers(buffer) == answers[1:]
    assert not buffer
