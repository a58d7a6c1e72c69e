"""Dates beyond 64 bits of nanoseconds are ordered like others, unless no record can hold them."""

import os
from collections.abc import Callable

import pytest

from imgscore.store.schema import Fingerprint
from imgscore.verbs.status import status
from tests.integration.engine.conftest import World, ask

FAR = 15_000_000_000 * 10**9 + 7  # in 2445: ext4 goes no farther


@pytest.mark.parametrize("date", [0, -1, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, FAR, -FAR])
def test_fingerprint_of_a_far_date_is_packs_and_unpacks(date: int) -> None:
    seen = Fingerprint(1, 2, 12345, 1_795_343_836_054_786_291, date)
    assert Fingerprint.unpacked(seen.packed() + b"rest") == seen


def test_order_of_a_far_date_can_be_restored(world: World) -> None:
    for number in range(3):
        world.put(f"{number}.png", number)
    os.utime(world.inbox / "0.png", ns=(0, FAR))
    if (world.inbox / "0.png").stat().st_mtime_ns != FAR:
        pytest.skip("cannot write such dates to this file system")
    with world.engine() as engine:
        world.settle(engine)
        assert world.order() == ["2", "1", "0"]
        ask(engine, "restore-times")
    assert world.dates() == {**world.originals, "0.png": FAR}
    world.settled()
    assert world.dates()["0.png"] == FAR


@pytest.mark.parametrize("year", [1500, 2600])
def test_order_date_out_of_range_is_left_alone(worlds: Callable[[str], World], year: int) -> None:
    """tmpfs has such dates."""
    world = worlds("far")
    for number in range(3):
        world.put(f"{number}.png", number)
    date = (year - 1970) * 31_556_952 * 10**9
    odd = [world.inbox / "0.png", world.inbox / "0.xmp"]
    odd[1].touch()
    for path in odd:
        os.utime(path, ns=(0, date))
    if odd[0].stat().st_mtime_ns != date:
        pytest.skip("cannot write such dates here, and there is no /dev/shm")
    with world.engine() as engine:
        world.settle(engine)
        assert world.order() == (["0", "0", "2", "1"] if year > 2000 else ["2", "1", "0", "0"])
        assert {path.stat().st_mtime_ns for path in odd} == {date}
        failed = {failure.path: failure.reason for failure in status(engine).failed}
        assert set(failed) == set(map(str, odd)) and "before 1677" in failed[str(odd[0])]
        for path in odd:
            os.utime(path)
        world.settle(engine)
        assert status(engine).failed == [] and world.order() == ["2", "1", "0", "0"]
        ask(engine, "restore-times")
        assert ask(engine, "order", dry_run=True)
