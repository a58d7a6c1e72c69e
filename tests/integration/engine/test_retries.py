"""A failed file is tried again when it or the decoder changes, and not before."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from imgscore.engine import changed_file, folder_scans, indexer
from imgscore.engine.engine import Engine
from imgscore.images.version import DECODER_VERSION
from imgscore.workers.messages import Answer, Crashed, IndexFile, Task, Unreadable
from tests.integration.engine.conftest import World, ask


@pytest.fixture
def tried(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Scans everything with a new engine whose workers fail; returns the names of their files."""

    def look() -> list[str]:
        names = []

        def fail(answers: list[tuple[Task, Answer]]) -> list[tuple[Task, Answer]]:
            for task, _ in answers:
                assert isinstance(task, IndexFile)
                names.append(Path(os.fsdecode(task.path)).name)
            return [(task, Unreadable("broken", "mend it")) for task, _ in answers]

        with world.engine() as engine:
            _through(engine, fail, monkeypatch)
            world.settle(engine)
        return names

    return look


def _through(
    engine: Engine,
    change: Callable[[list[tuple[Task, Answer]]], list[tuple[Task, Answer]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = engine.ctx.pool.answers
    monkeypatch.setattr(engine.ctx.pool, "answers", lambda *about: change(real(*about)))


def test_indexer_failed_file_is_retried_only_after_a_change(
    world: World, tried: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = world.put("a.png", 1), world.put("b.png", 2)
    assert sorted(tried()) == ["a.png", "b.png"]
    assert tried() == []
    first.write_text("2 mended")
    assert tried() == ["a.png"]
    assert tried() == []
    for module in (indexer, folder_scans, changed_file):
        monkeypatch.setattr(module, "DECODER_VERSION", DECODER_VERSION + 1)
    assert sorted(tried()) == ["a.png", "b.png"]
    assert tried() == []
    second.unlink()
    assert tried() == []


def test_indexer_unread_file_is_retried_by_a_scan_of_the_user(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("a.png", 1)
    world.put("b.png", 2)
    broken = True

    def fail(answers: list[tuple[Task, Answer]]) -> list[tuple[Task, Answer]]:
        crashed = Crashed("was killed, probably because memory ran out")
        return [(task, crashed if broken else answer) for task, answer in answers]

    with world.engine() as engine:
        _through(engine, fail, monkeypatch)
        world.settle(engine)
        assert ask(engine, "scan")[0]["failed"] == 2
        broken = False
        world.settle(engine)
        assert len(ask(engine, "status")[0]["failed"]) == 2
        assert ask(engine, "scan")[0]["failed"] == 0
