"""The arguments `folder` and `taste` of all verbs."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgscore.engine.engine import Engine
from imgscore.errors import UsageError
from imgscore.store import labels
from imgscore.store.schema import LabelEvent
from imgscore.verbs import registry
from tests.integration.engine.conftest import World, ask

REQUIRED: dict[str, dict[str, Any]] = {
    "undo": {"what": "order"},
    "label": {"label": "keep", "files": []},
    "score": {"files": []},
    "search": {"text": "sun"},
    "review": {"sha256": "00" * 32, "path": "/a.png"},
    "explain": {"file": "/a.png"},
    "import": {"file": "/a.parquet"},
}
"""The other arguments that a verb needs."""


def _with_field(name: str) -> list[str]:
    return [
        verb
        for verb in registry.names()
        if name in registry.find(verb).Request.__struct_fields__ and verb != "embed"
    ]


@pytest.fixture
def engine(world: World) -> Iterator[Engine]:
    world.put("a.png", "0.9")
    with world.engine() as engine:
        world.settle(engine)
        yield engine


@pytest.mark.parametrize("verb", _with_field("folder"))
def test_every_verb_missing_folder_is_refused_and_nearest_name_given(
    world: World, engine: Engine, verb: str
) -> None:
    (world.inbox / "holidays").mkdir()
    before = world.dates()
    for folder, remedy in (
        (world.inbox / "holiday" / "sub", f"did you mean {world.inbox}/holidays?"),
        (world.folder / "elsewhere", f"give a watched folder: {world.inbox}"),
    ):
        with pytest.raises(UsageError, match="does not exist") as error:
            ask(engine, verb, folder=os.fspath(folder), **REQUIRED.get(verb, {}))
        assert os.fspath(folder) in error.value.message
        assert remedy in error.value.remedy
    with pytest.raises(UsageError, match="is not a folder"):
        ask(engine, verb, folder=os.fspath(world.inbox / "a.png"), **REQUIRED.get(verb, {}))
    assert world.dates() == before


@pytest.mark.parametrize(
    "verb", [verb for verb in _with_field("folder") if not registry.find(verb).Request.any_folder]
)
def test_every_verb_folder_outside_of_the_watches_is_refused(
    world: World, engine: Engine, verb: str
) -> None:
    outside, hidden = world.folder / "outside", world.inbox / ".hidden"
    for folder in (outside, hidden):
        folder.mkdir()
        with pytest.raises(UsageError) as error:
            ask(engine, verb, folder=os.fspath(folder), **REQUIRED.get(verb, {}))
        assert os.fspath(folder) in error.value.message
        assert os.fspath(world.inbox) in error.value.remedy


@pytest.mark.parametrize("verb", _with_field("folder"))
def test_every_verb_watched_folder_that_is_gone_is_called_offline(
    world: World, engine: Engine, verb: str
) -> None:
    world.inbox.rename(world.folder / "unmounted")
    with pytest.raises(UsageError, match="is watched, but it is not there now"):
        ask(engine, verb, folder=os.fspath(world.inbox), **REQUIRED.get(verb, {}))


@pytest.mark.parametrize("verb", _with_field("taste"))
def test_every_verb_unknown_taste_is_refused_with_the_tastes_that_exist(
    engine: Engine, verb: str
) -> None:
    event = LabelEvent(1, "memes", bytes(32), "keep", "cli", b"/gone.png")
    engine.ctx.store.commit(lambda txn: labels.append(txn, event))
    with pytest.raises(UsageError, match="there is no taste 'typo'") as error:
        ask(engine, verb, taste="typo", **REQUIRED.get(verb, {}))
    assert "use a taste that exists: default, memes" in error.value.remedy
    assert "typo" not in engine.trainer.tastes


def test_heads_taste_with_labels_alone_is_listed(engine: Engine) -> None:
    event = LabelEvent(1, "memes", bytes(32), "keep", "cli", b"/gone.png")
    engine.ctx.store.commit(lambda txn: labels.append(txn, event))
    assert ask(engine, "heads", taste="memes") == []


def test_undo_order_of_a_subfolder_restores_only_its_files(world: World) -> None:
    for number in range(4):
        world.put(f"{number}.png", f"0.{9 - number}")
        world.put(f"s{number}.png", f"0.{8 - number}1", "inbox/sub")
    before = world.dates()
    with world.engine() as engine:
        world.settle(engine)
        ordered = world.dates()
        moved = {name for name in before if before[name] != ordered[name]}
        inside = {name for name in moved if name.startswith("s")}
        assert inside and moved - inside

        rows = ask(engine, "undo", what="order", folder=os.fspath(world.inbox / "sub"))
        assert {Path(row["path"]).name for row in rows} == inside
        now = world.dates()
        assert {name for name in now if now[name] != ordered[name]} == inside

        # A second undo, of the whole inbox, finds the rest of the same ordering.
        rows = ask(engine, "undo", what="order")
        assert {Path(row["path"]).name for row in rows} == moved - inside
        assert world.dates() == before


def test_undo_label_with_a_folder_is_refused(world: World, engine: Engine) -> None:
    with pytest.raises(UsageError, match="takes no folder"):
        ask(engine, "undo", what="label", folder=os.fspath(world.inbox))


@pytest.mark.parametrize("verb", ["score", "label"])
def test_file_verbs_missing_file_gives_the_nearest_name(
    world: World, engine: Engine, verb: str
) -> None:
    world.put("IMG_1234.jpg", "0.5")
    for name, hint in (("IMG_1243.jpg", "did you mean"), ("zzz.png", "check the name")):
        arguments = {"label": "keep"} if verb == "label" else {}
        (row,) = ask(engine, verb, files=[os.fspath(world.inbox / name)], **arguments)
        assert row["error"].startswith("there is no such file") and hint in row["error"]
        assert row["sha256"] is None
    (row,) = ask(engine, "score", files=[os.fspath(world.inbox / "IMG_1243.jpg")])
    assert f"did you mean {world.inbox}/IMG_1234.jpg?" in row["error"]


@pytest.mark.parametrize(("verb", "more"), [("import", {}), ("heads", {"action": "import"})])
def test_file_arguments_missing_file_or_folder_is_refused(
    world: World, engine: Engine, verb: str, more: dict[str, str]
) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        ask(engine, verb, file=os.fspath(world.folder / "zzz.bin"), **more)
    with pytest.raises(UsageError, match="is a folder"):
        ask(engine, verb, file=os.fspath(world.inbox), **more)


def test_import_labels_missing_folder_is_refused_with_the_nearest(
    world: World, engine: Engine
) -> None:
    (world.folder / "sorted").mkdir()
    with pytest.raises(UsageError, match="does not exist") as error:
        ask(engine, "import-labels", keep=[os.fspath(world.folder / "sortd")])
    assert f"did you mean {world.folder}/sorted?" in error.value.remedy
