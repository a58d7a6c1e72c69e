"""Helpers of the tests about labels from places."""

import os
from pathlib import Path

from imgscore.engine.engine import Engine
from imgscore.reconcile.sidecars import digest_of
from imgscore.store import labels
from imgscore.store.schema import LabelName
from tests.integration.engine.conftest import World


def label_of(world: World, path: Path | bytes, taste: str = "default") -> str | None:
    """The label of a file, or of a digest."""
    digest = path if isinstance(path, bytes) else digest_of(os.fsencode(path))
    assert digest is not None
    with world.engine() as engine, engine.ctx.store.read() as txn:
        label = labels.current(txn, taste, digest)
    return label.label if label else None


def move(path: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    return path.rename(folder / path.name)


def save(path: Path, text: str, *, atomic: bool) -> bytes:
    """Write new bytes, in place or by a rename; the digest of the old bytes."""
    old = digest_of(os.fsencode(path))
    assert old is not None
    target = path.with_suffix(".tmp") if atomic else path
    target.write_text(text)
    target.rename(path)
    return old


def labels_of(engine: Engine) -> dict[LabelName, int]:
    with engine.ctx.store.read() as txn:
        return labels.totals(txn, "default")


def label_of_open(engine: Engine, path: Path) -> str | None:
    digest = digest_of(os.fsencode(path)) or b""
    with engine.ctx.store.read() as txn:
        label = labels.current(txn, "default", digest)
    return label.label if label else None
