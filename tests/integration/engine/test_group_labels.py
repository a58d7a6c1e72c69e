"""The labels of the images of a group: one act, RAW and JPEG together, and undo."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from imgscore.engine.engine import Engine
from imgscore.errors import ImgscoreError, UsageError
from imgscore.store import labels
from tests.integration.engine.conftest import World, ask


def image(path: Path) -> dict[str, str]:
    """An image in a request."""
    return {"sha256": sha256(path), "path": os.fspath(path)}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def label(engine: Engine, **images: list[Path]) -> list[dict[str, Any]]:
    """Label images: keep=[…], trash=[…]."""
    given = {name: [image(path) for path in paths] for name, paths in images.items()}
    return ask(engine, "review", taste="default", group=given)


def labels_of(engine: Engine, *paths: Path) -> list[str | None]:
    with engine.ctx.store.read() as txn:
        found = [labels.current(txn, "default", bytes.fromhex(sha256(path))) for path in paths]
    return [label.label if label else None for label in found]


def numbers(rows: list[dict[str, Any]]) -> list[int]:
    return [row["number"] for row in rows if row["number"] is not None]


def test_review_group_labels_are_one_act_for_undo_label(world: World) -> None:
    paths = [world.put(f"{number}.png", 0.5) for number in range(4)]
    with world.engine() as engine:
        world.settle(engine)
        ask(engine, "review", taste="default", label="trash", **image(paths[3]))
        rows = label(engine, keep=paths[:1], trash=paths[1:])
        assert [row["label"] for row in rows] == ["keep", "trash", "trash", "trash"]
        assert rows[3]["number"] is None, "it had this label"
        (undone,) = ask(engine, "undo", what="label")
        assert (undone["was"], undone["label"], undone["others"]) == ("keep", None, 2)
        assert labels_of(engine, *paths) == [None, None, None, "trash"]
        (undone,) = ask(engine, "undo", what="label")
        assert (undone["was"], undone["others"]) == ("trash", 0)


def test_review_group_undo_gives_earlier_labels_back(world: World) -> None:
    first, second, third = (world.put(f"{number}.png", 0.5) for number in range(3))
    with world.engine() as engine:
        world.settle(engine)
        ask(engine, "review", taste="default", label="4", **image(first))
        ask(engine, "review", taste="default", label="keep", **image(second))
        rows = label(engine, keep=[first], trash=[second, third])
        assert [row["grade"] for row in rows] == [0.7, 0.0, 0.0], "4 stars are a label keep"
        undone = ask(engine, "review", taste="default", group={"undo": numbers(rows)})
        assert {row["sha256"]: row["label"] for row in undone} == {
            sha256(second): "keep",
            sha256(third): None,
        }
        again = label(engine, keep=[first], trash=[second, third])
        ask(engine, "review", taste="default", label="keep", **image(third))
        undone = ask(engine, "review", taste="default", group={"undo": numbers(again)})
        assert labels_of(engine, first, second, third) == ["keep", "keep", "keep"]
        (error,) = [row["error"] for row in undone if row["error"]]
        assert "2.png has a later label" in error


def test_review_group_raw_and_jpeg_share_the_label_keep(world: World) -> None:
    raw, jpeg, other = (world.put(name, 0.5) for name in ("a.CR2", "a.jpg", "b.jpg"))
    hidden = world.put("b.CR2", 0.5)
    with world.engine() as engine:
        world.settle(engine)
        rows = label(engine, keep=[raw], trash=[jpeg, other])
        assert labels_of(engine, raw, jpeg, other, hidden) == ["keep", "keep", "trash", "trash"]
        assert len(rows) == 4, "the RAW outside of the group is in the answer too"
        ask(engine, "review", taste="default", group={"undo": numbers(rows)})
        assert labels_of(engine, raw, jpeg, other, hidden) == [None] * 4


def test_review_group_without_siblings_labels_each_file(world: World) -> None:
    world.watch["siblings"] = False
    raw, jpeg = world.put("a.CR2", 0.5), world.put("a.jpg", 0.5)
    with world.engine() as engine:
        world.settle(engine)
        label(engine, keep=[raw], trash=[jpeg])
        assert labels_of(engine, raw, jpeg) == ["keep", "trash"]


def test_review_group_wrong_requests_are_refused(world: World) -> None:
    path = world.put("a.png", 0.5)
    with world.engine() as engine:
        world.settle(engine)
        with pytest.raises(UsageError):
            ask(engine, "review", taste="default")
        with pytest.raises(UsageError):
            ask(engine, "review", taste="default", group={})
        given = {"keep": [image(path)]}
        with pytest.raises(UsageError):
            ask(engine, "review", taste="default", group={"undo": [1], **given})
        with pytest.raises(UsageError):
            ask(engine, "review", taste="default", group=given, label="keep")
        with pytest.raises(UsageError):
            ask(engine, "review", taste="nothing", group=given)
        assert ask(engine, "review", taste="default", group={"undo": [12345]}) == []
        with pytest.raises(ImgscoreError):
            ask(engine, "undo", what="label")
