"""import-labels commits many labels together, because a commit waits for the disk."""

import os
from typing import Any

import pytest

from imgscore.engine.engine import Engine
from imgscore.engine.tickets import IndexTicket
from imgscore.store.schema import EventName, Source
from imgscore.verbs import import_labels
from tests.integration.engine.conftest import World, ask


def test_import_labels_many_files_are_few_commits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        world.put(f"{number}.png", number, place="liked")
    together: list[int] = []
    record = import_labels.record

    def counted(
        engine: Engine, labels: list[tuple[IndexTicket, EventName]], source: Source
    ) -> object:
        together.append(len(labels))
        return record(engine, labels, source)

    monkeypatch.setattr(import_labels, "record", counted)
    with world.engine() as engine:
        answered: list[Any] = []
        answers = engine.ctx.pool.answers

        def one_by_one(*about: Any) -> list[Any]:
            """The answers, a few at a time, as workers give them."""
            answered.extend(answers(*about))
            return [answered.pop()] if answered else []

        monkeypatch.setattr(engine.ctx.pool, "answers", one_by_one)
        counts = ask(engine, "import-labels", keep=[os.fspath(world.folder / "liked")])[-1]
    assert counts["keep"] == 100 and together == [64, 36]
