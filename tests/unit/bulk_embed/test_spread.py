import pytest

pytest.importorskip("distributed", reason="pip install distributed")

from imgscore.bulk_embed.spread import (
    MAX_PARTS_PER_WORKER,
    PARTS_PER_WORKER,
    room_for_parts,
)


def test_room_for_parts_of_an_idle_worker_is_the_number_of_parts() -> None:
    assert room_for_parts(["a"], [], {}) == {"a": PARTS_PER_WORKER}


def test_room_for_parts_counts_the_parts_of_each_worker() -> None:
    running = [("a", 4), ("a", 5), ("b", 6)]
    assert room_for_parts(["a", "b"], running, {"a": 3}) == {
        "a": PARTS_PER_WORKER - 2,
        "b": PARTS_PER_WORKER - 1,
    }


def test_room_for_parts_does_not_count_overtaken_parts() -> None:
    running = [("a", 1), ("a", 2), ("a", 4)]
    assert room_for_parts(["a"], running, {"a": 3}) == {"a": PARTS_PER_WORKER - 1}


def test_room_for_parts_of_many_overtaken_parts_is_limited() -> None:
    running = [("a", number) for number in range(MAX_PARTS_PER_WORKER)]
    assert room_for_parts(["a"], running, {"a": 100}) == {"a": 0}
