"""Ratings of images that replace other images, in an engine with real files and the real reader."""

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from imgscore import grades
from imgscore.engine.engine import Engine
from imgscore.engine.stage import Effects
from imgscore.images.ratings import files
from imgscore.store.schema import Fingerprint
from imgscore.workers.rating_messages import RatingSource, RatingsRead, ReadRatings
from tests.integration.engine.conftest import World, ask, until, until_idle
from tests.support.rated_images import grade, label_in, move, xmp_of


@pytest.fixture
def rated(world: World) -> World:
    """A world whose watch follows ratings."""
    world.watch = {"ratings": True}
    return world


def _read_before_the_image_is_indexed(engine: Engine, path: Path) -> None:
    """Read the ratings of an image whose file has changed, before the engine compares the file."""
    engine.rating_reader.receive(Effects(unrated={os.fsencode(path)}))
    until_idle(engine)


def test_image_of_the_same_size_copied_over_a_rated_one_leaves_the_label_of_its_copy(
    rated: World,
) -> None:
    path, other = rated.put("a.jpg", 0.5), rated.put("b.jpg", 0.4)
    copy = path.with_name("copy.jpg")
    copy.write_bytes(path.read_bytes())
    sidecar = xmp_of(path, 4)
    with rated.engine() as engine:
        rated.settle(engine)
        assert (grade(engine, path), grade(engine, copy)) == (0.7, 0.7)
        assert path.stat().st_size == other.stat().st_size
        sidecar.unlink()
        shutil.copy2(other, path)  # `cp -p`: the inode of the path stays.
        _read_before_the_image_is_indexed(engine, path)
        assert (grade(engine, path), grade(engine, copy)) == (None, 0.7)


def test_rated_image_of_the_same_size_copied_over_another_rates_no_copy_of_the_other(
    rated: World,
) -> None:
    path, other = rated.put("a.jpg", 0.5), rated.put("b.jpg", 0.4)
    copy = path.with_name("copy.jpg")
    copy.write_bytes(path.read_bytes())
    sidecar = xmp_of(other, 2)
    with rated.engine() as engine:
        rated.settle(engine)
        assert grade(engine, copy) is None
        shutil.copy2(other, path)
        shutil.copy2(sidecar, path.with_name("a.jpg.xmp"))
        _read_before_the_image_is_indexed(engine, path)
        assert (grade(engine, path), grade(engine, copy)) == (0.3, None)


def test_rating_that_was_read_before_imgscore_set_the_date_is_read_again(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    with rated.engine() as engine:
        rated.settle(engine)
        xmp_of(path, 4)
        image = os.fsencode(path)
        status, sources = files.read(image)
        old = msgspec.structs.replace(Fingerprint.of_stat(status), mtime_ns=10**18, ctime_ns=10**18)
        answer = RatingsRead(
            old,
            [
                RatingSource(one.name, one.path, Fingerprint.of_stat(one.status), one.value)
                for one in sources
            ],
        )
        engine.rating_reader.take(ReadRatings(image), answer)
        until_idle(engine)
        label = label_in(engine.ctx.store, path)
        assert label is not None and label.grade == 0.7


def test_image_saved_and_moved_to_the_inbox_leaves_the_rating_of_its_present_copy(
    rated: World,
) -> None:
    path = rated.put("a.jpg", 0.5)
    copy = path.with_name("copy.jpg")
    copy.write_bytes(path.read_bytes())
    xmp_of(copy, 1)
    xmp_of(path, 5)
    with rated.engine() as engine:
        rated.settle(engine)
        kept = move(engine, path, rated.inbox / "keep" / "a.jpg")
        assert grade(engine, kept) == grades.KEEP
        kept.write_text("0.6 saved")
        move(engine, kept, path)
        grade(engine, path)
        assert grade(engine, copy) == 0.1


@pytest.mark.parametrize("gap", [False, True], ids=["replaced", "deleted and written again"])
def test_saved_image_with_a_command_label_and_its_first_rating_gets_the_rating(
    rated: World, gap: bool
) -> None:
    path, new = rated.put("a.jpg", 0.5), rated.put("new.jpg", 0.6, "elsewhere")
    sidecar = xmp_of(new, 5)
    with rated.engine() as engine:
        rated.settle(engine)
        ask(engine, "label", label="1", files=[os.fspath(path)])
        assert grade(engine, path) == 0.1
        if gap:  # Some programs delete the old file before they write the new one.
            path.unlink()
            engine.indexer.hint(os.fsencode(path))
            until_idle(engine)
        new.replace(path)
        sidecar.replace(path.with_name("a.jpg.xmp"))
        assert grade(engine, path) == 0.9


def test_image_moved_over_a_rated_one_keeps_its_own_label_from_a_rating(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    copy = path.with_name("copy.jpg")
    copy.write_bytes(path.read_bytes())
    sidecar = xmp_of(path, 3)
    with rated.engine() as engine:
        rated.settle(engine)
        path.write_text("0.6 saved")  # The stars now belong to the new bytes.
        assert (grade(engine, path), grade(engine, copy)) == (0.5, 0.5)
        sidecar.unlink()  # A file manager that replaces an image also replaces its sidecar.
        move(engine, copy, path)
        assert grade(engine, path) == 0.5


def test_image_copied_with_its_rating_over_its_unrated_copy_gets_the_rating(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    with rated.engine() as engine:
        rated.settle(engine)
        ask(engine, "label", label="1", files=[os.fspath(path)])
        source = path.parent.parent / "laptop" / "a.jpg"
        source.parent.mkdir()
        shutil.copy2(path, source)
        shutil.copy2(source, path)
        shutil.copy2(xmp_of(source, 2), path.with_name("a.jpg.xmp"))
        assert grade(engine, path) == 0.3


def test_sidecar_whose_date_imgscore_set_before_the_rating_was_read_gives_the_label(
    rated: World,
) -> None:
    path = rated.put("a.jpg", 0.5)
    (rated.inbox / "keep").mkdir()
    shutil.copy2(path, rated.inbox / "keep" / "a.jpg")
    with rated.engine() as engine:
        rated.settle(engine)
        assert grade(engine, path) == grades.KEEP
        sidecar = xmp_of(path, 2)
        date_ns = sidecar.stat().st_mtime_ns
        rated.pool.refuses = ("ReadRatings",)
        rated.put("b.jpg", 0.4)  # A new image changes the dates of the others.
        rated.put("c.jpg", 0.6)
        engine.indexer.hint_all()
        until(engine, lambda: sidecar.stat().st_mtime_ns < date_ns)
        rated.pool.refuses = ()
        assert grade(engine, path) == 0.3
