"""Ratings of other programs become labels, in an engine with real files and the real reader."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore import grades
from imgscore.engine.engine import Engine
from imgscore.store import ratings, sightings
from imgscore.testing import eventually
from tests.integration.engine.conftest import World, ask, until_idle
from tests.support.rated_images import deleted, grade, label_in, move, xmp_of


@pytest.fixture
def rated(world: World) -> World:
    """A world whose watch follows ratings."""
    world.watch = {"ratings": True}
    return world


def test_ratings_of_new_images_are_labels(rated: World) -> None:
    for stars in (-1, 0, 1, 2, 3, 4, 5):
        xmp_of(rated.put(f"{stars}.jpg", 0.5), stars)
    rated.put("plain.jpg", 0.5)
    with rated.engine() as engine:
        rated.settle(engine)
        store = engine.ctx.store
        found = {stars: label_in(store, rated.inbox / f"{stars}.jpg") for stars in range(-1, 6)}
        assert {stars: label and label.grade for stars, label in found.items()} == {
            0: None,
            **grades.OF_STARS,
        }
        assert {label.source for label in found.values() if label} == {"rating"}
        assert label_in(store, rated.inbox / "plain.jpg") is None
        rows = ask(engine, "history")
        assert {row["source"] for row in rows if row["what"] == "label"} == {"rating"}


def test_ratings_are_ignored_without_the_setting(world: World) -> None:
    path = world.put("a.jpg", 0.5)
    xmp_of(path, 5)
    with world.engine() as engine:
        world.settle(engine)
        assert grade(engine, path) is None


def test_changed_rating_changes_the_label_and_a_removed_one_clears_it(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    with rated.engine() as engine:
        rated.settle(engine)
        sidecar = xmp_of(path, 4)
        assert grade(engine, path) == 0.7
        xmp_of(path, 2)
        assert grade(engine, path) == 0.3
        xmp_of(path, 0)
        assert grade(engine, path) is None
        xmp_of(path, 5)
        assert grade(engine, path) == 0.9
        deleted(engine, sidecar)
        assert grade(engine, path) is None


def test_removed_rating_clears_only_its_own_label(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    sidecar = xmp_of(path, 4)
    with rated.engine() as engine:
        rated.settle(engine)
        assert ask(engine, "label", label="trash", files=[os.fspath(path)])[0]["error"] is None
        deleted(engine, sidecar)
        assert grade(engine, path) == grades.TRASH


def test_label_of_a_command_holds_until_the_rating_changes(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    xmp_of(path, 4)
    with rated.engine() as engine:
        rated.settle(engine)
        ask(engine, "label", label="trash", files=[os.fspath(path)])
        os.utime(xmp_of(path, 4))  # The sidecar is written again with the same rating.
        assert grade(engine, path) == grades.TRASH
        ask(engine, "label", label="clear", files=[os.fspath(path)])
        os.utime(xmp_of(path, 4))
        assert grade(engine, path) is None
        xmp_of(path, 2)
        assert grade(engine, path) == 0.3
    rated.settled()
    with rated.engine() as engine:
        assert grade(engine, path) == 0.3


def test_first_rating_of_a_labelled_image_is_an_act(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    with rated.engine() as engine:
        rated.settle(engine)
        ask(engine, "label", label="keep", files=[os.fspath(path)])
        xmp_of(path, 1)
        assert grade(engine, path) == 0.1


def test_changes_while_no_engine_runs_are_found(rated: World) -> None:
    changed, removed, added = (rated.put(f"{name}.jpg", 0.5) for name in "abc")
    xmp_of(changed, 4)
    sidecar = xmp_of(removed, 4)
    rated.settled()
    xmp_of(changed, 1)
    sidecar.unlink()
    xmp_of(added, 5)
    with rated.engine() as engine:
        rated.settle(engine)
        store = engine.ctx.store
        found = [label_in(store, path) for path in (changed, removed, added)]
        assert [label and label.grade for label in found] == [0.1, None, 0.9]
        rated.settle(engine)
        assert not engine.rating_reader.pending


def test_unchanged_sidecars_are_not_read_again(rated: World) -> None:
    for number in range(5):
        xmp_of(rated.put(f"{number}.jpg", number / 5), 4)
    rated.settled()
    with rated.engine() as engine:
        rated.settle(engine)
        tasks = [type(task).__name__ for task in rated.pool.done]
    assert "ReadRatings" not in tasks


def test_dates_that_imgscore_sets_cause_no_reading(rated: World) -> None:
    paths = [rated.put(f"{number}.jpg", number / 5) for number in range(5)]
    sidecars = [xmp_of(path, 4) for path in paths]
    with rated.engine() as engine:
        rated.settle(engine)
        ask(engine, "order")
        until_idle(engine)
    for path, sidecar in zip(paths, sidecars, strict=True):
        assert abs(path.stat().st_mtime_ns - sidecar.stat().st_mtime_ns) < 2 * 10**9
    with rated.engine() as engine:
        rated.settle(engine)
        assert "ReadRatings" not in [type(task).__name__ for task in rated.pool.done]


def test_setting_switched_on_teaches_only_unlabelled_images(world: World) -> None:
    plain, kept = world.put("plain.jpg", 0.5), world.put("kept.jpg", 0.5, "inbox/keep")
    told = world.put("told.jpg", 0.5)
    for path in (plain, kept, told):
        xmp_of(path, 2)
    with world.engine() as engine:
        world.settle(engine)
        ask(engine, "label", label="keep", files=[os.fspath(told)])
    world.watch = {"ratings": True}
    world.settled()
    with world.engine() as engine:
        world.settle(engine)
        found = [grade(engine, path) for path in (plain, kept, told)]
        assert found == [0.3, grades.KEEP, grades.KEEP]
        xmp_of(kept, 1)
        assert grade(engine, kept) == 0.1


def test_sidecar_that_arrives_after_its_moved_image_changes_no_label(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    sidecar = xmp_of(path, 2)
    with rated.engine() as engine:
        rated.settle(engine)
        kept = path.rename(rated.inbox / "keep" / "a.jpg")
        engine.indexer.hint(os.fsencode(path))
        assert grade(engine, kept) == grades.KEEP
        sidecar.rename(kept.with_name("a.jpg.xmp"))
        assert grade(engine, kept) == grades.KEEP
        xmp_of(kept, 4)
        assert grade(engine, kept) == 0.7


def test_moved_images_keep_the_label_of_their_new_folder(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    xmp_of(path, 2)
    with rated.engine() as engine:
        rated.settle(engine)
        kept = move(engine, path, rated.inbox / "keep" / "a.jpg")
        assert grade(engine, kept) == grades.KEEP
        sidecar = xmp_of(kept, 1)
        assert grade(engine, kept) == 0.1
        deleted(engine, sidecar)
        assert grade(engine, kept) == grades.KEEP, "the folder teaches again"


def test_image_and_sidecar_copied_into_a_label_folder_get_its_label(rated: World) -> None:
    with rated.engine() as engine:
        rated.settle(engine)
        path = rated.put("a.jpg", 0.5, "inbox/keep")
        sidecar = xmp_of(path, 2)
        late = sidecar.rename(sidecar.with_suffix(".late"))
        assert grade(engine, path) == grades.KEEP
        late.rename(sidecar)
        assert grade(engine, path) == grades.KEEP
        time.sleep(0.01)
        xmp_of(path, 1)
        assert grade(engine, path) == 0.1


def test_moved_within_the_inbox_keeps_the_label_of_its_rating(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    xmp_of(path, 4)
    with rated.engine() as engine:
        rated.settle(engine)
        moved = move(engine, path, rated.inbox / "sub" / "b.jpg")
        assert grade(engine, moved) == 0.7
        with engine.ctx.store.read() as txn:
            assert ratings.find(txn, os.fsencode(path)) is None
            assert ratings.find(txn, os.fsencode(moved)) is not None
        deleted(engine, moved.with_name("b.jpg.xmp"))
        assert grade(engine, moved) is None


def test_rating_of_a_copy_remains_when_the_other_is_removed(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    copy = path.with_name("b.jpg")
    copy.write_bytes(path.read_bytes())
    first = xmp_of(path, 4)
    with rated.engine() as engine:
        rated.settle(engine)
        assert grade(engine, path) == 0.7
        xmp_of(copy, 2)
        assert grade(engine, copy) == 0.3
        deleted(engine, copy.with_name("b.jpg.xmp"))
        assert grade(engine, copy) == 0.7
        deleted(engine, first)
        assert grade(engine, path) is None


def test_new_bytes_with_the_same_rating_keep_the_label(rated: World) -> None:
    path, kept = rated.put("a.jpg", 0.5), rated.put("b.jpg", 0.5, "inbox/keep")
    for image in (path, kept):
        xmp_of(image, 4)
    with rated.engine() as engine:
        rated.settle(engine)
        for image in (path, kept):
            image.write_text("0.6 edited " + image.name)
        assert grade(engine, path) == 0.7
        assert grade(engine, kept) == grades.KEEP
        deleted(engine, path.with_name("a.jpg.xmp"))
        assert grade(engine, path) is None


def test_raw_and_jpeg_share_a_rating_unless_both_have_one(rated: World) -> None:
    raw, jpeg = rated.put("a.CR2", 0.5), rated.put("a.jpg", 0.4)
    xmp_of(raw, 4).rename(rated.inbox / "a.xmp")
    with rated.engine() as engine:
        rated.settle(engine)
        assert (grade(engine, raw), grade(engine, jpeg)) == (0.7, 0.7)
        xmp_of(jpeg, 1)
        assert (grade(engine, raw), grade(engine, jpeg)) == (0.7, 0.1)
        xmp_of(raw, 5).rename(rated.inbox / "a.xmp")
        assert (grade(engine, raw), grade(engine, jpeg)) == (0.9, 0.1)
        deleted(engine, rated.inbox / "a.xmp")
        assert (grade(engine, raw), grade(engine, jpeg)) == (None, 0.1)


def test_rating_removed_from_a_raw_clears_the_jpeg(rated: World) -> None:
    raw, jpeg = rated.put("a.CR2", 0.5), rated.put("a.jpg", 0.4)
    sidecar = xmp_of(raw, 4)
    with rated.engine() as engine:
        rated.settle(engine)
        assert grade(engine, jpeg) == 0.7
        deleted(engine, sidecar)
        assert (grade(engine, raw), grade(engine, jpeg)) == (None, None)


def test_hostile_sidecar_keeps_the_label_and_is_logged_once(
    rated: World, caplog: pytest.LogCaptureFixture
) -> None:
    path = rated.put("a.jpg", 0.5)
    sidecar = xmp_of(path, 4)
    with rated.engine() as engine:
        rated.settle(engine)
        for text in ("<!DOCTYPE x []><x/>", "<!DOCTYPE y []><y/> "):
            sidecar.write_text(text)
            assert grade(engine, path) == 0.7
    assert caplog.text.count("a.jpg.xmp is not read: its XMP contains a document type") == 1


@pytest.fixture
def attributes(tmp_path: Path) -> Iterator[None]:
    probe = tmp_path / "probe"
    probe.touch()
    try:
        os.setxattr(probe, "user.baloo.rating", b"2")
    except OSError:
        pytest.skip("cannot set extended attributes in the temporary folder")
    yield


@pytest.mark.usefixtures("attributes")
def test_extended_attribute_is_followed_also_without_an_engine(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    with rated.engine() as engine:
        rated.settle(engine)
        os.setxattr(path, "user.baloo.rating", b"8")
        assert grade(engine, path) == 0.7
    os.setxattr(path, "user.baloo.rating", b"2")
    with rated.engine() as engine:
        rated.settle(engine)
        assert grade(engine, path) == 0.1
        os.removexattr(path, "user.baloo.rating")
        assert grade(engine, path) is None


def test_sidecar_of_an_unmounted_disk_clears_nothing(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    xmp_of(path, 4)
    with rated.engine() as engine:
        rated.settle(engine)
    rated.inbox.rename(rated.folder / "elsewhere")
    with rated.engine() as engine:
        (rated.inbox / "keep").rmdir()
        (rated.inbox / "trash").rmdir()
        rated.inbox.rmdir()
        rated.settle(engine)
    (rated.folder / "elsewhere").rename(rated.inbox)
    with rated.engine() as engine:
        rated.settle(engine)
        assert grade(engine, path) == 0.7


def test_ratings_that_were_not_read_are_read_after_a_crash(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    xmp_of(path, 4)
    with rated.engine() as engine:
        rated.pool.refuses = ("ReadRatings",)
        engine.indexer.hint_all()
        eventually(lambda: _indexed(engine, path), pause=0.0)
        assert engine.rating_reader.pending
    with rated.engine() as engine:
        until_idle(engine)
        assert grade(engine, path) == 0.7


def _indexed(engine: Engine, path: Path) -> bool:
    engine.step(0.01)
    with engine.ctx.store.read() as txn:
        return sightings.find(txn, os.fsencode(path)) is not None


def test_import_labels_reads_the_ratings_of_any_folder(world: World) -> None:
    for number, stars in enumerate((5, 4, 3, 1, -1)):
        xmp_of(world.put(f"{number}.jpg", number / 5, "archive/sub"), stars)
    world.put("plain.jpg", 0.9, "archive")
    bad = world.put("bad.jpg", 0.8, "archive")
    bad.with_name("bad.jpg.xmp").write_text("<!DOCTYPE x []><x/>")
    with world.engine() as engine:
        *failed, counts = ask(
            engine, "import-labels", ratings=[os.fspath(world.folder / "archive")]
        )
        assert [row["path"] for row in failed] == [os.fspath(bad)]
        assert failed[0]["error"].startswith("bad.jpg.xmp: its XMP contains a document type")
        assert counts | {"taste": ""} == {
            "keep": 2,
            "undecided": 1,
            "trash": 2,
            "unrated": 1,
            "failed": 1,
            "taste": "",
            "error": None,
        }
        rows = [row for row in ask(engine, "history") if row["what"] == "label"]
        assert {row["source"] for row in rows} == {"import"} and len(rows) == 5


def test_import_labels_of_watched_ratings_is_an_explicit_act(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    sidecar = xmp_of(path, 4)
    with rated.engine() as engine:
        rated.settle(engine)
        ask(engine, "label", label="trash", files=[os.fspath(path)])
        ask(engine, "import-labels", ratings=[os.fspath(rated.inbox)])
        assert grade(engine, path) == 0.7
        deleted(engine, sidecar)
        assert grade(engine, path) == 0.7, "the label is not from the rating any more"


def test_rated_image_taken_out_of_a_label_folder_gets_its_rating_again(rated: World) -> None:
    path, alone = rated.put("a.jpg", 0.5), rated.put("b.jpg", 0.4)
    for image in (path, alone):
        xmp_of(image, 2)
    with rated.engine() as engine:
        rated.settle(engine)
        for _ in range(2):
            kept = move(engine, path, rated.inbox / "keep" / "a.jpg")
            assert grade(engine, kept) == grades.KEEP
            path = move(engine, kept, path)
            assert grade(engine, path) == 0.3
        # The sidecar stays behind, so that only the former rating is known.
        kept = alone.rename(rated.inbox / "keep" / "b.jpg")
        engine.indexer.hint(os.fsencode(alone))
        assert grade(engine, kept) == grades.KEEP
        kept.rename(alone)
        engine.indexer.hint(os.fsencode(kept))
        assert grade(engine, alone) == 0.3
        label = label_in(engine.ctx.store, alone)
        assert label is not None and label.source == "rating"


def test_rating_removed_in_a_label_folder_does_not_come_back(rated: World) -> None:
    path = rated.put("a.jpg", 0.5)
    xmp_of(path, 2)
    with rated.engine() as engine:
        rated.settle(engine)
        kept = move(engine, path, rated.inbox / "keep" / "a.jpg")
        assert grade(engine, kept) == grades.KEEP
        deleted(engine, kept.with_name("a.jpg.xmp"))
        assert grade(engine, kept) == grades.KEEP
        path = move(engine, kept, path)
        assert grade(engine, path) is None


def test_raw_and_jpeg_taken_out_of_a_label_folder_get_their_own_ratings(rated: World) -> None:
    raw, jpeg = rated.put("a.CR2", 0.5), rated.put("a.jpg", 0.4)
    for image, stars in ((raw, 4), (jpeg, 1)):
        xmp_of(image, stars)
    with rated.engine() as engine:
        rated.settle(engine)
        assert [grade(engine, image) for image in (raw, jpeg)] == [0.7, 0.1]
        kept = [move(engine, image, rated.inbox / "keep" / image.name) for image in (raw, jpeg)]
        assert [grade(engine, image) for image in kept] == [grades.KEEP, grades.KEEP]
        raw, jpeg = (move(engine, image, rated.inbox / image.name) for image in kept)
        assert [grade(engine, image) for image in (raw, jpeg)] == [0.7, 0.1]
