"""The files that lack a vector after a switch of the embedder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgscore.config import Config
from imgscore.embedders.base import sections_of
from imgscore.embedders.registry import Spec
from imgscore.engine.context import EngineContext
from imgscore.engine.events import EventLog
from imgscore.engine.reembed import COMPLETE, Reembedding
from imgscore.store import name_vectors, settings, sightings, vectors
from imgscore.store.schema import Fingerprint, Sighting
from imgscore.store.store import Store
from imgscore.watches import Watch, Watches
from tests.integration.engine.conftest import InlinePool

OLD, NEW = (Spec(name, 2, sections_of(("embedding", 2)), name) for name in ("old", "new"))
NAMED = Spec("new+text-1", 4, sections_of(("embedding", 2), ("name", 2)), "new", "text-1")
VECTOR = b"abcd"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as store:
        yield store


@pytest.fixture
def paths(tmp_path: Path, store: Store) -> list[bytes]:
    """Three files with a vector under the old embedder."""
    found = [os.fsencode(tmp_path / f"{number}.png") for number in range(3)]
    with store.write() as txn:
        for number, path in enumerate(found):
            Path(os.fsdecode(path)).touch()
            seen = Fingerprint(0, number, 0, 0, 0)
            sightings.record(txn, Sighting(path, seen, _digest(number), b"/inbox", "inbox"))
            vectors.append(txn, "old", [(_digest(number), VECTOR)])
    return found


def _digest(number: int) -> bytes:
    return bytes([number]) * 32


def reembedding(store: Store, spec: Spec) -> tuple[Reembedding, set[bytes]]:
    watches = Watches([Watch(os.fsencode(store.folder.parent), (), (), "default", "best-newest")])
    with store.read() as txn:
        event_log = EventLog(store, txn)
    ctx = EngineContext(store, Config(), Path(), watches, spec, InlinePool(store), event_log)
    made = Reembedding(ctx)
    return made, set(made.collect())


def complete(store: Store) -> str | None:
    with store.read() as txn:
        return settings.get(txn, COMPLETE)


def test_reembedding_same_embedder_lacks_nothing(store: Store, paths: list[bytes]) -> None:
    made, missing = reembedding(store, OLD)
    assert not missing and made.complete and made.progress() is None
    assert complete(store) == "old"


def test_reembedding_restart_in_the_middle_continues(store: Store, paths: list[bytes]) -> None:
    reembedding(store, OLD)
    made, missing = reembedding(store, NEW)
    assert missing == set(paths) and not made.complete and complete(store) is None
    assert made.progress() == {"done": 0, "total": 3, "seconds_left": None}
    with store.write() as txn:
        vectors.append(txn, "new", [(_digest(0), VECTOR)])
    made.done([paths[0], b"/unknown"])
    progress = made.progress()
    assert progress is not None and progress["done"] == 1 and progress["seconds_left"] is not None

    made, missing = reembedding(store, NEW)  # killed, and begun again
    assert missing == set(paths[1:]) and paths[1] in made and paths[0] not in made
    made.done(missing)
    assert made.complete and complete(store) == "new"
    # And back, before the new embedder is complete: files that came meanwhile are found.
    made, missing = reembedding(store, OLD)
    assert not missing and complete(store) == "old"


def test_reembedding_unplugged_disk_is_incomplete(store: Store, paths: list[bytes]) -> None:
    path = Path(os.fsdecode(paths[2]))
    path.unlink()
    made, missing = reembedding(store, NEW)
    made.done(missing)
    assert missing == set(paths[:2]) and made.complete
    assert complete(store) is None  # so that the next start collects it
    with store.write() as txn:
        vectors.append(txn, "new", [(_digest(number), VECTOR) for number in range(2)])
    path.touch()
    assert set(made.collect()) == {paths[2]} and not made.complete


def test_reembedding_names_without_a_vector_are_missing(store: Store, paths: list[bytes]) -> None:
    with store.write() as txn:
        vectors.append(txn, "new", [(_digest(number), VECTOR) for number in range(3)])
    assert not reembedding(store, NEW)[1]
    _, missing = reembedding(store, NAMED)
    assert missing == set(paths)
    key = name_vectors.key("new", "text-1", paths[0])
    assert key is not None
    with store.write() as txn:
        name_vectors.put(txn, key, VECTOR)
    # The names are numbers, so that the three share one vector.
    assert not reembedding(store, NAMED)[1]
    with store.write() as txn:
        name_vectors.drop(txn, "new")
        assert name_vectors.get(txn, key) is None
    assert name_vectors.key("new", "hashed-1", paths[0]) is None


def test_reembedding_unwatched_file_does_not_block(store: Store, paths: list[bytes]) -> None:
    elsewhere = Path("/dev/null")
    with store.write() as txn:
        seen = Fingerprint(0, 9, 0, 0, 0)
        path = os.fsencode(elsewhere)
        sightings.record(txn, Sighting(path, seen, _digest(9), b"/dev", "inbox"))
    made, missing = reembedding(store, NEW)
    assert missing == set(paths)
    made.done(missing)
    # When it is watched again it is collected, because the embedder is not complete.
    assert made.complete and complete(store) is None
