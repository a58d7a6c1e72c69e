"""When a taste is trained."""

import pytest

from imgscore.engine import index_results
from imgscore.workers.messages import Answer, IndexFile, Task, Train
from tests.integration.engine.conftest import World


def test_trainer_waits_while_labelled_files_are_indexed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        world.put(f"kept-{number}", 0.9, "inbox/keep").rename(
            world.inbox / "keep" / f"kept-{number}.png"
        )
        world.put(f"gone-{number}", 0.1, "inbox/trash").rename(
            world.inbox / "trash" / f"gone-{number}.png"
        )
    monkeypatch.setattr(index_results, "BATCH_SECONDS", 0.0)  # each answer is a batch
    with world.engine() as engine:
        pool = engine.ctx.pool
        submit, answers = pool.submit, pool.answers
        under_way: list[Task] = []
        at_training: list[list[Task]] = []
        finished: list[tuple[Task, Answer]] = []

        def submitted(task: Task) -> bool:
            under_way.append(task)
            if isinstance(task, Train):
                at_training.append([task for task in under_way if isinstance(task, IndexFile)])
            return submit(task)

        def one_at_a_time(
            timeout: float | None, wake: int | None = None
        ) -> list[tuple[Task, Answer]]:
            finished.extend(answers(timeout, wake))
            done, finished[:] = finished[:1], finished[1:]
            for task, _ in done:
                under_way.remove(task)
            return done

        monkeypatch.setattr(pool, "submit", submitted)
        monkeypatch.setattr(pool, "answers", one_at_a_time)
        world.settle(engine)
    assert at_training == [[]]
