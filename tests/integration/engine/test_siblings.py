"""RAW, JPEG and sidecar of one name have one place in the order and one label."""

import os
from pathlib import Path

import pytest

from imgscore.reconcile.sidecars import digest_of
from imgscore.store import labels
from imgscore.verbs.status import status
from tests.integration.engine.conftest import World, ask

FAMILY = ("b.CR2", "b.jpg", "b.CR2.xmp")


@pytest.fixture
def shoot(world: World) -> World:
    """RAW, JPEG and sidecar among other files; by score, the RAW is last and the JPEG second."""
    world.put("d.jpg", 0.9)
    world.put("b.CR2", 0.05)
    world.put("b.jpg", 0.5)
    world.put("b.CR2.xmp", "not a number")
    world.put("c.jpg", 0.3)
    world.put("other.xmp", "nobody's")
    world.put("a.jpg", 0.1)
    return world


def label_of(world: World, *names: str) -> list[str | None]:
    """The current labels of files, by their bytes, wherever they are."""
    digests = {path.name: digest_of(os.fsencode(path)) for path in world.folder.rglob("*")}
    with world.engine() as engine, engine.ctx.store.read() as txn:
        found = [labels.current(txn, "default", digests[name] or b"") for name in names]
    return [label.label if label else None for label in found]


def test_siblings_share_a_date_and_are_all_restored(shoot: World) -> None:
    shoot.settled()
    dates = shoot.dates()
    assert len({dates[name] for name in FAMILY}) == 1
    assert [name for name in shoot.order() if name != "other"] == ["d", "b", "b", "b", "c", "a"]
    assert dates["other.xmp"] == shoot.originals["other.xmp"]
    with shoot.engine() as engine:
        assert status(engine).watches[0].files == 5  # sidecars are no images
        shoot.settle(engine)
        assert ask(engine, "order") == []
        assert {Path(row["path"]).name for row in ask(engine, "restore-times")} >= {"b.CR2.xmp"}
    assert shoot.dates() == shoot.originals


def test_undo_restores_sidecars_too(shoot: World) -> None:
    shoot.settled()
    with shoot.engine() as engine:
        ask(engine, "undo", what="order")
    assert shoot.dates() == shoot.originals


def test_siblings_that_leave_are_restored_and_ordered_on_return(
    shoot: World,
) -> None:
    with shoot.engine() as engine:
        shoot.settle(engine)
        for here, there in (("", "keep"), ("keep", "")):
            for name in FAMILY:
                (shoot.inbox / here / name).rename(shoot.inbox / there / name)
            shoot.settle(engine)
            dates = shoot.dates()
            if there:
                assert {name: dates[name] for name in FAMILY} == {
                    name: shoot.originals[name] for name in FAMILY
                }
            else:
                assert len({dates[name] for name in FAMILY}) == 1
        (shoot.inbox / "sub").mkdir()
        for name in FAMILY:
            (shoot.inbox / name).rename(shoot.inbox / "sub" / name)
        shoot.settle(engine)
        ask(engine, "restore-times")
    assert shoot.dates() == shoot.originals


def test_restore_times_of_siblings_out_of_the_watch(shoot: World) -> None:
    outside = shoot.folder / "outside"
    outside.mkdir()
    shoot.settled()
    for name in FAMILY:
        (shoot.inbox / name).rename(outside / name)
    shoot.settled()
    with shoot.engine() as engine:
        dry = ask(engine, "restore-times", folder=str(outside), dry_run=True)
        done = ask(engine, "restore-times", folder=str(outside))
        assert [row | {"dry_run": False} for row in dry] == done and len(done) == 3
        ask(engine, "restore-times")
    assert shoot.dates() == shoot.originals


def test_originals_edited_sidecar_has_a_new_original(shoot: World) -> None:
    shoot.settled()
    sidecar = shoot.inbox / "b.CR2.xmp"
    sidecar.write_text("new settings")
    os.utime(sidecar, ns=(0, 1_500_000_000_000_000_077))
    with shoot.engine() as engine:
        shoot.settle(engine)
        ask(engine, "order")
        assert len({shoot.dates()[name] for name in FAMILY}) == 1
        ask(engine, "restore-times")
    assert shoot.dates() == shoot.originals | {"b.CR2.xmp": 1_500_000_000_000_000_077}


def test_label_of_a_sibling_is_shared(shoot: World) -> None:
    shoot.settled()
    (shoot.inbox / "b.jpg").rename(shoot.inbox / "keep" / "b.jpg")
    (shoot.inbox / "a.jpg").rename(shoot.inbox / "trash" / "a.jpg")
    shoot.settled()
    assert label_of(shoot, "b.jpg", "b.CR2", "a.jpg", "c.jpg") == ["keep", "keep", "trash", None]
    (shoot.inbox / "keep" / "b.jpg").rename(shoot.inbox / "b.jpg")
    shoot.settled()
    assert label_of(shoot, "b.jpg", "b.CR2") == [None, None]
    with shoot.engine() as engine:
        ask(engine, "label", label="trash", files=[str(shoot.inbox / "b.CR2")])
    assert label_of(shoot, "b.jpg", "b.CR2") == ["trash", "trash"]
    with shoot.engine() as engine:
        assert ask(engine, "undo", what="label")[0]["path"].endswith("b.CR2")
    assert label_of(shoot, "b.jpg", "b.CR2") == [None, None]


def test_label_trash_of_a_raw_is_not_shared(shoot: World) -> None:
    shoot.settled()
    (shoot.inbox / "b.CR2").rename(shoot.inbox / "trash" / "b.CR2")
    shoot.settled()
    assert label_of(shoot, "b.CR2", "b.jpg") == ["trash", None]
    with shoot.engine() as engine:
        ask(engine, "label", label="keep", files=[str(shoot.inbox / "b.jpg")])
    (shoot.inbox / "trash" / "b.CR2").rename(shoot.inbox / "b.CR2")
    shoot.settled()
    assert label_of(shoot, "b.CR2", "b.jpg") == [None, "keep"]
    (shoot.inbox / "b.jpg").rename(shoot.inbox / "trash" / "b.jpg")
    shoot.settled()
    assert label_of(shoot, "b.CR2", "b.jpg") == ["trash", "trash"]


@pytest.mark.parametrize("at_once", [True, False])
def test_label_of_separated_siblings_follows_the_place(shoot: World, at_once: bool) -> None:
    shoot.settled()
    (shoot.inbox / "b.jpg").rename(shoot.inbox / "keep" / "b.jpg")
    if not at_once:
        shoot.settled()
    (shoot.inbox / "b.CR2").rename(shoot.inbox / "trash" / "b.CR2")
    shoot.settled()
    assert label_of(shoot, "b.jpg", "b.CR2") == ["keep", "trash"]


def test_siblings_disabled_are_independent(shoot: World) -> None:
    shoot.watch = {"siblings": False}
    shoot.settled()
    (shoot.inbox / "b.jpg").rename(shoot.inbox / "keep" / "b.jpg")
    shoot.settled()
    assert label_of(shoot, "b.jpg", "b.CR2") == ["keep", None]
    assert [name for name in shoot.names() if not name.endswith("xmp")] == [
        "d.jpg", "c.jpg", "a.jpg", "b.CR2"
    ]  # fmt: skip
    assert shoot.dates()["b.CR2.xmp"] == shoot.originals["b.CR2.xmp"]


def seconds(world: World) -> dict[str, int]:
    """The dates of all files in whole seconds, as viewers compare them."""
    return {name: date // 10**9 for name, date in world.dates().items()}


def test_json_sidecars_keep_step_with_their_images(world: World) -> None:
    """Google Photos writes such files, and so do download programs."""
    images = {"a.jpg": 0.9, "b.png": 0.5, "c(1).jpg": 0.3, "long-name-of-a-photograph.jpg": 0.1}
    sidecars = {
        "a.jpg.json": "a.jpg",
        "b.png.supplemental-metadata.json": "b.png",
        "c.jpg(1).json": "c(1).jpg",
        "long-name-of-a-photograph.jpg.supplemental-meta.json": "long-name-of-a-photograph.jpg",
    }
    for name, score in images.items():
        world.put(name, score)
    for name in (*sidecars, "package.json"):
        world.put(name, "not a number")
    world.settled()
    dates = seconds(world)
    assert {name: dates[name] for name in sidecars} == {
        sidecar: dates[image] for sidecar, image in sidecars.items()
    }
    assert len({dates[image] for image in images}) == len(images)
    assert world.dates()["package.json"] == world.originals["package.json"]
    # A new image with a sidecar is inserted beside many others, with the same date.
    world.put("new.jpg", 0.7)
    world.put("new.jpg.supplemental-metadata.json", "not a number")
    world.settled()
    dates = seconds(world)
    assert dates["new.jpg"] == dates["new.jpg.supplemental-metadata.json"]
    with world.engine() as engine:
        ask(engine, "restore-times")
    assert world.dates() == world.originals
