"""Rated images on disk, and their labels in an engine with the real reader of ratings."""

import os
from pathlib import Path

from imgscore.engine.engine import Engine
from imgscore.store import labels, sightings
from imgscore.store.schema import Label
from imgscore.store.store import Store
from tests.integration.engine.conftest import until_idle
from tests.support.raters import darktable_sidecar


def xmp_of(path: Path, stars: int) -> Path:
    """Write the sidecar of an image, as darktable does."""
    return darktable_sidecar(path, stars)


def label_in(store: Store, path: Path) -> Label | None:
    with store.read() as txn:
        sighting = sightings.find(txn, os.fsencode(path))
        return None if sighting is None else labels.current(txn, "default", sighting.digest)


def grade(engine: Engine, path: Path) -> float | None:
    """The grade of an image, after the engine has read all events."""
    engine.indexer.hint(os.fsencode(path))
    for sidecar in path.parent.glob("*.[xX][mM][pP]"):
        engine.rating_reader.hint(os.fsencode(sidecar))
    until_idle(engine)
    label = label_in(engine.ctx.store, path)
    return None if label is None else label.grade


def deleted(engine: Engine, path: Path) -> None:
    path.unlink()
    engine.rating_reader.hint(os.fsencode(path))
    until_idle(engine)


def move(engine: Engine, path: Path, target: Path) -> Path:
    """Move a file with its sidecar, as digiKam does."""
    target.parent.mkdir(exist_ok=True)
    moved = path.rename(target)
    sidecar = path.with_name(path.name + ".xmp")
    if sidecar.exists():
        sidecar.rename(target.with_name(target.name + ".xmp"))
    for old in (path, sidecar):
        engine.indexer.hint(os.fsencode(old))
        engine.rating_reader.hint(os.fsencode(old))
    return moved
