"""Order and restore on file systems with coarse and with fine timestamps."""

import os
from pathlib import Path

import pytest

from imgscore.verbs.status import status
from tests.integration.engine.conftest import World, ask
from tests.support.disks import mounted


@pytest.mark.parametrize(
    ("make", "coarse"),
    [(("mkfs.vfat",), 2 * 10**9), (("mkfs.ext4", "-q", "-I", "128"), 10**9), (("mkfs.ext4",), 1)],
)
def test_order_on_any_file_system_can_be_restored(
    world: World, tmp_path: Path, make: tuple[str], coarse: int
) -> None:
    with mounted(tmp_path, *make) as world.disk:
        for name, score in {"d": 0.9, "c": 0.3, "b": 0.2, "a": 0.1}.items():
            world.put(f"{name}.jpg", score)
        kept = world.dates()  # rounded by the file system
        assert all(0 <= world.originals[name] - date < coarse for name, date in kept.items())
        with world.engine() as engine:
            world.settle(engine)
            assert world.order() == ["d", "c", "b", "a"]
            assert ask(engine, "order") == [] and status(engine).failed == []
            if make[0] != "mkfs.vfat":  # fusefat sets the mtime on a rename
                (world.inbox / "b.jpg").rename(world.inbox / "keep" / "b.jpg")
                world.settle(engine)
                assert world.dates()["b.jpg"] == kept["b.jpg"]
        with world.engine() as engine:
            world.settle(engine)
            assert ask(engine, "order") == []
            ask(engine, "restore-times")
        assert world.dates() == kept


def test_restore_times_after_a_move_to_a_coarse_disk_restores_the_rounded_date(
    world: World, tmp_path: Path
) -> None:
    with mounted(tmp_path, "mkfs.vfat") as disk:
        for name, score in {"d": 0.9, "c": 0.3, "a": 0.1}.items():
            world.put(f"{name}.jpg", score)
        world.settled()
        here, there = world.inbox / "c.jpg", disk / "c.jpg"
        there.write_bytes(here.read_bytes())
        os.utime(there, ns=(0, here.stat().st_mtime_ns))
        here.unlink()
        with world.engine() as engine:
            world.settle(engine)
            ask(engine, "restore-times", folder=str(disk))
        lost = world.originals["c.jpg"] - (disk / "c.jpg").stat().st_mtime_ns
        assert 0 <= lost < 2 * 10**9
