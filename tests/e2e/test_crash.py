"""`make crash` at a small size: each kind of violence once, and nothing is lost."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.crash import failing, fuzz, hostile, kill, missed
from bench.crash.missed import SkippedError
from bench.crash.sandbox import LostError, Yard, ending
from bench.crash.scenario import Scene, conclude
from bench.crash.workload import Story

ONCE: dict[str, Callable[[Yard], None]] = {
    "watch limit": missed.watch_limit,
    "root made anew": missed.root_made_anew,
    "unmounted": lambda yard: missed.unmounted(yard, empty=True),
    "across disks": missed.across_disks,
    "unreadable": failing.unreadable,
    "locked files": failing.locked_files,
    "locked store": failing.locked_store,
    "damaged store": lambda yard: failing.damaged_store(yard, failing.HURTS["zeroed from page 2"]),
    "clock set back": failing.clock_set_back,
}


@pytest.mark.parametrize("kind", ONCE.values(), ids=ONCE)
def test_once(kind: Callable[[Yard], None], tmp_path: Path) -> None:
    with ending(Yard(tmp_path / "yard")) as yard:
        try:
            kind(yard)
        except SkippedError as error:
            pytest.skip(str(error))


@pytest.mark.parametrize("kind", [hostile.names, hostile.no_files, hostile.growing])
def test_hostile_files(kind: Callable[[Yard], None], tmp_path: Path) -> None:
    test_once(kind, tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_mutations_in_a_process_of_its_own(kind: str) -> None:
    fault = fuzz.run(kind, 2, 40)
    assert fault.tries == 40 and not fault.losses


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    yield Scene(tmp_path_factory.mktemp("scene"))


@pytest.mark.parametrize("step", ["after hash:3", "between touches:2"])
def test_killed_at_a_step(scene: Scene, step: str) -> None:
    assert kill.one_try(scene, 0, step)


def test_killed_at_random(scene: Scene) -> None:
    kill.many_crashes(scene, 0, [0.4, 1.1])


def test_killed_in_a_migration(scene: Scene) -> None:
    (fault,) = kill.in_migration(scene, 3)
    assert not fault.losses


def test_a_loss_is_noticed(scene: Scene) -> None:
    """The judge itself: an order, a label and a date that are not what they should be."""
    with ending(scene.fresh()) as yard:
        story = Story(yard, scene.dates, 0)
        yard.start()
        digest, date = next(iter(story.dates.items()))
        story.dates[digest] = date + 1
        with pytest.raises(LostError, match="restore-times"):
            conclude(yard, story)
        story.dates[digest] = date
        label = story.wanted.popitem()
        with pytest.raises(LostError, match="labels"):
            conclude(yard, story)
        story.wanted |= dict([label])
        yard.start()
        conclude(yard, story)
