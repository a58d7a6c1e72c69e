"""Many labels that are cleared or flipped at once are reported, and undone together."""

from pathlib import Path

import pytest

from imgscore import events
from imgscore.engine.engine import Engine
from imgscore.verbs.status import status
from tests.integration.engine.conftest import World, ask, until
from tests.support.place_labels import label_of, label_of_open, labels_of, move, save


def taught(world: World, count: int) -> list[Path]:
    """Put files into the keep folder; a second file goes into the trash folder first."""
    world.put("first.png", 0.1, "inbox/trash")
    world.settled()
    paths = [world.put(f"{number}.png", 0.5, "inbox/keep") for number in range(count)]
    world.settled()
    return paths


def troubles(engine: Engine) -> list[str]:
    return [trouble for trouble in status(engine).troubles if "undo label" in trouble]


@pytest.mark.parametrize(("count", "moved"), [(60, 30), (6, 3), (5, 5), (30, 21)])
@pytest.mark.parametrize("target", ["", "trash"])
def test_mass_change_is_reported_and_undone_at_once(
    world: World, count: int, moved: int, target: str
) -> None:
    paths = taught(world, count)
    with world.engine() as engine:
        world.settle(engine)
        there = [move(path, world.inbox / target) for path in paths[:moved]]
        world.settle(engine)
        (trouble,) = troubles(engine)
        assert trouble.startswith(f"{moved} labels were {'changed' if target else 'cleared'}")
        until(engine, lambda: bool(mass_events(engine)))
        (event,) = mass_events(engine)
        assert event.cleared + event.flipped == moved
    assert {label_of(world, path) for path in there} == {target or None}
    with world.engine() as engine:
        assert troubles(engine)
        (row,) = ask(engine, "undo", what="label")
        assert row["others"] == moved - 1 and not troubles(engine)
        assert {label_of_open(engine, path) for path in there} == {"keep"}
        world.settle(engine)
        assert {label_of_open(engine, path) for path in there} == {"keep"}
        (row,) = ask(engine, "undo", what="label")  # The label before the mass change.
        assert (row["others"], row["was"], row["label"]) == (0, "keep", None)


def test_mass_change_twice_is_undone_run_by_run(world: World) -> None:
    paths = taught(world, 50)
    with world.engine() as engine:
        world.settle(engine)
        first = [move(path, world.inbox / "trash") for path in paths[:25]]
        world.settle(engine)
        until(engine, lambda: len(mass_events(engine)) == 1)
        second = [move(path, world.inbox) for path in paths[25:]]
        world.settle(engine)
        assert ask(engine, "undo", what="label")[0]["others"] == 24
        assert {label_of_open(engine, path) for path in second} == {"keep"}
        assert {label_of_open(engine, path) for path in first} == {"trash"}
        assert ask(engine, "undo", what="label")[0]["others"] == 24
        assert {label_of_open(engine, path) for path in [*first, *second]} == {"keep"}


def test_mass_change_right_after_new_labels_does_not_contain_them(world: World) -> None:
    paths = [world.put(f"{number}.png", 0.5) for number in range(25)]
    with world.engine() as engine:
        world.settle(engine)
        paths = [move(path, world.inbox / "keep") for path in paths]
        world.settle(engine)
        paths = [move(path, world.inbox) for path in paths]
        world.settle(engine)
        assert ask(engine, "undo", what="label")[0]["others"] == 24
        assert {label_of_open(engine, path) for path in paths} == {"keep"}


@pytest.mark.parametrize(("count", "moved"), [(60, 20), (8, 3), (2, 2)])
def test_mass_change_few_labels_are_no_mass_change(world: World, count: int, moved: int) -> None:
    paths = taught(world, count)
    with world.engine() as engine:
        world.settle(engine)
        for path in paths[:moved]:
            move(path, world.inbox)
        world.settle(engine)
        assert not troubles(engine)
        assert ask(engine, "undo", what="label")[0]["others"] == 0


def test_mass_change_many_rewritten_files_are_no_mass_change(world: World) -> None:
    paths = taught(world, 30)
    with world.engine() as engine:
        world.settle(engine)
        for path in paths:
            save(path, f"0.4 {path.name} edited", atomic=True)
        world.settle(engine)
        assert not troubles(engine)
        assert {label_of_open(engine, path) for path in paths} == {"keep"}
        assert labels_of(engine) == {"keep": 30, "trash": 1}


def mass_events(engine: Engine) -> list[events.MassChange]:
    _, all_events = engine.ctx.event_log.since(0)
    return [event for event in all_events if isinstance(event, events.MassChange)]
