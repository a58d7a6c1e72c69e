"""The rows of images that are computed before the first head exists."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.heads import feature_cache, library_cache
from imgscore.paths import library_file, rows_file
from imgscore.store import labels
from imgscore.store.schema import LabelEvent
from imgscore.store.store import Store
from imgscore.workers import cached_rows, prepare_library, prepare_rows
from imgscore.workers.context import Context
from imgscore.workers.library_messages import PrepareLibrary, PrepareRows
from imgscore.workers.messages import Rescore, Train
from imgscore.workers.training import train
from tests.integration.workers.test_cached_rows import (
    DIGESTS,
    about,
    add_images,
    change,
    scored,
)

COUNT = 288
"""the number of images at the beginning"""


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    """The context of a worker, with COUNT images and no label."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in (cached_rows, library_cache, prepare_library):
        monkeypatch.setattr(module, "MIN_IMAGES", 50)
    monkeypatch.setattr(prepare_rows, "MIN_APPENDED", 10)
    monkeypatch.setattr(prepare_rows, "IMAGES_AT_ONCE", 110)
    with Store(tmp_path / "store") as store:
        store.commit(lambda txn: add_images(txn, range(COUNT)))
    context = Context(tmp_path / "store", tmp_path / "heads", "efficientnet-lite0", "cpu")
    yield context
    context.store.close()


def prepare(context: Context) -> list[bool]:
    """Prepare the library and all rows. Return which tasks have left rows for the next one."""
    prepare_library.prepare_library(context, PrepareLibrary())
    more = [prepare_rows.prepare_rows(context, PrepareRows()).more]
    while more[-1]:
        more.append(prepare_rows.prepare_rows(context, PrepareRows()).more)
    return more


def trained(context: Context) -> Context:
    """Label 40 images and train a head. Return the context of a new worker."""
    names = ("trash", "keep")
    events = [
        LabelEvent(number, "default", DIGESTS[number], names[number % 2], "import", b"")
        for number in range(40)
    ]
    context = change(context, lambda txn: [labels.append(txn, event) for event in events])
    train(context, Train("default"))
    return context


def test_first_scoring_after_prepare_rows_projects_no_image(context: Context) -> None:
    assert prepare(context) == [True, True, False]
    size = rows_file().stat().st_size
    context = trained(context)
    expected = scored(context, Rescore("default", "1", DIGESTS[:COUNT]))
    assert scored(context) == about(expected) and len(expected) == COUNT
    assert rows_file().stat().st_size == size
    context.store.close()


def test_prepare_rows_after_new_images_adds_only_their_rows(context: Context) -> None:
    prepare(context)
    before = rows_file().read_bytes()
    assert prepare(context) == [False] and rows_file().read_bytes() == before
    with library_file().open("rb") as file:
        library = file.read()
    # A library of which a twentieth is new stays as it is.
    context = change(context, lambda txn: add_images(txn, range(COUNT, COUNT + 12)))
    assert prepare(context) == [False] and library_file().read_bytes() == library
    after = rows_file().read_bytes()
    assert after.startswith(before) and len(after) > len(before)
    context.store.close()


def test_prepare_rows_after_a_torn_write_computes_the_lost_rows(context: Context) -> None:
    prepare(context)
    good = rows_file().read_bytes()
    rows_file().write_bytes(good[:-1000])
    assert prepare(context) == [False]
    assert rows_file().read_bytes() == good
    context = trained(context)
    assert len(scored(context)) == COUNT
    context.store.close()


def test_prepare_rows_without_a_library_or_space_writes_nothing(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not prepare_rows.prepare_rows(context, PrepareRows()).more
    assert not rows_file().exists()
    monkeypatch.setattr(feature_cache, "MIN_FREE_BYTES", 1 << 62)
    assert prepare(context) == [False]
    assert rows_file().stat().st_size == 0
