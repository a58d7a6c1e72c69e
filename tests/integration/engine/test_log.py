"""The log has one line for each piece of work, and none while nothing happens."""

import logging

import pytest

from tests.integration.engine.conftest import World, ask


@pytest.mark.usefixtures("prompt_orders")
def test_log_of_many_files_has_one_line_for_all(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        world.put(f"{number:02}.jpg", 1 - number / 100)
    caplog.set_level(logging.INFO, "imgscore")
    with world.engine() as engine:
        world.settle(engine)
        messages = [record.getMessage() for record in caplog.records]
        caplog.clear()
        world.settle(engine)
        assert not caplog.records
    # A slow machine may order the first files before it has indexed the last ones.
    (indexed,) = (message for message in messages if "indexed" in message)
    ordered = [message for message in messages if message != indexed]
    assert indexed.startswith("100 images indexed in ")
    assert ordered and all(line.startswith(f"order of {world.inbox}: ") for line in ordered)


def test_log_of_files_that_leave_the_inbox_counts_their_dates(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    paths = [world.put(f"{number}.jpg", 1 - number / 10) for number in range(4)]
    with world.engine() as engine:
        world.settle(engine)
        caplog.set_level(logging.INFO, "imgscore")
        for path in paths[1:3]:
            path.rename(world.inbox / "keep" / path.name)
        world.settle(engine)
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].startswith("2 images indexed in ")
    assert "; labels: 2 keep, 0 trash" in messages[0]
    assert messages[1] == "the original dates of 2 files were restored"


def test_log_of_restored_dates_counts_them_but_not_in_a_dry_run(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(4):
        world.put(f"{number}.jpg", 1 - number / 10)
    with world.engine() as engine:
        world.settle(engine)
        caplog.set_level(logging.INFO, "imgscore")
        assert len(ask(engine, "restore-times", dry_run=True)) == 3
        assert not caplog.records
        ask(engine, "restore-times")
    (message,) = (record.getMessage() for record in caplog.records)
    assert message.startswith("3 earlier dates set in ")
