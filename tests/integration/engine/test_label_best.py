"""`groups --label best`: keep for the best image of each group, trash for the others."""

import os
from collections.abc import Iterable
from pathlib import Path

from imgscore.engine.engine import Engine
from imgscore.groups.best import VERSION, Quality
from imgscore.store import groups, labels, qualities
from imgscore.store.groups import Kind, NewGroup
from imgscore.store.qualities import QualityRecord
from imgscore.verbs.base import rows_of
from imgscore.verbs.group_labels import LabelledGroup, label_best
from tests.integration.engine.conftest import World, ask, until_idle
from tests.integration.engine.test_group_labels import image, labels_of, sha256


def group(engine: Engine, paths: Iterable[Path], kind: Kind = "bursts") -> None:
    """Store a group. The first image is the best one: it has the most detail."""
    digests = [bytes.fromhex(sha256(path)) for path in paths]
    with engine.ctx.store.write() as txn:
        groups.replace(txn, digests, [NewGroup(kind, tuple(digests), "taken together")])
        for place, digest in enumerate(digests):
            quality = Quality(pixels=100, detail=100.0 / (1 + place))
            qualities.record(txn, digest, QualityRecord(VERSION, quality))


def best(
    engine: Engine, folder: Path | None = None, kind: Kind | None = None, dry_run: bool = False
) -> list[LabelledGroup]:
    place = None if folder is None else os.fsencode(folder)
    steps = label_best(engine, place, kind, dry_run=dry_run)
    return rows_of(message for message in steps if message is not None)


def label(engine: Engine, path: Path, text: str) -> None:
    ask(engine, "review", taste="default", label=text, **image(path))


def test_label_best_keeps_the_best_and_one_undo_takes_all_back(world: World) -> None:
    first = [world.put(f"a{number}.jpg", 0.5) for number in range(3)]
    second = [world.put(f"b{number}.jpg", 0.5) for number in range(2)]
    alone = world.put("c.jpg", 0.5)
    with world.engine() as engine:
        world.settle(engine)
        group(engine, first)
        group(engine, second, "near-duplicates")
        planned = best(engine, dry_run=True)
        assert labels_of(engine, *first, *second) == [None] * 5
        rows = best(engine)
        assert [row.dry_run for row in (*planned, *rows)] == [True, True, False, False]
        for row in planned:
            row.dry_run = False
        assert planned == rows
        assert [row.keep for row in rows] == [os.fspath(first[0]), os.fspath(second[0])]
        assert rows[0].trash == [os.fspath(path) for path in first[1:]]
        expected = ["keep", "trash", "trash", "keep", "trash", None]
        assert labels_of(engine, *first, *second, alone) == expected
        assert best(engine) == [], "every image has a label"
        (undone,) = ask(engine, "undo", what="label")
        assert undone["others"] == 4
        assert labels_of(engine, *first, *second, alone) == [None] * 6


def test_label_best_earlier_labels_stay(world: World) -> None:
    paths = [world.put(f"{number}.jpg", 0.5) for number in range(4)]
    with world.engine() as engine:
        world.settle(engine)
        group(engine, paths)
        label(engine, paths[2], "4")
        label(engine, paths[3], "1")
        (row,) = best(engine)
        assert (row.keep, row.kept) == (None, [os.fspath(paths[2])])
        assert row.trash == [os.fspath(path) for path in paths[:2]]
        with engine.ctx.store.read() as txn:
            found = [labels.current(txn, "default", bytes.fromhex(sha256(p))) for p in paths]
        assert [label.grade if label else None for label in found] == [0.0, 0.0, 0.7, 0.1]


def test_label_best_trashed_best_image_skips_the_group(world: World) -> None:
    paths = [world.put(f"{number}.jpg", 0.5) for number in range(3)]
    with world.engine() as engine:
        world.settle(engine)
        group(engine, paths)
        label(engine, paths[0], "trash")
        (row,) = best(engine)
        assert row.skipped == "the best image already has the label trash"
        assert (row.keep, row.trash, row.error) == (None, [], None)
        assert labels_of(engine, *paths) == ["trash", None, None]


def test_label_best_raw_and_jpeg_are_one_photo(world: World) -> None:
    raw, jpeg = world.put("a.CR2", 0.5), world.put("a.jpg", 0.5)
    other, hidden = world.put("b.jpg", 0.5), world.put("b.CR2", 0.5)
    with world.engine() as engine:
        world.settle(engine)
        group(engine, [raw, jpeg])
        assert best(engine) == [], "one photo is no choice"
        group(engine, [jpeg, raw, other])
        (row,) = best(engine)
        assert (row.keep, row.trash) == (os.fspath(jpeg), [os.fspath(other)])
        assert labels_of(engine, raw, jpeg, other, hidden) == ["keep", "keep", "trash", "trash"]


def test_label_best_folder_labels_only_its_images(world: World) -> None:
    best_one, outside = world.put("a.jpg", 0.5), world.put("b.jpg", 0.5)
    inside = [world.put(f"trip/{name}.jpg", 0.5) for name in "cd"]
    with world.engine() as engine:
        world.settle(engine)
        group(engine, [best_one, outside, *inside])
        (row,) = best(engine, world.inbox / "trip")
        assert row.files == [os.fspath(path) for path in inside]
        assert labels_of(engine, best_one, outside, *inside) == [None, None, "keep", "trash"]
        ask(engine, "undo", what="label")
        label(engine, outside, "keep")
        (row,) = best(engine, world.inbox / "trip")
        assert (row.keep, row.kept) == (None, [os.fspath(outside)])
        assert labels_of(engine, best_one, outside, *inside) == [None, "keep", "trash", "trash"]


def test_label_best_deleted_keep_is_no_reason_to_trash(world: World) -> None:
    """The label of a deleted image stays. It must not trash the images that are left."""
    paths = [world.put(f"{number}.jpg", 0.5) for number in range(3)]
    with world.engine() as engine:
        world.settle(engine)
        group(engine, paths)
        label(engine, paths[0], "keep")
        digest = sha256(paths[0])
        paths[0].unlink()
        engine.indexer.hint_all()
        until_idle(engine)
        (row,) = best(engine)
        assert (row.keep, row.trash) == (os.fspath(paths[1]), [os.fspath(paths[2])])
        with engine.ctx.store.read() as txn:
            kept = labels.current(txn, "default", bytes.fromhex(digest))
        assert kept is not None and kept.label == "keep"


def test_label_best_kind_labels_only_this_kind(world: World) -> None:
    burst = [world.put(f"a{number}.jpg", 0.5) for number in range(2)]
    twins = [world.put(f"b{number}.jpg", 0.5) for number in range(2)]
    with world.engine() as engine:
        world.settle(engine)
        group(engine, burst)
        group(engine, twins, "near-duplicates")
        (row,) = best(engine, kind="near-duplicates")
        assert row.kind == "near-duplicates"
        assert labels_of(engine, *burst, *twins) == [None, None, "keep", "trash"]


def test_label_best_tastes_get_their_own_labels(world: World) -> None:
    """Each watch has its own taste: a group is labelled in each of them."""
    world.others.append(world.folder / "memes")
    world.other_watch["taste"] = "memes"
    paths = [world.put(f"{number}.jpg", 0.5) for number in range(2)]
    memes = [world.put(f"{number}m.jpg", 0.5, "memes") for number in range(2)]
    with world.engine() as engine:
        world.settle(engine)
        group(engine, [paths[0], memes[0], memes[1], paths[1]])
        rows = best(engine)
        assert [(row.taste, row.keep) for row in rows] == [
            ("default", os.fspath(paths[0])),
            ("memes", os.fspath(memes[0])),
        ]
        ask(engine, "undo", what="label")
        for taste in ("default", "memes"):
            with engine.ctx.store.read() as txn:
                assert not list(labels.iter_all(txn, taste)), "one undo is enough"
