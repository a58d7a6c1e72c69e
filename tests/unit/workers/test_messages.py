"""Framing of the messages between a pool and its workers, and the handlers of the tasks."""

import math
import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any, BinaryIO, get_args

import pytest

from imgscore.images.traits import Traits
from imgscore.store.schema import Fingerprint
from imgscore.workers import queries
from imgscore.workers.answer_checks import check
from imgscore.workers.frames import frame, read_task, take_answers
from imgscore.workers.messages import (
    Answer,
    Crashed,
    FileIndexed,
    IndexFile,
    OwnTask,
    Ready,
    Task,
    Train,
    WrongAnswerError,
)
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


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1e300])
@pytest.mark.parametrize("name", ["bytes_per_pixel", "sharpness", "subseconds", "exposure_bias"])
def test_check_refuses_impossible_numbers_in_traits(name: str, number: float) -> None:
    values: dict[str, Any] = {"width": 1, "height": 1, "format": "PNG", "bytes_per_pixel": 1.0}
    seen, task = Fingerprint(1, 1, 1, 1, 1), IndexFile(b"/a.png", "default", None)
    good = FileIndexed(seen, bytes(32), bytes(4), Traits(**values | {"exposure_bias": 0.5}))
    check(task, good, 2)
    wrong = FileIndexed(seen, bytes(32), bytes(4), Traits(**values | {name: number}))
    with pytest.raises(WrongAnswerError, match="impossible"):
        check(task, wrong, 2)


def test_check_refuses_traits_with_a_huge_integer() -> None:
    traits = Traits(width=1 << 63, height=1, format="PNG", bytes_per_pixel=1.0)
    wrong = FileIndexed(Fingerprint(1, 1, 1, 1, 1), bytes(32), bytes(4), traits)
    with pytest.raises(WrongAnswerError, match="impossible"):
        check(IndexFile(b"/a.png", "default", None), wrong, 2)
