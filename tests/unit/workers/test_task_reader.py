"""What a worker reads of its parent's messages."""

import os
from collections.abc import Iterator

import pytest

from imgscore.workers.messages import Cancel, IndexFile, Sent, frame
from imgscore.workers.task_reader import TaskReader

ONE, TWO, THREE = (IndexFile(path, "default", None) for path in (b"/1", b"/2", b"/3"))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def send(descriptor: int, *messages: Sent) -> None:
    os.write(descriptor, b"".join(map(frame, messages)))


def test_tasks_come_in_their_order_and_then_no_more(pipe: tuple[int, int]) -> None:
    reader = TaskReader(pipe[0])
    send(pipe[1], ONE, TWO)
    assert [reader.next(), reader.next()] == [ONE, TWO]
    os.close(pipe[1])
    assert reader.next() is None


def test_a_task_that_comes_in_parts(pipe: tuple[int, int]) -> None:
    reader = TaskReader(pipe[0])
    whole = frame(ONE) + frame(TWO)
    os.write(pipe[1], whole[:-3])
    assert reader.next() == ONE
    os.write(pipe[1], whole[-3:])
    assert reader.next() == TWO
    os.close(pipe[1])


def test_what_another_has_done_is_left_out(pipe: tuple[int, int]) -> None:
    reader = TaskReader(pipe[0])
    send(pipe[1], ONE, TWO)
    assert reader.next() == ONE
    send(pipe[1], THREE, Cancel(1))
    assert [reader.next(), reader.next()] == [Cancel(1), THREE]
    os.close(pipe[1])


def test_too_late_to_leave_out(pipe: tuple[int, int]) -> None:
    reader = TaskReader(pipe[0])
    send(pipe[1], ONE)
    assert reader.next() == ONE
    send(pipe[1], Cancel(0), TWO)
    assert reader.next() == TWO
    os.close(pipe[1])
