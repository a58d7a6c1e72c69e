"""A date beyond 64 bits of nanoseconds, as a wrong clock or tool leaves it, is one like others."""

import os

import pytest

from imgscore.store.schema import Fingerprint
from tests.engine.conftest import World, ask

FAR = 15_000_000_000 * 10**9 + 7  # in 2445: ext4 goes no farther


@pytest.mark.parametrize("date", [0, -1, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, FAR, -FAR])
def test_a_fingerprint_holds_it(date: int) -> None:
    seen = Fingerprint(1, 2, 12345, 1_795_343_836_054_786_291, date)
    assert Fingerprint.unpacked(seen.packed() + b"rest") == seen


def test_it_is_ordered_and_put_back(world: World) -> None:
    for number in range(3):
        world.put(f"{number}.png", number)
    os.utime(world.inbox / "0.png", ns=(0, FAR))
    if (world.inbox / "0.png").stat().st_mtime_ns != FAR:
        pytest.skip("this file system has no such dates")
    with world.engine() as engine:
        world.settle(engine)
        assert world.order() == ["2", "1", "0"]
        ask(engine, "restore-times")
    assert world.dates() == {**world.originals, "0.png": FAR}
    world.settled()
    assert world.dates()["0.png"] == FAR
