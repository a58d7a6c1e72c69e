"""Folders that are sorted already: a commit waits for the disk, so labels are logged together."""

import os
from typing import Any

import pytest

from imgscore.engine.engine import Engine
from imgscore.engine.tickets import IndexTicket
from imgscore.store.schema import EventName, Source
from imgscore.verbs import import_labels
from tests.integration.engine.conftest import World, ask


def test_labels_are_logged_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(100):
        world.put(f"{number}.png", number, place="liked")
    together: list[int] = []
    record = import_labels.record

    def counted(
        engine: Engine, said: list[tuple[IndexTicket, EventName]], source: Source
    ) -> object:
        together.append(len(said))
        return record(engine, said, source)

    monkeypatch.setattr(import_labels, "record", counted)
    with world.engine() as engine:
        answered: list[Any] = []
        answers = engine.ctx.pool.answers

        def one_by_one(*about: Any) -> list[Any]:
            """As workers answer."""
            answered.extend(answers(*about))
            return [answered.pop()] if answered else []

        monkeypatch.setattr(engine.ctx.pool, "answers", one_by_one)
        counts = ask(engine, "import-labels", keep=[os.fspath(world.folder / "liked")])[-1]
    assert counts["keep"] == 100 and together == [64, 36]
