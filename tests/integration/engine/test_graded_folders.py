"""Folders of the setting `grades` teach stars as keep and trash folders teach their labels."""

import os
import shutil
from pathlib import Path

import pytest

from imgscore.config import Config, WatchConfig
from imgscore.engine.mass_changes import MIN_LABELS
from imgscore.errors import ConfigError
from imgscore.reconcile.sidecars import digest_of
from imgscore.store import labels
from imgscore.store.schema import Label
from imgscore.verbs.status import status
from imgscore.watches import Watches
from tests.integration.engine.conftest import World, ask, until_idle
from tests.support.place_labels import move

GRADES = {"4": "good", "3": ["maybe", "later"], "1": "poor", "-1": "rejected"}


def _label(world: World, path: Path) -> Label | None:
    digest = digest_of(os.fsencode(path)) or b""
    with world.engine() as engine, engine.ctx.store.read() as txn:
        return labels.current(txn, "default", digest)


def _grade(world: World, path: Path) -> float | None:
    label = _label(world, path)
    return None if label is None else label.grade


def _has_new_date(world: World, path: Path) -> bool:
    return path.stat().st_mtime_ns != world.originals[path.name]


@pytest.fixture
def graded(world: World) -> World:
    world.watch["grades"] = dict(GRADES)
    return world


@pytest.mark.parametrize(
    ("folder", "grade", "name"),
    [
        ("good", 0.7, "keep"),
        ("good/album", 0.7, "keep"),
        ("maybe", 0.5, "undecided"),
        ("later", 0.5, "undecided"),
        ("poor", 0.1, "trash"),
        ("rejected", 0.0, "trash"),
    ],
)
def test_graded_folder_gives_its_grade_and_the_original_date(
    graded: World, folder: str, grade: float, name: str
) -> None:
    files = [graded.put("a.png", 0.9), graded.put("b.png", 0.2)]
    graded.settled()
    path = next(path for path in files if _has_new_date(graded, path))
    path = move(path, graded.inbox / folder)
    graded.settled()
    label = _label(graded, path)
    assert label is not None and (label.grade, label.label) == (grade, name)
    assert not _has_new_date(graded, path)
    path = move(path, graded.inbox)
    graded.settled()
    assert _label(graded, path) is None


def test_graded_folder_copies_in_several_folders_follow_the_last_move(graded: World) -> None:
    path = graded.put("a.png", 0.2, "inbox/good")
    graded.settled()
    for folder in ("maybe", "poor", "keep"):
        (graded.inbox / folder).mkdir(exist_ok=True)
        shutil.copy2(path, graded.inbox / folder)
        graded.settled()
    assert _grade(graded, path) == 1.0
    (graded.inbox / "keep" / "a.png").unlink()
    graded.settled()
    assert _grade(graded, path) == 0.1
    (graded.inbox / "poor" / "a.png").rename(graded.inbox / "b.png")
    graded.settled()
    assert _grade(graded, path) == 0.5


def test_graded_folder_with_other_stars_in_the_config_teaches_them(graded: World) -> None:
    path = graded.put("a.png", 0.2, "inbox/good")
    by_command = graded.put("b.png", 0.3, "inbox/good")
    graded.settled()
    with graded.engine() as engine:
        ask(engine, "label", label="trash", files=[os.fspath(by_command)])
    for grades, expected in (
        ({"5": "good"}, 0.9),
        ({"2": "good"}, 0.3),
        ({"-1": "good"}, 0.0),
        ({}, 0.0),  # The folder is a part of the inbox: the label stays, as after a renaming.
        ({"3": "good"}, 0.5),
    ):
        graded.watch["grades"] = grades
        graded.settled()
        assert _grade(graded, path) == expected, grades
    assert _grade(graded, by_command) == 0.5  # Its file appeared in a label folder, too.


def test_graded_folders_are_counted_in_status(graded: World) -> None:
    for number, folder in enumerate(["good", "good", "maybe", "later", "poor", "rejected", "keep"]):
        graded.put(f"{number}.png", 0.1 * number, f"inbox/{folder}")
    graded.put("new.png", 0.5)
    with graded.engine() as engine:
        graded.settle(engine)
        (watch,) = status(engine).watches
    assert watch.graded == {"4 stars": 2, "3 stars": 2, "1 star": 1}
    assert (watch.files, watch.keep, watch.trash) == (1, 1, 1)
    assert (watch.labels.keep, watch.labels.trash, watch.undecided) == (3, 2, 2)


def test_graded_folder_raw_and_jpeg_share_the_grade(graded: World) -> None:
    raw, jpeg = graded.put("a.CR2", 0.2), graded.put("a.jpg", 0.3)
    graded.settled()
    raw = move(raw, graded.inbox / "poor")  # Only a trash folder concerns the RAW alone.
    graded.settled()
    assert (_grade(graded, raw), _grade(graded, jpeg)) == (0.1, 0.1)
    move(raw, graded.inbox / "rejected")
    graded.settled()
    assert (_grade(graded, graded.inbox / "rejected" / "a.CR2"), _grade(graded, jpeg)) == (0.0, 0.1)


def test_graded_folder_renamed_keeps_the_labels(graded: World) -> None:
    paths = [graded.put(f"{number}.png", 0.1, "inbox/good") for number in range(3)]
    graded.settled()
    (graded.inbox / "good").rename(graded.inbox / "good 2025")
    (graded.inbox / "good").mkdir()
    graded.settled()
    assert {_grade(graded, graded.inbox / "good 2025" / path.name) for path in paths} == {0.7}


def test_graded_folders_many_moves_between_them_are_one_mass_change(graded: World) -> None:
    for number in range(MIN_LABELS + 1):
        graded.put(f"{number}.png", 0.1, "inbox/good")
    graded.settled()
    with graded.engine() as engine:
        for path in (graded.inbox / "good").iterdir():
            move(path, graded.inbox / "poor")
        graded.settle(engine)
        until_idle(engine)
        assert "changed to another label" in engine.ctx.notes["labels"]
        (undone,) = ask(engine, "undo", what="label")
        assert (undone["others"], undone["grade"], undone["was_grade"]) == (MIN_LABELS, 0.7, 0.1)


def test_graded_folder_with_another_taste_teaches_its_grade(graded: World) -> None:
    path = graded.put("a.png", 0.2, "inbox/maybe")
    graded.settled()
    graded.watch["taste"] = "other"
    graded.settled()
    digest = digest_of(os.fsencode(path)) or b""
    with graded.engine() as engine, engine.ctx.store.read() as txn:
        label = labels.current(txn, "other", digest)
    assert label is not None and label.grade == 0.5


@pytest.mark.parametrize(
    ("grades", "reason"),
    [
        ({"4": "keep"}, "both the keep folder"),
        ({"4": "."}, "both the inbox folder"),
        ({"4": "a", "5": ["b", "a"]}, "both the folder for 4 stars"),
        ({"-1": "a", "1": "a"}, "both the trash folder"),
        ({"4": "/"}, "grades.4 = '/'"),
        ({"4": "/etc"}, "folder of the system"),
    ],
)
def test_watches_of_overlapping_or_unfit_graded_folders_raises(
    tmp_path: Path, grades: dict[str, object], reason: str
) -> None:
    watch = WatchConfig(inbox=os.fspath(tmp_path / "inbox"), grades=grades)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=reason):
        Watches.of(Config(watch=[watch]))


def test_watches_of_inbox_in_a_graded_folder_of_another_watch_raises(tmp_path: Path) -> None:
    watches = [
        WatchConfig(inbox=f"{tmp_path}/one", grades={"4": f"{tmp_path}/good"}),
        WatchConfig(inbox=f"{tmp_path}/good/two"),
    ]
    with pytest.raises(ConfigError, match="is in the folder for 4 stars of the inbox"):
        Watches.of(Config(watch=watches))


def test_watch_folder_for_returns_the_first_folder_of_a_grade(tmp_path: Path) -> None:
    watch = WatchConfig(inbox=f"{tmp_path}/in", trash=[], grades=GRADES)  # type: ignore[arg-type]
    (only,) = Watches.of(Config(watch=[watch])).all
    inbox = os.fsencode(os.path.realpath(tmp_path)) + b"/in"
    found = {grade: only.folder_for(grade) for grade in (1.0, 0.0, 0.5, 0.9)}
    assert found == {
        1.0: inbox + b"/keep", 0.0: inbox + b"/rejected", 0.5: inbox + b"/maybe", 0.9: None
    }  # fmt: skip
