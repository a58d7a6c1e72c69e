"""Folders in place of files, in `score` and `label`."""

import os
from pathlib import Path

import pytest

from imgscore.errors import UsageError
from tests.integration.engine.conftest import World, ask


def test_score_folder_gives_its_images_and_recursive_those_below(world: World) -> None:
    for place in ("batch", "batch/sub", "batch/.hidden"):
        for number in (2, 1):
            world.put(f"{Path(place).name}{number}.png", "0.5", place)
    (world.folder / "batch" / "notes.txt").write_text("no image")
    batch = os.fspath(world.folder / "batch")
    with world.engine() as engine:
        rows = ask(engine, "score", files=[batch])
        assert [Path(row["path"]).name for row in rows] == ["batch1.png", "batch2.png"]
        assert [row["score"] for row in rows] == [0.5, 0.5]
        rows = ask(engine, "score", files=[batch], recursive=True)
        names = ["batch1.png", "batch2.png", "sub1.png", "sub2.png"]
        assert [Path(row["path"]).name for row in rows] == names

        rows = ask(engine, "label", label="keep", files=[batch], recursive=True)
        assert [row["label"] for row in rows] == ["keep"] * 4
        rows = ask(engine, "score", files=[batch], recursive=True)
        assert [row["label"] for row in rows] == ["keep"] * 4


def test_score_folder_without_images_is_refused(world: World) -> None:
    empty = world.folder / "empty"
    (empty / "sub").mkdir(parents=True)
    with (
        world.engine() as engine,
        pytest.raises(UsageError, match="contains no image") as error,
    ):
        ask(engine, "score", files=[os.fspath(empty)])
    assert "--recursive" in error.value.remedy
