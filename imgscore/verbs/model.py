"""model: the embedders there are, which is in use, and how many vectors the store has of each."""

from pathlib import Path

import msgspec

from imgscore.embedders import catalogue, lite0_spec, registry
from imgscore.engine.engine import Engine
from imgscore.errors import ConfigError
from imgscore.messages import Result
from imgscore.store import vectors
from imgscore.verbs.base import Row, Steps


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing to say."""


def run(engine: Engine, request: Request) -> Steps:
    """A row a model; then one for each embedder that only the store knows."""
    ctx = engine.ctx
    with ctx.store.read() as txn:
        stored = {name: record.count for name, record in vectors.embedders(txn).items()}
    names = [registry.BUILT_IN, *catalogue.UFORM]
    if ctx.config.model not in names:
        names.append(ctx.config.model)
    rows = [_row(name) for name in names]
    for row in rows:
        row["in_use"] = row["name"] == ctx.config.model
        row["vectors"] = stored.pop(row["embedder"], 0)
        yield Result(row)
    for embedder, count in sorted(stored.items()):
        yield Result({**_EMPTY, "embedder": embedder, "vectors": count})


_EMPTY: Row = {
    "name": None,
    "embedder": None,
    "installed": False,
    "in_use": False,
    "dimension": None,
    "download_mb": None,
    "disk_bytes": 0,
    "vectors": 0,
    "languages": None,
    "path": None,
    "error": None,
}


def _row(name: str) -> Row:
    """What is known of a model."""
    row = {**_EMPTY, "name": name}
    if name == registry.BUILT_IN:
        file = lite0_spec.MODEL
        known = {"download_mb": 0, "disk_bytes": file.stat().st_size, "path": str(file)}
        return {
            **row,
            **known,
            "installed": True,
            "embedder": lite0_spec.ID,
            "dimension": lite0_spec.DIM,
        }
    entry = catalogue.UFORM.get(name)
    if entry is not None:
        about = {"dimension": entry.dim, "download_mb": entry.megabytes}
        row |= {**about, "languages": entry.languages}
        if not registry.model_folder(name).is_dir():
            return row
    try:
        folder = registry.uform_folder(name)
    except ConfigError as error:
        return {**row, "error": f"{error.message}; {error.remedy}"}
    return {
        **row,
        "installed": True,
        "embedder": folder.id,
        "dimension": folder.image.embedding_dim,
        "disk_bytes": _size(folder.path),
        "path": str(folder.path),
    }


def _size(folder: Path) -> int:
    """Bytes of a model's files."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
